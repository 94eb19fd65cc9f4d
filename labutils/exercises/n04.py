"""Exercises of notebook 04, the Bernoulli VAE."""

from labutils.exercises.kinds import Exercise

import math

import torch
from torch.nn import functional as F


def pixels(z, x, W, b):
    """log p(x given z) of a linear decoder: (samples, batch)."""
    logits = z @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1)


def kl_bits(logits):
    p = logits.sigmoid()
    one, zero = F.logsigmoid(logits) + math.log(2), F.logsigmoid(-logits) + math.log(2)
    return (p * one + (1 - p) * zero).sum(-1)


def leave_one_out_gradient(g, z, logits):
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


def relaxed_bits(logits, u, temperature):
    return ((logits + u.logit()) / temperature).sigmoid()


def hard_elbo(relaxed, kl, x, W, b):
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


EXERCISES = {
    "kl_bits": Exercise(
        "4.3",
        kl_bits,
        inputs=lambda draw: (
            torch.cat([2 * draw.normal(3, 4), torch.tensor([[150.0, -150, 0, 40]])]),
        ),
        gradient=("logits",),
        mistakes={
            "kl_bits(logits) - math.log(2) * logits.shape[-1]": (
                "log 2 is missing, once for each bit: p log p + (1 - p) log(1 - p) is minus the entropy, and the prior adds log 2.",
                "log 2 is missing, once for each bit: p log p + (1 - p) log(1 - p) is minus the entropy, and the prior adds log 2.",
            ),
            "kl_bits(logits) - math.log(2)": (
                "log 2 is added once.",
                "It belongs to every bit: add it before the sum.",
            ),
            "(logits.sigmoid() * logits.sigmoid().log() + (1 - logits.sigmoid()) * (1 - logits.sigmoid()).log() + math.log(2)).sum(-1)": (
                "0 log 0 gives nan where a bit is certain.",
                "Take both logarithms from the logit: log p is F.logsigmoid(a), and log(1 - p) is F.logsigmoid(-a).",
            ),
            "-kl_bits(logits)": (
                "The sign is flipped: a KL is never negative.",
                "The sign is flipped: a KL is never negative.",
            ),
            "logits.sigmoid() * (F.logsigmoid(logits) + math.log(2)) + (-logits).sigmoid() * (F.logsigmoid(-logits) + math.log(2))": (
                "Sum over the bits, the last axis.",
                "Sum over the bits, the last axis.",
            ),
            "math.log(2) * logits.shape[-1] - kl_bits(logits)": (
                "That is the entropy.",
                "The KL is log 2 minus the entropy, for each bit.",
            ),
            "kl_bits(logits).sum()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
            "kl_bits(logits) - 2 * math.log(2) * logits.shape[-1]": (
                "Dividing by one half inside the logarithm adds log 2.",
                "Dividing by one half inside the logarithm adds log 2.",
            ),
            "kl_bits(logits) / math.log(2)": ("Those are bits.", "Return nats."),
            "2 * math.log(2) * logits.shape[-1] - kl_bits(logits)": (
                "The entropy has the wrong sign: the KL is log 2 minus the entropy of the bit.",
                "The entropy has the wrong sign: the KL is log 2 minus the entropy of the bit.",
            ),
            "kl_bits(logits) / logits.shape[-1]": (
                "You average over the bits.",
                "Their KL terms add up: take the sum.",
            ),
            "kl_bits(logits).mean()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
            "(logits.sigmoid() * (F.logsigmoid(logits) + math.log(2))).sum(-1)": (
                "Only the term of the bit being 1 is there.",
                "Add the one of its being 0.",
            ),
        },
    ),
    "leave_one_out_gradient": Exercise(
        "4.10",
        leave_one_out_gradient,
        inputs=lambda draw: (
            10 * draw.normal(3, 4) - 90,
            draw.bits(3, 4, 5),
            3 * draw.normal(4, 5),
        ),
        gradient=(),
        mistakes={
            "-leave_one_out_gradient(g, z, logits)": (
                "The sign is flipped.",
                "The score is z - sigmoid(logits), and it is multiplied by g - baseline: a code better than the others becomes more probable.",
            ),
            "((g - g.mean(0))[..., None] * (z - logits.sigmoid())).mean(0)": (
                "The baseline depends on its own sample, so that the estimate is biased: it comes out too small.",
                "Leave that sample out of the mean.",
            ),
            "(g[..., None] * (z - logits.sigmoid())).mean(0)": (
                "There is no baseline: right on average, but far too noisy.",
                "There is no baseline: right on average, but far too noisy.",
            ),
            "leave_one_out_gradient(g, z, logits) * len(g)": (
                "You sum over the samples.",
                "Take their mean.",
            ),
            "((g - (g.sum(0) - g) / len(g))[..., None] * (z - logits.sigmoid())).mean(0)": (
                "The mean of the others divides by one less than the number of samples.",
                "The mean of the others divides by one less than the number of samples.",
            ),
            "(g[..., None] * (z - logits)).mean(0)": (
                "The score of a bit is z minus its probability: take the sigmoid of the logit.",
                "And the baseline is missing.",
            ),
            "((g - g.sum(0) / (len(g) - 1))[..., None] * (z - logits.sigmoid())).mean(0)": (
                "Take one's own g out of the sum.",
                "Take one's own g out of the sum.",
            ),
            "((g - g.mean())[..., None] * (z - logits.sigmoid())).mean(0)": (
                "The baseline is a mean over the samples of the same image.",
                "The baseline is a mean over the samples of the same image.",
            ),
            "(g - (g.sum(0) - g) / (len(g) - 1))[..., None] * (z - logits.sigmoid())": (
                "Take the mean over the samples, the first axis.",
                "Take the mean over the samples, the first axis.",
            ),
        },
    ),
    "relaxed_bits": Exercise(
        "4.13",
        relaxed_bits,
        inputs=lambda draw: (
            draw.normal(4, 3),
            0.02 + 0.96 * draw.uniform(4, 3),
            0.3 + draw.uniform(),
        ),
        gradient=("logits",),
        mistakes={
            "((logits + u.logit()) * temperature).sigmoid()": (
                "You multiply by the temperature.",
                "Divide: a low one pushes the values to 0 and 1.",
            ),
            "(logits + u.logit()).sigmoid() / temperature": (
                "You divide after the sigmoid.",
                "The temperature divides its argument.",
            ),
            "(logits + u.logit()).sigmoid()": (
                "The temperature is missing.",
                "The temperature is missing.",
            ),
            "((logits - u.logit()) / temperature).sigmoid()": (
                "The noise is subtracted: the same distribution, but 4.13 adds it.",
                "The noise is subtracted: the same distribution, but 4.13 adds it.",
            ),
            "((logits + u.log()) / temperature).sigmoid()": (
                "Subtract log(1 - u) too.",
                "Subtract log(1 - u) too.",
            ),
            "((logits.sigmoid() + u.logit()) / temperature).sigmoid()": (
                "Add the noise to the logit, not to the probability.",
                "Add the noise to the logit, not to the probability.",
            ),
            "(logits / temperature + u.logit()).sigmoid()": (
                "The temperature divides the sum of logit and noise, not the logit alone.",
                "The temperature divides the sum of logit and noise, not the logit alone.",
            ),
            "(logits + u.logit() / temperature).sigmoid()": (
                "The temperature divides the sum of logit and noise, not the noise alone.",
                "The temperature divides the sum of logit and noise, not the noise alone.",
            ),
            "((logits + u) / temperature).sigmoid()": (
                "The noise must be logistic: log u - log(1 - u), not u itself.",
                "The noise must be logistic: log u - log(1 - u), not u itself.",
            ),
            "((logits - (-u.log()).log()) / temperature).sigmoid()": (
                "That is Gumbel noise, for one of many classes.",
                "For a bit it is the difference of two, which is logistic: log u - log(1 - u).",
            ),
            "(logits + u.logit() > 0).float()": (
                "These are hard bits: they have no gradient.",
                "Keep the sigmoid.",
            ),
            "(logits + u.logit()) / temperature": (
                "The sigmoid is missing: a relaxed bit lies between 0 and 1.",
                "The sigmoid is missing: a relaxed bit lies between 0 and 1.",
            ),
        },
    ),
    "hard_elbo": Exercise(
        "",
        hard_elbo,
        inputs=lambda draw: (
            draw.uniform(3, 4, 5),
            draw.positive(4),
            draw.bits(4, 6),
            draw.normal(6, 5),
            draw.normal(6),
        ),
        gradient=("W", "b"),
        mistakes={
            "pixels(relaxed, x, W, b).mean(0) - kl": (
                "You score the relaxed bits.",
                "The codes of the model are 0 or 1: that is no bound.",
            ),
            "pixels((relaxed < 0.5).float(), x, W, b).mean(0) - kl": (
                "The bits are swapped: a bit is 1 where the relaxed one is above one half.",
                "The bits are swapped: a bit is 1 where the relaxed one is above one half.",
            ),
            "hard_elbo(relaxed, -kl, x, W, b)": (
                "The KL is added.",
                "It is subtracted: the ELBO lies below log p(x).",
            ),
            "hard_elbo(relaxed, 0 * kl, x, W, b)": ("The KL is missing.", "The KL is missing."),
            "pixels((relaxed > 0.5).float(), x, W, b) - kl": (
                "Take the mean over the samples, the first axis.",
                "Take the mean over the samples, the first axis.",
            ),
            "pixels((relaxed > 0.5).float(), x, W, b).sum(0) - kl": (
                "You sum over the samples.",
                "Take their mean.",
            ),
            "pixels((relaxed > 0.5).float(), x, W, b).logsumexp(0) - math.log(len(relaxed)) - kl": (
                "The ELBO averages the logarithms, not the probabilities.",
                "The ELBO averages the logarithms, not the probabilities.",
            ),
            "hard_elbo(relaxed, kl, x, W, 0 * b)": (
                "The offsets b are missing.",
                "The offsets b are missing.",
            ),
            "kl - pixels((relaxed > 0.5).float(), x, W, b).mean(0)": (
                "That is the loss.",
                "The ELBO is what is maximised: flip the sign.",
            ),
            "pixels((relaxed.mean(0) > 0.5).float(), x, W, b) - kl": (
                "You average the codes.",
                "Average the log-likelihoods: each sample is a code.",
            ),
            "hard_elbo(relaxed, kl, x, W, b).mean()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
        },
    ),
}
