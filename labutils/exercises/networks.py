"""Networks and training loops under a check: what dropout shows of one, and classical faults."""

from labutils.exercises.limits import Trouble
from labutils.models import Classifier
from labutils.runtime import seeded

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

MASKS = 3_000  # a share of them is known to 0.04, and none of the eight of three units is missed


def over_masks(model, x):
    """What dropout does to a network with three hidden units, (mode, what, image, logit).

    Of each logit over many masks, in evaluation and then in training mode: the lowest value, the
    highest, and the share of masks for which it isn't the highest, to the nearest tenth (0 for a
    logit with more than two values). None of these depends on how the masks are drawn. Each of
    the first three logits shows one unit, the next the difference of two. In training mode the
    weights are such that every unit is on.
    """
    units = F.pad(torch.eye(3), (0, 0, 0, len(model.proj2.bias) - 3))
    units[3, :2] = torch.tensor([1.0, -1])
    model.proj2.weight = nn.Parameter(units.to(x))
    modes = []
    for training in (False, True):
        if training:
            model.proj1.weight.data.mul_(0.1)
            model.proj1.bias.data.abs_().add_(1)
        with seeded(0):
            logits = model.train(training)(x.repeat(MASKS, 1))
        if logits is None:
            raise Trouble("forward returned None. Is there a return at its end?")
        rows = logits.detach().view(MASKS, len(x), -1)
        low, high = rows.amin(0), rows.amax(0)
        below = rows < high - 1e-3
        two_values = ((rows < low + 1e-3) | ~below).all(0)
        share = (two_values * below.to(x).mean(0)).round(decimals=1)
        modes.append(torch.stack([low, high, share]))
    return torch.stack(modes)


def over_masks_entry(mode, what, image, logit):
    mode = ("evaluation", "training")[mode]
    what = ("lowest value", "highest value", "share of masks below the highest value")[what]
    return f"In {mode} mode, for image {image} and {MASKS:,} masks, the {what} of logit {logit}"


def network(logits):
    """The class with logits(network, x, hidden units, ratio in this mode) for its forward."""

    def forward(self, x):
        ratio = self.dropout_ratio * self.training
        return logits(self, x, F.relu(self.proj1(x)), ratio)

    return type("Network", (Classifier,), {"forward": forward})


def with_dropout(f):
    """The class with f(network, hidden units, ratio in this mode) in the place of dropout."""
    return network(lambda m, x, h, r: m.proj2(f(m, h, r)))


def activated_by(f):
    return network(lambda m, x, h, r: m.proj2(F.dropout(f(m.proj1(x)), r)))


class OneMask(Classifier):
    """In training mode the same units are dropped each time, so that weights can be compared."""

    def forward(self, x):
        dropped = torch.arange(len(self.proj1.bias)) % 2 if self.training else 0
        return self.proj2((1 + self.training) * F.relu(self.proj1(x)) * (1 - dropped))


def ten_batches(weights, images, labels):
    """What the loop is called with: a model in evaluation mode, as a measurement leaves it."""
    model = OneMask(3, 4, 3).to(weights.dtype).eval()
    nn.utils.vector_to_parameters(weights, model.parameters())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    loss = partial(F.cross_entropy, label_smoothing=0.1)  # not the one that everybody would write
    return model, list(zip(images, labels, strict=True)), optimiser, loss


def loop(step, training=True, steps=slice(None)):
    """A loop with another step(model, *batch, optimiser, *loss): one of a VAE is given no loss."""

    def train(model, batches, optimiser, *loss):
        model.train(training)
        for batch in batches[steps]:
            step(model, *batch, optimiser, *loss)

    return train


def given_loss(model, images, labels, loss):
    return loss(model(images), labels)


def stepper(value=given_loss, zero=True, first=False):
    """A step with one thing changed: its value, no zero_grad, or the step before its gradient."""

    def step(model, x, y, optimiser, *loss):
        if first:
            optimiser.step()
        if zero:
            optimiser.zero_grad()
        value(model, x, y, *loss).backward()
        if not first:
            optimiser.step()

    return step


def all_at_once(model, batches, optimiser, loss):
    model.train()
    for images, labels in batches:
        loss(model(images), labels).backward()
    optimiser.step()


def joined(model, batches, optimiser, loss):
    loop(stepper())(model, [map(torch.cat, zip(*batches, strict=True))], optimiser, loss)


def twice(step):
    """A loop that runs over the batches two times."""
    return lambda model, batches, *others: loop(step)(model, 2 * batches, *others)


def classical_faults(value=given_loss):
    """The mistakes of any training loop that minimises value(model, *batch, *loss)."""
    return {
        loop(stepper(value, zero=False)): (
            "The gradients of all batches so far add up, and the steps grow with them.",
            "backward() adds to what is there. When are the old gradients cleared?",
        ),
        loop(stepper(value, first=True)): (
            "Each step follows the gradient of the batch before, and the first none at all.",
            "Which of the three has to come first?",
        ),
        loop(stepper(value), steps=slice(1)): (
            "It ends after the first batch.",
            "Is there a return inside the loop?",
        ),
        loop(stepper(value), steps=slice(9, None)): (
            "Only the last batch counts.",
            "The step belongs inside the loop.",
        ),
    }


SCALING_MISTAKES = {
    with_dropout(lambda m, h, r: F.dropout(h, r) / (1 - r)): (
        "What stays is scaled twice. Equation 2.2 divides once.",
        "torch's dropout scales already.",
    ),
    with_dropout(lambda m, h, r: F.dropout(h, r) * (1 - r) / (r or 1)): (
        "The mean of a hidden unit isn't kept: it is divided by the share that is dropped.",
        "Put your factor into equation 2.2.",
    ),
    network(lambda m, x, h, r: m.proj2(F.dropout(h, r) * (1 - r)) / (1 - r)): (
        "The offset b2 is scaled too.",
        "Equation 2.1 divides before the output layer.",
    ),
}
LOOP_MISTAKES = {
    **classical_faults(),
    loop(stepper(lambda m, x, y, loss: F.cross_entropy(m(x), y))): (
        "It minimises a loss of its own.",
        "The one to use is handed over.",
    ),
    joined: ("It takes one step on all images together.", "Each batch has a step of its own."),
    loop(stepper(lambda m, x, y, loss: loss(m(x), y) / len(x))): (
        "The gradient is divided by the size of the batch twice: the loss is a mean already.",
        "Take the loss as it is.",
    ),
    loop(stepper(), training=False): (
        "No unit is dropped: the model was handed over in evaluation mode.",
        "Which mode must it be in?",
    ),
    loop(stepper(zero=False), training=False): (
        "No unit is dropped, and the gradients of all batches add up.",
        "Which mode must it be in, and when are the old gradients cleared?",
    ),
    loop(lambda *_: None): (
        "The weights are those from before: no step was taken, or none had a gradient to follow.",
        "Which of the three calls of a step is missing, or comes in the wrong order?",
    ),
    all_at_once: (
        "One step for all batches, along the sum of their gradients.",
        "The step belongs inside the loop.",
    ),
    twice(stepper()): ("It runs over the batches twice.", "Each batch is for one step."),
    loop(stepper(lambda m, x, y, loss: -loss(m(x), y))): (
        "The loss grows: it steps uphill.",
        "The loss is minimised as it is.",
    ),
    loop(stepper(lambda m, x, y, loss: loss(m(x).softmax(-1), y))): (
        "The softmax is applied twice: the loss takes logits.",
        "Hand the model's output to the loss as it is.",
    ),
}
