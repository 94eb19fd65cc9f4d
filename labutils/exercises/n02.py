"""The exercises of notebook 02: a classifier, its loss, and how well its error is known."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise

import math

import torch
from torch.nn import functional as F

BIASES = ("A layer computes W x + b. Not every unit has its b here.", "Count one for each unit.")


def parameter_count(hidden_dim):
    return 784 * hidden_dim + hidden_dim + 10 * hidden_dim + 10


SCALE = ("Dropout changes the mean of the hidden units.", "Divide by the share that stays.")
NO_MASK = ("No unit is ever dropped.", "Multiply the hidden units by the mask.")
OFFSET = ("One of the layers maps 0 to 0, whatever it learns.", "Each layer has an offset, b.")


def classifier_logits(x, W1, b1, W2, b2, mask, ratio):
    hidden = F.relu(x @ W1.T + b1)
    return (mask * hidden / (1 - ratio)) @ W2.T + b2


LARGE = torch.tensor([[200.0, 0, -200, 100]] * 2)
AVERAGED = ("Probabilities are averaged. A likelihood multiplies.", "Average their logarithms.")


def cross_entropy(logits, labels):
    own = logits[torch.arange(len(labels)), labels]
    return (logits.logsumexp(-1) - own).mean()


def own(table, labels):
    """The entry of each row that belongs to its label."""
    return table[torch.arange(len(labels)), labels]


ERRORS = ("This is an interval for another level than 95 %.", "It is 1.96 standard errors.")


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
            "784 + hidden_dim + 10": ("These are units.", "Count weights and biases."),
            "784 * hidden_dim + hidden_dim": ("No logit comes out.", "Add the output layer."),
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
            draw.normal(6, 7),
            *(draw.normal(9, 7), draw.normal(9), draw.normal(3, 9), draw.normal(3)),
            draw.bits(6, 9),
            0.1 + 0.3 * draw.uniform(),
        ),
        mistakes={
            "(mask * F.relu(x @ W1.T + b1) / 0.5) @ W2.T + b2": (
                "The ratio is ignored: the result doesn't change with it, as in the handout.",
                "Divide by 1 - ratio.",
            ),
            "(mask * F.relu(x @ W1.T + b1)) @ W2.T + b2": SCALE,
            "(mask * F.relu(x @ W1.T + b1) / ratio) @ W2.T + b2": SCALE,
            "(mask * F.relu(x @ W1.T + b1) * (1 - ratio)) @ W2.T + b2": SCALE,
            "((mask * F.relu(x @ W1.T + b1)) @ W2.T + b2) / (1 - ratio)": SCALE,
            "(mask * (x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": (
                "Two linear maps in a row are one linear map: the hidden layer adds nothing.",
                "The ReLU is missing.",
            ),
            "F.relu(x @ W1.T + b1) @ W2.T + b2": NO_MASK,
            "(F.relu(x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": NO_MASK,
            "classifier_logits(x, W1, 0 * b1, W2, b2, mask, ratio)": OFFSET,
            "classifier_logits(x, W1, b1, W2, 0 * b2, mask, ratio)": OFFSET,
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
            "-cross_entropy(logits, labels)": ("It rewards mistakes.", "The sign is flipped."),
            "len(labels) * cross_entropy(logits, labels)": pairs.BATCH_SUMMED,
            "logits.logsumexp(-1) - own(logits, labels)": (
                "Each example has a loss of its own. Gradient descent needs one number.",
                "Take the mean over the batch.",
            ),
            "cross_entropy(logits.softmax(-1), labels)": (
                "The softmax is applied twice: even a right and certain answer keeps a loss.",
                "The arguments are logits, which logsumexp takes as they are.",
            ),
            "-own(logits.softmax(-1), labels).mean()": AVERAGED,
            "-own(logits.softmax(-1), labels).mean().log()": AVERAGED,
            "-(own(logits.softmax(-1), labels) + 1e-8).log().mean()": pairs.EPSILON,
            "(logits.logsumexp(-1) - logits[:, labels]).mean()": (
                "The labels of all examples are taken from each row.",
                "Each row has one label: logits[torch.arange(len(labels)), labels].",
            ),
            "(logits.logsumexp(-1) - logits.amax(-1)).mean()": (
                "The labels are ignored: a confident mistake costs nothing.",
                "Take the logit of the label, not the largest.",
            ),
            "-own(logits, labels).mean()": ("A shift of all logits lowers it.", "Normalise them."),
        },
    ),
    "half_width": Exercise(
        "2.5",
        half_width,
        inputs=lambda draw: (0.05 + 0.4 * draw.uniform(), draw.integers(20, 2000)),
        tolerance=1e-4,  # the quantile is 1.959964
        mistakes={
            "1.96 * error * (1 - error) / math.sqrt(n)": (
                "A variance is taken for a standard deviation.",
                "The root goes over error * (1 - error) too.",
            ),
            "math.sqrt(error * (1 - error) / n)": ERRORS,
            "2 * math.sqrt(error * (1 - error) / n)": ERRORS,
            "1.96 * error * (1 - error) / n": ("This is a variance.", "Take its root."),
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
            "1.96 * math.sqrt(error / n)": ("The variance isn't error.", "It is p (1 - p)."),
            "half_width(error, 10_000)": ("n is ignored.", "Divide by n, not by 10,000."),
            "2 * half_width(error, n)": ("This is the whole width.", "Return half of it."),
            "100 * half_width(error, n)": ("This is in percent.", "Leave out the factor 100."),
            "error + half_width(error, n)": ("This is the upper end.", "Leave out the error."),
            "error - half_width(error, n)": ("This is the lower end.", "Leave out the error."),
        },
    ),
}
