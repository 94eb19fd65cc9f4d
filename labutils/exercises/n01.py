"""The exercises of notebook 01: densities, Bayes' rule, samplers and units."""

from labutils.exercises.kinds import Exercise
from labutils.exercises.pairs import (
    HALF_MISSING,
    HALF_OF_SOME,
    LOG_STD,
    LOGARITHM,
    OUT_OF_RANGE,
    PER_EXAMPLE,
)

import math

import torch

NOT_THE_VARIANCE = (
    "The squared distance is divided by something that is not the variance.",
    "The variance is the exponential of log_var.",
)


def gaussian_log_density(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


# near, far below what exp can represent, and far from each other
FAR = torch.tensor([[0.0, 0, 0], [-7, -9, -8], [-800, -802, -799], [-100, -1200, -2100]])
LOGARITHMS_SUMMED = (
    "The denominator is computed from logarithms as if they were probabilities.",
    "Its logarithm is the logsumexp of the numerators, and dividing becomes subtracting.",
)


def bayes_rule(log_p_x_given_y, log_prior):
    log_joint = log_p_x_given_y + log_prior
    return log_joint - log_joint.logsumexp(-1, keepdim=True)


SLOPES = torch.tensor([-2.0, -0.5, 0.2, 0.5, 2, 3])
DECREASING = (
    "For a decreasing map this is nan, although its density is as good as any other.",
    "The slope may be negative: take its absolute value first.",
)
SLOPE_SUBTRACTED = (
    "A slope is subtracted from a logarithm. It is the density that the slope divides.",
    "Subtract the logarithm of the absolute slope.",
)
LOGARITHM_DIVIDED = (
    "The logarithm is divided by the slope. It is the density that the slope divides.",
    "Dividing a density is subtracting from its logarithm.",
)


def change_of_variables(log_p_z, slope):
    return log_p_z - slope.abs().log()


NOISE = (
    "The noise has the wrong size, so that the walk settles in another distribution.",
    "Its standard deviation is the square root of twice the step.",
)


def langevin_step(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


NATS = torch.tensor([-200.0, -100, 20])  # a log-density may be positive
MORE_FOR_LESS = (
    "The more probable an image, the more bits it needs here.",
    "The sign is flipped.",
)
NOT_BITS = (
    "A fair coin, log p = -0.693 nats, doesn't come out as one bit.",
    "Divide by the number of nats in a bit, log 2.",
)


def bpd(nats):
    return -nats / (784 * math.log(2))


EXERCISES = {
    "gaussian_log_density": Exercise(
        "1.2",
        gaussian_log_density,
        inputs=lambda draw: (draw.normal(5), draw.normal(5), draw.normal(5)),
        gradient=("mean", "log_var"),
        mistakes={
            "-gaussian_log_density(x, mean, log_var)": (
                "The result is lowest at the mean. A density is highest there.",
                "The minus sign before the bracket is missing.",
            ),
            "2 * gaussian_log_density(x, mean, log_var)": HALF_MISSING,
            "-math.log(2 * math.pi) - log_var - 0.5 * (x - mean) ** 2 / log_var.exp()": HALF_OF_SOME,
            "-0.5 * math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp()": HALF_OF_SOME,
            "-0.5 * (math.log(2 * math.pi) + (x - mean) ** 2 / log_var.exp())": (
                "A wide Gaussian is as high as a narrow one, so that not both integrate to 1.",
                "One of the three terms is missing: log sigma squared.",
            ),
            "gaussian_log_density(x, mean, log_var) + 0.5 * (log_var - log_var.exp())": (
                "The variance itself is one of the three terms. Equation 1.2 has its logarithm.",
                "log_var is that logarithm already.",
            ),
            "-0.5 * (log_var + (x - mean) ** 2 / log_var.exp())": (
                "This density integrates to 2.5. It should integrate to 1.",
                "The constant, log 2 pi, is missing.",
            ),
            "gaussian_log_density(x, mean, 2 * log_var)": LOG_STD,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var)": NOT_THE_VARIANCE,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2)": NOT_THE_VARIANCE,
            "gaussian_log_density(x, mean, log_var).exp()": LOGARITHM,
            "gaussian_log_density(x, mean, log_var).mean()": PER_EXAMPLE,
            "gaussian_log_density(x, mean, log_var).sum()": PER_EXAMPLE,
        },
    ),
    "bayes_rule": Exercise(
        "1.6",
        bayes_rule,
        inputs=lambda draw: (
            (3 * draw.normal(4, 3) + FAR).double(),
            draw.normal(3).double().log_softmax(-1),
        ),
        mistakes={
            "log_p_x_given_y.log_softmax(-1)": (
                "Rare classes and frequent ones are treated alike.",
                "The prior is missing: add log_prior.",
            ),
            "(log_p_x_given_y + log_prior.exp()).log_softmax(-1)": (
                "A product of probabilities is a sum of logarithms. What is added here isn't one.",
                "log_prior is a logarithm already: add it as it is.",
            ),
            "log_p_x_given_y + log_prior": (
                "The probabilities of the classes don't add up to 1: this is the joint.",
                "Subtract the logarithm of the denominator of equation 1.6.",
            ),
            "(log_p_x_given_y + log_prior).log_softmax(0)": (
                "The probabilities of a class add up to 1 over the examples.",
                "Normalise over the classes, the last axis.",
            ),
            "(log_p_x_given_y + log_prior).softmax(-1)": LOGARITHM,
            "(log_p_x_given_y + log_prior).softmax(-1).log()": OUT_OF_RANGE,
            "(lambda p: (p / p.sum(-1, keepdim=True)).log())((log_p_x_given_y + log_prior).exp())": (
                OUT_OF_RANGE
            ),
            "(lambda a: a - a.exp().sum(-1, keepdim=True).log())(log_p_x_given_y + log_prior)": (
                OUT_OF_RANGE
            ),
            "log_prior + log_p_x_given_y.log_softmax(-1)": (
                "The prior is in the numerator and not in the denominator, which needs both.",
                "Equation 1.6 divides by the sum of all numerators.",
            ),
            "(lambda a: a - a.sum(-1, keepdim=True))(log_p_x_given_y + log_prior)": LOGARITHMS_SUMMED,
            "(lambda a: a / a.logsumexp(-1, keepdim=True))(log_p_x_given_y + log_prior)": (
                LOGARITHMS_SUMMED
            ),
        },
    ),
    "change_of_variables": Exercise(
        "1.7",
        change_of_variables,
        inputs=lambda draw: (draw.normal(6), SLOPES * (1 + 0.5 * draw.uniform(6))),
        mistakes={
            "log_p_z + slope.abs().log()": (
                "Where the map stretches, the density rises. Mass is kept, so it has to thin.",
                "Look at the sign of the slope's term.",
            ),
            "log_p_z - slope.log()": DECREASING,
            "log_p_z - slope.log().abs()": DECREASING,
            "log_p_z - slope.abs()": SLOPE_SUBTRACTED,
            "log_p_z - slope": SLOPE_SUBTRACTED,
            "log_p_z / slope": LOGARITHM_DIVIDED,
            "log_p_z / slope.abs()": LOGARITHM_DIVIDED,
            "log_p_z.exp() / slope.abs()": LOGARITHM,
            "log_p_z": (
                "The density stays as it was, however far the map stretches.",
                "The term with the slope is missing.",
            ),
        },
    ),
    "langevin_step": Exercise(
        "1.13",
        langevin_step,
        inputs=lambda draw: (
            draw.normal(4, 2),
            draw.normal(4, 2),
            0.02 + 0.2 * draw.uniform(),
            draw.normal(4, 2),
        ),
        mistakes={
            "x - step * gradient + math.sqrt(2 * step) * noise": (
                "The walk goes downhill. Samples gather where f is high.",
                "Look at the sign of the gradient.",
            ),
            "x + step * gradient + step * noise": NOISE,
            "x + step * gradient + math.sqrt(step) * noise": NOISE,
            "x + step * gradient + 2 * step * noise": NOISE,
            "x + step * gradient + math.sqrt(2) * step * noise": NOISE,
            "x + step * gradient + noise": NOISE,
            "x + step / 2 * gradient + math.sqrt(step) * noise": (
                "Many papers write it this way: it is equation 1.13 with half the step.",
                "Multiply the gradient by step, and the noise by the root of twice the step.",
            ),
            "step * gradient + math.sqrt(2 * step) * noise": (
                "Each step forgets where the last one ended.",
                "The walk goes on from x: add it.",
            ),
            "x + step * gradient": (
                "The walk climbs to the nearest mode and stays there: nothing is random.",
                "The noise is missing.",
            ),
            "x + gradient + math.sqrt(2 * step) * noise": (
                "However small the step, the walk goes equally far uphill.",
                "Multiply the gradient by step.",
            ),
        },
    ),
    "bits_per_dimension": Exercise(
        "1.14",
        bpd,
        inputs=lambda draw: (NATS * (1 + draw.uniform(3)),),
        mistakes={
            "-bpd(nats)": MORE_FOR_LESS,
            "nats / 784": MORE_FOR_LESS,
            "-nats / 784": NOT_BITS,
            "-nats / (784 * 2)": NOT_BITS,
            "-nats / 784 * math.log(2)": NOT_BITS,
            "-nats / (784 * math.log(10))": NOT_BITS,
            "-nats / math.log(2)": (
                "These are the bits of the whole image: a larger image would need more.",
                "Divide by the number of pixels.",
            ),
            "nats.abs() / (784 * math.log(2))": (
                "For a log-density above 0 the sign is wrong: densities may exceed 1.",
                "Change the sign instead of dropping it.",
            ),
            "-nats / (28 * math.log(2))": (
                "The dimensions of an image are not its 28 rows.",
                "An image has 28 x 28 pixels.",
            ),
        },
    ),
}
