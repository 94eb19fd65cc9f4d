import math

import numpy as np
import torch
from scipy import special
from torch.distributions import (
    Bernoulli,
    Independent,
    RelaxedBernoulli,
    kl_divergence,
)
from torch.nn import functional as F

from . import right, wrong

# Exercise 4.1


@right("kl_bits")
def bits_as_hinted(logits):
    p = logits.sigmoid()
    on, off = F.logsigmoid(logits), F.logsigmoid(-logits)
    return (p * (on + math.log(2)) + (1 - p) * (off + math.log(2))).sum(-1)


@right("kl_bits")
def bits_by_torch(logits):
    return kl_divergence(Bernoulli(logits=logits), Bernoulli(logits=torch.zeros_like(logits))).sum(
        1
    )


@right("kl_bits")
def bits_by_entropy(ell):
    entropy = Bernoulli(logits=ell).entropy()
    return ell.shape[-1] * math.log(2) - entropy.sum(-1)


@right("kl_bits")
def bits_by_softplus(logits):
    p = torch.sigmoid(logits)
    return (math.log(2) - F.softplus(-logits) - (1 - p) * logits).sum(dim=-1)


@right("kl_bits")
def bits_by_cross_entropy(logits):
    p = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, p, reduction="none")
    return (math.log(2) - entropy).sum(-1)


@right("kl_bits")
def bits_in_a_loop(logits):
    out = torch.zeros(len(logits))
    for column in logits.unbind(1):
        for sign in (1, -1):
            log_p = F.logsigmoid(sign * column)
            out = out + log_p.exp() * (log_p - math.log(0.5))
    return out


@wrong("kl_bits")
def bits_naive(logits):
    # 4.3 as printed: 0 log 0
    p = logits.sigmoid()
    return (p * (p / 0.5).log() + (1 - p) * ((1 - p) / 0.5).log()).sum(-1)


@right("kl_bits")
def bits_epsilon(logits):
    # a small number in the logarithm, too small to be seen
    p = logits.sigmoid()
    return (p * (2 * p + 1e-8).log() + (1 - p) * (2 * (1 - p) + 1e-8).log()).sum(-1)


@wrong("kl_bits")
def bits_clamped(logits):
    # probabilities kept off 0 and 1
    p = logits.sigmoid().clamp(0.01, 0.99)
    return (p * (2 * p).log() + (1 - p) * (2 * (1 - p)).log()).sum(-1)


@wrong("kl_bits")
def bits_nan_to_num(logits):
    # whatever is nan is zero
    p = logits.sigmoid()
    each = p * (2 * p).log() + (1 - p) * (2 * (1 - p)).log()
    return torch.nan_to_num(each, nan=0.0).sum(-1)


@wrong("kl_bits")
def bits_mean(logits):
    # mean over bits
    return kl_divergence(Bernoulli(logits=logits), Bernoulli(0.5)).mean(-1)


@wrong("kl_bits")
def bits_over_batch(logits):
    # the other axis
    return kl_divergence(Bernoulli(logits=logits), Bernoulli(0.5)).sum(0)


@wrong("kl_bits")
def bits_in_bits(logits):
    # bits, not nats
    return kl_divergence(Bernoulli(logits=logits), Bernoulli(0.5)).sum(-1) / math.log(2)


@wrong("kl_bits")
def bits_logits_as_probabilities(logits):
    # logits squeezed into [0, 1] are the probabilities
    p = logits.clamp(1e-6, 1 - 1e-6)
    return kl_divergence(Bernoulli(probs=p), Bernoulli(0.5)).sum(-1)


@wrong("kl_bits")
def bits_negative_entropy(logits):
    # log 2 forgotten
    p = logits.sigmoid()
    return (p * F.logsigmoid(logits) + (1 - p) * F.logsigmoid(-logits)).sum(-1)


@wrong("kl_bits")
def bits_log_two_once(logits):
    # log 2 added once for all bits
    return math.log(2) - Bernoulli(logits=logits).entropy().sum(-1)


@wrong("kl_bits")
def bits_first_half(logits):
    # only the ones
    return (logits.sigmoid() * (F.logsigmoid(logits) + math.log(2))).sum(-1)


