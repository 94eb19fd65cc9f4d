"""The exercises of the notebooks: reference answers, and the mistakes that students make.

The mistakes are wrong functions that students are known to write; each comes with the hint that
labutils.checks gives to whoever wrote it. Exercises stand in the order of the notebooks.
"""

from labutils.objectives import kl_bernoulli, kl_diagonal_gaussian

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Exercise:
    reference: object  # the right function
    inputs: tuple  # what it is tried on
    mistakes: tuple  # pairs: a wrong function, and the hint for whoever wrote it
    differentiable: bool = True  # whether the gradient counts


def _gaussian_log_density(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


def _bayes_rule(log_likelihood, log_prior):
    return (log_likelihood + log_prior).log_softmax(-1)


def _change_of_variables(log_p_z, slope):
    return log_p_z - slope.abs().log()


def _langevin_step(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


def _classifier_logits(x, W1, b1, W2, b2, mask, ratio):
    hidden = F.relu(x @ W1.T + b1)
    return (mask * hidden / (1 - ratio)) @ W2.T + b2


def _half_width(error, n):
    return 1.96 * math.sqrt(error * (1 - error) / n)


def _reparameterise(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


def _minibatch_elbo(log_likelihood, kl):
    return (log_likelihood.mean(0) - kl).mean()


def _importance_bound(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


def _leave_one_out_gradient(g, z, logits):
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


def _relaxed_bits(logits, u, temperature):
    return ((logits + u.logit()) / temperature).sigmoid()


def _hard_elbo(relaxed, kl, x, W, b):
    return _pixels((relaxed > 0.5).float(), x, W, b).mean(0) - kl


def _pixels(z, x, W, b):
    """log p(x given z) of a linear decoder: (samples, batch)."""
    logits = z @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1)


def _responsibilities(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


def _frechet_diagonal(mean_a, std_a, mean_b, std_b):
    return (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()


def _precision(distances, radii):
    return (distances <= radii).any(1).float().mean()


def _mixture_parameters(components, d):
    return components * (1 + d + d * (d + 1) // 2) - 1


def _bic(total, components, d, n):
    return -2 * total + _mixture_parameters(components, d) * math.log(n)


def _normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


_LAYERS = (_normal(3, 6), _normal(5, 6), _normal(5), _normal(4, 5), _normal(4))
_MASK = torch.tensor([[1.0, 0, 1, 1, 0], [0.0, 1, 1, 0, 1], [1.0, 1, 0, 1, 1]])
_LOGITS = torch.cat([_normal(3, 4), torch.tensor([[200.0, 0, -200, 100]] * 2)])
_LABELS = torch.tensor([2, 0, 1, 2, 0])
# whole g add up without rounding: with a baseline, the score may be written without the sigmoid
_CODES = (_normal(3, 4).round() - 90, (_normal(3, 4, 5) > 0).float(), 3 * _normal(4, 5))
_NOISE = torch.linspace(0.03, 0.97, 12).view(4, 3)
_DECODER = ((_normal(4, 6) > 0).float(), _normal(6, 5), _normal(6))
_LOG_WEIGHT = 3 * _normal(7, 3) - 130

_SHARES = torch.tensor([0.7, 0.2, 0.1]).log()
_DISTANCES = torch.tensor(
    [[1.0, 5, 6], [3, 1.5, 9], [4, 6, 2], [7, 7, 7], [3, 8, 8], [1.5, 6, 6.5], [2, 5, 7]]
)
_RADII = torch.tensor([2.0, 1.0, 7.0])

EXERCISES = {
    "gaussian_log_density": Exercise(
        _gaussian_log_density,
        (_normal(5), torch.tensor(0.4), torch.tensor(-0.6)),
        (
            (lambda x, m, v: -_gaussian_log_density(x, m, v), "The sign is flipped."),
            (lambda x, m, v: 2 * _gaussian_log_density(x, m, v), "The factor one half is missing."),
            (
                lambda x, m, v: -math.log(2 * math.pi) - v - 0.5 * (x - m) ** 2 / v.exp(),
                "One half multiplies all three terms.",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, v) + 0.5 * v,
                "The term log sigma squared is missing.",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, v) + 0.5 * (v - v.exp()),
                "The middle term is the logarithm of the variance: log_var itself.",
            ),
            (
                lambda x, m, v: -0.5 * (v + (x - m) ** 2 / v.exp()),
                "The constant log 2 pi is missing: without it the density does not integrate to 1.",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, 2 * v),
                "You read log_var as the logarithm of the standard deviation. It is that of the "
                "variance: exp(log_var) is sigma squared.",
            ),
            (
                lambda x, m, v: -0.5 * (math.log(2 * math.pi) + v + (x - m) ** 2 / v),
                "The squared distance is divided by the variance, exp(log_var).",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, v).exp(),
                "That is the density. Return its logarithm.",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, v).mean(),
                "Return one number for each x: the mean is taken in one visible place, later.",
            ),
            (
                lambda x, m, v: _gaussian_log_density(x, m, v).sum(),
                "Return one number for each x: the mean is taken in one visible place, later.",
            ),
        ),
    ),
    "bayes_rule": Exercise(
        _bayes_rule,
        (
            torch.cat([_normal(4, 3) * 5 - 800, torch.tensor([[-100.0, -1200, -2100]])]).double(),
            torch.tensor([0.7, 0.2, 0.1]).double().log(),
        ),
        (
            (lambda a, p: a.log_softmax(-1), "The prior is missing: add log_prior."),
            (lambda a, p: (a + p.log()).log_softmax(-1), "log_prior is a logarithm already."),
            (lambda a, p: a + p, "That is the joint. Normalise it: subtract its logsumexp."),
            (
                lambda a, p: (a + p).log_softmax(0),
                "You normalise over the examples. Sum over the classes, the last axis.",
            ),
            (lambda a, p: (a + p).softmax(-1), "Those are probabilities. Return their logarithms."),
            (
                lambda a, p: (a.exp() * p.exp() / (a.exp() * p.exp()).sum(-1, keepdim=True)).log(),
                "exp(-800) underflows to 0. Stay with logarithms: logsumexp.",
            ),
            (
                lambda a, p: a + p - (a + p).exp().sum(-1, keepdim=True).log(),
                "exp(-800) underflows to 0. Stay with logarithms: logsumexp.",
            ),
            (
                lambda a, p: (a + p).softmax(-1).log(),
                "A probability has underflowed to 0 before its logarithm: subtract logsumexp.",
            ),
            (lambda a, p: (a + p.exp()).log_softmax(-1), "Add log_prior as it is, without exp."),
            (
                lambda a, p: (a + p) - a.logsumexp(-1, keepdim=True),
                "The denominator needs the prior too: logsumexp of the joint.",
            ),
        ),
    ),
    "change_of_variables": Exercise(
        _change_of_variables,
        (_normal(5), torch.tensor([2.0, -0.5, 0.1, -3.0, 1.5])),
        (
            (
                lambda a, s: a + s.abs().log(),
                "The sign is flipped: where the map stretches, the density thins.",
            ),
            (lambda a, s: a - s.log(), "The slope may be negative: take its absolute value."),
            (lambda a, s: a - s.abs(), "Take the logarithm of the slope."),
            (lambda a, s: a - s, "Take the logarithm of the absolute slope."),
            (lambda a, s: a / s, "A density is divided by the slope; logarithms subtract."),
            (lambda a, s: a / s.abs(), "A density is divided by the slope; logarithms subtract."),
            (lambda a, s: a.exp() / s.abs(), "That is the density. Return its logarithm."),
            (lambda a, s: a, "The slope is missing: a stretched density gets thinner."),
        ),
    ),
    "langevin_step": Exercise(
        _langevin_step,
        (_normal(4, 2), _normal(4, 2).flip(0), 0.02, _normal(2, 4).T),
        (
            (
                lambda x, g, s, e: x - s * g + math.sqrt(2 * s) * e,
                "That goes downhill. Samples gather where f is high: add the gradient.",
            ),
            (
                lambda x, g, s, e: x + s * g + s * e,
                "The noise is scaled with the square root of twice the step, not with the step.",
            ),
            (
                lambda x, g, s, e: x + s * g + math.sqrt(s) * e,
                "A factor 2 is missing under the root of the noise.",
            ),
            (
                lambda x, g, s, e: x + s * g + 2 * s * e,
                "Take the square root: sqrt(2 * step) times the noise.",
            ),
            (
                lambda x, g, s, e: x + s / 2 * g + math.sqrt(s) * e,
                "Many papers write it so, with a step of twice ours: here it is step and 2 * step.",
            ),
            (lambda x, g, s, e: x + s * g + e, "The noise is not scaled."),
            (lambda x, g, s, e: s * g + math.sqrt(2 * s) * e, "The step starts from x: add it."),
            (lambda x, g, s, e: x + s * g, "The noise is missing: this climbs to a mode."),
            (
                lambda x, g, s, e: x + g + math.sqrt(2 * s) * e,
                "The gradient is multiplied by the step.",
            ),
        ),
    ),
    "bits_per_dimension": Exercise(
        lambda nats: -nats / (784 * math.log(2)),
        (torch.tensor([-206.0, -100.0, 30.0]),),
        (
            (lambda n: n / (784 * math.log(2)), "The sign is flipped: bits are positive."),
            (lambda n: -n / 784, "Those are nats per dimension. Divide by log 2 to get bits."),
            (lambda n: -n / math.log(2), "Those are the bits of the image. Divide by its pixels."),
            (
                lambda n: n.abs() / (784 * math.log(2)),
                "Change the sign, do not drop it: a log-density may be positive.",
            ),
            (lambda n: -n / (28 * math.log(2)), "An image has 28 x 28 = 784 pixels."),
            (lambda n: -n / (784 * 2), "Divide by log 2, not by 2."),
            (lambda n: n / 784, "Flip the sign, and divide by log 2."),
            (lambda n: -n * math.log(2) / 784, "Divide by log 2: a nat is more than a bit."),
        ),
    ),
    "parameter_count": Exercise(
        lambda hidden_dim: 784 * hidden_dim + hidden_dim + 10 * hidden_dim + 10,
        (512,),
        (
            (lambda h: 784 * h + 10 * h, "You counted the weights. The biases are parameters too."),
            (lambda h: 784 * h + h + 10 * h, "The bias of the output layer is missing."),
            (lambda h: 784 * h + 10 * h + 10, "The bias of the hidden layer is missing."),
            (lambda h: 784 * h + h, "That is the first layer alone. Add the second one."),
        ),
    ),
    "classifier_logits": Exercise(
        _classifier_logits,
        (*_LAYERS, _MASK, 0.25),
        (
            (
                lambda x, W1, b1, W2, b2, m, r: (m * F.relu(x @ W1.T + b1)) @ W2.T + b2,
                "The units that stay are not scaled up: divide them by 1 - ratio.",
            ),
            (
                lambda x, W1, b1, W2, b2, m, r: (m * F.relu(x @ W1.T + b1) / r) @ W2.T + b2,
                "You divide by the dropout ratio. Divide by the fraction that stays, 1 - ratio.",
            ),
            (
                lambda x, W1, b1, W2, b2, m, r: (m * F.relu(x @ W1.T + b1) * (1 - r)) @ W2.T + b2,
                "You multiply by 1 - ratio. Divide, so that the mean stays as without dropout.",
            ),
            (
                lambda x, W1, b1, W2, b2, m, r: (m * (x @ W1.T + b1) / (1 - r)) @ W2.T + b2,
                "The ReLU is missing: without it the two layers collapse into one linear map.",
            ),
            (
                lambda x, W1, b1, W2, b2, m, r: F.relu(x @ W1.T + b1) @ W2.T + b2,
                "The mask is missing: this is the function at test time.",
            ),
        ),
    ),
    "cross_entropy": Exercise(
        F.cross_entropy,
        (_LOGITS, _LABELS),
        (
            (lambda a, y: -F.cross_entropy(a, y), "The sign is flipped: a loss is minimised."),
            (
                lambda a, y: F.cross_entropy(a, y, reduction="sum"),
                "You sum over the batch. Take the mean, so that its size does not matter.",
            ),
            (lambda a, y: F.cross_entropy(a, y, reduction="none"), "Average over the batch."),
            (
                lambda a, y: F.cross_entropy(a.softmax(-1), y),
                "The softmax is applied twice: the argument holds logits, not probabilities.",
            ),
            (
                lambda a, y: (
                    -(a.exp() / a.exp().sum(-1, keepdim=True)).log()[range(len(y)), y].mean()
                ),
                "exp(200) overflows. Use logsumexp, which takes the largest logit out first.",
            ),
            (
                lambda a, y: -a.softmax(-1).log()[range(len(y)), y].mean(),
                "A probability has underflowed to 0 before its logarithm. Stay with logarithms: "
                "log_softmax, or the logit minus logsumexp.",
            ),
            (
                lambda a, y: -a.softmax(-1)[range(len(y)), y].mean(),
                "That is the mean probability of the label. Take the logarithm of each first.",
            ),
            (
                lambda a, y: -a[range(len(y)), y].mean(),
                "The logits are not normalised: subtract logsumexp over the classes.",
            ),
        ),
    ),
    "half_width": Exercise(
        _half_width,
        (0.3, 40),
        (
            (
                lambda p, n: math.sqrt(p * (1 - p) / n),
                "That is one standard error. 95 % of a Gaussian lie within 1.96 of them.",
            ),
            (lambda p, n: 1.96 * p * (1 - p) / n, "That is a variance. Take its square root."),
            (
                lambda p, n: 1.96 * math.sqrt(p * (1 - p)),
                "That is the spread of one digit. The mean of n digits varies less: divide by n.",
            ),
            (
                lambda p, n: 2 * 1.96 * math.sqrt(p * (1 - p) / n),
                "That is the whole width of the interval. Return half of it.",
            ),
        ),
    ),
    "kl_gaussian": Exercise(
        kl_diagonal_gaussian,
        (_normal(4, 3), _normal(4, 3).flip(0)),
        (
            (
                lambda m, v: -kl_diagonal_gaussian(m, v),
                "The sign is flipped: a KL is never negative.",
            ),
            (
                lambda m, v: kl_diagonal_gaussian(m, v) / m.shape[-1],
                "You average over the latent dimensions. Their KL terms add up: take the sum.",
            ),
            (lambda m, v: kl_diagonal_gaussian(m, v).mean(), "Return one number for each example."),
            (lambda m, v: kl_diagonal_gaussian(m, v).sum(), "Return one number for each example."),
            (
                lambda m, v: 0.5 * (v.exp() + m**2 - 1 - v),
                "Sum over the latent dimensions, the last axis.",
            ),
            (lambda m, v: 2 * kl_diagonal_gaussian(m, v), "The factor 1/2 is missing."),
            (
                lambda m, v: kl_diagonal_gaussian(m, 2 * v),
                "You read log_var as the logarithm of the standard deviation. It is that of the "
                "variance: exp(log_var) is sigma squared.",
            ),
            (
                lambda m, v: 0.5 * (v + m**2 - 1 - v.log()).sum(-1),
                "You read log_var as the variance itself. The variance is exp(log_var).",
            ),
            (
                lambda m, v: 0.5 * (v**2 + m**2 - 1 - (v**2).log()).sum(-1),
                "You read log_var as the standard deviation. The variance is exp(log_var).",
            ),
        ),
    ),
    "reparameterise": Exercise(
        _reparameterise,
        (_normal(4, 3), _normal(4, 3).flip(0), _normal(3, 4).T),
        (
            (
                lambda m, v, e: m + v.exp() * e,
                "You scale the noise with the variance. Sigma is exp(log_var / 2).",
            ),
            (
                lambda m, v, e: m + v * e,
                "log_var is not a standard deviation: take exp(log_var / 2).",
            ),
            (lambda m, v, e: m + (v / 2).exp(), "The noise is missing: sigma times eps."),
            (lambda m, v, e: m + e, "The noise is not scaled with sigma."),
            (
                lambda m, v, e: m + (v / 2).exp() * e[0],
                "All examples share one eps. Each needs its own.",
            ),
            (
                lambda m, v, e: m + v.exp().sqrt() + e,
                "sigma multiplies eps, it is not added to it.",
            ),
        ),
    ),
    "minibatch_elbo": Exercise(
        _minibatch_elbo,
        (_normal(5, 4) - 90, _normal(4).abs() + 20),
        (
            (
                lambda a, kl: (a.mean(0) + kl).mean(),
                "The KL is added. It is subtracted: the ELBO lies below log p(x).",
            ),
            (
                lambda a, kl: (kl - a.mean(0)).mean(),
                "That is the loss. The ELBO is what is maximised: flip the sign.",
            ),
            (
                lambda a, kl: (a.mean(0) - kl).sum(),
                "You sum over the batch. Take the mean over the examples.",
            ),
            (
                lambda a, kl: (a.sum(0) - kl).mean(),
                "You sum over the L samples of z. Take their mean: it estimates an expectation.",
            ),
            (lambda a, kl: a.mean(0) - kl, "Average over the batch, to one number."),
            (lambda a, kl: a.mean(), "The KL is missing."),
        ),
    ),
    "importance_weighted": Exercise(
        _importance_bound,
        (_LOG_WEIGHT,),
        (
            (
                lambda w: w.mean(0),
                "You average the logarithms: that is the ELBO. Average the weights, then take the "
                "logarithm.",
            ),
            (lambda w: w.logsumexp(0), "Divide by K: subtract log K. A sum of weights is no mean."),
            (
                lambda w: w.exp().mean(0).log(),
                "exp(-130) underflows to 0. Use logsumexp: it takes the largest weight out first.",
            ),
            (
                lambda w: w.logsumexp(1) - math.log(w.shape[1]),
                "You average over the batch. The samples are on the first axis.",
            ),
            (
                lambda w: (w.logsumexp(0) - math.log(len(w))).mean(),
                "Return one number for each example.",
            ),
        ),
    ),
    "kl_bits": Exercise(
        kl_bernoulli,
        (torch.cat([_normal(3, 4), torch.tensor([[150.0, -150, 0, 40]])]),),
        (
            (
                lambda a: kl_bernoulli(a) - math.log(2) * a.shape[-1],
                "log 2 is missing, once for each bit: p log p + (1 - p) log(1 - p) is minus the "
                "entropy, and the prior adds log 2.",
            ),
            (
                lambda a: kl_bernoulli(a) - math.log(2),
                "log 2 is added once. It belongs to every bit: add it before the sum.",
            ),
            (
                lambda a: (
                    a.sigmoid() * a.sigmoid().log()
                    + (1 - a.sigmoid()) * (1 - a.sigmoid()).log()
                    + math.log(2)
                ).sum(-1),
                "0 log 0 gives nan where a bit is certain. Take both logarithms from the logit: "
                "log p is F.logsigmoid(a), and log(1 - p) is F.logsigmoid(-a).",
            ),
            (lambda a: -kl_bernoulli(a), "The sign is flipped: a KL is never negative."),
            (
                lambda a: (
                    a.sigmoid() * (F.logsigmoid(a) + math.log(2))
                    + (-a).sigmoid() * (F.logsigmoid(-a) + math.log(2))
                ),
                "Sum over the bits, the last axis.",
            ),
            (
                lambda a: math.log(2) * a.shape[-1] - kl_bernoulli(a),
                "That is the entropy. The KL is log 2 minus the entropy, for each bit.",
            ),
            (lambda a: kl_bernoulli(a).sum(), "Return one number for each example."),
            (
                lambda a: kl_bernoulli(a) - 2 * math.log(2) * a.shape[-1],
                "Dividing by one half inside the logarithm adds log 2.",
            ),
            (lambda a: kl_bernoulli(a) / math.log(2), "Those are bits. Return nats."),
            (
                lambda a: 2 * math.log(2) * a.shape[-1] - kl_bernoulli(a),
                "The entropy has the wrong sign: the KL is log 2 minus the entropy of the bit.",
            ),
            (
                lambda a: kl_bernoulli(a) / a.shape[-1],
                "You average over the bits. Their KL terms add up: take the sum.",
            ),
            (lambda a: kl_bernoulli(a).mean(), "Return one number for each example."),
            (
                lambda a: (a.sigmoid() * (F.logsigmoid(a) + math.log(2))).sum(-1),
                "Only the term of the bit being 1 is there. Add the one of its being 0.",
            ),
        ),
    ),
    "leave_one_out_gradient": Exercise(
        _leave_one_out_gradient,
        _CODES,
        (
            (
                lambda g, z, a: -_leave_one_out_gradient(g, z, a),
                "The sign is flipped. The score is z - sigmoid(logits), and it is multiplied by "
                "g - baseline: a code better than the others becomes more probable.",
            ),
            (
                lambda g, z, a: ((g - g.mean(0))[..., None] * (z - a.sigmoid())).mean(0),
                "The baseline depends on its own sample, so that the estimate is biased: it comes "
                "out too small. Leave that sample out of the mean.",
            ),
            (
                lambda g, z, a: (g[..., None] * (z - a.sigmoid())).mean(0),
                "There is no baseline: right on average, but far too noisy.",
            ),
            (
                lambda g, z, a: _leave_one_out_gradient(g, z, a) * len(g),
                "You sum over the samples. Take their mean.",
            ),
            (
                lambda g, z, a: ((g - (g.sum(0) - g) / len(g))[..., None] * (z - a.sigmoid())).mean(
                    0
                ),
                "The mean of the others divides by one less than the number of samples.",
            ),
            (
                lambda g, z, a: (g[..., None] * (z - a)).mean(0),
                "The score of a bit is z minus its probability: take the sigmoid of the logit. And "
                "the baseline is missing.",
            ),
            (
                lambda g, z, a: ((g - g.sum(0) / (len(g) - 1))[..., None] * (z - a.sigmoid())).mean(
                    0
                ),
                "Take one's own g out of the sum.",
            ),
            (
                lambda g, z, a: ((g - g.mean())[..., None] * (z - a.sigmoid())).mean(0),
                "The baseline is a mean over the samples of the same image.",
            ),
            (
                lambda g, z, a: (g - (g.sum(0) - g) / (len(g) - 1))[..., None] * (z - a.sigmoid()),
                "Take the mean over the samples, the first axis.",
            ),
        ),
        differentiable=False,
    ),
    "relaxed_bits": Exercise(
        _relaxed_bits,
        (_normal(4, 3), _NOISE, 0.4),
        (
            (
                lambda a, u, t: ((a + u.logit()) * t).sigmoid(),
                "You multiply by the temperature. Divide: a low one pushes the values to 0 and 1.",
            ),
            (
                lambda a, u, t: (a + u.logit()).sigmoid() / t,
                "You divide after the sigmoid. The temperature divides its argument.",
            ),
            (lambda a, u, t: (a + u.logit()).sigmoid(), "The temperature is missing."),
            (
                lambda a, u, t: ((a - u.logit()) / t).sigmoid(),
                "The noise is subtracted: the same distribution, but 4.13 adds it.",
            ),
            (lambda a, u, t: ((a + u.log()) / t).sigmoid(), "Subtract log(1 - u) too."),
            (
                lambda a, u, t: ((a.sigmoid() + u.logit()) / t).sigmoid(),
                "Add the noise to the logit, not to the probability.",
            ),
            (
                lambda a, u, t: (a / t + u.logit()).sigmoid(),
                "The temperature divides the sum of logit and noise, not the logit alone.",
            ),
            (
                lambda a, u, t: (a + u.logit() / t).sigmoid(),
                "The temperature divides the sum of logit and noise, not the noise alone.",
            ),
            (
                lambda a, u, t: ((a + u) / t).sigmoid(),
                "The noise must be logistic: log u - log(1 - u), not u itself.",
            ),
            (
                lambda a, u, t: ((a - (-u.log()).log()) / t).sigmoid(),
                "That is Gumbel noise, for one of many classes. For a bit it is the difference of "
                "two, which is logistic: log u - log(1 - u).",
            ),
            (
                lambda a, u, t: ((a + u.logit()) > 0).float(),
                "These are hard bits: they have no gradient. Keep the sigmoid.",
            ),
            (
                lambda a, u, t: (a + u.logit()) / t,
                "The sigmoid is missing: a relaxed bit lies between 0 and 1.",
            ),
        ),
    ),
    "hard_elbo": Exercise(
        _hard_elbo,
        (
            torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)),
            _normal(4).abs(),
            *_DECODER,
        ),
        (
            (
                lambda z, kl, x, W, b: _pixels(z, x, W, b).mean(0) - kl,
                "You score the relaxed bits. The codes of the model are 0 or 1: that is no bound.",
            ),
            (
                lambda z, kl, x, W, b: _pixels((z < 0.5).float(), x, W, b).mean(0) - kl,
                "The bits are swapped: a bit is 1 where the relaxed one is above one half.",
            ),
            (
                lambda z, kl, x, W, b: _hard_elbo(z, -kl, x, W, b),
                "The KL is added. It is subtracted: the ELBO lies below log p(x).",
            ),
            (lambda z, kl, x, W, b: _hard_elbo(z, 0 * kl, x, W, b), "The KL is missing."),
            (
                lambda z, kl, x, W, b: _pixels((z > 0.5).float(), x, W, b) - kl,
                "Take the mean over the samples, the first axis.",
            ),
            (
                lambda z, kl, x, W, b: _pixels((z > 0.5).float(), x, W, b).sum(0) - kl,
                "You sum over the samples. Take their mean.",
            ),
            (
                lambda z, kl, x, W, b: (
                    _pixels((z > 0.5).float(), x, W, b).logsumexp(0) - math.log(len(z)) - kl
                ),
                "The ELBO averages the logarithms, not the probabilities.",
            ),
            (lambda z, kl, x, W, b: _hard_elbo(z, kl, x, W, 0 * b), "The offsets b are missing."),
            (
                lambda z, kl, x, W, b: kl - _pixels((z > 0.5).float(), x, W, b).mean(0),
                "That is the loss. The ELBO is what is maximised: flip the sign.",
            ),
            (
                lambda z, kl, x, W, b: _pixels((z.mean(0) > 0.5).float(), x, W, b) - kl,
                "You average the codes. Average the log-likelihoods: each sample is a code.",
            ),
            (
                lambda z, kl, x, W, b: _hard_elbo(z, kl, x, W, b).mean(),
                "Return one number for each example.",
            ),
        ),
    ),
    "responsibilities": Exercise(
        _responsibilities,
        (_SHARES, _normal(5, 3) - 130),
        (
            (
                lambda w, d: d.softmax(-1),
                "The weights of the components are missing: a large component claims more codes.",
            ),
            (
                lambda w, d: (w.exp() + d).softmax(-1),
                "Add the logarithm of the weight, which is the argument itself.",
            ),
            (
                lambda w, d: (w + d).softmax(0),
                "You normalise over the codes. For each code, the components share one whole.",
            ),
            (
                lambda w, d: w.exp() * d.exp() / (w.exp() * d.exp()).sum(-1, keepdim=True),
                "That is no number: exp(-130) underflows to 0, and 0 / 0 is none; or a logarithm "
                "was taken of log_weight, which is one. The softmax of the sum needs neither.",
            ),
            (lambda w, d: (w + d).log_softmax(-1), "Those are logarithms. Take the exponential."),
            (lambda w, d: w + d, "That is the numerator's logarithm. Normalise it."),
            (lambda w, d: (w * d).softmax(-1), "The logarithm of a product is a sum: add them."),
            (
                lambda w, d: (w + d).exp(),
                "exp(-130) underflows to 0, and nothing normalises it: softmax does both.",
            ),
            (
                lambda w, d: (w + d) / (w + d).sum(-1, keepdim=True),
                "You divide logarithms. Normalise their exponentials: softmax.",
            ),
            (
                lambda w, d: w.exp() * d.softmax(-1),
                "Multiply by the weight before normalising: add its logarithm inside the softmax.",
            ),
            (
                lambda w, d: (w + d).logsumexp(-1),
                "That is log m(z), the denominator's logarithm. Divide by it.",
            ),
        ),
        differentiable=False,
    ),
    "frechet_diagonal": Exercise(
        _frechet_diagonal,
        (_normal(4), _normal(5)[1:].exp(), _normal(6)[2:], _normal(7)[3:].exp()),
        (
            (
                lambda m, s, n, t: _frechet_diagonal(m, s, n, t).sqrt(),
                "That is the root. The squared distance is asked for.",
            ),
            (
                lambda m, s, n, t: (m - n).square().sum() + (s**2 - t**2).square().sum(),
                "You compare the variances. In the closed form it is the standard deviations.",
            ),
            (
                lambda m, s, n, t: (m - n).square().sum() + (s**2 + t**2).sum(),
                "The cross term is missing: minus twice the sum of the products of the two.",
            ),
            (lambda m, s, n, t: (m - n).square().sum(), "The spreads are missing."),
            (lambda m, s, n, t: (s - t).square().sum(), "The means are missing."),
            (
                lambda m, s, n, t: (m - n).square().sum() + (s + t - 2 * (s * t).sqrt()).sum(),
                "You read standard deviations as variances: square them.",
            ),
            (
                lambda m, s, n, t: (m - n).norm() + (s - t).square().sum(),
                "Square the distance of the means.",
            ),
            (
                lambda m, s, n, t: (m - n).square().sum() + (s**2 + t**2 - s * t).sum(),
                "The factor 2 of the cross term is missing.",
            ),
            (
                lambda m, s, n, t: (
                    (m - n).square().sum() + (s**2 + t**2 - 2 * (s * t).sqrt()).sum()
                ),
                "The root of s² t² is s t.",
            ),
            (
                lambda m, s, n, t: ((m - n).square() + (s + t).square()).sum(),
                "The cross term is subtracted: s² + t² - 2 s t.",
            ),
            (
                lambda m, s, n, t: (m - n).square().sum() + (s - t).abs().sum(),
                "Square the differences of the standard deviations, too.",
            ),
            (
                lambda m, s, n, t: _frechet_diagonal(m, s, n, t) / len(m),
                "You average over the dimensions. Their terms add up: take the sum.",
            ),
            (
                lambda m, s, n, t: (m - n).square() + (s - t).square(),
                "Sum over the dimensions, to one number.",
            ),
        ),
        differentiable=False,
    ),
    "precision": Exercise(
        _precision,
        (_DISTANCES, _RADII),
        (
            (
                lambda d, r: (d <= r).float().mean(),
                "You count pairs. A sample counts once, if it lies in any ball.",
            ),
            (
                lambda d, r: (d <= r).any(0).float().mean(),
                "That is the fraction of balls that hold a sample. Count the samples in a ball.",
            ),
            (lambda d, r: (d <= r).all(1).float().mean(), "One ball is enough: any, not all."),
            (lambda d, r: (d <= r).any(1).float().sum(), "Divide by the number of samples."),
            (
                lambda d, r: (d <= r).any().float(),
                "You ask whether any sample lies in any ball. any(1) asks it of each sample.",
            ),
            (
                lambda d, r: (d <= r).sum() / len(d),
                "You count balls. A sample in several balls counts once: any.",
            ),
            (
                lambda d, r: (d <= r).any(1).float(),
                "Take the mean over the samples, to one number.",
            ),
            (
                lambda d, r: (d < r).any(1).float().mean(),
                "A sample on the edge of a ball counts: less or equal.",
            ),
            (
                lambda d, r: (d.min(1).values <= r[d.argmin(1)]).float().mean(),
                "You look at the nearest ball only. A farther, larger one may hold the sample.",
            ),
            (
                lambda d, r: (d > r).all(1).float().mean(),
                "Those are the samples in no ball: the rest of them is asked for.",
            ),
        ),
    ),
    "bic": Exercise(
        _bic,
        (-340.0, 3, 16, 1_000),
        (
            (
                lambda a, k, d, n: 2 * a + _mixture_parameters(k, d) * math.log(n),
                "The sign: minus twice the log-likelihood. A better fit lowers the BIC.",
            ),
            (
                lambda a, k, d, n: -a + _mixture_parameters(k, d) * math.log(n),
                "The factor 2 before the log-likelihood is missing.",
            ),
            (
                lambda a, k, d, n: -2 * a + _mixture_parameters(k, d),
                "Each parameter costs log N. You charge 1 for it.",
            ),
            (
                lambda a, k, d, n: -2 * a - _mixture_parameters(k, d) * math.log(n),
                "Parameters are a cost: add them. You reward a large mixture.",
            ),
            (
                lambda a, k, d, n: -2 * a + (_mixture_parameters(k, d) + 1) * math.log(n),
                "The weights sum to 1: one of them is not free. Subtract 1.",
            ),
            (
                lambda a, k, d, n: -2 * a + (k * (1 + 2 * d) - 1) * math.log(n),
                "You count diagonal covariances. A full one has d (d + 1) / 2 numbers.",
            ),
            (
                lambda a, k, d, n: -2 * a + (k * (1 + d + d * d) - 1) * math.log(n),
                "A covariance is symmetric: d (d + 1) / 2 of its d * d numbers are free.",
            ),
            (
                lambda a, k, d, n: -2 * a + _mixture_parameters(k, d) * n,
                "Each parameter costs log N, not N.",
            ),
            (
                lambda a, k, d, n: -2 * a + 2 * _mixture_parameters(k, d),
                "That is Akaike's criterion. Here each parameter costs log N.",
            ),
            (
                lambda a, k, d, n: -2 * a + k * (d + d * (d + 1) // 2) * math.log(n),
                "The weights are missing: K - 1 of them are free.",
            ),
            (
                lambda a, k, d, n: -2 * a * n + _mixture_parameters(k, d) * math.log(n),
                "total is already the sum over the codes: do not multiply by n.",
            ),
            (lambda a, k, d, n: _bic(a, k, d, n) / 2, "That is half of the BIC."),
            (
                lambda a, k, d, n: -2 * a + k * (1 + d + d * d) * math.log(n),
                "A covariance has d (d + 1) / 2 free numbers, and of the weights one is not free.",
            ),
            (
                lambda a, k, d, n: -2 * a + _mixture_parameters(k, d) * math.log10(n),
                "That is the logarithm to base 10. The natural one is asked for.",
            ),
            (
                lambda a, k, d, n: -2 * a + 0.5 * _mixture_parameters(k, d) * math.log(n),
                "Each parameter costs log N, not half of it.",
            ),
        ),
    ),
}
