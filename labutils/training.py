"""The one training loop of the course, its history and its checkpoints."""

from labutils.runtime import atomic_write, random_state, runs_folders, seeded, set_random_state

import hashlib
import io
import math
import os
import time
import warnings
import zipfile
import zlib
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

VALIDATION_BATCH = 1_000
VALIDATION_SEED = 0  # the same draws each epoch, so that epochs can be compared


@dataclass
class History:
    """What fit() measured: one number an epoch in each list, losses in nats per example.

    `train` is the mean over the epoch's batches, while the weights moved and with dropout on;
    `validation` is measured after the epoch. The model keeps the weights of epoch `best`.
    """

    epochs: int
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self):
        return len(self.validation)

    @property
    def best(self):
        """The epoch, counted from 1, with the lowest validation loss; None before the first."""
        return 1 + self.validation.index(min(self.validation)) if self.validation else None

    def __repr__(self):
        summary = f"History of {len(self)} of {self.epochs} epochs, {sum(self.seconds):.0f} s"
        if not self.validation:
            return summary
        best = f"{min(self.validation):.4g} nats per example, in epoch {self.best}"
        return f"{summary}: best validation loss {best}"

    def table(self):
        """The history as text, a line an epoch."""
        lines = ["epoch     train  validation  learning rate  seconds"]
        rows = zip(self.train, self.validation, self.learning_rate, self.seconds, strict=True)
        for epoch, (train, validation, rate, seconds) in enumerate(rows, start=1):
            line = f"{epoch:5}  {train:8.4g}  {validation:10.4g}  {rate:13.2g}  {seconds:7.1f}"
            lines.append(line + ("  best" if epoch == self.best else ""))
        return "\n".join(lines)

    def plot(self, axes=None):
        """Draw both losses against the epoch; returns the matplotlib axes."""
        from matplotlib import pyplot as plt

        axes = axes or plt.figure(figsize=(7, 4), layout="constrained").add_subplot()
        epochs = range(1, len(self) + 1)
        axes.plot(epochs, self.train, "o--", color="0.45", label="training")
        axes.plot(epochs, self.validation, "o-", color="#0072B2", label="validation")
        axes.set(xlabel="epoch", ylabel="loss (nats per example)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
        return axes


def fit(model, loss, data, *, epochs, batch_size, learning_rate, seed, name=None):
    """Train `model` on data.train; keep the weights that are best on data.validation.

    loss(model, images, labels) is the mean loss of a batch in nats per example, a scalar to
    minimise. It may draw random numbers: fit() seeds them and leaves the random state outside
    as it was. Adam with a one-cycle schedule (Smith and Topin, 2017) that peaks at
    `learning_rate`, on CUDA or MPS where there is one. The model comes back to the device
    where it was, in evaluation mode, even after an error.

    With a `name`, the run is kept in the cache folder after each epoch. The same call then goes
    on from there, to the same weights as if it had never stopped, and returns at once when all
    epochs are done. A run is the same when its settings, data and initial weights are, and the
    loss and gradient of its first batch, which stand for the code of model and loss.

    Interrupted, it returns the history so far and leaves the best weights so far in the model.
    Raises ValueError for wrong arguments or data, FloatingPointError where a loss is not finite.
    """
    _check_settings(epochs, batch_size, learning_rate, seed)
    _check_split(data.train, "data.train")
    _check_split(data.validation, "data.validation")
    if batch_size > len(data.train):
        raise ValueError(
            f"batch_size must be at most the {len(data.train)} training images, got {batch_size}. "
            f"Take a smaller batch."
        )
    home = next(model.parameters()).device
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    train, validation = data.train.to(device), data.validation.to(device)
    run = _Run(model.to(device), epochs, -(-len(train) // batch_size), learning_rate)
    try:
        with seeded(seed, device):
            if name:
                settings = (epochs, batch_size, learning_rate, seed, device.type)
                key = _fingerprint(model, loss, (train, validation), settings)
                run.resume(runs_folders()[0] / f"{name}-{key}.pt")
            run.train(loss, train, validation, batch_size)
    except KeyboardInterrupt:
        warnings.warn(
            f"Training was interrupted in epoch {len(run.history) + 1} of {epochs}: the model "
            f"keeps its best weights so far, and what comes next uses them. To go on, run the cell "
            f"again, or make the model anew and call fit() again"
            + ("." if name else ": from the start, since this run has no name."),
            stacklevel=2,
        )
    finally:
        if run.best:
            model.load_state_dict(run.best)
        model.to(home).eval()
    return run.history


class _Run:
    """The state of one call of fit(): what a checkpoint has to hold."""

    def __init__(self, model, epochs, batches, learning_rate):
        self.model = model
        self.device = next(model.parameters()).device
        self.batches = batches  # in an epoch
        self.peak_rate = learning_rate
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=learning_rate, total_steps=epochs * batches
        )
        self.history = History(epochs)
        self.best = None  # the model's state after the best epoch
        self.file = None  # where the run is kept

    def train(self, loss, train, validation, batch_size):
        from tqdm.auto import tqdm  # here, since it is slow to import

        history, first = self.history, len(self.history)
        total, initial = history.epochs * self.batches, first * self.batches
        with tqdm(total=total, initial=initial, unit="step", leave=False) as bar:
            for epoch in range(first + 1, history.epochs + 1):
                bar.set_description(f"epoch {epoch} of {history.epochs}")
                started = time.perf_counter()
                train_loss = self.epoch(loss, train, batch_size, bar)
                validation_loss = self.validate(loss, validation)
                if validation_loss < min(history.validation, default=math.inf):
                    self.best = deepcopy(self.model.state_dict())
                history.train.append(train_loss)
                history.learning_rate.append(self.schedule.get_last_lr()[0])
                history.seconds.append(time.perf_counter() - started)
                history.validation.append(validation_loss)
                if self.file:
                    self.keep()
                bar.set_postfix(train=f"{train_loss:.4g}", validation=f"{validation_loss:.4g}")

    def epoch(self, loss, split, batch_size, bar):
        """One pass over the training images; returns their mean loss."""
        self.model.train()
        total = 0.0
        for batch in torch.randperm(len(split)).to(self.device).split(batch_size):
            # index_select takes half the time of images[batch]
            images = split.images.index_select(0, batch)
            value = loss(self.model, images, split.labels[batch])
            total += self.check(value, f"step {bar.n % self.batches + 1}") * len(batch)
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
            self.schedule.step()
            bar.update()
        return total / len(split)

    @torch.no_grad()
    def validate(self, loss, split):
        self.model.eval()
        total = 0.0
        with seeded(VALIDATION_SEED, self.device):
            for batch in torch.arange(len(split)).to(self.device).split(VALIDATION_BATCH):
                value = loss(self.model, split.images[batch], split.labels[batch])
                total += self.check(value, "the validation") * len(batch)
        return total / len(split)

    def check(self, value, where):
        """The loss as a float, if it is one finite number."""
        _check_loss(value)
        number = value.item()
        if not math.isfinite(number):
            raise FloatingPointError(
                f"The loss became {number} at {where} of epoch {len(self.history) + 1}, with "
                f"learning rate {self.schedule.get_last_lr()[0]:.2g}. Try a lower one "
                f"(learning_rate={self.peak_rate / 10:.1g}), and look in the loss for the "
                f"logarithm of zero or a division by zero."
            )
        return number

    def keep(self):
        state = {
            "history": asdict(self.history),
            "best": self.best,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": random_state(self.device),
        }
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            packed = io.BytesIO()  # torch.save hides why a file cannot be written
            torch.save(state, packed)
            with atomic_write(self.file) as file:
                file.write(packed.getbuffer())
        except OSError as error:
            warnings.warn(
                f"This run is not kept: {self.file} cannot be written ({error}).", stacklevel=4
            )
            self.file = None

    def resume(self, file):
        """Keep the run in `file` from now on, and go on from what is there."""
        self.file = file
        if not os.path.exists(file):
            return
        try:
            with zipfile.ZipFile(file) as packed:
                if packed.testzip():  # torch.load does not look at the checksums
                    raise zipfile.BadZipFile
            state = torch.load(file, map_location=self.device, weights_only=True)
        except Exception:  # there is no end to what a damaged file can raise
            warnings.warn(
                f"{file} is damaged or cannot be read: training starts again.", stacklevel=3
            )
            return
        self.history = History(**state["history"])
        self.best = state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        set_random_state(state["random"], self.device)


def _fingerprint(model, loss, splits, settings):
    """A name for all that determines a run."""
    parts = [settings, torch.__version__, Path(__file__).read_bytes()]
    tensors = [tensor for split in splits for tensor in (split.images, split.labels)]
    tensors += model.state_dict().values()
    parts += [zlib.crc32(tensor.cpu().contiguous().numpy()) for tensor in tensors]
    batch_size, seed = settings[1], settings[3]
    model.train()
    with seeded(seed, splits[0].images.device):
        value = loss(model, splits[0].images[:batch_size], splits[0].labels[:batch_size])
    _check_loss(value)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    gradients = torch.autograd.grad(value, trained, allow_unused=True)
    # six digits: a GPU may add up in another order
    parts += [f"{number.norm().item():.6g}" for number in (value, *gradients) if number is not None]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _check_settings(epochs, batch_size, learning_rate, seed):
    for setting, value, lowest in (
        ("epochs", epochs, 1),
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
    ):
        if not isinstance(value, int) or value < lowest:
            raise ValueError(f"{setting} must be a whole number, {lowest} or more, got {value!r}.")
    if not isinstance(learning_rate, (int, float)) or not 0 < learning_rate < math.inf:
        raise ValueError(
            f"learning_rate must be a positive number, got {learning_rate!r}. Try 0.001."
        )


def _check_loss(value):
    if not isinstance(value, torch.Tensor) or value.ndim:
        got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
        raise ValueError(
            f"The loss must be one number, the mean over a batch, as a tensor, got {got}. "
            f"Return it, and end it in .mean()."
        )


def _check_split(split, where):
    images, labels = split.images, split.labels
    if images.ndim != 2 or images.dtype != torch.float32:
        raise ValueError(
            f"{where}.images must be float32 of shape (N, 784), got {images.dtype} of shape "
            f"{tuple(images.shape)}. Try images.float().flatten(1)."
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"{where}.labels must be int64 of shape ({len(images)},), one label an image, got "
            f"{labels.dtype} of shape {tuple(labels.shape)}."
        )
    if len(images) == 0:
        raise ValueError(f"{where} is empty: expected at least one image.")
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"{where}.images must lie in [0, 1], got values from {low:g} to {high:g}. "
            f"Divide bytes by 255."
        )
