"""Exercises of notebook 02, the MLP classifier."""

from labutils.exercises.kinds import Exercise

import math

import torch
from torch.nn import functional as F


def parameter_count(hidden_dim):
    return 784 * hidden_dim + hidden_dim + 10 * hidden_dim + 10


def classifier_logits(x, W1, b1, W2, b2, mask, ratio):
    hidden = F.relu(x @ W1.T + b1)
    return (mask * hidden / (1 - ratio)) @ W2.T + b2


def cross_entropy(logits, labels):
    own = logits[torch.arange(len(labels)), labels]
    return (logits.logsumexp(-1) - own).mean()


def half_width(error, n):
    return 1.96 * math.sqrt(error * (1 - error) / n)


EXERCISES = {
    "parameter_count": Exercise(
        "",
        parameter_count,
        inputs=lambda draw: (draw.integers(2, 600),),
        gradient=(),
        mistakes={
            "784 * hidden_dim + 10 * hidden_dim": (
                "You counted the weights.",
                "The biases are parameters too.",
            ),
            "784 * hidden_dim + hidden_dim + 10 * hidden_dim": (
                "The bias of the output layer is missing.",
                "The bias of the output layer is missing.",
            ),
            "784 * hidden_dim + 10 * hidden_dim + 10": (
                "The bias of the hidden layer is missing.",
                "The bias of the hidden layer is missing.",
            ),
            "784 * hidden_dim + hidden_dim": (
                "That is the first layer alone.",
                "Add the second one.",
            ),
        },
    ),
    "classifier_logits": Exercise(
        "2.1",
        classifier_logits,
        inputs=lambda draw: (
            draw.normal(3, 6),
            draw.normal(5, 6),
            draw.normal(5),
            draw.normal(4, 5),
            draw.normal(4),
            draw.bits(3, 5),
            0.1 + 0.3 * draw.uniform(),
        ),
        gradient=("W1", "b1", "W2", "b2"),
        mistakes={
            "mask * F.relu(x @ W1.T + b1) @ W2.T + b2": (
                "The units that stay are not scaled up: divide them by 1 - ratio.",
                "The units that stay are not scaled up: divide them by 1 - ratio.",
            ),
            "mask * F.relu(x @ W1.T + b1) / ratio @ W2.T + b2": (
                "You divide by the dropout ratio.",
                "Divide by the fraction that stays, 1 - ratio.",
            ),
            "mask * F.relu(x @ W1.T + b1) * (1 - ratio) @ W2.T + b2": (
                "You multiply by 1 - ratio.",
                "Divide, so that the mean stays as without dropout.",
            ),
            "mask * (x @ W1.T + b1) / (1 - ratio) @ W2.T + b2": (
                "The ReLU is missing: without it the two layers collapse into one linear map.",
                "The ReLU is missing: without it the two layers collapse into one linear map.",
            ),
            "F.relu(x @ W1.T + b1) @ W2.T + b2": (
                "The mask is missing: this is the function at test time.",
                "The mask is missing: this is the function at test time.",
            ),
        },
    ),
    "cross_entropy": Exercise(
        "2.4",
        cross_entropy,
        inputs=lambda draw: (draw.normal(5, 4) * draw.choice([1, 100]), draw.integers(0, 4, 5)),
        gradient=("logits",),
        mistakes={
            "-F.cross_entropy(logits, labels)": (
                "The sign is flipped: a loss is minimised.",
                "The sign is flipped: a loss is minimised.",
            ),
            "F.cross_entropy(logits, labels, reduction='sum')": (
                "You sum over the batch.",
                "Take the mean, so that its size does not matter.",
            ),
            "F.cross_entropy(logits, labels, reduction='none')": (
                "Average over the batch.",
                "Average over the batch.",
            ),
            "F.cross_entropy(logits.softmax(-1), labels)": (
                "The softmax is applied twice: the argument holds logits, not probabilities.",
                "The softmax is applied twice: the argument holds logits, not probabilities.",
            ),
            "-(logits.exp() / logits.exp().sum(-1, keepdim=True)).log()[range(len(labels)), labels].mean()": (
                "exp(200) overflows.",
                "Use logsumexp, which takes the largest logit out first.",
            ),
            "-logits.softmax(-1).log()[range(len(labels)), labels].mean()": (
                "A probability has underflowed to 0 before its logarithm.",
                "Stay with logarithms: log_softmax, or the logit minus logsumexp.",
            ),
            "-logits.softmax(-1)[range(len(labels)), labels].mean()": (
                "That is the mean probability of the label.",
                "Take the logarithm of each first.",
            ),
            "-logits[range(len(labels)), labels].mean()": (
                "The logits are not normalised: subtract logsumexp over the classes.",
                "The logits are not normalised: subtract logsumexp over the classes.",
            ),
        },
    ),
    "half_width": Exercise(
        "2.5",
        half_width,
        inputs=lambda draw: (0.02 + 0.4 * draw.uniform(), draw.integers(20, 400)),
        gradient=(),
        mistakes={
            "math.sqrt(error * (1 - error) / n)": (
                "That is one standard error.",
                "95 % of a Gaussian lie within 1.96 of them.",
            ),
            "1.96 * error * (1 - error) / n": ("That is a variance.", "Take its square root."),
            "1.96 * math.sqrt(error * (1 - error))": (
                "That is the spread of one digit.",
                "The mean of n digits varies less: divide by n.",
            ),
            "2 * 1.96 * math.sqrt(error * (1 - error) / n)": (
                "That is the whole width of the interval.",
                "Return half of it.",
            ),
        },
    ),
}
