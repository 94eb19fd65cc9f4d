"""What the course maximises: one function per equation, in nats, one number per example."""

from labutils import guards

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.distributions import Distribution, kl_divergence
from torch.nn import functional as F

MEMORY = 2**20  # numbers in the largest tensor that importance_bound makes: it stays in the cache
MOST_BITS = 16  # that are enumerated: 65,536 codes


def kl_diagonal_gaussian(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, diag(exp(log_var))) || N(0, I)), Eq. 3.7.

    mean, log_var: (..., latent). Returns (...,) in nats, never negative.
    """
    # expm1(a) is exp(a) - 1 without the rounding that would make small divergences negative
    return 0.5 * (log_var.expm1() + mean**2 - log_var).sum(-1)


def kl_bernoulli(logits: torch.Tensor, prior_logits: torch.Tensor | float = 0.0) -> torch.Tensor:
    """KL(Ber(sigmoid(logits)) || Ber(sigmoid(prior_logits))), Eq. 4.3, summed over the bits.

    logits: (..., latent), prior_logits a number or a tensor. Returns (...,) in nats, never
    negative. Raises ValueError where a logit is not finite.
    """
    prior_logits = torch.as_tensor(prior_logits, dtype=logits.dtype, device=logits.device)
    for argument in (logits, prior_logits):
        guards.finite_logits(argument)
    # log sigmoid never takes the logarithm of 0, and log(1 - sigmoid(a)) is log sigmoid(-a)
    one = logits.sigmoid() * (F.logsigmoid(logits) - F.logsigmoid(prior_logits))
    zero = (-logits).sigmoid() * (F.logsigmoid(-logits) - F.logsigmoid(-prior_logits))
    return (one + zero).sum(-1).clamp(min=0)  # rounding can leave -1e-8


def elbo(model: nn.Module, x: torch.Tensor, num_samples: int = 1) -> torch.Tensor:
    """Evidence lower bound on log p(x), Eq. 3.5, by Monte Carlo (Eq. 3.8).

    x: (batch, 784). Returns (batch,) in nats. Its gradient reaches the encoder through
    reparameterised samples. Bits have none: there only the KL term's gradient does, which is
    not that of the ELBO. Use it to score, and labutils.estimators to train. The KL term is in
    closed form where torch has one, and otherwise, as for a mixture, from the same samples.
    """
    guards.whole_number(num_samples, "num_samples")
    posterior = model.posterior(x)
    draw = posterior.rsample if posterior.has_rsample else posterior.sample
    z = draw((num_samples,))  # (samples, batch, latent)
    log_likelihood = model.likelihood(z).log_prob(x).mean(0)
    kl = _closed_form_kl(posterior, model.prior)
    if kl is None:
        kl = (posterior.log_prob(z) - model.prior.log_prob(z)).mean(0)
    return log_likelihood - kl


@torch.no_grad()
def importance_bound(model: nn.Module, x: torch.Tensor, num_samples: int) -> torch.Tensor:
    """Importance-weighted lower bound on log p(x) (Burda et al., 2016), Eq. 3.11.

    x: (batch, 784). Returns (batch,) in nats, no gradient. It rises toward log p(x) with
    num_samples. Samples are drawn a few at a time: memory does not grow with their number.
    """
    guards.whole_number(num_samples, "num_samples")
    posterior, prior = model.posterior(x), model.prior
    total = x.new_full(x.shape[:1], -math.inf)
    at_once = max(1, MEMORY // x.numel())
    for first in range(0, num_samples, at_once):
        z = posterior.sample((min(at_once, num_samples - first),))
        log_weight = model.likelihood(z).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)
        total = torch.logaddexp(total, log_weight.logsumexp(0))
    return total - math.log(num_samples)


def all_codes(latent_dim: int) -> torch.Tensor:
    """Every code of latent_dim bits, as float32 (2 ** latent_dim, latent_dim), counting upward.

    Raises ValueError for more bits than MOST_BITS.
    """
    if guards.whole_number(latent_dim, "latent_dim") > MOST_BITS:
        raise ValueError(
            f"{latent_dim} bits are too many to enumerate, the limit is {MOST_BITS}. Use elbo or "
            f"importance_bound."
        )
    places = torch.arange(latent_dim - 1, -1, -1)
    return (torch.arange(2**latent_dim)[:, None] >> places & 1).float()


def expectation(g: Callable[[torch.Tensor], torch.Tensor], q: Distribution) -> torch.Tensor:
    """E_q[g] over all codes of bits, Eq. 4.5, gradient included.

    q: independent bits for each image, (batch,) distributions over codes (latent,). g maps codes
    (codes, 1, latent) to (codes, batch). Returns (batch,). Raises ValueError for what is not bits.
    """
    z = _codes(q)
    return (q.log_prob(z).exp() * g(z)).sum(0)


def exact_elbo(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The ELBO of a BernoulliVAE with its expectation in full, Eq. 4.5, gradient included.

    x: (batch, 784). Returns (batch,) in nats.
    """
    posterior, prior = model.posterior(x), model.prior
    expected = expectation(partial(_log_likelihood, model, x), posterior)
    kl = _closed_form_kl(posterior, prior)
    if kl is None:
        kl = expectation(lambda z: posterior.log_prob(z) - prior.log_prob(z), posterior)
    return expected - kl


def exact_log_likelihood(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """log p(x) of a BernoulliVAE by summing over all codes, Eq. 4.6. Returns (batch,) in nats."""
    z = _codes(model.prior)
    return (_log_likelihood(model, x, z) + model.prior.log_prob(z)).logsumexp(0)


def _codes(q: Distribution) -> torch.Tensor:
    """All codes of q, (codes, 1, latent): the images, along the middle axis, share them."""
    if not q.support.is_discrete:
        raise ValueError("Only codes of bits can be enumerated: expected a BernoulliVAE.")
    return all_codes(q.event_shape[0]).to(q.mean)[:, None]


def _closed_form_kl(posterior: Distribution, prior: Distribution) -> torch.Tensor | None:
    """KL(posterior || prior), (batch,), or None where torch knows no closed form."""
    try:  # torch's KL of two Bernoullis does not broadcast: the prior once for each image
        return kl_divergence(posterior, prior.expand(posterior.batch_shape))
    except NotImplementedError:
        return None


def _log_likelihood(model, x, z):
    """log p(x given z) for codes z (codes, 1, latent) that all images share, as one matrix product.

    Returns (codes, batch).
    """
    logits = model.likelihood(z.squeeze(1)).base_dist.logits
    return logits @ x.T - F.softplus(logits).sum(-1, keepdim=True)
