"""The one training loop of the course, its settings and its history.

It is the loop that notebook 02 has one write, with a schedule of the learning rate, a progress bar
and checkpoints.
"""

from labutils import guards
from labutils.checkpoints import Checkpoint, check_history, check_weights
from labutils.data import Digits, check_split
from labutils.runtime import (
    choose_device,
    own_seed,
    plain_torch,
    random_state,
    seeded,
    set_random_state,
    warn,
)

import inspect
import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import nn

VALIDATION_BATCH = 1_000
VALIDATION_SEED = own_seed(0, "validation")  # the same each epoch, which can so be compared

Loss = Callable[..., torch.Tensor]  # (model, images, labels[, progress]) to one number, in nats


@dataclass(frozen=True)
class Settings:
    """How a model is trained. Raises ValueError for what cannot be."""

    epochs: int
    batch_size: int
    learning_rate: float  # at its peak
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            value = guards.whole_number(getattr(self, name), name, low)
            object.__setattr__(self, name, value)
        rate = guards.positive(self.learning_rate, "learning_rate", "0.001")
        object.__setattr__(self, "learning_rate", rate)


@dataclass
class History:
    """What fit() measured: one number per epoch in each list, losses in nats per example.

    `train` is the mean over the epoch's batches, while the weights moved and with dropout on;
    `validation` is measured after the epoch; `learning_rate` is that of the epoch's last step. The
    model keeps the weights of epoch `best`.
    """

    epochs: int
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.validation)

    @property
    def best(self) -> int | None:
        """The epoch, counted from 1, with the lowest validation loss; None before the first."""
        return 1 + self.validation.index(min(self.validation)) if self.validation else None

    def __repr__(self) -> str:
        summary = f"History of {len(self)} of {self.epochs} epochs, {sum(self.seconds):.0f} s"
        if not self.validation:
            return summary
        best = f"{min(self.validation):.4g} nats per example, in epoch {self.best}"
        return f"{summary}: best validation loss {best}"

    def table(self) -> str:
        """The history as text: a line per epoch, or, of more than 20, of every so many."""
        lines = ["epoch     train  validation  learning rate  seconds"]
        step = math.ceil(len(self) / 20)
        rows = zip(self.train, self.validation, self.learning_rate, self.seconds, strict=True)
        for epoch, (train, validation, rate, seconds) in enumerate(rows, start=1):
            if epoch % step and epoch not in (self.best, len(self)):
                continue
            line = f"{epoch:5}  {train:8.4g}  {validation:10.4g}  {rate:13.2g}  {seconds:7.1f}"
            lines.append(line + ("  best" if epoch == self.best else ""))
        return "\n".join(lines)


def fit(
    model: nn.Module,
    loss: Loss,
    data: Digits,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    validation_loss: Loss | None = None,
) -> History:
    """Train `model` on data.train; keep the weights that are best on data.validation.

    loss(model, images, labels) is the mean loss of a batch in nats per example, a scalar to
    minimise; validation_loss, the same function unless it is given, decides which epoch is best.
    A loss with a parameter named `progress` is told how far the training is: 0 at the first step
    and 1 at the last; in validation it is 1. To hold it at one value, pass partial(loss,
    progress=value). A loss may draw random numbers: fit() seeds them, and leaves the random state
    outside as it was. They are not those of seeded(seed), which may have drawn the weights.

    Adam (Kingma and Ba, 2015) with one cycle of the learning rate (Smith and Topin, 2017), as in
    torch's OneCycleLR: the rate rises to `learning_rate` and falls to nearly nothing, while
    Adam's beta1 falls from 0.95 to 0.85 and rises again. It runs on an accelerator where one
    works, or on the device that LABUTILS_DEVICE names. The model comes back to the device where
    it was, in evaluation mode and without gradients, even after an error.

    Interrupted, it returns the history so far and leaves the best weights so far in the model.
    Raises ValueError for wrong arguments or data, FloatingPointError where a loss is not finite.
    """
    settings = Settings(epochs, batch_size, learning_rate, seed)
    return train(model, loss, data, settings, validation_loss)


