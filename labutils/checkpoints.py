"""What is kept of a training: written after each epoch, read without executing code, refused."""

from labutils.runtime import atomic_write, warn

import errno
import io
import math
import zipfile
from pathlib import Path

import torch
from torch import nn


def memory_is_full(error: Exception) -> bool:
    """Whether memory, not a file, is at fault. For the CPU torch has no error of its own."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or getattr(error, "errno", None) == errno.ENOMEM or "CPUAllocator" in str(error)


class Checkpoint:
    """The file in which a run is kept. `renew` shows others that it goes on."""

    def __init__(self, file: Path, renew=lambda: None) -> None:
        self.file, self.renew = file, renew
        self.warned = False

    def resume(self, start):
        """The run that start() begins, with what the file holds, if anything, put into it."""
        run = start()
        try:
            run.load_state_dict(read(self.file, run.device))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except Exception as error:  # there is no end to what a damaged file can raise
            if memory_is_full(error):
                raise
            warn(f"{self.file} is damaged or cannot be read: training starts again.")
            return start()
        return run

    def write(self, run) -> None:
        """Keep the state of `run`. Where that fails it warns once, and tries again next time."""
        packed = io.BytesIO()  # torch.save hides why a file cannot be written
        torch.save(run.state_dict(), packed)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.file) as file:
                file.write(packed.getbuffer())
        except OSError as error:
            if not self.warned:
                warn(f"This run is not kept: {self.file} cannot be written ({error}).")
            self.warned = True


def read(file: Path, device: torch.device | str = "cpu") -> dict:
    """The state in a file. Raises FileNotFoundError, and anything where it is damaged."""
    with zipfile.ZipFile(file) as packed:
        if packed.testzip():  # torch.load does not look at the checksums
            raise zipfile.BadZipFile(f"{file} has a part whose checksum is wrong.")
    return torch.load(file, map_location=device, weights_only=True)


def check_history(history, epochs: int) -> None:
    """Raise ValueError for a history that fit() has not written."""
    columns = (history.train, history.validation, history.learning_rate, history.seconds)
    numbers = [number for column in columns for number in column]
    if (
        history.epochs != epochs
        or not 1 <= len(history) <= epochs
        or {len(column) for column in columns} != {len(history)}
        or not all(isinstance(n, float) and math.isfinite(n) for n in numbers)
    ):
        raise ValueError("The history is not one of this run.")


def check_weights(state: dict, model: nn.Module) -> None:
    """Raise ValueError unless state has the tensors of the model, all of them finite."""
    expected = model.state_dict()
    if state.keys() != expected.keys():
        raise ValueError("The weights have other names than those of the model.")
    for name, tensor in state.items():
        wanted = expected[name]
        if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(f"{name} has another shape than that of the model.")
        if not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite.")