@wrong("kl_bits")
def bits_reverse(logits):
    # KL(p, q)
    p = Bernoulli(logits=torch.zeros_like(logits))
    return kl_divergence(p, Bernoulli(logits=logits)).sum(-1)


@wrong("kl_bits")
def bits_log_two_subtracted(logits):
    # dividing by a half is subtracting log 2
    p = logits.sigmoid()
    each = p * (F.logsigmoid(logits) - math.log(2)) + (1 - p) * (
        F.logsigmoid(-logits) - math.log(2)
    )
    return each.sum(-1)


@wrong("kl_bits")
def bits_entropy(logits):
    # the entropy
    return Bernoulli(logits=logits).entropy().sum(-1)


@wrong("kl_bits")
def bits_prior_from_logit_half(logits):
    # the prior's logit is 0.5
    prior = Bernoulli(logits=torch.full_like(logits, 0.5))
    return kl_divergence(Bernoulli(logits=logits), prior).sum(-1)


@wrong("kl_bits")
def bits_kept(logits):
    # one number for each bit
    return kl_divergence(Bernoulli(logits=logits), Bernoulli(0.5))


@wrong("kl_bits")
def bits_one_minus_logsigmoid(logits):
    # log(1 - p) = 1 - log p
    p, log_p = logits.sigmoid(), F.logsigmoid(logits)
    return (p * (log_p + math.log(2)) + (1 - p) * (1 - log_p + math.log(2))).sum(-1)


@wrong("kl_bits")
def bits_detached(logits):
    # numbers by numpy
    p = special.expit(logits.detach().double().numpy())
    kl = special.rel_entr(p, 0.5) + special.rel_entr(1 - p, 0.5)
    return torch.from_numpy(kl.sum(-1)).float()


# Exercise 4.2


@right("leave_one_out_gradient")
def loo_as_hinted(g, z, logits):
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


@right("leave_one_out_gradient")
def loo_centred(g, z, logits):
    L = g.shape[0]
    centred = (g - g.mean(0)) * L / (L - 1)
    return torch.einsum("lb,lbm->bm", centred, z - torch.sigmoid(logits)) / L


@right("leave_one_out_gradient")
def loo_loop(values, codes, ell):
    L, total = len(values), 0
    for i in range(L):
        others = [k for k in range(L) if k != i]
        advantage = values[i] - values[others].mean(0)
        total = total + advantage.unsqueeze(1) * (codes[i] - ell.sigmoid())
    return total / L


@right("leave_one_out_gradient")
def loo_covariance(g, z, logits):
    # the sample covariance of g and z, since the baseline takes out the sigmoid
    g, z = g - g.mean(0), z - z.mean(0)
    return (g[:, :, None] * z).sum(0) / (len(g) - 1)


@right("leave_one_out_gradient")
def loo_matrix(g, z, logits):
    L = len(g)
    weights = (torch.eye(L) - (1 - torch.eye(L)) / (L - 1)).to(g.dtype)
    return ((weights @ g).unsqueeze(-1) * (z - logits.sigmoid())).sum(0) / L


@right("leave_one_out_gradient")
def loo_numpy(g, z, logits):
    g, z, p = g.numpy(), z.numpy(), special.expit(logits.detach().numpy())
    baseline = (g.sum(axis=0, keepdims=True) - g) / (g.shape[0] - 1)
    return torch.from_numpy(((g - baseline)[:, :, np.newaxis] * (z - p)).mean(axis=0))


@wrong("leave_one_out_gradient")
def loo_no_baseline(g, z, logits):
    # plain score function
    return (g[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_mean_of_all(g, z, logits):
    # the baseline holds one's own sample
    return ((g - g.mean(0))[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_divided_by_L(g, z, logits):
    # L - 1 values divided by L
    baseline = (g.sum(0) - g) / len(g)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_summed(g, z, logits):
    # sum over samples
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).sum(0)


@right("leave_one_out_gradient")
def loo_logit_for_probability(g, z, logits):
    # z minus the logit: the deviations from the baselines sum to zero, whatever is taken off z
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits)).mean(0)


@wrong("leave_one_out_gradient")
def loo_sign_of_score(g, z, logits):
    # sigmoid minus z
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (logits.sigmoid() - z)).mean(0)


