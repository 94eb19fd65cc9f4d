"""Codes of bits under a check: what they cost, how they are relaxed, and how they are scored."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise
from labutils.objectives import kl_bernoulli

import math

import torch
from torch.nn import functional as F

CERTAIN = torch.tensor([[150.0, -150, 0, 40]])
LOG_2 = ("The divergence of fair coins from fair coins isn't 0.", "Each bit adds one log 2.")
ENTROPY = ("The result is largest where q is the prior.", "It is log 2 minus the entropy, per bit.")
NAN = ("0 log 0 is nan, which comes out as soon as a bit is certain.", "F.logsigmoid is never nan.")
FREE = ("A bit that is certain counts nothing. It costs log 2, the most.", "Use F.logsigmoid.")
HALF_A_LOGIT = ("The prior has the logit one half.", "The logit of a fair coin is 0.")
ONE_MINUS_LOG = ("The logarithm of 1 - p isn't 1 minus that of p.", "It is F.logsigmoid(-logits).")
IMAGES_SUMMED = ("The images are added up, for each bit.", "Sum over the last axis, the bits.")
ONE_TERM = ("A bit that is surely 0 costs nothing.", "There is a second term, for the bit being 0.")


def kl_bits(logits):
    p = logits.sigmoid()
    one, zero = F.logsigmoid(logits) + math.log(2), F.logsigmoid(-logits) + math.log(2)
    return (p * one + (1 - p) * zero).sum(-1)


def kl_from_probabilities(logits):
    p = logits.sigmoid()
    return (p * p.log() + (1 - p) * (1 - p).log() + math.log(2)).sum(-1)


def kl_from_half_a_logit(logits):
    return kl_bernoulli(logits, 0.5)


KL_BITS = Exercise(
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
        kl_from_probabilities: NAN,
        "(lambda p: p * (2 * p).log() + (1 - p) * (2 - 2 * p).log())(logits.sigmoid())"
        ".nan_to_num(0).sum(-1)": FREE,
        kl_from_half_a_logit: HALF_A_LOGIT,
        "(logits.sigmoid() * (F.logsigmoid(logits) + math.log(2)) + (-logits).sigmoid()"
        " * (1 - F.logsigmoid(logits) + math.log(2))).sum(-1)": ONE_MINUS_LOG,
        "-0.5 * (4 * logits.sigmoid() * (-logits).sigmoid()).log().sum(-1)": pairs.KL_REVERSED,
        "kl_bits(logits.mT)": IMAGES_SUMMED,
        "-kl_bits(logits)": pairs.NEGATIVE_KL,
        "kl_bits(logits[..., None])": pairs.DIMENSIONS_KEPT,
        "math.log(2) * logits.shape[-1] - kl_bits(logits)": ENTROPY,
        "2 * math.log(2) * logits.shape[-1] - kl_bits(logits)": ENTROPY,
        "kl_bits(logits).sum()": pairs.PER_EXAMPLE,
        "kl_bits(logits).mean()": pairs.PER_EXAMPLE,
        "kl_bits(logits) / math.log(2)": ("These are bits.", "Return nats."),
        "kl_bits(logits) / logits.shape[-1]": pairs.DIMENSIONS_AVERAGED,
        "(logits.sigmoid() * (F.logsigmoid(logits) + math.log(2))).sum(-1)": ONE_TERM,
    },
)


NOISE = ("P(z > 1/2) isn't sigmoid(logits): the noise isn't logistic.", "It is log u - log(1 - u).")
TEMPERATURE = ("The temperature divides too much or too little.", "It divides logit plus noise.")
HOT = ("A low temperature pushes the values to one half, not to 0 and 1.", "Divide by it.")
SOFTMAX = ("The bits of an image add up to 1.", "Each bit is on or off by itself: sigmoid.")
MIRRORED = ("The distribution is right, but a large u makes a bit small.", "Eq. 4.13 adds it.")
MIXED = ("A probability and a logit are added.", "The noise is added to the logit itself.")


def relaxed_bits(logits, u, temperature):
    return ((logits + u.logit()) / temperature).sigmoid()


RELAXED_BITS = Exercise(
    "4.13",
    relaxed_bits,
    inputs=lambda draw: (
        draw.normal(4, 3),
        0.02 + 0.96 * draw.uniform(4, 3),
        0.2 + 0.5 * draw.uniform(),
    ),
    gradient=("logits",),
    mistakes={
        "((logits + u.logit()) * temperature).sigmoid()": HOT,
        "(logits + u.logit()).sigmoid() / temperature": TEMPERATURE,
        "(logits + u.logit()).sigmoid()": TEMPERATURE,
        "(logits / temperature + u.logit()).sigmoid()": TEMPERATURE,
        "(logits + u.logit() / temperature).sigmoid()": TEMPERATURE,
        "(logits + u.log() - (1 - u).log() / temperature).sigmoid()": TEMPERATURE,
        "((logits + u.logit()) / temperature).softmax(-1)": SOFTMAX,
        "((logits - u.logit()) / temperature).sigmoid()": MIRRORED,
        "((logits + u.log()) / temperature).sigmoid()": NOISE,
        "((logits + u.log() + (1 - u).log()) / temperature).sigmoid()": NOISE,
        "((logits + u.log() - 1 - u.log()) / temperature).sigmoid()": NOISE,
        "((logits + u / (1 - u)) / temperature).sigmoid()": NOISE,
        "((logits + u.log() / (1 - u).log()) / temperature).sigmoid()": NOISE,
        "((logits + u) / temperature).sigmoid()": NOISE,
        "((logits + u.log10() - (1 - u).log10()) / temperature).sigmoid()": NOISE,
        "((logits - (-u.log()).log()) / temperature).sigmoid()": NOISE,
        "((logits.sigmoid() + u.logit()) / temperature).sigmoid()": MIXED,
        "((logits + u.logit()) > 0).float()": ("Hard bits pass no gradient.", "Don't round."),
        "(logits + u.logit()) / temperature": ("Bits leave [0, 1].", "Add the sigmoid."),
    },
)


ONE_CODE = (
    "The samples are averaged into one code.",
    "Average the log-likelihoods, not the codes.",
)
RELAXED = ("The codes that are scored lie between 0 and 1. No such code exists.", "Round first.")
FLIPPED = ("A bit that is nearly 1 is rounded to 0.", "It is 1 where the relaxed one is above 1/2.")
NO_OFFSET = ("A code of zeros gives each pixel the probability 1/2.", "The offsets b are missing.")
ALL_ONES = ("Every bit comes out as 1.", "The threshold is one half. 0 is that of a logit.")
SOFTPLUS = ("Pixels get positive log-likelihoods.", "Look at the sign of the softplus.")
WHITE = ("White pixels cost nothing.", "A pixel that is 0 has F.logsigmoid(-logits).")
PIXELS = (
    "The log-likelihood is averaged over pixels, not summed.",
    "Add up the terms of an image.",
)


def hard_elbo(relaxed, kl, x, W, b):
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl


def log_p_x(z, x, W, b):
    """log p(x given z) of a linear decoder: (samples, batch)."""
    logits = z @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1)


HARD_ELBO = Exercise(
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
        "log_p_x(relaxed, x, W, b).mean(0) - kl": RELAXED,
        "hard_elbo(1 - relaxed, kl, x, W, b)": FLIPPED,
        "hard_elbo(relaxed, -kl, x, W, b)": pairs.KL_ADDED,
        "hard_elbo(relaxed, 0 * kl, x, W, b)": pairs.KL_MISSING,
        "log_p_x(relaxed.round(), x, W, b) - kl": pairs.SAMPLES_KEPT,
        "log_p_x(relaxed.round(), x, W, b).sum(0) - kl": pairs.SAMPLES_SUMMED,
        "log_p_x(relaxed.round(), x, W, b).exp().mean(0).log() - kl": pairs.LOG_OF_MEAN,
        "log_p_x(relaxed.round(), x, W, b).logsumexp(0) - math.log(len(relaxed)) - kl": (
            pairs.LOG_OF_MEAN
        ),
        "hard_elbo(relaxed, kl, x, W, 0 * b)": NO_OFFSET,
        "-hard_elbo(relaxed, kl, x, W, b)": pairs.LOSS,
        "log_p_x(relaxed.mean(0).round(), x, W, b) - kl": ONE_CODE,
        "log_p_x(relaxed.round().mean(0), x, W, b) - kl": ONE_CODE,
        "log_p_x(relaxed[0].round(), x, W, b) - kl": pairs.FIRST_SAMPLE,
        "hard_elbo(torch.ones_like(relaxed), kl, x, W, b)": ALL_ONES,
        "(lambda a: x * a + F.softplus(a))(relaxed.round() @ W.T + b).sum(-1).mean(0) - kl": (
            SOFTPLUS
        ),
        "(x * F.logsigmoid(relaxed.round() @ W.T + b)).sum(-1).mean(0) - kl": WHITE,
        "hard_elbo(relaxed, kl, x, W, b).mean()": pairs.PER_EXAMPLE,
        "log_p_x(relaxed.round(), x, W, b).mean(0) / x.shape[-1] - kl": PIXELS,
    },
)
