"""Networks and training loops under a check: what dropout shows of one, and classical faults."""

from labutils.models import Classifier
from labutils.runtime import seeded

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
            rows = model.train(training)(x.repeat(MASKS, 1)).detach().view(MASKS, len(x), -1)
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
    return model, list(zip(images, labels, strict=True)), optimiser, F.cross_entropy


def loop(step, training=True, steps=slice(None)):
    """A loop with another step(model, images, labels, optimiser, loss)."""

    def train(model, batches, optimiser, loss):
        model.train(training)
        for images, labels in batches[steps]:
            step(model, images, labels, optimiser, loss)

    return train


def a_step(model, images, labels, optimiser, loss):
    optimiser.zero_grad()
    loss(model(images), labels).backward()
    optimiser.step()


def never_zero(model, images, labels, optimiser, loss):
    loss(model(images), labels).backward()
    optimiser.step()


def step_first(model, images, labels, optimiser, loss):
    optimiser.step()
    optimiser.zero_grad()
    loss(model(images), labels).backward()


def uphill(model, images, labels, optimiser, loss):
    a_step(model, images, labels, optimiser, lambda *x: -loss(*x))


def normalised(model, images, labels, optimiser, loss):
    a_step(model, images, labels, optimiser, lambda a, y: loss(a.softmax(-1), y))


def all_at_once(model, batches, optimiser, loss):
    model.train()
    for images, labels in batches:
        loss(model(images), labels).backward()
    optimiser.step()


def twice(model, batches, optimiser, loss):
    loop(a_step)(model, [*batches, *batches], optimiser, loss)


LOOP_MISTAKES = {
    loop(never_zero): (
        "The gradients of all batches so far add up, and the steps grow with them.",
        "backward() adds to what is there: call optimiser.zero_grad() before it.",
    ),
    loop(step_first): (
        "Each step follows the gradient of the batch before, and the first none at all.",
        "The order is: loss, backward(), step().",
    ),
    loop(a_step, training=False): (
        "No unit is dropped: the model was handed over in evaluation mode.",
        "Call model.train() first.",
    ),
    loop(never_zero, training=False): (
        "No unit is dropped, and the gradients of all batches add up.",
        "Call model.train() first, and optimiser.zero_grad() before each backward().",
    ),
    loop(lambda *_: None): (
        "The weights are those from before: no step has a gradient to follow.",
        "Three calls make a step: zero_grad(), then backward(), then step().",
    ),
    loop(a_step, steps=slice(1)): (
        "It ends after the first batch.",
        "Is there a return inside of the loop?",
    ),
    loop(a_step, steps=slice(9, None)): (
        "Only the last batch counts.",
        "The step belongs inside of the loop.",
    ),
    all_at_once: (
        "One step for all batches, along the sum of their gradients.",
        "The step belongs inside of the loop.",
    ),
    twice: ("It runs over the batches twice.", "Each batch is for one step."),
    loop(uphill): ("The loss grows: it steps uphill.", "The loss is minimised as it is."),
    loop(normalised): (
        "The softmax is applied twice: the loss takes logits.",
        "Hand the model's output to the loss as it is.",
    ),
}
