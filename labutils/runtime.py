"""What every process needs: seeds, the cache folder, files that appear only when whole."""

import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from platformdirs import user_cache_path


@contextmanager
def seeded(seed, device="cpu"):
    """Random numbers from `seed` inside the block; the state outside stays as it was."""
    device = torch.device(device)
    before = random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        set_random_state(before, device)


def random_state(device):
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state["accelerator"] = torch.get_device_module(device).get_rng_state()
    return state


def set_random_state(state, device):
    torch.set_rng_state(state["cpu"].cpu())
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state["accelerator"].cpu())


def cache_folder():
    """Where downloads and trained models are kept."""
    return user_cache_path("labutils")


def runs_folders() -> list[Path]:
    """Where trained models and the scoreboard are kept: the first is written, all are read."""
    named = os.environ.get("LABUTILS_RUNS")
    return [Path(name) for name in named.split(os.pathsep)] if named else [cache_folder() / "runs"]


@contextmanager
def atomic_write(path):
    """Open a binary file that appears at `path` only once it is written in full."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(scratch, "wb") as file:
            yield file
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def locked(path: Path):
    """Hold the lock file `path` in the block; yields a function that shows a sign of life."""
    with FileLock(path):
        yield lambda: None


def warn(message: str) -> None:
    """Warn, pointing at the line outside labutils that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "labutils":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def choose_device() -> torch.device:
    """The device that LABUTILS_DEVICE names, an accelerator that works, or the CPU.

    Raises ValueError for a name that is no device.
    """
    cpu, name = torch.device("cpu"), os.environ.get("LABUTILS_DEVICE", "").strip()
    try:
        found = torch.device(name) if name else torch.accelerator.current_accelerator(True)
    except RuntimeError:
        raise ValueError(f'LABUTILS_DEVICE must be "cpu", "cuda" or "mps", got {name!r}.') from None
    try:
        return torch.zeros(1, device=found or cpu).add(1).device
    except (RuntimeError, AssertionError) as error:  # no driver, another process has it, ...
        reason = str(error).splitlines()[0]
        warn(
            f"{found} cannot be used ({reason}): training on the CPU. To choose the device, set "
            f"the environment variable LABUTILS_DEVICE."
        )
        return cpu
