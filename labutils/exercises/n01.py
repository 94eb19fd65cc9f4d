"""Exercises of notebook 01, generative modelling."""

from labutils.exercises.kinds import Exercise

import math

import torch


def gaussian_log_density(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


def bayes_rule(log_p_x_given_y, log_prior):
    log_joint = log_p_x_given_y + log_prior
    return log_joint - log_joint.logsumexp(-1, keepdim=True)


def change_of_variables(log_p_z, slope):
    return log_p_z - slope.abs().log()


def langevin_step(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


def bits_per_dimension(nats):
    return -nats / (784 * math.log(2))


EXERCISES = {
    "gaussian_log_density": Exercise(
        "1.2",
        gaussian_log_density,
        inputs=lambda draw: (
            draw.normal(5),
            torch.tensor(draw.normal()),
            torch.tensor(draw.normal()),
        ),
        gradient=("mean", "log_var"),
        mistakes={
            "-gaussian_log_density(x, mean, log_var)": (
                "The sign is flipped.",
                "The sign is flipped.",
            ),
            "2 * gaussian_log_density(x, mean, log_var)": (
                "The factor one half is missing.",
                "The factor one half is missing.",
            ),
            "-math.log(2 * math.pi) - log_var - 0.5 * (x - mean) ** 2 / log_var.exp()": (
                "One half multiplies all three terms.",
                "One half multiplies all three terms.",
            ),
            "gaussian_log_density(x, mean, log_var) + 0.5 * log_var": (
                "The term log sigma squared is missing.",
                "The term log sigma squared is missing.",
            ),
            "gaussian_log_density(x, mean, log_var) + 0.5 * (log_var - log_var.exp())": (
                "The middle term is the logarithm of the variance: log_var itself.",
                "The middle term is the logarithm of the variance: log_var itself.",
            ),
            "-0.5 * (log_var + (x - mean) ** 2 / log_var.exp())": (
                "The constant log 2 pi is missing: without it the density does not integrate to 1.",
                "The constant log 2 pi is missing: without it the density does not integrate to 1.",
            ),
            "gaussian_log_density(x, mean, 2 * log_var)": (
                "You read log_var as the logarithm of the standard deviation.",
                "It is that of the variance: exp(log_var) is sigma squared.",
            ),
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var)": (
                "The squared distance is divided by the variance, exp(log_var).",
                "The squared distance is divided by the variance, exp(log_var).",
            ),
            "gaussian_log_density(x, mean, log_var).exp()": (
                "That is the density.",
                "Return its logarithm.",
            ),
            "gaussian_log_density(x, mean, log_var).mean()": (
                "Return one number for each x: the mean is taken in one visible place, later.",
                "Return one number for each x: the mean is taken in one visible place, later.",
            ),
            "gaussian_log_density(x, mean, log_var).sum()": (
                "Return one number for each x: the mean is taken in one visible place, later.",
                "Return one number for each x: the mean is taken in one visible place, later.",
            ),
        },
    ),
    "bayes_rule": Exercise(
        "1.6",
        bayes_rule,
        inputs=lambda draw: (
            torch.cat(
                [
                    5 * draw.normal(4, 3) - 800,
                    5 * draw.normal(2, 3),
                    torch.tensor([[-100.0, -1200, -2100]]),
                ]
            ),
            draw.normal(3).log_softmax(0),
        ),
        gradient=(),
        mistakes={
            "log_p_x_given_y.log_softmax(-1)": (
                "The prior is missing: add log_prior.",
                "The prior is missing: add log_prior.",
            ),
            "(log_p_x_given_y + log_prior.log()).log_softmax(-1)": (
                "log_prior is a logarithm already.",
                "log_prior is a logarithm already.",
            ),
            "log_p_x_given_y + log_prior": (
                "That is the joint.",
                "Normalise it: subtract its logsumexp.",
            ),
            "(log_p_x_given_y + log_prior).log_softmax(0)": (
                "You normalise over the examples.",
                "Sum over the classes, the last axis.",
            ),
            "(log_p_x_given_y + log_prior).softmax(-1)": (
                "Those are probabilities.",
                "Return their logarithms.",
            ),
            "(log_p_x_given_y.exp() * log_prior.exp() / (log_p_x_given_y.exp() * log_prior.exp()).sum(-1, keepdim=True)).log()": (
                "exp(-800) underflows to 0.",
                "Stay with logarithms: logsumexp.",
            ),
            "log_p_x_given_y + log_prior - (log_p_x_given_y + log_prior).exp().sum(-1, keepdim=True).log()": (
                "exp(-800) underflows to 0.",
                "Stay with logarithms: logsumexp.",
            ),
            "(log_p_x_given_y + log_prior).softmax(-1).log()": (
                "A probability has underflowed to 0 before its logarithm: subtract logsumexp.",
                "A probability has underflowed to 0 before its logarithm: subtract logsumexp.",
            ),
            "(log_p_x_given_y + log_prior.exp()).log_softmax(-1)": (
                "Add log_prior as it is, without exp.",
                "Add log_prior as it is, without exp.",
            ),
            "log_p_x_given_y + log_prior - log_p_x_given_y.logsumexp(-1, keepdim=True)": (
                "The denominator needs the prior too: logsumexp of the joint.",
                "The denominator needs the prior too: logsumexp of the joint.",
            ),
        },
    ),
    "change_of_variables": Exercise(
        "1.7",
        change_of_variables,
        inputs=lambda draw: (
            draw.normal(6),
            torch.tensor([1.0, -1, 1, -1, 1, 1]) * draw.positive(6),
        ),
        gradient=(),
        mistakes={
            "log_p_z + slope.abs().log()": (
                "The sign is flipped: where the map stretches, the density thins.",
                "The sign is flipped: where the map stretches, the density thins.",
            ),
            "log_p_z - slope.log()": (
                "The slope may be negative: take its absolute value.",
                "The slope may be negative: take its absolute value.",
            ),
            "log_p_z - slope.abs()": (
                "Take the logarithm of the slope.",
                "Take the logarithm of the slope.",
            ),
            "log_p_z - slope": (
                "Take the logarithm of the absolute slope.",
                "Take the logarithm of the absolute slope.",
            ),
            "log_p_z / slope": (
                "A density is divided by the slope; logarithms subtract.",
                "A density is divided by the slope; logarithms subtract.",
            ),
            "log_p_z / slope.abs()": (
                "A density is divided by the slope; logarithms subtract.",
                "A density is divided by the slope; logarithms subtract.",
            ),
            "log_p_z.exp() / slope.abs()": ("That is the density.", "Return its logarithm."),
            "log_p_z": (
                "The slope is missing: a stretched density gets thinner.",
                "The slope is missing: a stretched density gets thinner.",
            ),
        },
    ),
    "langevin_step": Exercise(
        "1.13",
        langevin_step,
        inputs=lambda draw: (
            draw.normal(4, 2),
            draw.normal(4, 2),
            0.02 + 0.3 * draw.uniform(),
            draw.normal(4, 2),
        ),
        gradient=(),
        mistakes={
            "x - step * gradient + math.sqrt(2 * step) * noise": (
                "That goes downhill.",
                "Samples gather where f is high: add the gradient.",
            ),
            "x + step * gradient + step * noise": (
                "The noise is scaled with the square root of twice the step, not with the step.",
                "The noise is scaled with the square root of twice the step, not with the step.",
            ),
            "x + step * gradient + math.sqrt(step) * noise": (
                "A factor 2 is missing under the root of the noise.",
                "A factor 2 is missing under the root of the noise.",
            ),
            "x + step * gradient + 2 * step * noise": (
                "Take the square root: sqrt(2 * step) times the noise.",
                "Take the square root: sqrt(2 * step) times the noise.",
            ),
            "x + step / 2 * gradient + math.sqrt(step) * noise": (
                "Many papers write it so, with a step of twice ours: here it is step and 2 * step.",
                "Many papers write it so, with a step of twice ours: here it is step and 2 * step.",
            ),
            "x + step * gradient + noise": ("The noise is not scaled.", "The noise is not scaled."),
            "step * gradient + math.sqrt(2 * step) * noise": (
                "The step starts from x: add it.",
                "The step starts from x: add it.",
            ),
            "x + step * gradient": (
                "The noise is missing: this climbs to a mode.",
                "The noise is missing: this climbs to a mode.",
            ),
            "x + gradient + math.sqrt(2 * step) * noise": (
                "The gradient is multiplied by the step.",
                "The gradient is multiplied by the step.",
            ),
        },
    ),
    "bits_per_dimension": Exercise(
        "1.14",
        bits_per_dimension,
        inputs=lambda draw: (100 * draw.normal(5) - 50,),
        gradient=(),
        mistakes={
            "nats / (784 * math.log(2))": (
                "The sign is flipped: bits are positive.",
                "The sign is flipped: bits are positive.",
            ),
            "-nats / 784": ("Those are nats per dimension.", "Divide by log 2 to get bits."),
            "-nats / math.log(2)": ("Those are the bits of the image.", "Divide by its pixels."),
            "nats.abs() / (784 * math.log(2))": (
                "Change the sign, do not drop it: a log-density may be positive.",
                "Change the sign, do not drop it: a log-density may be positive.",
            ),
            "-nats / (28 * math.log(2))": (
                "An image has 28 x 28 = 784 pixels.",
                "An image has 28 x 28 = 784 pixels.",
            ),
            "-nats / (784 * 2)": ("Divide by log 2, not by 2.", "Divide by log 2, not by 2."),
            "nats / 784": (
                "Flip the sign, and divide by log 2.",
                "Flip the sign, and divide by log 2.",
            ),
            "-nats * math.log(2) / 784": (
                "Divide by log 2: a nat is more than a bit.",
                "Divide by log 2: a nat is more than a bit.",
            ),
        },
    ),
}