def train(
    model: nn.Module,
    loss: Loss,
    data: Digits,
    settings: Settings,
    validation_loss: Loss | None = None,
    checkpoint: Checkpoint | None = None,
) -> History:
    """fit() with its settings as a value, and kept in `checkpoint`: it goes on from there."""
    check_data(data, settings)
    home = check_model(model)
    loss, validation_loss = map(_told, (loss, validation_loss or loss))
    device = choose_device()
    initial = deepcopy(model.state_dict())
    try:
        return _train_on(device, model, loss, data, settings, validation_loss, checkpoint)
    except torch.OutOfMemoryError:
        if device.type == "cpu":
            raise
        # the run of one device is not that of another, to the last bit
        kept = ", which is not kept. To keep it, set LABUTILS_DEVICE to cpu" if checkpoint else ""
        warn(f"The memory of {device} is full: training on the CPU{kept}.")
        model.load_state_dict(initial)
        return _train_on(torch.device("cpu"), model, loss, data, settings, validation_loss)
    finally:
        model.to(home).eval().zero_grad()


def _train_on(device, model, loss, data, settings, validation_loss, checkpoint=None):
    run = None
    try:
        with plain_torch(), seeded(own_seed(settings.seed, "training"), device):
            splits = data.train.to(device), data.validation.to(device)
            batches = math.ceil(len(data.train) / settings.batch_size)
            start = partial(Run, model.to(device), settings, batches)
            run = checkpoint.resume(start) if checkpoint else start()
            run.go_on(loss, validation_loss, *splits, checkpoint)
    except KeyboardInterrupt:
        if not run:
            raise
        warn(
            f"Training was interrupted in epoch {len(run.history) + 1} of {settings.epochs}: the "
            f"model keeps its best weights so far, and what comes next uses them. To go on, run "
            f"the cell again" + (": it starts anew." if checkpoint is None else ".")
        )
    finally:
        if run and run.best:
            model.load_state_dict(run.best)
    return run.history