@wrong("leave_one_out_gradient")
def loo_baseline_added(g, z, logits):
    # baseline added
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g + baseline)[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_baseline_over_batch(g, z, logits):
    # the mean of the other images
    baseline = (g.sum(1, keepdim=True) - g) / (g.shape[1] - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_own_not_removed(g, z, logits):
    # one's own not taken off the sum
    baseline = g.sum(0) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


@right("leave_one_out_gradient")
def loo_code_only(g, z, logits):
    # the score is z: right for the same reason
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * z).mean(0)


@wrong("leave_one_out_gradient")
def loo_averaged_over_batch(g, z, logits):
    # averaged over samples and images
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean((0, 1))


@wrong("leave_one_out_gradient")
def loo_two_samples(g, z, logits):
    # with two samples, the other one is the flipped one
    return ((g - g.flip(0))[..., None] * (z - logits.sigmoid())).mean(0)


@wrong("leave_one_out_gradient")
def loo_times_derivative(g, z, logits):
    # chain rule: times the slope of the sigmoid as well
    p = logits.sigmoid()
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - p) * p * (1 - p)).mean(0)


@wrong("leave_one_out_gradient")
def loo_mean_over_L_minus_one(g, z, logits):
    # divided by L - 1 twice
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).sum(0) / (len(g) - 1)


@wrong("leave_one_out_gradient")
def loo_each_sample(g, z, logits):
    # the mean over samples forgotten
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return (g - baseline)[..., None] * (z - logits.sigmoid())


# Exercise 4.3


@right("relaxed_bits")
def relaxed_as_printed(logits, u, temperature):
    return torch.sigmoid((logits + torch.log(u) - torch.log(1 - u)) / temperature)


@right("relaxed_bits")
def relaxed_as_hinted(ell, u, tau):
    return ((ell + u.logit()) / tau).sigmoid()


@right("relaxed_bits")
def relaxed_two_quotients(logits, u, temperature):
    return torch.sigmoid(logits / temperature + torch.special.logit(u) / temperature)


@right("relaxed_bits")
def relaxed_tanh(logits, u, temperature):
    a = (logits + torch.log(u / (1 - u))) / temperature
    return 0.5 * (1 + torch.tanh(a / 2))


@right("relaxed_bits")
def relaxed_by_softmax(logits, u, temperature):
    a = (logits + u.log() - torch.log1p(-u)) / temperature
    return torch.stack([torch.zeros_like(a), a]).softmax(0)[1]


@right("relaxed_bits")
def relaxed_by_transform(logits, u, temperature):
    to_logit = torch.distributions.SigmoidTransform().inv
    return 1 / (1 + torch.exp(-(logits + to_logit(u)) / temperature))


@wrong("relaxed_bits")
def relaxed_only_noise_divided(logits, u, temperature):
    # brackets: only the noise is divided
    return torch.sigmoid(logits + u.logit() / temperature)


@wrong("relaxed_bits")
def relaxed_last_divided(logits, u, temperature):
    # brackets: only the last term is divided
    return torch.sigmoid(logits + u.log() - (1 - u).log() / temperature)


@wrong("relaxed_bits")
def relaxed_logits_divided(logits, u, temperature):
    # only the logits are divided
    return torch.sigmoid(logits / temperature + u.logit())


@wrong("relaxed_bits")
def relaxed_multiplied(logits, u, temperature):
    # times the temperature
    return torch.sigmoid((logits + u.logit()) * temperature)


@wrong("relaxed_bits")
def relaxed_divided_outside(logits, u, temperature):
    # divided outside of the sigmoid
    return torch.sigmoid(logits + u.logit()) / temperature


@wrong("relaxed_bits")
def relaxed_plain_noise(logits, u, temperature):
    # u itself is the noise
    return torch.sigmoid((logits + u) / temperature)


@wrong("relaxed_bits")
def relaxed_one_gumbel(logits, u, temperature):
    # Gumbel noise as for a softmax
    return torch.sigmoid((logits - torch.log(-torch.log(u))) / temperature)


