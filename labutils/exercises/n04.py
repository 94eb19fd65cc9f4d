"""The exercises of notebook 04: bits as latents, and gradients through them."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise
from labutils.objectives import kl_bernoulli

import math

import torch
from torch.nn import functional as F

CERTAIN = torch.tensor([[150.0, -150, 0, 40]])
LOG_2 = ("The divergence of fair coins from fair coins isn't 0.", "Each bit adds one log 2.")
ENTROPY = ("The result is largest where q is the prior.", "It is log 2 minus the entropy, per bit.")


def kl_bits(logits):
    p = logits.sigmoid()
    one, zero = F.logsigmoid(logits) + math.log(2), F.logsigmoid(-logits) + math.log(2)
    return (p * one + (1 - p) * zero).sum(-1)


def kl_from_probabilities(logits):
    p = logits.sigmoid()
    return (p * p.log() + (1 - p) * (1 - p).log() + math.log(2)).sum(-1)


def kl_from_half_a_logit(logits):
    return kl_bernoulli(logits, 0.5)


OWN_SAMPLE = (
    "The baseline depends on the sample it is subtracted for, which makes the estimate biased.",
    "Leave a sample's own g out of the sum for its baseline, and divide by one less.",
)

NOT_CENTRED = ("Adding a constant to g changes the result.", "Subtract the mean of the others.")


def leave_one_out_gradient(g, z, logits):
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


def score_function(g, z, logits):
    """The estimate without a baseline."""
    return (g[..., None] * (z - logits.sigmoid())).mean(0)


NOISE = ("P(z > 1/2) isn't sigmoid(logits): the noise isn't logistic.", "It is log u - log(1 - u).")
TEMPERATURE = ("The temperature divides too much or too little.", "It divides logit plus noise.")


def relaxed_bits(logits, u, temperature):
    return ((logits + u.logit()) / temperature).sigmoid()


ONE_CODE = (
    "The samples are averaged into one code. Each of them is a code.",
    "Average the log-likelihoods, not the codes.",
)


def hard_elbo(relaxed, kl, x, W, b):
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


def log_p_x(z, x, W, b):
    """log p(x given z) of a linear decoder: (samples, batch)."""
    logits = z @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1)


EXERCISES = {
    "kl_bits": Exercise(
        "4.3",
        kl_bits,
        inputs=lambda draw: (torch.cat([2 * draw.normal(3, 4), CERTAIN]),),
        gradient=("logits",),
        mistakes={
            "kl_bits(logits) - math.log(2) * logits.shape[-1]": LOG_2,
            "kl_bits(logits) - math.log(2)": LOG_2,
            "kl_bits(logits) - math.log(2) * (logits.shape[-1] - 1)": LOG_2,
            "kl_bits(logits) - math.log(2) * logits.shape[-1] * 2": LOG_2,
            "kl_bits(logits) + math.log(2) * logits.shape[-1]": LOG_2,
            "kl_bits(logits) - math.log(2) * logits.sigmoid().sum(-1)": LOG_2,
            "kl_bits(logits) - math.log(2) * (-logits).sigmoid().sum(-1)": LOG_2,
            kl_from_probabilities: (
                "0 log 0 is nan, which comes out as soon as a bit is certain.",
                "Take both logarithms from the logit: F.logsigmoid(a) and F.logsigmoid(-a).",
            ),
            "(lambda p: p * (2 * p).log() + (1 - p) * (2 - 2 * p).log())(logits.sigmoid())"
            ".nan_to_num(0).sum(-1)": (
                "A bit that is certain counts nothing. It costs log 2, more than any other.",
                "Take both logarithms from the logit, and nothing is nan.",
            ),
            kl_from_half_a_logit: (
                "The prior has the logit one half. A fair coin has the probability one half.",
                "The logit of a fair coin is 0.",
            ),
            "(logits.sigmoid() * (F.logsigmoid(logits) + math.log(2)) + (-logits).sigmoid()"
            " * (1 - F.logsigmoid(logits) + math.log(2))).sum(-1)": (
                "The logarithm of 1 - p isn't 1 minus that of p.",
                "It is F.logsigmoid(-logits).",
            ),
            "-0.5 * (4 * logits.sigmoid() * (-logits).sigmoid()).log().sum(-1)": pairs.KL_REVERSED,
            "kl_bits(logits.mT)": (
                "The images are added up, so that each bit has a result of its own.",
                "Sum over the last axis, the bits.",
            ),
            "-kl_bits(logits)": pairs.NEGATIVE_KL,
            "kl_bits(logits[..., None])": pairs.DIMENSIONS_KEPT,
            "math.log(2) * logits.shape[-1] - kl_bits(logits)": ENTROPY,
            "2 * math.log(2) * logits.shape[-1] - kl_bits(logits)": ENTROPY,
            "kl_bits(logits).sum()": pairs.PER_EXAMPLE,
            "kl_bits(logits).mean()": pairs.PER_EXAMPLE,
            "kl_bits(logits) / math.log(2)": ("These are bits.", "Return nats."),
            "kl_bits(logits) / logits.shape[-1]": pairs.DIMENSIONS_AVERAGED,
            "(logits.sigmoid() * (F.logsigmoid(logits) + math.log(2))).sum(-1)": (
                "A bit that is surely 0 costs nothing, while one that is surely 1 costs log 2.",
                "The expectation has a second term, for the bit being 0.",
            ),
        },
    ),
    "leave_one_out_gradient": Exercise(
        "4.10",
        leave_one_out_gradient,
        # whole g, multiples of 3, have means without rounding, in whichever way they are written
        inputs=lambda draw: (
            3 * (2 * draw.normal(3, 4)).round() - 90,
            draw.bits(3, 4, 5),
            3 * draw.normal(4, 5),
        ),
        mistakes={
            "-leave_one_out_gradient(g, z, logits)": (
                "Codes that are better than the others become less probable.",
                "The sign is flipped: (g - baseline) times (z - p).",
            ),
            "score_function(g - g.mean(0), z, logits)": OWN_SAMPLE,
            "score_function(g - g.sum(0) / (len(g) - 1), z, logits)": OWN_SAMPLE,
            "score_function(g, z, logits)": ("This is far too noisy.", "Add the baseline."),
            "leave_one_out_gradient(g, z, logits) * len(g)": pairs.SAMPLES_SUMMED,
            "score_function(g - (g.sum(0) - g) / len(g), z, logits)": NOT_CENTRED,
            "score_function(g - (g.sum(0) - g), z, logits)": NOT_CENTRED,
            "score_function(g + (g.sum(0) - g) / (len(g) - 1), z, logits)": NOT_CENTRED,
            "(g[..., None] * (z - logits)).mean(0)": (
                "The score isn't 0 on average, so that a constant in g moves the logits.",
                "The score of a bit is z minus its probability; and a baseline is missing.",
            ),
            "leave_one_out_gradient(g, z, logits) * len(g) / (len(g) - 1)": (
                "It is too large, the more so the fewer the samples: it is divided by L - 1 twice.",
                "The outer mean divides by L, the baseline by L - 1.",
            ),
            "leave_one_out_gradient(g, z, logits) * logits.sigmoid() * (-logits).sigmoid()": (
                "The slope of the sigmoid is multiplied in. The score has it already.",
                "The score in the logit is z - sigmoid(logits), and no more.",
            ),
            "score_function(g - g.flip(0), z, logits)": (
                "Each sample is compared with a single one. That does for two samples only.",
                "Take the mean of all others: their sum, divided by L - 1.",
            ),
            "score_function(g - (g.sum(1, keepdim=True) - g) / (g.shape[1] - 1), z, logits)": (
                "The baseline is the mean of other images. How hard those are says nothing here.",
                "Take the other samples of the same image: the first axis.",
            ),
            "score_function(g - g.mean(), z, logits)": (
                "All images share a baseline, though g differs more between images than codes.",
                "Average over the samples of the same image.",
            ),
            "(len(g) * g - g.sum(0))[..., None] / (len(g) - 1) * (z - logits.sigmoid())": (
                pairs.SAMPLES_KEPT
            ),
        },
    ),
    "relaxed_bits": Exercise(
        "4.13",
        relaxed_bits,
        inputs=lambda draw: (
            draw.normal(4, 3),
            0.02 + 0.96 * draw.uniform(4, 3),
            0.2 + 0.5 * draw.uniform(),
        ),
        gradient=("logits",),
        mistakes={
            "((logits + u.logit()) * temperature).sigmoid()": (
                "A low temperature pushes the values to one half. It should push them to 0 and 1.",
                "Divide by the temperature.",
            ),
            "(logits + u.logit()).sigmoid() / temperature": TEMPERATURE,
            "(logits + u.logit()).sigmoid()": TEMPERATURE,
            "(logits / temperature + u.logit()).sigmoid()": TEMPERATURE,
            "(logits + u.logit() / temperature).sigmoid()": TEMPERATURE,
            "(logits + u.log() - (1 - u).log() / temperature).sigmoid()": TEMPERATURE,
            "((logits + u.logit()) / temperature).softmax(-1)": (
                "The bits of an image add up to 1, so that at most one is on.",
                "Each bit is on or off by itself: sigmoid.",
            ),
            "((logits - u.logit()) / temperature).sigmoid()": (
                "The distribution is right, but a large u makes a bit small.",
                "Equation 4.13 adds the noise.",
            ),
            "((logits + u.log()) / temperature).sigmoid()": NOISE,
            "((logits + u.log() + (1 - u).log()) / temperature).sigmoid()": NOISE,
            "((logits + u.log() - 1 - u.log()) / temperature).sigmoid()": NOISE,
            "((logits + u / (1 - u)) / temperature).sigmoid()": NOISE,
            "((logits + u.log() / (1 - u).log()) / temperature).sigmoid()": NOISE,
            "((logits + u) / temperature).sigmoid()": NOISE,
            "((logits - (-u.log()).log()) / temperature).sigmoid()": NOISE,
            "((logits.sigmoid() + u.logit()) / temperature).sigmoid()": (
                "A probability and a logit are added.",
                "The noise is added to the logit itself.",
            ),
            "((logits + u.logit()) > 0).float()": ("Hard bits pass no gradient.", "Don't round."),
            "(logits + u.logit()) / temperature": ("Bits leave [0, 1].", "Add the sigmoid."),
        },
    ),
    "hard_elbo": Exercise(
        "",
        hard_elbo,
        inputs=lambda draw: (
            draw.uniform(3, 4, 5),
            draw.positive(4),
            draw.bits(4, 6),
            # one pixel is nearly certain: its probability underflows, its logit does not
            torch.cat([draw.normal(5, 5), 150 * draw.normal(1, 5)]),
            draw.normal(6),
        ),
        mistakes={
            "log_p_x(relaxed, x, W, b).mean(0) - kl": (
                "The codes that are scored lie between 0 and 1. The model has none of those.",
                "Round the relaxed bits first.",
            ),
            "hard_elbo(1 - relaxed, kl, x, W, b)": (
                "A bit that is nearly 1 is rounded to 0, and the other way round.",
                "A bit is 1 where the relaxed one is above one half.",
            ),
            "hard_elbo(relaxed, -kl, x, W, b)": pairs.KL_ADDED,
            "hard_elbo(relaxed, 0 * kl, x, W, b)": pairs.KL_MISSING,
            "log_p_x(relaxed.round(), x, W, b) - kl": pairs.SAMPLES_KEPT,
            "log_p_x(relaxed.round(), x, W, b).sum(0) - kl": pairs.SAMPLES_SUMMED,
            "log_p_x(relaxed.round(), x, W, b).exp().mean(0).log() - kl": pairs.LOG_OF_MEAN,
            "log_p_x(relaxed.round(), x, W, b).logsumexp(0) - math.log(len(relaxed)) - kl": (
                pairs.LOG_OF_MEAN
            ),
            "hard_elbo(relaxed, kl, x, W, 0 * b)": (
                "A code of zeros gives each pixel the probability one half.",
                "The offsets b are missing.",
            ),
            "-hard_elbo(relaxed, kl, x, W, b)": pairs.LOSS,
            "log_p_x(relaxed.mean(0).round(), x, W, b) - kl": ONE_CODE,
            "log_p_x(relaxed.round().mean(0), x, W, b) - kl": ONE_CODE,
            "log_p_x(relaxed[0].round(), x, W, b) - kl": pairs.FIRST_SAMPLE,
            "hard_elbo(torch.ones_like(relaxed), kl, x, W, b)": (
                "Every bit comes out as 1, since no relaxed bit lies below 0.",
                "The threshold is one half. 0 is that of a logit.",
            ),
            "(lambda a: x * a + F.softplus(a))(relaxed.round() @ W.T + b).sum(-1).mean(0) - kl": (
                "Pixels get positive log-likelihoods. A probability is at most 1.",
                "Look at the sign of the softplus.",
            ),
            "(x * F.logsigmoid(relaxed.round() @ W.T + b)).sum(-1).mean(0) - kl": (
                "White pixels cost nothing, however sure the decoder is that they are black.",
                "A pixel that is 0 has the log-probability F.logsigmoid(-logits).",
            ),
            "hard_elbo(relaxed, kl, x, W, b).mean()": pairs.PER_EXAMPLE,
            "log_p_x(relaxed.round(), x, W, b).mean(0) / x.shape[-1] - kl": (
                "The log-likelihood is averaged over pixels, which makes the KL count far more.",
                "The pixels of an image are independent given z: their terms add up.",
            ),
        },
    ),
}
