"""The exercises of notebook 04: bits as latents, and gradients through them."""

from labutils.exercises import bits, pairs
from labutils.exercises.kinds import Choice, Exercise, derivation

import math

import torch


def mean_of_bit(logit, g0, g1):
    return logit.sigmoid() * g1 + (-logit).sigmoid() * g0


def slope_of_mean(logit, g0, g1):
    return logit.sigmoid() * (-logit).sigmoid() * (g1 - g0)


def chance_to_differ(logit, g0, g1):
    return 2 * (-logit.abs()).sigmoid()


def mean_of_pair(logit, g0, g1):
    return (-logit.abs()).sigmoid() * (g1 - g0)


def factor(logit, g0, g1):
    return slope_of_mean(logit, g0, g1) / mean_of_pair(logit, g0, g1)


def one_bit(draw):
    """A logit, and g for the bit being 0 and 1, several times."""
    return 2 * draw.normal(6).double(), *(2 * draw.normal(2, 6).double() - 90)


LOGIT = ("The logit stands where a probability should.", "The probability of a 1 is sigmoid(l).")
INDEPENDENT = ("This is so for independent bits. These share u.", "For which u do they differ?")
ONE_SIDE = ("This is right for one sign of the logit only.", "Draw the other case: Hint 1.")
ALWAYS = ("This is the mean of those pairs that differ.", "How many do is line 1.")
UPHILL = ("Codes that are better become less probable.", "The sign is flipped.")
OWN_SAMPLE = (
    "The baseline depends on the sample it is subtracted for, which makes the estimate biased.",
    "Leave a sample's own g out of the sum for its baseline, and divide by one less.",
)
NOT_CENTRED = ("Adding a constant to g changes the result.", "Subtract the mean of the others.")
SCORE = ("A constant in g moves the logits: the score isn't 0 on average.", "It is z minus p.")
TOO_LARGE = ("It is divided by L - 1 twice.", "The outer mean divides by L, the baseline by L - 1.")
SLOPE_TWICE = ("The slope of the sigmoid is multiplied in. The score has it.", "It is z minus p.")
ONE_OTHER = ("Each sample is compared with a single one.", "Take the mean of all others.")
OTHER_IMAGES = ("The baseline is a mean of other images.", "The samples are the first axis.")
SHARED = ("All images share a baseline, though g differs between them.", "Average over samples.")


def leave_one_out_gradient(g, z, logits):
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)


def score_function(g, z, logits):
    """The estimate without a baseline."""
    return (g[..., None] * (z - logits.sigmoid())).mean(0)


SINGLE_DRAW = ("This is in spreads of one draw. A mean varies less.", "Divide by the root of N.")
ROOT = ("More draws narrow the error of a mean by their root.", "Divide by the root of N.")
NO_EXACT = ("The exact gradient is not compared with.", "Subtract it from the mean of the draws.")
DIFFERENCE = ("This is the difference, in the unit of the draws.", "Divide by its standard error.")
SQUARED = ("The result depends on the unit: it is divided by a variance.", "Take .std, not .var.")
HALF_WIDTH = ("This is in half-widths of a 95 % interval.", "A standard error has no factor 1.96.")
SIGN_LOST = ("A mean below the exact gradient counts as one above.", "Drop the absolute value.")
AROUND = ("The spread about the exact gradient grows with the bias.", "Take that about the mean.")


def errors_off(draws, exact):
    standard_error = draws.std(0) / math.sqrt(len(draws))
    return (draws.mean(0) - exact) / standard_error


