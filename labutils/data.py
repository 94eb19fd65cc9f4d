"""Digits in, as tensors: MNIST, or the handwritten digits that scikit-learn ships."""

from labutils.runtime import atomic_write, cache_folder

import gzip
import hashlib
import http.client
import os
import sys
import threading
import time
import urllib.request
import warnings
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

TIMEOUT = 10.0  # seconds that a mirror may stay silent
SLOWEST = 10_000  # bytes per second: below this a mirror counts as silent

# MNIST's original files and their MD5 sums, the ones torchvision expects. They stand here
# because importing torchvision takes longer than reading the data.
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
HOW_TO_GET_MNIST = (
    "To get MNIST, connect to the network and call load() again, or copy its four .gz files "
    "into a folder and set the environment variable LABUTILS_DATA to that folder."
)


class DataError(RuntimeError):
    """MNIST cannot be had. The message says why, and what to do."""


@dataclass(frozen=True)
class Split:
    """Images, float32 (N, 784) in [0, 1], and their labels, int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, which):
        return Split(self.images[which], self.labels[which])

    def to(self, device):
        return Split(self.images.to(device), self.labels.to(device))

    def __repr__(self):
        return f"{len(self):,} digits of {self.images.shape[1]} pixels"


@dataclass(frozen=True)
class Digits:
    """Three disjoint splits. `source` is "mnist" or "bundled"."""

    train: Split
    validation: Split
    test: Split
    source: str

    def __repr__(self):
        name = {"mnist": "MNIST", "bundled": "the digits bundled with scikit-learn"}[self.source]
        sizes = f"{len(self.train):,} to train, {len(self.validation):,} to validate"
        return f"{name}: {sizes}, {len(self.test):,} to test"


def load(root=None, *, source="auto", validation=10_000):
    """Load the digits, the same three disjoint splits each time.

    Looks for MNIST in `root` (or else in the folder that LABUTILS_DATA names), then in the
    cache folder; then downloads it into the first of them. With source="auto" it falls back,
    with a warning, on the 1,797 digits bundled with scikit-learn; "mnist" raises instead,
    "bundled" does not look for MNIST at all.

    The last `validation` of MNIST's 60,000 training images validate. The bundled digits, in
    their fixed order, are split in the same proportion; their last 297 are the test set.

    Raises ValueError for a wrong argument, DataError where MNIST was asked for by name and
    cannot be had.
    """
    if source not in ("auto", "mnist", "bundled"):
        raise ValueError(f'source must be "auto", "mnist" or "bundled", got {source!r}.')
    if not isinstance(validation, int) or not 0 < validation < 60_000:
        raise ValueError(
            f"validation must be a whole number from 1 to 59,999 (images held out of MNIST's "
            f"60,000 training images), got {validation!r}."
        )
    if source == "bundled":
        return _bundled(validation)
    try:
        return _mnist(root or os.environ.get("LABUTILS_DATA"), validation)
    except DataError as error:
        if source == "mnist":
            raise DataError(f"{error} {HOW_TO_GET_MNIST}") from None
        warnings.warn(
            f"\n\n    NOT MNIST. {error}\n    Going on with the 1,797 digits bundled with "
            f"scikit-learn: smaller data, other numbers.\n    {HOW_TO_GET_MNIST}\n",
            stacklevel=2,
        )
        return _bundled(validation)


def binarize(images, generator=None):
    """Draw each pixel from a Bernoulli distribution with its grey value as the probability.

    images: float in [0, 1], any shape. Returns zeros and ones of the same shape and type.
    Raises ValueError for values outside [0, 1].
    """
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"Pixels must lie in [0, 1] to be probabilities, got values from {low:g} to {high:g}. "
            f"Divide bytes by 255."
        )
    uniform = torch.rand(
        images.shape, generator=generator, dtype=images.dtype, device=images.device
    )
    return uniform.lt_(images)  # in place: four times as fast as torch.bernoulli on a CPU


def import_torchvision():
    """Import torchvision, also beside a torch that has no CUDA.

    There the wheel of the package index cannot load its compiled operators, and then fails to
    import because two of them are registered without a guard. Declaring these two is enough
    for data sets and transforms, which never call them.
    """
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for module in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[module]
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision.datasets

        torchvision.declared_operators = operators  # they vanish when this object does
    return torchvision


def _mnist(root, validation):
    folders = [Path(root).expanduser()] if root else []
    folders.append(cache_folder())
    for folder in folders:
        if not _unusable(folder):
            break
    else:
        folder = folders[0]
        _download(folder)
    parts = {name: _read(folder / name) for name in CHECKSUMS}
    images, labels, test_images, test_labels = parts.values()
    train, test = (
        Split(i.view(-1, 784).to(torch.float32).div_(255), y.to(torch.int64))
        for i, y in ((images, labels), (test_images, test_labels))
    )
    return Digits(*_hold_out(train, validation), test, "mnist")


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


def _unusable(folder):
    """The names of the MNIST files that `folder` lacks or holds damaged."""
    return [name for name in CHECKSUMS if not _is_whole(folder / name)]


def _is_whole(path):
    try:
        return _checksum(path.read_bytes()) == CHECKSUMS[path.name]
    except OSError:
        return False


def _checksum(packed):
    return hashlib.md5(packed, usedforsecurity=False).hexdigest()


def _read(path):
    """The values in one of MNIST's idx files, flat, as uint8."""
    header = 16 if "images" in path.name else 8
    raw = bytearray(gzip.decompress(path.read_bytes()))
    return torch.frombuffer(raw, dtype=torch.uint8, offset=header)


