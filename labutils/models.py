"""The networks of the course. The generative ones return torch.distributions."""

from labutils import guards

import copy
from contextlib import contextmanager
from typing import Literal, Self

import torch
from torch import nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.nn import functional as F

PIXELS = 784


@contextmanager
def evaluating(model: nn.Module):
    """Evaluation mode, without gradients, in the block; each module's own mode comes back after it.

    For what measures a model: dropout stays on in a training loop that measures on the way.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


class Classifier(nn.Module):
    """One hidden layer: images (batch, input_dim) to class logits (batch, output_dim), Eq. 2.1.

    In training, units that dropout spares are scaled up (Eq. 2.2), so that nothing changes in
    evaluation mode. Raises ValueError unless 0 <= dropout_ratio < 1.
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, output_dim: int, dropout_ratio: float = 0.5
    ):
        super().__init__()
        if not 0 <= dropout_ratio < 1:
            raise ValueError(
                f"dropout_ratio must be 0 or more and less than 1, got {dropout_ratio!r}."
            )
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.proj2 = nn.Linear(hidden_dim, output_dim)
        self.dropout_ratio = dropout_ratio

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The hidden units after their activation, (batch, hidden_dim), all >= 0."""
        return F.relu(self.proj1(images))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.features(images)
        if self.training:
            # written out: three times as fast as nn.Dropout on a CPU
            mask = torch.rand_like(hidden) >= self.dropout_ratio
            hidden = mask * hidden / (1 - self.dropout_ratio)
        return self.proj2(hidden)

    def extra_repr(self) -> str:
        return f"dropout_ratio={self.dropout_ratio}"


class _VAE(nn.Module):
    """What the VAEs share: a prior that can be exchanged, and samples.

    `prior` is p(z): one event is a whole code, (latent_dim,). It moves with the weights (.to(),
    .double()), but is not in state_dict().
    """

    def __init__(self, prior: Distribution):
        super().__init__()
        self.prior = prior

    def with_prior(self, prior: Distribution) -> Self:
        """A copy of the model, weights included, under another p(z).

        `prior` is a distribution whose event is one code: shape (latent_dim,), and bits for a
        BernoulliVAE. Raises ValueError for others.
        """
        own = self.prior
        if not isinstance(prior, Distribution):
            raise ValueError(f"prior must be a torch distribution, got {type(prior).__name__}.")
        if (prior.batch_shape, prior.event_shape) != ((), own.event_shape):
            raise ValueError(
                f"prior must be one density over codes of shape {tuple(own.event_shape)}, got "
                f"{tuple(prior.batch_shape)} densities over shape {tuple(prior.event_shape)}. "
                f"Independent(prior, 1) makes one event of independent dimensions."
            )
        if prior.support.is_discrete != own.support.is_discrete:
            kind = "bits" if own.support.is_discrete else "real numbers"
            raise ValueError(f"The codes of this model are {kind}: those of the prior are not.")
        weights = next(self.parameters())
        other = copy.deepcopy(self)
        other.prior = _map_tensors(prior, lambda tensor: tensor.to(weights))
        return other

    @torch.no_grad()
    def sample(self, n: int) -> torch.Tensor:
        """n images (n, 784), drawn from p(x given z) with z drawn from the prior."""
        return self.likelihood(self.prior.sample((n,))).sample()

    def _apply(self, fn, recurse=True):
        """What .to(), .double() and the like call: the prior goes where the weights go."""
        self.prior = _map_tensors(self.prior, fn)
        return super()._apply(fn, recurse)


class GaussianVAE(_VAE):
    """Variational autoencoder with latents z ~ N(0, I) (Kingma and Welling, 2014).

    One hidden layer on each side. likelihood="bernoulli" is for pixels that are 0 or 1,
    "gaussian" for grey ones, with one variance for all pixels, learned with the weights.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden_dim: int,
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
    ):
        zeros, ones = torch.zeros(latent_dim), torch.ones(latent_dim)
        super().__init__(Independent(Normal(zeros, ones, validate_args=False), 1))
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f'likelihood must be "bernoulli" or "gaussian", got {likelihood!r}.')
        self.encoder = _mlp(PIXELS, hidden_dim, 2 * latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)
        # it starts near the variance of MNIST's pixels, so that the first epochs find it
        log_var = nn.Parameter(torch.tensor(-2.4)) if likelihood == "gaussian" else None
        self.register_parameter("log_var", log_var)

    def posterior(self, x: torch.Tensor) -> Independent:
        """q(z given x) = N(mean(x), diag(exp(log_var(x)))), Eq. 3.4: x (batch, 784)."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return _normal(mean, log_var)

    def likelihood(self, z: torch.Tensor) -> Independent:
        """p(x given z), Eq. 3.2 or Eq. 3.13: z (..., latent_dim); an event is an image."""
        output = self.decoder(z)
        if self.log_var is not None:
            return _normal(output, self.log_var)
        return Independent(Bernoulli(logits=output, validate_args=False), 1)


class BernoulliVAE(_VAE):
    """Variational autoencoder whose code z is latent_dim bits, for pixels that are 0 or 1.

    Each bit is a fair coin in the prior p(z), Eq. 4.1, unless with_prior() gives another. One
    hidden layer on each side, or none with hidden_dim=None: the linear model of Yin and Zhou
    (2019), a sigmoid belief network with one layer.
    """

    def __init__(self, latent_dim: int, hidden_dim: int | None):
        super().__init__(Independent(Bernoulli(logits=torch.zeros(latent_dim)), 1))
        self.encoder = _mlp(PIXELS, hidden_dim, latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)

    def posterior(self, x: torch.Tensor) -> Independent:
        """q(z given x), Eq. 4.2: x (batch, 784). Its log_prob refuses codes that are not bits."""
        logits = self.encoder(x)
        guards.finite_logits(logits)
        return Independent(Bernoulli(logits=logits), 1)

    def likelihood(self, z: torch.Tensor) -> Independent:
        """p(x given z), Eq. 3.2: z (..., latent_dim), bits or relaxed ones."""
        return Independent(Bernoulli(logits=self.decoder(z), validate_args=False), 1)


class AutoEncoder(nn.Module):
    """A deterministic autoencoder: images (batch, 784) to codes (batch, latent_dim) and back.

    One hidden layer on each side, as in GaussianVAE. Its pixels lie between 0 and 1; there is no
    distribution over codes or images, and so no prior, no likelihood and no sample().
    """

    def __init__(self, latent_dim: int, hidden_dim: int):
        super().__init__()
        self.encoder = _mlp(PIXELS, hidden_dim, latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Pixels in [0, 1], (..., 784), of codes (..., latent_dim)."""
        return self.decoder(codes).sigmoid()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The reconstructions of images."""
        return self.decode(self.encode(images))


def start_at_mean(model: nn.Module, images: torch.Tensor) -> nn.Module:
    """Set the decoder's last offsets to the logits of the mean of images (N, 784).

    It then starts from what any decoder learns first. Returns the model. Raises ValueError for a
    Gaussian likelihood, whose decoder returns pixels and not their logits.
    """
    if getattr(model, "log_var", None) is not None:
        raise ValueError("The decoder of a Gaussian likelihood returns pixels, not logits.")
    mean = images.mean(0).clamp(0.01, 0.99)  # some pixels are never inked: their logit is finite
    *_, offset = model.decoder.parameters()
    with torch.no_grad():
        offset.copy_(mean.logit())
    return model


def _mlp(input_dim, hidden_dim, output_dim):
    """One hidden layer, or none."""
    if hidden_dim is None:
        return nn.Linear(input_dim, output_dim)
    return nn.Sequential(
        nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, output_dim)
    )


def _normal(mean, log_var):
    """A Gaussian with diagonal covariance. Inputs are not checked: fit() did that once."""
    return Independent(Normal(mean, (log_var / 2).exp(), validate_args=False), 1)


def _map_tensors(distribution, function):
    """A copy of a distribution whose tensors, and those of the ones inside it, are mapped."""
    other = copy.copy(distribution)
    for name, value in vars(distribution).items():
        if isinstance(value, torch.Tensor):
            setattr(other, name, function(value))
        elif isinstance(value, Distribution):
            setattr(other, name, _map_tensors(value, function))
    return other