NO_FACTOR = ("At a logit of 0 this is twice too large.", "The factor of Exercise 4.5 is missing.")
NO_ABS = ("Bits with a negative logit learn too slowly.", "The factor takes the logit's size.")
WRONG_FACTOR = ("The more certain a bit is, the smaller the factor. It should grow.", "See 4.5.")
WHOLE_SLOPE = ("The factor is the whole slope of the sigmoid.", "The pairs have a part of it: 4.5.")
DOUBLED = ("Everything is twice as large as it should be.", "Half of the difference counts.")
NO_SIGN = (
    "A bit grows wherever g(z) is larger, whether it is 1 there or not.",
    "Take z - mirrored.",
)
SIZE_OF_G = ("Which of the two codes is better makes no difference.", "Keep the sign, too.")
SUM_OF_G = ("A constant in g moves the logits.", "Take the difference of g.")


def disarm_gradient(of_z, of_mirrored, z, mirrored, logits):
    difference = (of_z - of_mirrored)[..., None] / 2
    return (difference * (z - mirrored) * logits.abs().sigmoid()).mean(0)


SOFT = ("A probability is decoded, which is no code.", "Add z, and take the value of p off.")


def straight_through_bits(z, logits):
    p = logits.sigmoid()
    return z + p - p.detach()


def suspect(g, logits, num_samples=2):
    """An estimator with a fault, to be audited."""
    u = torch.rand(num_samples, 1, logits.shape[-1])
    return g(bits.relaxed_bits(logits, u, 0.5)).mean(0)