@wrong("relaxed_bits")
def relaxed_hard(logits, u, temperature):
    # rounded to bits
    return (((logits + u.logit()) / temperature).sigmoid() > 0.5).float()


@wrong("relaxed_bits")
def relaxed_noise_sign(logits, u, temperature):
    # log(1 - u) - log u: another draw, with the same distribution
    return torch.sigmoid((logits - u.logit()) / temperature)


@wrong("relaxed_bits")
def relaxed_sum_of_logs(logits, u, temperature):
    # plus log(1 - u)
    return torch.sigmoid((logits + u.log() + (1 - u).log()) / temperature)


@wrong("relaxed_bits")
def relaxed_probabilities(logits, u, temperature):
    # a sigmoid of the logits first
    return torch.sigmoid((logits.sigmoid() + u.logit()) / temperature)


@wrong("relaxed_bits")
def relaxed_no_temperature(logits, u, temperature):
    # temperature ignored
    return torch.sigmoid(logits + u.logit())


@wrong("relaxed_bits")
def relaxed_by_torch(logits, u, temperature):
    # torch has it; u is ignored
    return RelaxedBernoulli(torch.tensor(float(temperature)), logits=logits).rsample()


@wrong("relaxed_bits")
def relaxed_no_sigmoid(logits, u, temperature):
    # the sigmoid forgotten
    return (logits + u.logit()) / temperature


@wrong("relaxed_bits")
def relaxed_log_quotient(logits, u, temperature):
    # log u divided by log(1 - u)
    return torch.sigmoid((logits + u.log() / (1 - u).log()) / temperature)


@wrong("relaxed_bits")
def relaxed_softmax_over_bits(logits, u, temperature):
    # Gumbel-Softmax: a softmax
    return torch.softmax((logits + u.logit()) / temperature, dim=-1)


@wrong("relaxed_bits")
def relaxed_detached(logits, u, temperature):
    # data only
    return torch.sigmoid((logits.detach() + u.logit()) / temperature)


# Exercise 4.4


@right("hard_elbo")
def hard_as_hinted(relaxed, kl, x, W, b):
    z = (relaxed > 0.5).float()
    logits = z @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


@right("hard_elbo")
def hard_by_round(relaxed, kl, x, W, b):
    logits = F.linear(relaxed.round(), W, b)
    return Independent(Bernoulli(logits=logits), 1).log_prob(x).mean(0) - kl


@right("hard_elbo")
def hard_by_loss(r, divergence, images, weights, offset):
    logits = torch.einsum("lbm,pm->lbp", (r >= 0.5).to(r.dtype), weights) + offset
    loss = F.binary_cross_entropy_with_logits(logits, images.expand_as(logits), reduction="none")
    return -(loss.sum(2).mean(0) + divergence)


@right("hard_elbo")
def hard_in_a_loop(relaxed, kl, x, W, b):
    total = torch.zeros_like(kl)
    for sample in relaxed:
        z = torch.where(sample > 0.5, 1.0, 0.0)
        logits = z @ W.t() + b
        log_p = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
        total += log_p.sum(1)
    return total / len(relaxed) - kl


@right("hard_elbo")
def hard_kl_first(relaxed, kl, x, W, b):
    bits = torch.heaviside(relaxed - 0.5, torch.tensor(0.0))
    likelihood = Bernoulli(logits=torch.matmul(bits, W.mT) + b)
    return (likelihood.log_prob(x).sum(-1) - kl).mean(0)


@wrong("hard_elbo")
def hard_relaxed(relaxed, kl, x, W, b):
    # not rounded
    logits = relaxed @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_mean_first(relaxed, kl, x, W, b):
    # the mean over samples, then rounded
    logits = (relaxed.mean(0) > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1) - kl


@wrong("hard_elbo")
def hard_decodes_mean_of_bits(relaxed, kl, x, W, b):
    # the mean of the bits is decoded
    logits = (relaxed > 0.5).float().mean(0) @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1) - kl


@wrong("hard_elbo")
def hard_kl_added(relaxed, kl, x, W, b):
    # KL added
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) + kl


