"""The exercises of notebook 02: a classifier, its loss, and how well its error is known."""

from labutils.exercises.kinds import Exercise
from labutils.exercises.pairs import BATCH_SUMMED

import math

import torch
from torch.nn import functional as F

BIASES = (
    "A layer computes W x + b. Not every unit has its b here.",
    "Each hidden unit and each of the 10 outputs has a bias.",
)


def parameter_count(hidden_dim):
    return 784 * hidden_dim + hidden_dim + 10 * hidden_dim + 10


DROPOUT_SCALE = (
    "What reaches the output layer has another mean than without dropout.",
    "Divide the units that stay by the fraction of units that stay, 1 - ratio.",
)
NOTHING_DROPPED = (
    "No unit is ever dropped.",
    "Multiply the hidden units by mask.",
)
OFFSET_MISSING = (
    "One of the two layers maps 0 to 0, whatever it has learned.",
    "A layer computes W x + b: look for the b of both.",
)


def classifier_logits(x, W1, b1, W2, b2, mask, ratio):
    hidden = F.relu(x @ W1.T + b1)
    return (mask * hidden / (1 - ratio)) @ W2.T + b2


LARGE = torch.tensor([[200.0, 0, -200, 100]] * 2)
PROBABILITIES_AVERAGED = (
    "Probabilities are averaged. The likelihood of several labels is their product.",
    "Take the logarithm of each probability, then the mean.",
)


def cross_entropy(logits, labels):
    own = logits[torch.arange(len(labels)), labels]
    return (logits.logsumexp(-1) - own).mean()


def own(table, labels):
    """The entry of each row that belongs to its label."""
    return table[torch.arange(len(labels)), labels]


STANDARD_ERRORS = (
    "An interval of this width holds the true rate more often or less often than 95 %.",
    "95 % of a Gaussian lie within 1.96 standard deviations of its mean.",
)


def half_width(error, n):
    return 1.96 * math.sqrt(error * (1 - error) / n)


EXERCISES = {
    "parameter_count": Exercise(
        "",
        parameter_count,
        inputs=lambda draw: (draw.integers(20, 900),),
        mistakes={
            "784 * hidden_dim + 10 * hidden_dim": BIASES,
            "784 * hidden_dim + hidden_dim + 10 * hidden_dim": BIASES,
            "784 * hidden_dim + 10 * hidden_dim + 10": BIASES,
            "784 * hidden_dim + 1 + 10 * hidden_dim + 1": BIASES,
            "784 * hidden_dim + hidden_dim": (
                "The count ends at the hidden layer, but the network returns 10 logits.",
                "Add the weights and the biases of the output layer.",
            ),
            "784 * hidden_dim + hidden_dim + 10": (
                "The outputs have biases, but nothing connects them to the hidden units.",
                "Add the weights of the output layer.",
            ),
        },
    ),
    "classifier_logits": Exercise(
        "2.1",
        classifier_logits,
        inputs=lambda draw: (
            draw.normal(4, 6),
            *(draw.normal(8, 6), draw.normal(8)),
            *(draw.normal(3, 8), draw.normal(3)),
            draw.bits(4, 8),
            0.1 + 0.3 * draw.uniform(),
        ),
        mistakes={
            "(mask * F.relu(x @ W1.T + b1)) @ W2.T + b2": DROPOUT_SCALE,
            "(mask * F.relu(x @ W1.T + b1) / ratio) @ W2.T + b2": DROPOUT_SCALE,
            "(mask * F.relu(x @ W1.T + b1) * (1 - ratio)) @ W2.T + b2": DROPOUT_SCALE,
            "((mask * F.relu(x @ W1.T + b1)) @ W2.T + b2) / (1 - ratio)": DROPOUT_SCALE,
            "(mask * (x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": (
                "Two linear maps in a row are one linear map: the hidden layer adds nothing.",
                "The ReLU is missing.",
            ),
            "F.relu(x @ W1.T + b1) @ W2.T + b2": NOTHING_DROPPED,
            "(F.relu(x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": NOTHING_DROPPED,
            "classifier_logits(x, W1, b1, W2, b2, 1 - mask, ratio)": (
                "The units that are to stay are dropped, and the others stay.",
                "A 1 in the mask stands for a unit that stays.",
            ),
            "classifier_logits(x, W1, 0 * b1, W2, b2, mask, ratio)": OFFSET_MISSING,
            "classifier_logits(x, W1, b1, W2, 0 * b2, mask, ratio)": OFFSET_MISSING,
            "F.relu(classifier_logits(x, W1, b1, W2, b2, mask, ratio))": (
                "No logit is negative, so that no class can be ruled out.",
                "The ReLU belongs to the hidden layer alone.",
            ),
            "classifier_logits(x, W1, b1, W2, b2, mask, ratio).softmax(-1)": (
                "The rows add up to 1: these are probabilities.",
                "Logits are what the softmax is applied to, later.",
            ),
        },
    ),
    "cross_entropy": Exercise(
        "2.4",
        cross_entropy,
        inputs=lambda draw: (
            torch.cat([draw.normal(4, 4), LARGE + draw.normal(2, 4)]),
            torch.cat([draw.integers(0, 4, (4,)), torch.tensor([2, 0])]),
        ),
        gradient=("logits",),
        mistakes={
            "-cross_entropy(logits, labels)": (
                "The less probable the labels, the lower the loss.",
                "The sign is flipped.",
            ),
            "len(labels) * cross_entropy(logits, labels)": BATCH_SUMMED,
            "logits.logsumexp(-1) - own(logits, labels)": (
                "Each example has a loss of its own. Gradient descent needs one number.",
                "Take the mean over the batch.",
            ),
            "cross_entropy(logits.softmax(-1), labels)": (
                "The softmax is applied twice: even certain and right answers keep a loss.",
                "The arguments are logits, which logsumexp takes as they are.",
            ),
            "-own(logits.softmax(-1), labels).mean()": PROBABILITIES_AVERAGED,
            "-own(logits.softmax(-1), labels).mean().log()": PROBABILITIES_AVERAGED,
            "-own(logits, labels).mean()": (
                "Adding 1 to all logits lowers the loss, though no probability changes.",
                "The logits are not normalised: their logsumexp is missing.",
            ),
            "cross_entropy(logits, labels) / logits.shape[-1]": (
                "The mean runs over the classes too, though only the label's counts.",
                "Divide by the number of examples alone.",
            ),
        },
    ),
    "half_width": Exercise(
        "2.5",
        half_width,
        inputs=lambda draw: (0.05 + 0.4 * draw.uniform(), draw.integers(20, 2000)),
        mistakes={
            "math.sqrt(error * (1 - error) / n)": STANDARD_ERRORS,
            "1.645 * math.sqrt(error * (1 - error) / n)": STANDARD_ERRORS,
            "2 * math.sqrt(error * (1 - error) / n)": STANDARD_ERRORS,
            "1.96 * error * (1 - error) / n": (
                "This is a variance, which can't be added to a rate: its unit is squared.",
                "Take the square root.",
            ),
            "1.96 * math.sqrt(error * (1 - error))": (
                "More digits don't narrow the interval: this is the spread of a single one.",
                "The variance of a mean is n times smaller.",
            ),
            "1.96 * math.sqrt(error * (1 - error)) / n": (
                "Four times the digits narrow the interval to a quarter. It should be to a half.",
                "The division by n belongs under the root.",
            ),
            "1.96 * math.sqrt(error * 1 - error / n)": (
                "Products and quotients come before the difference, so error - error / n is left.",
                "Put 1 - error in brackets.",
            ),
            "1.96 * math.sqrt(error / n)": (
                "A classifier that is always wrong is as uncertain as can be. It isn't.",
                "The factor 1 - error is missing.",
            ),
            "2 * half_width(error, n)": (
                "This is the width of the whole interval.",
                "Return half of it.",
            ),
            "100 * half_width(error, n)": (
                "This is in percent, while the error is a fraction.",
                "Leave out the factor 100.",
            ),
            "error + half_width(error, n)": (
                "This is the upper end of the interval.",
                "Return its distance from the centre.",
            ),
        },
    ),
}
