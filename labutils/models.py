"""The networks of the course. The generative ones return torch.distributions."""

import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal
from torch.nn import functional as F

PIXELS = 784


class Classifier(nn.Module):
    """One hidden layer: images (batch, input_dim) to class logits (batch, output_dim), Eq. 2.1.

    In training, units that dropout spares are scaled up (Eq. 2.2), so that nothing changes in
    evaluation mode.
    """

    def __init__(self, input_dim, hidden_dim, output_dim, dropout_ratio=0.5):
        super().__init__()
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.proj2 = nn.Linear(hidden_dim, output_dim)
        self.dropout = nn.Dropout(dropout_ratio)

    def features(self, images):
        """The hidden units after their activation, (batch, hidden_dim), all >= 0."""
        return F.relu(self.proj1(images))

    def forward(self, images):
        return self.proj2(self.dropout(self.features(images)))


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
        return Independent(Bernoulli(logits=self.encoder(x)), 1)

    def likelihood(self, z):
        """p(x given z), Eq. 3.2: z (..., latent_dim), bits or relaxed ones."""
        return Independent(Bernoulli(logits=self.decoder(z), validate_args=False), 1)

    @torch.no_grad()
    def sample(self, n):
        """n images (n, 784), drawn from p(x given z) with z drawn from the prior."""
        return self.likelihood(self.prior.sample((n,))).sample()


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