EXERCISES = {
    "kl_bits": bits.KL_BITS,
    **derivation(
        "bit_slope",
        "4.8",
        one_bit,
        lines={
            mean_of_bit: {"(1 - logit) * g0 + logit * g1": LOGIT},
            slope_of_mean: {"logit.sigmoid() * (1 - logit) * (g1 - g0)": LOGIT},
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
            "-leave_one_out_gradient(g, z, logits)": UPHILL,
            "score_function(g - g.mean(0), z, logits)": OWN_SAMPLE,
            "score_function(g - g.sum(0) / (len(g) - 1), z, logits)": OWN_SAMPLE,
            "score_function(g, z, logits)": ("This is far too noisy.", "Add the baseline."),
            "leave_one_out_gradient(g, z, logits) * len(g)": pairs.SAMPLES_SUMMED,
            "score_function(g - (g.sum(0) - g) / len(g), z, logits)": NOT_CENTRED,
            "score_function(g - (g.sum(0) - g), z, logits)": NOT_CENTRED,
            "score_function(g + (g.sum(0) - g) / (len(g) - 1), z, logits)": NOT_CENTRED,
            "(g[..., None] * (z - logits)).mean(0)": SCORE,
            "leave_one_out_gradient(g, z, logits) * len(g) / (len(g) - 1)": TOO_LARGE,
            "leave_one_out_gradient(g, z, logits) * logits.sigmoid() * (-logits).sigmoid()": (
                SLOPE_TWICE
            ),
            "score_function(g - g.flip(0), z, logits)": ONE_OTHER,
            "score_function(g - (g.sum(1, keepdim=True) - g) / (g.shape[1] - 1), z, logits)": (
                OTHER_IMAGES
            ),
            "score_function(g - g.mean(), z, logits)": SHARED,
            "(len(g) * g - g.sum(0))[..., None] / (len(g) - 1) * (z - logits.sigmoid())": (
                pairs.SAMPLES_KEPT
            ),
        },
    ),
    "errors_off": Exercise(
        "",
        errors_off,
        inputs=lambda draw: (2 + 3 * draw.normal(60, 4), 2 + 2 * draw.normal(4)),
        tolerance=0.02,  # a standard deviation with N in the place of N - 1 is right, too
        mistakes={
            "errors_off(draws, exact) / math.sqrt(len(draws))": SINGLE_DRAW,
            "errors_off(draws, exact) * math.sqrt(len(draws))": ROOT,
            "draws.mean(0) / (draws.std(0) / math.sqrt(len(draws)))": NO_EXACT,
            "errors_off(draws, exact) / draws.std(0)": SQUARED,
            "errors_off(draws, exact).abs()": SIGN_LOST,
            "errors_off(draws, exact) / 1.96": HALF_WIDTH,
            "(draws.mean(0) - exact) / ((draws - exact) ** 2).mean(0).sqrt()"
            " * math.sqrt(len(draws))": AROUND,
            "-errors_off(draws, exact)": (
                "The sign is that of exact minus mean.",
                "Exchange them.",
            ),
            "draws.mean(0) - exact": DIFFERENCE,
        },
    ),
    **derivation(
        "disarm_factor",
        "4.11",
        one_bit,
        lines={
            chance_to_differ: {
                "2 * logit.sigmoid() * (-logit).sigmoid()": INDEPENDENT,
                "2 * logit.sigmoid()": ONE_SIDE,
                "2 * (-logit).sigmoid()": ONE_SIDE,
            },
            mean_of_pair: {
                "logit.sigmoid() * (-logit).sigmoid() * (g1 - g0)": INDEPENDENT,
                "(g1 - g0) / 2": ALWAYS,
            },
            factor: {"logit.sigmoid()": ONE_SIDE},
        },
    ),
    "disarm_gradient": Exercise(
        "4.11",
        disarm_gradient,
        inputs=lambda draw: (
            *(2 * draw.normal(2, 3, 4) - 90),
            *draw.bits(2, 3, 4, 5),
            2 * draw.normal(4, 5),
        ),
        mistakes={
            "-disarm_gradient(of_z, of_mirrored, z, mirrored, logits)": UPHILL,
            "2 * disarm_gradient(of_z, of_mirrored, z, mirrored, logits)": DOUBLED,
            "score_function(of_z - of_mirrored, z - mirrored + logits.sigmoid(), logits) / 2": (
                NO_FACTOR
            ),
            "((of_z - of_mirrored)[..., None] / 2 * (z - mirrored)).mean(0) * logits.sigmoid()": (
                NO_ABS
            ),
            "disarm_gradient(of_z, of_mirrored, z, mirrored, logits) / logits.abs().exp()": (
                WRONG_FACTOR
            ),
            "disarm_gradient(of_z, of_mirrored, z, mirrored, logits) * (-logits.abs()).sigmoid()": (
                WHOLE_SLOPE
            ),
            "disarm_gradient((of_z - of_mirrored).abs(), 0 * of_z, z, mirrored, logits)": SIZE_OF_G,
            "disarm_gradient(of_z, of_mirrored, (z - mirrored).abs(), 0 * z, logits)": NO_SIGN,
            "disarm_gradient(of_z, -of_mirrored, z, mirrored, logits)": SUM_OF_G,
            "disarm_gradient(of_z, of_mirrored, z, mirrored, logits) * len(z)": (
                pairs.SAMPLES_SUMMED
            ),
            "(of_z - of_mirrored)[..., None] / 2 * (z - mirrored) * logits.abs().sigmoid()": (
                pairs.SAMPLES_KEPT
            ),
        },
    ),
    "straight_through_bits": Exercise(
        "4.12",
        straight_through_bits,
        inputs=lambda draw: (draw.bits(3, 4, 5), 2 * draw.normal(4, 5)),
        gradient=("logits",),
        mistakes={
            "z - logits.sigmoid()": ("This is the score.", "The value is that of the bit."),
            "logits.sigmoid().expand_as(z)": SOFT,
            "z + logits.sigmoid()": SOFT,
            "z * logits.sigmoid()": SOFT,
            "z + logits": ("A bit and a logit are added.", "The value is that of the bit."),
        },
    ),
    "relaxed_bits": bits.RELAXED_BITS,
    "hard_elbo": bits.HARD_ELBO,
    "gradient_audit": Choice(
        "4.13",
        "B",
        mistakes={
            "A": ("Then autograd and finite differences would differ.", "Compare the slopes."),
            "C": ("Then neither test would see it.", "One of the two lines is odd. Which?"),
            "D": ("Then the spread would be larger, but fall with the batch.", "Read the spreads."),
        },
    ),
}
