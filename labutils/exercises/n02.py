"""The exercises of notebook 02: a classifier, its loss, and how well its error is known."""

from labutils.exercises import networks, pairs
from labutils.exercises.kinds import Choice, Exercise, Loop, Module
from labutils.exercises.networks import activated_by, network, with_dropout

import math

import torch
from torch import nn
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


class Classifier(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim, dropout_ratio=0.5):
        super().__init__()
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.proj2 = nn.Linear(hidden_dim, output_dim)
        self.dropout_ratio = dropout_ratio

    def forward(self, x):
        hidden = F.relu(self.proj1(x))
        hidden = F.dropout(hidden, self.dropout_ratio, self.training)
        return self.proj2(hidden)


LINEAR = (
    "Two linear maps in a row are one linear map: the hidden layer adds nothing.",
    "The ReLU is missing.",
)
ACTIVATION = ("The hidden units aren't those of equation 2.1.", "Its activation is a ReLU.")
Suspect = with_dropout(lambda m, h, r: F.dropout(h, 0.5, m.training))  # the handout's
IGNORED = (
    "Half of the units are dropped, whatever the ratio is.",
    "Keep dropout_ratio in __init__, and use it in forward.",
)
NORMALISED = (
    "What comes out is no logit. The loss of equation 2.4 normalises by itself.",
    "Return the output of proj2 as it is.",
)
SHARE_KEPT = ("The ratio is the share dropped, not the one that stays.", "Exchange the two.")
UNSCALED = (
    "In training the hidden units have another mean than in evaluation.",
    "Divide what stays by 1 - dropout_ratio in training, and only there.",
)


def train_steps(model, batches, optimiser, loss):
    model.train()
    for images, labels in batches:
        optimiser.zero_grad()
        loss(model(images), labels).backward()
        optimiser.step()


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
            "(mask * (x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": LINEAR,
            "F.relu(x @ W1.T + b1) @ W2.T + b2": NO_MASK,
            "(F.relu(x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2": NO_MASK,
            "classifier_logits(x, W1, 0 * b1, W2, b2, mask, ratio)": OFFSET,
            "classifier_logits(x, W1, b1, W2, 0 * b2, mask, ratio)": OFFSET,
        },
    ),
    "mlp_classifier": Module(
        "2.1",
        Classifier,
        inputs=lambda draw: (
            (2, 3, draw.integers(4, 6), draw.choice([0.3, 0.7])),
            draw.normal(2, 2),
        ),
        observe=networks.over_masks,
        entry=networks.over_masks_entry,
        mistakes={
            **networks.SCALING_MISTAKES,
            activated_by(lambda a: a): LINEAR,
            activated_by(F.softplus): ACTIVATION,
            activated_by(torch.sigmoid): ACTIVATION,
            activated_by(torch.tanh): ACTIVATION,
            Suspect: IGNORED,
            with_dropout(
                lambda m, h, r: F.dropout(h, 0.5, m.training) * (1 - 0.5 * m.training) / (1 - r)
            ): IGNORED,
            network(lambda m, x, h, r: F.dropout(m.proj2(h), r)): (
                "Logits are dropped, not hidden units.",
                "The mask comes before proj2.",
            ),
            network(lambda m, x, h, r: m.proj2(F.relu(m.proj1(F.dropout(x, r))))): (
                "Pixels are dropped, not hidden units.",
                "The mask comes after proj1.",
            ),
            network(lambda m, x, h, r: m.proj2(F.dropout(h, r)).softmax(-1)): NORMALISED,
            network(lambda m, x, h, r: m.proj2(F.dropout(h, r)).log_softmax(-1)): NORMALISED,
            network(lambda m, x, h, r: m.proj2(F.dropout(h, r)).relu()): pairs.NEVER_NEGATIVE,
            with_dropout(lambda m, h, r: F.dropout(h, m.dropout_ratio)): (
                "Units are dropped in evaluation mode too: two tests would give two errors.",
                "Drop only where self.training is true. F.dropout has an argument for it.",
            ),
            with_dropout(lambda m, h, r: F.dropout(h, m.dropout_ratio - r)): (
                "Units are dropped in evaluation mode, not in training.",
                "Exchange the modes.",
            ),
            with_dropout(lambda m, h, r: h): (
                "No unit is ever dropped.",
                "In training, multiply the hidden units by a mask.",
            ),
            with_dropout(lambda m, h, r: (1 - r) * F.dropout(h, r)): UNSCALED,
            with_dropout(
                lambda m, h, r: (1 - r) / (1 - m.dropout_ratio) * F.dropout(h, r)
            ): UNSCALED,
            with_dropout(lambda m, h, r: (1 - m.dropout_ratio) * F.dropout(h, r)): (
                "This is dropout as first published: evaluation mode scales, training doesn't. "
                "By equation 2.1 nothing changes in evaluation mode.",
                "Divide by 1 - dropout_ratio in training.",
            ),
            with_dropout(lambda m, h, r: F.dropout(h, 1 - m.dropout_ratio, m.training)): SHARE_KEPT,
            with_dropout(
                lambda m, h, r: F.dropout(h, 1 - m.dropout_ratio, m.training) * ((r or 1) / (1 - r))
            ): SHARE_KEPT,
            network(lambda m, x, h, r: m.proj2(F.dropout(torch.ones_like(x[:, :1]), r) * h)): (
                "One coin decides on all units of an image.",
                "Draw a mask entry for each unit.",
            ),
            with_dropout(lambda m, h, r: (torch.rand(3) >= r).to(h) / (1 - r) * h): (
                "All images of a batch share one mask.",
                "Draw a mask entry for each image.",
            ),
        },
    ),
    "dropout_bug": Choice(
        "2.2",
        "C",
        mistakes={
            "A": ("Then the others would be scaled in both modes: factor 1.", "Read the factors."),
            "B": ("Then the factor would be 1.", "Compare it with that of equation 2.2."),
            "D": ("Then the share dropped would fall with the ratio.", "Compare the lines."),
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
    "train_steps": Loop(
        "",
        train_steps,
        inputs=lambda draw: (draw.normal(31), draw.normal(10, 6, 3), draw.integers(0, 3, (10, 6))),
        given=networks.ten_batches,
        mistakes=networks.LOOP_MISTAKES,
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
