"""What every process needs: seeds, torch's usual modes, folders, whole files, locks."""

from labutils import guards

import glob
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import torch
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

REPLACE_TRIED_FOR = 1.0  # seconds: a virus scanner on Windows holds a new file for a moment
WORD_AFTER = 5.0  # seconds of waiting for a lock before we say so
SILENT_AFTER = 60.0  # seconds after the last sign of life from which a lock no longer counts
SIGN_EVERY = 2.0  # seconds between two signs of life, at least
POLL = 0.2  # seconds between two looks at the sign of life of who holds a lock
LEFT_BEHIND = 3600.0  # seconds after which nobody writes to a scratch file any more


def own_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose: what draws for two from the same seed draws the same numbers twice.

    Of 32 bits: torch's generator for the CPU drops all others.
    """
    return zlib.crc32(f"{purpose} {seed}".encode())


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Random numbers from `seed` inside the block; the state outside stays as it was.

    Holds for the CPU and for `device`; other devices are left alone. Raises ValueError for what
    is no seed: torch takes whole numbers of 64 bits.
    """
    seed = guards.whole_number(seed, "seed", 0, 2**64 - 1)
    device = torch.device(device)
    before = random_state(device)
    if device.type != "cpu":  # first: a device that has no random numbers changes nothing
        with _current(device):
            torch.get_device_module(device).manual_seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        set_random_state(before, device)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of the random numbers of the CPU and of `device`."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        with _current(device):
            state["accelerator"] = torch.get_device_module(device).get_rng_state()
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Go back to what random_state(device) returned. Where that fails, nothing has changed."""
    before = torch.get_rng_state()
    torch.set_rng_state(state["cpu"].cpu())
    if device.type != "cpu":
        try:
            with _current(device):
                torch.get_device_module(device).set_rng_state(state["accelerator"].cpu())
        except Exception:
            torch.set_rng_state(before)
            raise


@contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """Make `device` the one of its kind that torch seeds: torch seeds the current one."""
    before = torch.accelerator.current_device_index()
    torch.accelerator.set_device_index(before if device.index is None else device.index)
    try:
        yield
    finally:
        torch.accelerator.set_device_index(before)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Gradients on and float32 as the default inside the block, whatever holds outside."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(before)


def cache_folder() -> Path:
    """Where downloads and trained models are kept: the user's cache, or else a temporary folder.

    In a container there may be no home folder: neither HOME nor an entry for the user.
    """
    with suppress(RuntimeError):
        folder = user_cache_path("labutils")
        if folder.is_absolute():  # else it begins with a "~" that nobody could expand
            return folder
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"labutils-{user}")


def environment_folder(text: str | None) -> Path | None:
    """The absolute folder that an environment variable names, or None where it names none.

    Quotes and blanks around it are dropped; ~ and $NAME are expanded, which a file of settings
    does not do. A relative folder is looked for in the working folder, then in the folders above:
    a notebook's kernel works in notebooks/. Where it is in none of them, it is taken to be in the
    working folder. Raises ValueError for a home folder that nobody knows.
    """
    text = _bare(text or "")
    if not text:
        return None
    folder = Path(os.path.expanduser(os.path.expandvars(text)))
    if folder.parts[0].startswith("~"):
        raise ValueError(f"The home folder in {text!r} is unknown. Write out the whole path.")
    here = Path.cwd()
    places = (base / folder for base in (here, *here.parents))
    found = next((place for place in places if os.path.isdir(place)), here / folder)
    return Path(os.path.abspath(found))


def _bare(text):
    """The text without blanks and quotes around it, typographic ones included."""
    return text.strip("\"'“”‘’ \t\r\n")


def runs_folders() -> list[Path]:
    """Where trained models and the scoreboard are kept: the first is written, all are read.

    They are the folders in LABUTILS_RUNS, separated by os.pathsep, or else one in the cache.
    """
    named = map(environment_folder, os.environ.get("LABUTILS_RUNS", "").split(os.pathsep))
    return [folder for folder in named if folder] or [cache_folder() / "runs"]


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that appears at `path` only once it is written in full.

    It may be read by whom the file before it might be read. Raises OSError where it cannot be
    written; the old file then stays.
    """
    # containers that share a folder share process numbers, and tempfile's files are private
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _clear(path)
    try:
        with open(scratch, "xb") as file:
            yield file
        with suppress(OSError):  # there is none before it, or a folder without modes
            shutil.copymode(path, scratch)
        _replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove the scratch files of `path` that a killed process left behind, long ago."""
    with suppress(OSError):
        for scratch in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 16}"):
            if time.time() - scratch.stat().st_mtime > LEFT_BEHIND:
                scratch.unlink()


def _replace(scratch: Path, path: Path) -> None:
    """os.replace, tried again for a moment while it is refused."""
    until = time.monotonic() + REPLACE_TRIED_FOR
    while True:
        try:
            return os.replace(scratch, path)
        except PermissionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


@contextmanager
def locked(path: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock file `path` in the block, to write what several processes write.

    Yields a function that shows that this process is alive; call it every 10 seconds or more
    often, it is cheap. One line says so when another process holds the lock for long. When
    that process has shown no sign of life for a minute (it is stopped, or hangs), the block
    runs without the lock, so what it writes still has to be written atomically.

    Anyone may use the lock file, whatever the umask. Raises OSError where it cannot be made.
    """
    lock = FileLock(path, mode=0o666)
    if not _acquire(lock, path):
        yield lambda: None
        return
    with suppress(OSError):  # Windows lets nobody write to a locked file
        if not path.stat().st_size:  # else it is filelock's own, where folders have no locks
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
    shown = -SIGN_EVERY

    def renew():
        nonlocal shown
        if time.monotonic() - shown >= SIGN_EVERY:
            shown = time.monotonic()
            with suppress(OSError):
                os.utime(path)

    try:
        renew()
        yield renew
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path) -> bool:
    """Wait for the lock; false when its holder has been silent for too long."""
    sign, warned = None, False
    started = changed = time.monotonic()
    while True:
        with suppress(Timeout):
            lock.acquire(timeout=POLL)
            return True
        now = time.monotonic()
        if (latest := _sign_of_life(path)) != sign:
            sign, changed = latest, now
        if now - started >= WORD_AFTER and not warned:
            warned = True
            warn(f"Waiting for {_holder(path)}, which holds the lock {path}.")
        # the clocks of two machines may differ, so what we see ourselves counts as well
        watched = now - changed
        silent = max(watched, time.time() - sign if sign else 0.0)
        if watched >= WORD_AFTER and silent >= SILENT_AFTER:
            warn(
                f"Going on without the lock {path}: {_holder(path)} holds it, but has shown no "
                f"sign of life for {silent:.0f} s."
            )
            return False