def _download(folder):
    """Bring whole copies of the files that `folder` lacks. One process at a time does it.

    The others wait, then find the files, or the reason why there are none: a hanging network
    is waited for once, not once by each process in turn.
    """
    started = time.time()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        failure = folder / "download.failed"
        with FileLock(folder / "download.lock"):
            if failure.exists() and started <= failure.stat().st_mtime <= time.time():
                raise DataError(failure.read_text(encoding="utf-8"))
            failure.unlink(missing_ok=True)
            for name in _unusable(folder):
                try:
                    packed = _fetch(name)
                except DataError as error:
                    state = "damaged" if (folder / name).exists() else "missing"
                    reason = f"{folder / name} is {state} and could not be downloaded: {error}"
                    failure.write_text(reason, encoding="utf-8")
                    raise DataError(reason) from None
                with atomic_write(folder / name) as file:
                    file.write(packed)
    except KeyboardInterrupt:
        raise DataError("The download of MNIST was interrupted.") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"MNIST cannot be kept in {folder} ({reason}).") from error


def _fetch(name):
    """The bytes of one file, from the first mirror that sends it whole."""
    from tqdm.auto import tqdm

    failures = []
    for mirror in import_torchvision().datasets.MNIST.mirrors:
        try:
            with (
                _ask(mirror + name) as response,
                tqdm(
                    total=response.length, desc=name, unit="B", unit_scale=True, leave=False
                ) as bar,
            ):
                packed, started = bytearray(), time.monotonic()
                while chunk := response.read1(1 << 16):
                    packed += chunk
                    bar.update(len(chunk))
                    if len(packed) < SLOWEST * (time.monotonic() - started - TIMEOUT):
                        raise TimeoutError("too slow")
            if _checksum(packed) == CHECKSUMS[name]:
                return packed
            failures.append(f"{mirror} sent a damaged or cut-off file")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            failures.append(f"{mirror} failed ({str(reason).strip() or repr(reason)})")
    raise DataError(f"{'; '.join(failures)}.")


def _ask(url):
    """The server's answer, if it begins within TIMEOUT.

    torchvision's own download has no time-out, and the one of urlopen starts anew with every
    address of a host and every line of its answer, and does not hold for looking up its name.
    """
    answer = futures.Future()

    def ask():
        try:
            answer.set_result(urllib.request.urlopen(url, timeout=TIMEOUT))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(TIMEOUT)
    except futures.TimeoutError:
        raise TimeoutError("no answer") from None