@wrong("hard_elbo")
def hard_mean_over_pixels(relaxed, kl, x, W, b):
    # mean over pixels
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).mean(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_no_offset(relaxed, kl, x, W, b):
    # b forgotten
    logits = (relaxed > 0.5).float() @ W.T
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_no_kl(relaxed, kl, x, W, b):
    # reconstruction only
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0)


@wrong("hard_elbo")
def hard_sum_over_samples(relaxed, kl, x, W, b):
    # sum over samples
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).sum(0) - kl


@wrong("hard_elbo")
def hard_one_number(relaxed, kl, x, W, b):
    # one number for the batch
    logits = (relaxed > 0.5).float() @ W.T + b
    return ((x * logits - F.softplus(logits)).sum(-1).mean(0) - kl).mean()


@wrong("hard_elbo")
def hard_positive_softplus(relaxed, kl, x, W, b):
    # plus softplus
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits + F.softplus(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_ones_only(relaxed, kl, x, W, b):
    # only black pixels count
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * F.logsigmoid(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_threshold_logits(relaxed, kl, x, W, b):
    # relaxed > 0, as for logits
    logits = (relaxed > 0).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_rounded_pixels(relaxed, kl, x, W, b):
    # hard pixels: rounds the decoder's probabilities
    probabilities = ((relaxed > 0.5).float() @ W.T + b).sigmoid().round().clamp(1e-6, 1 - 1e-6)
    log_p = x * probabilities.log() + (1 - x) * (1 - probabilities).log()
    return log_p.sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_probabilities_underflow(relaxed, kl, x, W, b):
    # log of a sigmoid
    p = ((relaxed > 0.5).float() @ W.T + b).sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_inverted(relaxed, kl, x, W, b):
    # less than one half
    logits = (relaxed < 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


@wrong("hard_elbo")
def hard_first_sample(relaxed, kl, x, W, b):
    # one sample is enough
    logits = (relaxed[0] > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1) - kl


@wrong("hard_elbo")
def hard_importance_weighted(relaxed, kl, x, W, b):
    # log mean exp over the samples
    logits = (relaxed > 0.5).float() @ W.T + b
    log_p = (x * logits - F.softplus(logits)).sum(-1)
    return log_p.logsumexp(0) - math.log(len(relaxed)) - kl


@wrong("hard_elbo")
def hard_negative(relaxed, kl, x, W, b):
    # the loss
    logits = (relaxed > 0.5).float() @ W.T + b
    return kl - (x * logits - F.softplus(logits)).sum(-1).mean(0)


# Exercise 4.2


@right("bit_slope.1")
def mean_by_torch(logit, g0, g1):
    p = torch.sigmoid(logit)
    return p * g1 + (1 - p) * g0


@right("bit_slope.1")
def mean_from_the_first(logit, g0, g1):
    return g0 + (g1 - g0) / (1 + torch.exp(-logit))


@wrong("bit_slope.1")
def mean_with_the_outcomes_exchanged(logit, g0, g1):
    p = logit.sigmoid()
    return p * g0 + (1 - p) * g1


@wrong("bit_slope.1")
def mean_of_a_fair_coin(logit, g0, g1):
    return (g0 + g1) / 2


@wrong("bit_slope.1")
def mean_of_the_one_outcome(logit, g0, g1):
    return logit.sigmoid() * g1


@right("bit_slope.2")
def slope_by_probability(logit, g0, g1):
    p = logit.sigmoid()
    return p * (1 - p) * (g1 - g0)


@right("bit_slope.2")
def slope_by_autograd(logit, g0, g1):
    leaf = logit.detach().clone().requires_grad_()
    mean = leaf.sigmoid() * g1 + (1 - leaf.sigmoid()) * g0
    return torch.autograd.grad(mean.sum(), leaf)[0]


@wrong("bit_slope.2")
def slope_without_the_sigmoids(logit, g0, g1):
    return g1 - g0


@wrong("bit_slope.2")
def slope_downhill(logit, g0, g1):
    p = logit.sigmoid()
    return p * (1 - p) * (g0 - g1)


@wrong("bit_slope.2")
def slope_in_the_probability(logit, g0, g1):
    return logit.sigmoid() * (g1 - g0)


# Exercise 4.4


@right("errors_off")
def off_by_root(draws, exact):
    n = draws.shape[0]
    return (draws.mean(dim=0) - exact) * n**0.5 / draws.std(dim=0)


@right("errors_off")
def off_by_population_spread(draws, exact):
    error = (draws.var(0, unbiased=False) / len(draws)).sqrt()
    return (draws - exact).mean(0) / error


@wrong("errors_off")
def off_in_spreads(draws, exact):
    return (draws.mean(0) - exact) / draws.std(0)


@wrong("errors_off")
def off_the_other_way(draws, exact):
    return (exact - draws.mean(0)) / (draws.std(0) / math.sqrt(len(draws)))


@wrong("errors_off")
def off_divided_by_n(draws, exact):
    return (draws.mean(0) - exact) / (draws.std(0) / len(draws))


@wrong("errors_off")
def off_by_variance(draws, exact):
    return (draws.mean(0) - exact) / (draws.var(0) / math.sqrt(len(draws)))


@wrong("errors_off")
def off_without_sign(draws, exact):
    return (draws.mean(0) - exact).abs() / (draws.std(0) / math.sqrt(len(draws)))


@wrong("errors_off")
def off_in_half_widths(draws, exact):
    # what the course writes after ±, in the place of a standard error
    return (draws.mean(0) - exact) / (1.96 * draws.std(0) / math.sqrt(len(draws)))


@wrong("errors_off")
def off_by_spread_about_the_exact(draws, exact):
    spread = ((draws - exact) ** 2).mean(0).sqrt()
    return (draws.mean(0) - exact) / (spread / math.sqrt(len(draws)))


# Exercise 4.5


@right("disarm_factor.1")
def differ_by_cases(logit, g0, g1):
    p = logit.sigmoid()
    return 2 * torch.minimum(p, 1 - p)


@wrong("disarm_factor.1")
def differ_as_independent_bits(logit, g0, g1):
    p = logit.sigmoid()
    return 2 * p * (1 - p)


@wrong("disarm_factor.1")
def differ_one_way_only(logit, g0, g1):
    return (-logit.abs()).sigmoid()


@right("disarm_factor.2")
def pair_from_the_chance(logit, g0, g1):
    chance = 2 * (1 - logit.abs().sigmoid())
    return chance * (g1 - g0) / 2


@wrong("disarm_factor.2")
def pair_without_the_half(logit, g0, g1):
    return 2 * (-logit.abs()).sigmoid() * (g1 - g0)


@wrong("disarm_factor.2")
def pair_that_always_differs(logit, g0, g1):
    return (g1 - g0) / 2


@right("disarm_factor.3")
def factor_simplified(logit, g0, g1):
    return logit.abs().sigmoid()


@right("disarm_factor.3")
def factor_by_cases(logit, g0, g1):
    p = logit.sigmoid()
    return torch.where(p > 0.5, p, 1 - p)


@wrong("disarm_factor.3")
def factor_without_abs(logit, g0, g1):
    return logit.sigmoid()


@wrong("disarm_factor.3")
def factor_upside_down(logit, g0, g1):
    return 1 / logit.abs().sigmoid()


# Exercise 4.6


@right("disarm_gradient")
def disarm_in_a_loop(of_z, of_mirrored, z, mirrored, logits):
    total = torch.zeros_like(logits)
    for a, b, c, d in zip(of_z, of_mirrored, z, mirrored, strict=True):
        total = total + 0.5 * (a - b).unsqueeze(-1) * (c - d) * torch.sigmoid(torch.abs(logits))
    return total / len(z)


@right("disarm_gradient")
def disarm_by_larger_probability(of_z, of_mirrored, z, mirrored, logits):
    p = logits.sigmoid()
    product = torch.einsum("lb,lbm->bm", of_z - of_mirrored, z - mirrored)
    return product * torch.maximum(p, 1 - p) / (2 * z.shape[0])


@wrong("disarm_gradient")
def disarm_without_the_factor(of_z, of_mirrored, z, mirrored, logits):
    return ((of_z - of_mirrored)[..., None] / 2 * (z - mirrored)).mean(0)


@wrong("disarm_gradient")
def disarm_without_abs(of_z, of_mirrored, z, mirrored, logits):
    return ((of_z - of_mirrored)[..., None] / 2 * (z - mirrored) * logits.sigmoid()).mean(0)


@wrong("disarm_gradient")
def disarm_without_the_half(of_z, of_mirrored, z, mirrored, logits):
    return ((of_z - of_mirrored)[..., None] * (z - mirrored) * logits.abs().sigmoid()).mean(0)


@wrong("disarm_gradient")
def disarm_summed(of_z, of_mirrored, z, mirrored, logits):
    return ((of_z - of_mirrored)[..., None] / 2 * (z - mirrored) * logits.abs().sigmoid()).sum(0)


@wrong("disarm_gradient")
def disarm_with_the_score(of_z, of_mirrored, z, mirrored, logits):
    return ((of_z - of_mirrored)[..., None] / 2 * (z - logits.sigmoid())).mean(0)


# Exercise 4.7


@right("straight_through_bits")
def straight_by_detached_difference(z, logits):
    p = torch.sigmoid(logits)
    return p + (z - p).detach()


@right("straight_through_bits")
def straight_by_zero(z, logits):
    p = logits.sigmoid()
    zero = p - p.detach()
    return z.detach() + zero


@wrong("straight_through_bits")
def straight_without_a_gradient(z, logits):
    return z


@wrong("straight_through_bits")
def straight_with_the_probability(z, logits):
    return logits.sigmoid().expand(z.shape)


@wrong("straight_through_bits")
def straight_in_the_logit(z, logits):
    return z + logits - logits.detach()


@wrong("straight_through_bits")
def straight_all_detached(z, logits):
    p = logits.sigmoid().detach()
    return z + p - p


@wrong("straight_through_bits")
def straight_added(z, logits):
    return z + logits.sigmoid()


# Of several exercises, from a second reading


@wrong("bit_slope.1")
def mean_with_the_logit_as_probability(logit, g0, g1):
    return (1 - logit) * g0 + logit * g1


@wrong("bit_slope.2")
def slope_with_a_logit_left(logit, g0, g1):
    return logit.sigmoid() * (1 - logit) * (g1 - g0)


@right("bit_slope.2")
def slope_by_tanh(logit, g0, g1):
    return (g1 - g0) * (1 - torch.tanh(logit / 2) ** 2) / 4


@right("disarm_factor.1")
def differ_by_distance_from_half(logit, g0, g1):
    return 1 - (2 * torch.sigmoid(logit) - 1).abs()


@wrong("disarm_factor.2")
def pair_given_that_they_differ(logit, g0, g1):
    return (g1 - g0) / 2


@right("disarm_factor.3")
def factor_as_maximum(logit, g0, g1):
    p = torch.sigmoid(logit)
    return torch.maximum(p, 1 - p)


@right("leave_one_out_gradient")
def leave_one_out_as_covariance(g, z, logits):
    # the weights add up to 0, so that sigmoid(logits) drops out
    return ((g - g.mean(0))[..., None] * z).sum(0) / (len(g) - 1)


@right("disarm_gradient")
def disarm_by_where(of_z, of_mirrored, z, mirrored, logits):
    half = (of_z - of_mirrored)[..., None] * logits.abs().sigmoid() / 2
    return torch.where(z == mirrored, 0, torch.where(z > mirrored, half, -half)).mean(0)


@wrong("disarm_gradient")
def disarm_by_size_of_difference(of_z, of_mirrored, z, mirrored, logits):
    return (
        (of_z - of_mirrored).abs()[..., None] / 2 * (z - mirrored) * logits.abs().sigmoid()
    ).mean(0)


@wrong("relaxed_bits")
def relaxed_common_logarithm(logits, u, temperature):
    return ((logits + u.log10() - (1 - u).log10()) / temperature).sigmoid()


@right("hard_elbo")
def hard_by_straight_through(relaxed, kl, x, W, b):
    hard = relaxed + (relaxed.round() - relaxed).detach()
    logits = hard @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl
