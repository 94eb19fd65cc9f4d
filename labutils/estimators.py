"""Estimators of the gradient of the ELBO where the code is bits (BernoulliVAE).

Each takes (model, x, num_samples), x of shape (batch, 784), so that one can be put in the place
of another, and returns (batch,) in nats: its value estimates the ELBO, its gradient the gradient
of the ELBO. So `loss = -estimator(model, x).mean()`. The KL term is exact in all of them; they
differ in what the encoder learns from g(z) = log p(x given z).

Their values are computed with hard bits and are ELBO estimates, but for gumbel_softmax: it
decodes relaxed bits, and its value is no bound on log p(x). Report `elbo`, whatever was trained.
"""

from labutils import guards
from labutils.objectives import kl_bernoulli

import math

import torch


def score_function(model, x, num_samples=2):
    """Eq. 4.9, also called REINFORCE (Williams, 1992). Unbiased, and very noisy."""
    posterior, z = _sampled_bits(model, x, num_samples)
    g = model.likelihood(z).log_prob(x)
    return (g + g.detach() * _score(posterior, z)).mean(0) - _kl(posterior, model)


def leave_one_out(model, x, num_samples=2):
    """Eq. 4.10 (Kool et al., 2019): the baseline is the mean of g over the other samples.

    Unbiased. Raises ValueError for fewer than two samples.
    """
    guards.whole_number(num_samples, "num_samples")
    if num_samples == 1:
        raise ValueError("leave_one_out needs at least 2 samples: of one, there are no others.")
    posterior, z = _sampled_bits(model, x, num_samples)
    g = model.likelihood(z).log_prob(x)
    baseline = (g.sum(0) - g) / (num_samples - 1)
    return (g + (g - baseline).detach() * _score(posterior, z)).mean(0) - _kl(posterior, model)


def disarm(model, x, num_samples=2):
    """Eq. 4.11 (Dong et al., 2020): from pairs of codes that share their noise.

    Unbiased. Raises ValueError for an odd number of samples.
    """
    guards.whole_number(num_samples, "num_samples")
    if num_samples % 2:
        raise ValueError(f"disarm draws pairs: num_samples must be even, got {num_samples}.")
    posterior = model.posterior(x)
    logits = posterior.base_dist.logits
    u = torch.rand(num_samples // 2, *logits.shape, dtype=x.dtype, device=x.device)
    z, mirrored = (u < logits.sigmoid()).to(x), (1 - u < logits.sigmoid()).to(x)
    g, g_mirrored = model.likelihood(torch.stack([z, mirrored])).log_prob(x)
    weight = (g - g_mirrored).detach()[..., None] / 2 * (z - mirrored) * logits.abs().sigmoid()
    signal = (weight.detach() * (logits - logits.detach())).sum(-1)  # its value is 0
    return ((g + g_mirrored) / 2 + signal).mean(0) - _kl(posterior, model)


def straight_through(model, x, num_samples=2):
    """Eq. 4.12 (Bengio et al., 2013): decode the bit, differentiate its probability. Biased."""
    posterior, z = _sampled_bits(model, x, num_samples)
    z = z + posterior.mean - posterior.mean.detach()
    return model.likelihood(z).log_prob(x).mean(0) - _kl(posterior, model)


def gumbel_softmax(model, x, num_samples=2, *, temperature=0.5):
    """Eq. 4.13, for bits (Jang et al., 2017; Maddison et al., 2017): decode relaxed bits. Biased.

    Raises ValueError unless temperature > 0.
    """
    if not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a positive number, got {temperature!r}. Try 0.5.")
    guards.whole_number(num_samples, "num_samples")
    posterior = model.posterior(x)
    logits = posterior.base_dist.logits
    u = torch.rand(num_samples, *logits.shape, dtype=x.dtype, device=x.device)
    z = ((logits + u.logit()) / temperature).sigmoid()
    return model.likelihood(z).log_prob(x).mean(0) - _kl(posterior, model)


def _sampled_bits(model, x, num_samples):
    """The posterior, and codes drawn from it: (samples, batch, latent)."""
    guards.whole_number(num_samples, "num_samples")
    posterior = model.posterior(x)
    return posterior, posterior.sample((num_samples,))


def _score(posterior, z):
    """A number whose value is 0 and whose gradient is that of log q(z given x)."""
    log_q = posterior.log_prob(z)
    return log_q - log_q.detach()


def _kl(posterior, model):
    return kl_bernoulli(posterior.base_dist.logits, model.prior.base_dist.logits)