class Run:
    """A training between two epochs: all that decides how it goes on."""

    def __init__(self, model: nn.Module, settings: Settings, batches: int) -> None:
        self.model, self.settings = model, settings
        self.device = next(model.parameters()).device
        self.batches = batches  # per epoch
        rate, steps = settings.learning_rate, settings.epochs * batches
        self.optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        # the last step of a cycle moves next to nothing: a single step is the first of two
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=rate, total_steps=max(2, steps)
        )
        self.history = History(settings.epochs)
        self.best = None  # the model's state after the best epoch

    @property
    def finished(self) -> bool:
        return len(self.history) == self.settings.epochs

    def go_on(self, loss, validation_loss, train, validation, checkpoint=None):
        """The epochs that are left, on a split to train on and one to validate on."""
        from tqdm.auto import tqdm  # here, since it is slow to import

        history, done = self.history, len(self.history)
        total, initial = history.epochs * self.batches, done * self.batches
        with tqdm(total=total, initial=initial, unit="step", leave=False) as bar:
            for epoch in range(done + 1, history.epochs + 1):
                bar.set_description(f"epoch {epoch} of {history.epochs}")
                started = time.perf_counter()
                mean, rate = self.epoch(loss, train, bar, checkpoint)
                measured = self.validate(validation_loss, validation)
                if measured < min(history.validation, default=math.inf):
                    self.best = deepcopy(self.model.state_dict())
                history.train.append(mean)
                history.learning_rate.append(rate)
                history.seconds.append(time.perf_counter() - started)
                history.validation.append(measured)  # last: an epoch counts from here on
                if checkpoint:
                    checkpoint.write(self)
                bar.set_postfix(train=f"{mean:.4g}", validation=f"{measured:.4g}")

    def epoch(self, loss, split, bar, checkpoint=None):
        """One pass over the training images: their mean loss, and the last step's rate."""
        self.model.train()
        total = 0.0
        first, last = len(self.history) * self.batches, self.settings.epochs * self.batches - 1
        order = torch.randperm(len(split)).to(self.device)
        for step, batch in enumerate(order.split(self.settings.batch_size)):
            # index_select takes half the time of images[batch]
            images = split.images.index_select(0, batch)
            progress = (first + step) / max(1, last)
            value = loss(self.model, images, split.labels[batch], progress)
            total += self.check(value, f"step {step + 1}") * len(batch)
            self.optimizer.zero_grad()
            value.backward()
            guards.gradients(self.model)
            self.optimizer.step()
            rate = self.schedule.get_last_lr()[0]
            self.schedule.step()
            bar.update()
            if checkpoint:
                checkpoint.renew()
        return total / len(split), rate

    @torch.no_grad()
    def validate(self, loss, split):
        self.model.eval()
        total = 0.0
        with seeded(VALIDATION_SEED, self.device):
            for batch in torch.arange(len(split)).to(self.device).split(VALIDATION_BATCH):
                value = loss(self.model, split.images[batch], split.labels[batch], 1.0)
                total += self.check(value, "the validation") * len(batch)
        return total / len(split)

    def check(self, value, where):
        """The loss as a float, if it is one finite number."""
        guards.loss(value)
        number = value.item()
        if not math.isfinite(number):
            raise FloatingPointError(
                f"The loss became {number} at {where} of epoch {len(self.history) + 1}, with "
                f"learning rate {self.schedule.get_last_lr()[0]:.2g}. Try a lower one "
                f"(learning_rate={self.settings.learning_rate / 10:.1g}), and look in the loss "
                f"for the logarithm of zero or a division by zero."
            )
        return number

    def state_dict(self) -> dict:
        """What a checkpoint holds; of a finished run, history and weights alone."""
        state = {"history": asdict(self.history), "best": self.best}
        if not self.finished:
            state["unfinished"] = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "random": random_state(self.device),
            }
        return state

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state_dict(). Raises where it is of another run; the model then stays."""
        self.history = kept_history(state, self.model, self.settings.epochs)
        self.best = state["best"]
        if not self.finished:
            state = state["unfinished"]
            check_weights(state["model"], self.model)
            self.optimizer.load_state_dict(state["optimizer"])
            for weights, moments in self.optimizer.state.items():
                if any(m.ndim and m.shape != weights.shape for m in moments.values()):
                    raise ValueError("The moments of Adam have another shape than the weights.")
            self.schedule.load_state_dict(state["schedule"])
            set_random_state(state["random"], self.device)
            self.model.load_state_dict(state["model"])


def kept_history(state: dict, model: nn.Module, epochs: int) -> History:
    """The history in a state_dict() of a Run. Raises where that is not one of this model."""
    if not isinstance(state, dict):
        raise TypeError(f"Expected a dict, got {type(state).__name__}.")
    history = History(**state["history"])
    check_history(history, epochs)
    check_weights(state["best"], model)
    return history


def _told(loss):
    """`loss` as a function of progress as well: passed on where the loss has it, and it is free."""
    guards.function(loss, "The loss", "loss(model, images, labels)")
    signature = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    bound = isinstance(loss, partial) and "progress" in loss.keywords
    if "progress" in signature.parameters and not bound:
        return lambda model, images, labels, progress: loss(
            model, images, labels, progress=progress
        )
    return lambda model, images, labels, progress: loss(model, images, labels)


def check_data(data: Digits, settings: Settings) -> None:
    """Raise ValueError for what fit() cannot train on."""
    if not isinstance(data, Digits):
        raise ValueError(
            f"data must be Digits, with a split to train on and one to validate on, as load() "
            f"returns them, got {data!r:.80}."
        )
    check_split(data.train, "data.train")
    check_split(data.validation, "data.validation")
    if settings.batch_size > len(data.train):
        raise ValueError(
            f"batch_size must be at most the {len(data.train)} training images, got "
            f"{settings.batch_size}. Take a smaller batch."
        )


def check_model(model: nn.Module) -> torch.device:
    """Where the model is. Raises ValueError for one that cannot be trained on float32 images."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"The model must be a torch module, got {model!r:.80}.")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        raise ValueError("The model has no weights that can be trained.")
    if other := [w.dtype for w in model.parameters() if w.dtype != torch.float32]:
        raise ValueError(
            f"The images are torch.float32, the model's weights {other[0]}. Call "
            f"torch.set_default_dtype(torch.float32) and make the model anew, or use model.float()."
        )
    if weights[0].is_inference():
        raise ValueError("The model was made under inference_mode. Make it anew outside of it.")
    return weights[0].device
