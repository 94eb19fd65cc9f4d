"""What the course maximises: one function per equation, in nats, one number per example."""

import math

import torch
from torch.distributions import kl_divergence

MEMORY = 2**25  # numbers in the largest tensor that importance_bound makes: 128 MiB of float32


def kl_diagonal_gaussian(mean, log_var):
    """KL(N(mean, diag(exp(log_var))) || N(0, I)), Eq. 3.7.

    mean, log_var: (..., latent). Returns (...,) in nats, never negative.
    """
    # expm1(a) is exp(a) - 1 without the rounding that would make small divergences negative
    return 0.5 * (log_var.expm1() + mean**2 - log_var).sum(-1)


def elbo(model, x, num_samples=1):
    """Evidence lower bound on log p(x), Eq. 3.4 as Eq. 3.5, by Monte Carlo (Eq. 3.8).

    x: (batch, 784). Returns (batch,) in nats. The gradient reaches the encoder through the
    reparameterised samples.
    """
    _check_count(num_samples)
    posterior = model.posterior(x)
    z = posterior.rsample((num_samples,))  # (samples, batch, latent)
    log_likelihood = model.likelihood(z).log_prob(x).mean(0)
    return log_likelihood - kl_divergence(posterior, model.prior)


@torch.no_grad()
def importance_bound(model, x, num_samples):
    """Importance-weighted lower bound on log p(x) (Burda et al., 2016), Eq. 3.11.

    x: (batch, 784). Returns (batch,) in nats, no gradient. It rises toward log p(x) with
    num_samples. Samples are drawn a few at a time: memory does not grow with their number.
    """
    _check_count(num_samples)
    posterior, prior = model.posterior(x), model.prior
    total = x.new_full(x.shape[:1], -math.inf)
    at_once = max(1, MEMORY // x.numel())
    for first in range(0, num_samples, at_once):
        z = posterior.sample((min(at_once, num_samples - first),))
        log_weight = model.likelihood(z).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)
        total = torch.logaddexp(total, log_weight.logsumexp(0))
    return total - math.log(num_samples)


def _check_count(num_samples):
    if not isinstance(num_samples, int) or num_samples < 1:
        raise ValueError(f"num_samples must be a whole number, 1 or more, got {num_samples!r}.")
