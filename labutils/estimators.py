"""Estimators of E_q[g(z)] and its gradient, where the code z is bits, as in BernoulliVAE.

Each takes (g, logits, num_samples), so that one can be put in the place of another. `logits`
(batch, latent) are those of q; `g` maps codes z (samples, batch, latent) to one number each,
(samples, batch): in a VAE, log p(x given z). Each returns (batch,), in the unit of g: its value
estimates E_q[g], its gradient that of E_q[g], through the logits and through what g is made of, a
decoder's weights. They differ in what the logits learn.

Their values are computed with hard bits and are unbiased, but for gumbel_softmax: it gives g
relaxed bits, and its value is no estimate of E_q[g]. `bits_elbo` makes an ELBO of any of them to
train on. Report `elbo`, whatever was trained.

All raise ValueError for logits that are not finite, and where g does not return (samples, batch).
"""

from labutils import guards
from labutils.objectives import expectation, kl_bernoulli

from collections.abc import Callable

import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

Function = Callable[[torch.Tensor], torch.Tensor]  # z (samples, batch, latent) to (samples, batch)


def exact(g: Function, logits: torch.Tensor) -> torch.Tensor:
    """E_q[g] over all codes (Eq. 4.5): what the others estimate. At most MOST_BITS bits."""
    guards.finite_logits(logits)
    return expectation(lambda z: _values(g, z.expand(-1, *logits.shape)), _q(logits))


def score_function(g: Function, logits: torch.Tensor, num_samples: int = 2) -> torch.Tensor:
    """Eq. 4.9, also called REINFORCE (Williams, 1992). Unbiased, and very noisy."""
    z = _bits(logits, num_samples)
    values = _values(g, z)
    return (values + values.detach() * _score(logits, z)).mean(0)


def leave_one_out(g: Function, logits: torch.Tensor, num_samples: int = 2) -> torch.Tensor:
    """Eq. 4.10 (Kool et al., 2019): the baseline is the mean of g over the other samples.

    Unbiased. Raises ValueError for fewer than two samples.
    """
    if guards.whole_number(num_samples, "num_samples") == 1:
        raise ValueError("leave_one_out needs at least 2 samples: of one, there are no others.")
    z = _bits(logits, num_samples)
    values = _values(g, z)
    baseline = (values.sum(0) - values) / (num_samples - 1)
    return (values + (values - baseline).detach() * _score(logits, z)).mean(0)


def disarm(g: Function, logits: torch.Tensor, num_samples: int = 2) -> torch.Tensor:
    """Eq. 4.11 (Dong et al., 2020): from pairs of codes that share their noise.

    Unbiased. Raises ValueError for an odd number of samples.
    """
    if guards.whole_number(num_samples, "num_samples") % 2:
        raise ValueError(f"disarm draws pairs: num_samples must be even, got {num_samples}.")
    u = _noise(logits, num_samples // 2)
    z, mirrored = (u < logits.sigmoid()).to(logits), (1 - u < logits.sigmoid()).to(logits)
    of_z, of_mirrored = _values(g, torch.cat([z, mirrored])).chunk(2)
    difference = (of_z - of_mirrored)[..., None] / 2
    slope = (difference * (z - mirrored) * logits.abs().sigmoid()).detach()
    signal = (slope * (logits - logits.detach())).sum(-1)  # its value is 0
    return ((of_z + of_mirrored) / 2 + signal).mean(0)


def straight_through(g: Function, logits: torch.Tensor, num_samples: int = 2) -> torch.Tensor:
    """Eq. 4.12 (Bengio et al., 2013): decode the bit, differentiate its probability. Biased."""
    z, probabilities = _bits(logits, num_samples), logits.sigmoid()
    return _values(g, z + probabilities - probabilities.detach()).mean(0)


def gumbel_softmax(
    g: Function, logits: torch.Tensor, num_samples: int = 2, *, temperature: float = 0.5
) -> torch.Tensor:
    """Eq. 4.13, for bits (Jang et al., 2017; Maddison et al., 2017): decode relaxed bits. Biased.

    Raises ValueError unless temperature > 0.
    """
    guards.positive(temperature, "temperature", "0.5")
    u = _noise(logits, guards.whole_number(num_samples, "num_samples"))
    return _values(g, ((logits + u.logit()) / temperature).sigmoid()).mean(0)


def bits_elbo(
    estimator: Callable[..., torch.Tensor], model: nn.Module, x: torch.Tensor, num_samples: int = 2
) -> torch.Tensor:
    """The ELBO of a BernoulliVAE to train on, Eq. 3.5: E_q[log p(x given z)] by `estimator`.

    x: (batch, 784). Returns (batch,) in nats: `loss = -bits_elbo(disarm, model, x).mean()`. The
    KL term is exact. Raises ValueError unless posterior and prior are independent bits.
    """
    posterior, prior = (
        getattr(each, "base_dist", None) for each in (model.posterior(x), model.prior)
    )
    if not (isinstance(posterior, Bernoulli) and isinstance(prior, Bernoulli)):
        raise ValueError("bits_elbo needs a BernoulliVAE whose prior is independent bits.")

    def g(z):
        return model.likelihood(z).log_prob(x)

    expected = estimator(g, posterior.logits, num_samples)
    return expected - kl_bernoulli(posterior.logits, prior.logits)


def _bits(logits, num_samples):
    """Codes drawn from q, without gradient: (samples, batch, latent)."""
    guards.whole_number(num_samples, "num_samples")
    guards.finite_logits(logits)
    return _q(logits).sample((num_samples,))


def _noise(logits, num_samples):
    """Uniform noise for each bit: (samples, batch, latent)."""
    guards.finite_logits(logits)
    return torch.rand(num_samples, *logits.shape, dtype=logits.dtype, device=logits.device)


def _values(g, z):
    """g(z), if it is one number for each code."""
    values = g(z)
    got = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
    if got != z.shape[:-1]:
        raise ValueError(
            f"g must return one number for each code: z of shape {tuple(z.shape)} (samples, batch, "
            f"latent) to {tuple(z.shape[:-1])}, got {got}. Sum over the last axis only."
        )
    return values


def _q(logits):
    return Independent(Bernoulli(logits=logits), 1)


def _score(logits, z):
    """A number whose value is 0 and whose gradient is that of log q(z)."""
    log_q = _q(logits).log_prob(z)
    return log_q - log_q.detach()
