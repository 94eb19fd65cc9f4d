"""The networks of the course. The generative ones return torch.distributions."""

from labutils import guards

from contextlib import contextmanager

import torch
from torch import nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)
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

    def __init__(self, input_dim, hidden_dim, output_dim, dropout_ratio=0.5):
        super().__init__()
        if not 0 <= dropout_ratio < 1:
            raise ValueError(
                f"dropout_ratio must be 0 or more and less than 1, got {dropout_ratio!r}."
            )
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.proj2 = nn.Linear(hidden_dim, output_dim)
        self.dropout_ratio = dropout_ratio

    def features(self, images):
        """The hidden units after their activation, (batch, hidden_dim), all >= 0."""
        return F.relu(self.proj1(images))

    def forward(self, images):
        hidden = self.features(images)
        if self.training:
            # written out: three times as fast as nn.Dropout on a CPU
            mask = torch.rand_like(hidden) >= self.dropout_ratio
            hidden = mask * hidden / (1 - self.dropout_ratio)
        return self.proj2(hidden)

    def extra_repr(self):
        return f"dropout_ratio={self.dropout_ratio}"


class GaussianVAE(nn.Module):
    """Variational autoencoder with latents z ~ N(0, I) (Kingma and Welling, 2014).

    One hidden layer on each side. likelihood="bernoulli" is for pixels that are 0 or 1,
    "gaussian" for grey ones, with one variance for all pixels, learned with the weights.
    """

    def __init__(self, latent_dim, hidden_dim, likelihood="bernoulli"):
        super().__init__()
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f'likelihood must be "bernoulli" or "gaussian", got {likelihood!r}.')
        self.encoder = _mlp(PIXELS, hidden_dim, 2 * latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)
        # it starts near the variance of MNIST's pixels, so that the first epochs find it
        log_var = nn.Parameter(torch.tensor(-2.4)) if likelihood == "gaussian" else None
        self.register_parameter("log_var", log_var)
        self.register_buffer("zeros", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("ones", torch.ones(latent_dim), persistent=False)

    @property
    def prior(self):
        """p(z) = N(0, I): one event is a latent vector."""
        return Independent(Normal(self.zeros, self.ones, validate_args=False), 1)

    def posterior(self, x):
        """q(z given x) = N(mean(x), diag(exp(log_var(x)))), Eq. 3.3: x (batch, 784)."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return _normal(mean, log_var)

    def likelihood(self, z):
        """p(x given z), Eq. 3.2 or Eq. 3.13: z (..., latent_dim); an event is an image."""
        output = self.decoder(z)
        if self.log_var is not None:
            return _normal(output, self.log_var)
        return Independent(Bernoulli(logits=output, validate_args=False), 1)

    @torch.no_grad()
    def sample(self, n):
        """n images (n, 784), drawn from p(x given z) with z drawn from the prior."""
        return self.likelihood(self.prior.sample((n,))).sample()


class BernoulliVAE(nn.Module):
    """Variational autoencoder whose code z is latent_dim bits, for pixels that are 0 or 1.

    One hidden layer on each side, or none with hidden_dim=None: the linear model of Yin and Zhou
    (2019), a sigmoid belief network with one layer.
    """

    def __init__(self, latent_dim, hidden_dim):
        super().__init__()
        self.encoder = _mlp(PIXELS, hidden_dim, latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)
        self.register_buffer("zeros", torch.zeros(latent_dim), persistent=False)

    @property
    def prior(self):
        """p(z), Eq. 4.1: each bit is a fair coin; one event is a whole code."""
        return Independent(Bernoulli(logits=self.zeros), 1)

    def posterior(self, x):
        """q(z given x), Eq. 4.2: x (batch, 784). Its log_prob refuses codes that are not bits."""
        logits = self.encoder(x)
        guards.finite_logits(logits)
        return Independent(Bernoulli(logits=logits), 1)

    def likelihood(self, z):
        """p(x given z), Eq. 3.2: z (..., latent_dim), bits or relaxed ones."""
        return Independent(Bernoulli(logits=self.decoder(z), validate_args=False), 1)

    @torch.no_grad()
    def sample(self, n):
        """n images (n, 784), drawn from p(x given z) with z drawn from the prior."""
        return self.likelihood(self.prior.sample((n,))).sample()


class AutoEncoder(nn.Module):
    """A deterministic autoencoder: images (batch, 784) to codes (batch, latent_dim) and back.

    One hidden layer on each side, as in GaussianVAE. Its pixels lie between 0 and 1; there is no
    distribution over codes or images, and so no prior, no likelihood and no sample().
    """

    def __init__(self, latent_dim, hidden_dim):
        super().__init__()
        self.encoder = _mlp(PIXELS, hidden_dim, latent_dim)
        self.decoder = _mlp(latent_dim, hidden_dim, PIXELS)

    def encode(self, images):
        return self.encoder(images)

    def decode(self, codes):
        """Pixels in [0, 1], (..., 784), of codes (..., latent_dim)."""
        return self.decoder(codes).sigmoid()

    def forward(self, images):
        """The reconstructions of images."""
        return self.decode(self.encode(images))


def start_at_mean(model, images):
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


def fit_mixture(codes, components, seed=0, tolerance=1e-2):
    """A Gaussian mixture with full covariances, fitted to codes by EM (scikit-learn), Eq. 5.2.

    codes: (N, d). Returns a distribution over codes, to sample from like a prior. EM starts
    from k-means and ends when a step gains less than `tolerance` nats per code. Raises
    ValueError for codes that are not finite, or too few for a covariance.
    """
    from sklearn.mixture import GaussianMixture  # here, since it is slow to import
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    _check_codes(codes, components)
    scale = codes.var(0).mean().item()
    em = GaussianMixture(
        components, reg_covar=1e-4 * scale, tol=tolerance, max_iter=500, random_state=seed
    )
    # one thread: beside torch's idle ones, those of scikit-learn take up to 60 times as long
    with threadpool_limits(1):
        em.fit(codes.double().cpu().numpy())
    weights, means, covariances = (
        torch.from_numpy(array).to(codes) for array in (em.weights_, em.means_, em.covariances_)
    )
    return _Mixture(Categorical(weights), MultivariateNormal(means, covariances))


class _Mixture(MixtureSameFamily):
    """torch's mixture draws from every component and keeps one draw: this draws one only."""

    def sample(self, sample_shape=()):
        k = self.mixture_distribution.sample(sample_shape)
        parts = self.component_distribution
        noise = torch.randn(*k.shape, parts.loc.shape[-1], 1).to(parts.loc)
        return parts.loc[k] + (parts.scale_tril[k] @ noise).squeeze(-1)


def _check_codes(codes, components):
    if codes.ndim != 2 or not codes.isfinite().all():
        raise ValueError(
            f"Expected finite codes of shape (N, d), got a tensor of shape {tuple(codes.shape)}"
            + ("." if codes.ndim != 2 else " with NaN or infinite values.")
        )
    count, dimensions = codes.shape
    if count > 1 and (codes == codes[0]).all():
        raise ValueError(f"The {count} codes are all the same: there is nothing to fit.")
    if not isinstance(components, int) or not 1 <= components * (dimensions + 1) <= count:
        raise ValueError(
            f"components must be a whole number from 1 to {count // (dimensions + 1)}: each needs "
            f"{dimensions + 1} of the {count} codes for its covariance. Got {components!r}."
        )


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
