"""The exercises of notebook 01: densities, Bayes' rule, samplers and units."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise

import math

import torch

VARIANCE = ("The squared distance isn't divided by the variance.", "That is log_var.exp().")


def gaussian_log_density(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


# near, far below what exp can represent, and far from each other
FAR = torch.tensor([[0.0, 0, 0], [-7, -9, -8], [-800, -802, -799], [-100, -1200, -2100]])


def bayes_rule(log_p_x_given_y, log_prior):
    log_joint = log_p_x_given_y + log_prior
    return log_joint - log_joint.logsumexp(-1, keepdim=True)


SLOPES = torch.tensor([-2.0, -0.5, 0.2, 0.5, 2, 3])
DECREASING = ("For a decreasing map this is nan.", "Take the absolute value of the slope first.")
NO_LOGARITHM = ("A slope is subtracted from a logarithm.", "Take the slope's logarithm too.")
DIVIDED = ("The slope divides the density, not its logarithm.", "Subtract logarithms.")


def change_of_variables(log_p_z, slope):
    return log_p_z - slope.abs().log()


NOISE = ("With noise of this size the walk settles elsewhere.", "Its variance is twice the step.")


def langevin_step(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


NATS = torch.tensor([-200.0, -100, 20])  # a log-density may be positive
SIGN = ("A probable image needs more bits than an improbable one.", "The sign is flipped.")
NOT_BITS = ("A fair coin, -0.693 nats, doesn't come out as one bit.", "A bit is log 2 nats.")


def bpd(nats):
    return -nats / (784 * math.log(2))


EXERCISES = {
    "gaussian_log_density": Exercise(
        "1.2",
        gaussian_log_density,
        inputs=lambda draw: tuple(draw.normal(3, 5)),
        gradient=("mean", "log_var"),
        mistakes={
            "-gaussian_log_density(x, mean, log_var)": (
                "The result is lowest at the mean. A density is highest there.",
                "The minus sign before the bracket is missing.",
            ),
            "2 * gaussian_log_density(x, mean, log_var)": pairs.HALF_MISSING,
            "-math.log(2 * math.pi) - log_var - 0.5 * (x - mean) ** 2 / log_var.exp()": (
                pairs.HALF_OF_SOME
            ),
            "-0.5 * math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp()": (
                pairs.HALF_OF_SOME
            ),
            "gaussian_log_density(x, mean, log_var) + 0.5 * log_var": (
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
            "gaussian_log_density(x, mean, 2 * log_var)": pairs.LOG_STD,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var)": VARIANCE,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2)": VARIANCE,
            "-0.5 * (math.log(2 * math.pi) + log_var.abs().log() + (x - mean) ** 2 / log_var)": (
                VARIANCE
            ),
            "-0.5 * (x - mean) ** 2 / log_var.exp()": (
                "The density at the mean is 1, however wide it is: it doesn't integrate to 1.",
                "Two of the three terms are missing.",
            ),
            "gaussian_log_density(x, mean, log_var).exp()": pairs.LOGARITHM,
            "gaussian_log_density(x, mean, log_var).mean()": pairs.PER_EXAMPLE,
            "gaussian_log_density(x, mean, log_var).sum()": pairs.PER_EXAMPLE,
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
            "log_p_x_given_y.log_softmax(-1)": ("The classes count alike.", "Add the prior."),
            "(log_p_x_given_y + log_prior.exp()).log_softmax(-1)": (
                "A product of probabilities is a sum of logarithms. What is added here isn't one.",
                "log_prior is a logarithm already: add it as it is.",
            ),
            "(log_p_x_given_y + log_prior).argmax(-1)": (
                "These are the most probable classes. Equation 1.6 gives a probability to each.",
                "Leave out argmax, and normalise.",
            ),
            "log_p_x_given_y + log_prior": ("It doesn't add up to 1.", "Subtract its logsumexp."),
            "(log_p_x_given_y + log_prior).log_softmax(0)": (
                "The probabilities of a class add up to 1 over the examples.",
                "Normalise over the classes, the last axis.",
            ),
            "(log_p_x_given_y + log_prior).softmax(-1)": pairs.LOGARITHM,
            "(log_p_x_given_y + log_prior).softmax(-1).log()": pairs.OUT_OF_RANGE,
            "(lambda p: (p / p.sum(1, keepdim=True)).log())((log_p_x_given_y + log_prior).exp())": (
                pairs.OUT_OF_RANGE
            ),
            "(lambda a: a - a.exp().sum(-1, keepdim=True).log())(log_p_x_given_y + log_prior)": (
                pairs.OUT_OF_RANGE
            ),
            "log_prior + log_p_x_given_y.log_softmax(-1)": (
                "The prior is in the numerator and not in the denominator, which needs both.",
                "Equation 1.6 divides by the sum of all numerators.",
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
            "log_p_z - slope.abs()": NO_LOGARITHM,
            "log_p_z - slope": NO_LOGARITHM,
            "log_p_z - 0.5 * slope.abs().log()": (
                "A slope of 4 only halves the density. It is stretched to a quarter.",
                "Subtract the whole logarithm.",
            ),
            "log_p_z / slope": DIVIDED,
            "log_p_z / slope.abs()": DIVIDED,
            "log_p_z.exp() / slope.abs()": pairs.LOGARITHM,
            "log_p_z": ("Stretching doesn't thin the density.", "The slope is missing."),
        },
    ),
    "langevin_step": Exercise(
        "1.13",
        langevin_step,
        inputs=lambda draw: (*draw.normal(2, 4, 2), 0.02 + 0.2 * draw.uniform(), draw.normal(4, 2)),
        mistakes={
            "x - step * gradient + math.sqrt(2 * step) * noise": (
                "The walk goes downhill. Samples gather where f is high.",
                "Look at the sign of the gradient.",
            ),
            "x + step * gradient + step * noise": NOISE,
            "x + step * gradient + math.sqrt(step) * noise": NOISE,
            "x + step * gradient + 2 * step * noise": NOISE,
            "x + step * gradient + 2 * math.sqrt(step) * noise": NOISE,
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
            "x + step * gradient": ("It climbs to a mode and stays.", "The noise is missing."),
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
            "-bpd(nats)": SIGN,
            "nats / 784": SIGN,
            "-nats / 784": NOT_BITS,
            "-nats / (784 * 2)": NOT_BITS,
            "-nats / 784 * math.log(2)": NOT_BITS,
            "-nats / math.log(2)": ("A larger image costs more.", "Divide by its pixels."),
            "bpd(nats).abs()": ("Densities above 1 cost bits.", "Don't drop the sign: flip it."),
            "-nats / (28 * math.log(2))": ("Only 28 pixels are counted.", "There are 28 x 28."),
        },
    ),
}