def _sign_of_life(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _holder(path: Path) -> str:
    """Who holds the lock, as far as the file tells."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().partition("\n")[0].strip() or "another process"
    return "another process"


def warn(message: str) -> None:
    """Warn, pointing at the line outside labutils that led here."""
    level, frame = 1, sys._getframe()
    ours = ("labutils", "contextlib")  # a context manager is entered by contextlib
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ours:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def choose_device() -> torch.device:
    """The device that LABUTILS_DEVICE names, an accelerator that works, or the CPU.

    Raises ValueError for a name that is no device.
    """
    cpu, name = torch.device("cpu"), _bare(os.environ.get("LABUTILS_DEVICE", "")).lower()
    try:
        found = torch.device(name) if name else torch.accelerator.current_accelerator(True)
    except RuntimeError:
        raise ValueError(f'LABUTILS_DEVICE must be "cpu", "cuda" or "mps", got {name!r}.') from None
    try:
        with seeded(0, found or cpu):  # some devices have no random numbers, or no numbers
            one = torch.ones(1, device=found or cpu)
            one.item()
        return one.device
    except (RuntimeError, AssertionError, ImportError) as error:  # no driver, in use, ...
        reason = str(error).partition("\n")[0].partition(". ")[0]
        warn(
            f"{found} cannot be used ({reason}): training on the CPU. To choose the device, set "
            f"the environment variable LABUTILS_DEVICE."
        )
        return cpu
