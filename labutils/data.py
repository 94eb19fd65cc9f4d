"""Digits in, as tensors: MNIST, or the handwritten digits that scikit-learn ships."""

from labutils import guards, mnist
from labutils.mnist import DataError
from labutils.runtime import cache_folder, environment_folder, warn

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

AT_ONCE = 4096  # images that are worked on together: what is made of them stays small
NAMES = {"mnist": "MNIST", "bundled": "the digits bundled with scikit-learn"}

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Split:
    """Images, float32 (N, 784) in [0, 1], and their labels, int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: slice | torch.Tensor) -> "Split":
        return Split(self.images[which], self.labels[which])

    def to(self, device: torch.device | str) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))

    def __repr__(self) -> str:
        return f"{len(self):,} digits of {math.prod(self.images.shape[1:])} pixels"


@dataclass(frozen=True)
class Digits:
    """Three disjoint splits. `source` is "mnist" or "bundled", or names data of your own."""

    train: Split
    validation: Split
    test: Split
    source: str

    @property
    def name(self) -> str:
        """What the data set is called in a sentence."""
        return NAMES.get(self.source, self.source)

    def pick(self, *, mnist: Choice, bundled: Choice) -> Choice:
        """The one of the two that goes with the source. Raises ValueError for other data."""
        choices = {"mnist": mnist, "bundled": bundled}
        if self.source not in choices:
            raise ValueError(
                f'pick() knows the sources "mnist" and "bundled", got {self.source!r}. Write the '
                f"value that goes with your own data in its place."
            )
        return choices[self.source]

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} to train, {len(self.validation):,} to validate"
        return f"{self.name}: {sizes}, {len(self.test):,} to test"


def load(
    root: Path | str | None = None, *, source: str = "auto", validation: int = 10_000
) -> Digits:
    """Load the digits, the same three disjoint splits each time.

    Looks for MNIST in `root` (or else in the folder that LABUTILS_DATA names), then in the
    cache folder; then downloads it into the first of them. With source="auto" it falls back,
    with a warning, on the 1,797 digits bundled with scikit-learn; "mnist" raises instead,
    "bundled" does not look for MNIST at all. A file of another data set is never overwritten.

    The last `validation` of MNIST's 60,000 training images validate. The bundled digits, in
    their fixed order, are split in the same proportion; their last 297 are the test set.

    Raises ValueError for a wrong argument, DataError where MNIST was asked for by name and is
    unavailable.
    """
    if source not in ("auto", "mnist", "bundled"):
        raise ValueError(f'source must be "auto", "mnist" or "bundled", got {source!r}.')
    validation = guards.whole_number(validation, "validation", 1, 59_999)
    if source == "bundled":
        return _bundled(validation)
    try:
        return _mnist(root, validation)
    except DataError as error:
        if source == "mnist":
            raise
        warn(
            f"\n\n    NOT MNIST. {error}\n    Going on with the 1,797 digits bundled with "
            f"scikit-learn: there are fewer of them, and the numbers differ.\n"
        )
        return _bundled(validation)


def binarize(images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw each pixel from a Bernoulli distribution with its grey value as the probability.

    images: floating-point in [0, 1], any shape. Returns zeros and ones of the same shape and
    type. Raises ValueError for anything else.
    """
    guards.pixels(images)
    uniform = torch.rand(
        images.shape, generator=generator, dtype=images.dtype, device=images.device
    )
    return uniform.lt_(images)  # in place: four times as fast as torch.bernoulli on a CPU


def check_split(split: Split, where: str) -> None:
    """Raise ValueError unless `split`, called `where`, is what Split promises, and not empty."""
    if not isinstance(split, Split):
        raise ValueError(
            f"{where} must be a Split of images and labels, got {type(split).__name__}. "
            f"Try Split(images, labels)."
        )
    images, labels = split.images, split.labels
    guards.tensor(images, f"{where}.images")
    guards.tensor(labels, f"{where}.labels")
    if images.ndim != 2 or images.dtype != torch.float32:
        raise ValueError(
            f"{where}.images must be float32 of shape (N, 784), got {images.dtype} of shape "
            f"{tuple(images.shape)}. Try images.float().flatten(1)."
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"{where}.labels must be int64 of shape ({len(images)},), one label an image, got "
            f"{labels.dtype} of shape {tuple(labels.shape)}. Try labels.long().flatten()."
        )
    if len(images) == 0:
        raise ValueError(f"{where} is empty: expected at least one image.")
    guards.pixels(images, f"{where}.images")


def _mnist(root, validation):
    named = Path(root).expanduser() if root else environment_folder(os.environ.get("LABUTILS_DATA"))
    folders = [folder.absolute() for folder in (named, cache_folder()) if folder]
    train_images, train_labels, *test = mnist.find_or_download(folders).values()
    train = _read(train_images, train_labels)
    return Digits(*_hold_out(train, validation), _read(*test), "mnist")


def _read(images, labels):
    """A split from its two files. One of them is in memory at a time, beside the floats."""
    pixels = torch.frombuffer(bytearray(mnist.read(images)), dtype=torch.uint8).to(torch.float32)
    classes = torch.frombuffer(bytearray(mnist.read(labels)), dtype=torch.uint8).to(torch.int64)
    return Split(pixels.view(-1, 784).div_(255), classes)


def _bundled(validation):
    from sklearn.datasets import load_digits

    images, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    small = images.to(torch.float32).view(-1, 1, 8, 8) / 16
    large = torch.nn.functional.interpolate(small, size=(28, 28), mode="bilinear")
    everything = Split(large.view(-1, 784), labels.to(torch.int64))
    rest, test = _hold_out(everything, 297)
    return Digits(*_hold_out(rest, max(1, len(rest) * validation // 60_000)), test, "bundled")


def _hold_out(split, count):
    """Split off the last `count` examples."""
    return split[:-count], split[-count:]
