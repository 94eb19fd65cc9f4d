"""MNIST's four files: found in a folder, or else downloaded into one."""

from labutils.runtime import atomic_write, locked, warn

import gzip
import hashlib
import http.client
import math
import os
import ssl
import struct
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable
from concurrent import futures
from functools import partial
from pathlib import Path

TIMEOUT = 10.0  # seconds that a mirror may stay silent
SLOWEST = 10_000  # bytes per second: below this a mirror counts as silent

# the addresses that torchvision uses, and the MD5 sums that it expects
MIRRORS = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
# MD5 sums of the unpacked files: right contents are right, however they are packed or named.
UNPACKED = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
COPY = (
    "copy its four .gz files into a folder and set the environment variable LABUTILS_DATA to "
    "that folder."
)
HOW_TO_GET_MNIST = f"To get MNIST, connect to the network and call load() again, or {COPY}"
HOW_TO_BE_TRUSTED = (
    f"To get MNIST, set the environment variable SSL_CERT_FILE to a file with the certificates "
    f"that your network uses (on macOS, run Install Certificates.command), or {COPY}"
)
HOW_TO_KEEP_MNIST = (
    "To get MNIST, set the environment variable LABUTILS_DATA to a folder that you may write to, "
    "with room for 12 MB."
)
ITEM_SIZES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}  # of an idx file, by its type


class DataError(RuntimeError):
    """MNIST is unavailable. The message says why, and what to do."""


def find_or_download(folders: list[Path]) -> dict[str, Path]:
    """Where MNIST's files are, by their original names: in the first folder that has them all.

    Where none has, they are downloaded into the first folder in which no file of another data
    set has the name of one of them; a warning names such a file. Raises DataError.
    """
    taken = {}
    for folder in folders:
        found = _find(folder)
        if len(found) == len(CHECKSUMS):
            break
        if file := _another(folder, found):
            taken[folder] = file
    else:
        found, folder = {}, next((folder for folder in folders if folder not in taken), None)
    for file in taken.values():
        reason = f"{file} is not MNIST's, or cannot be read, and is left as it is."
        if folder is None:
            raise DataError(f"{reason} {HOW_TO_KEEP_MNIST}")
        warn(f"{reason} MNIST is kept in {folder}.")
    return found or _download(folder)


def read(path: Path) -> memoryview:
    """The bytes of one of the files, unpacked, without their header."""
    values = memoryview(_unpack(path.read_bytes()))
    return values[4 + 4 * values[3] :]  # a magic number and a size for each axis


def _find(folder: Path) -> dict[str, Path]:
    """The files in `folder` whose contents are MNIST's, by their original names."""
    return {
        name: path
        for name in CHECKSUMS
        if (path := next((p for p in _candidates(folder, name) if _is_whole(p, name)), None))
    }


def _candidates(folder: Path, name: str) -> list[Path]:
    """The names that a file goes by: packed or not, with a dash or a dot."""
    names = (name, name.replace("-idx", ".idx"))
    return [folder / form for name in names for form in (name, name.removesuffix(".gz"))]


def _is_whole(path: Path, name: str) -> bool:
    try:
        packed = path.read_bytes()
        return _checksum(packed) == CHECKSUMS[name] or _checksum(_unpack(packed)) == UNPACKED[name]
    except (OSError, EOFError, zlib.error):
        return False


def _another(folder: Path, found: dict[str, Path]) -> Path | None:
    """A whole file of another data set that has the name of one of MNIST's that is missing."""
    for name in [name for name in CHECKSUMS if name not in found]:
        for file in _candidates(folder, name):
            # in this order: another process may put MNIST's file in place of none or a damaged one
            if os.path.isfile(file) and not _is_damaged(file) and not _is_whole(file, name):
                return file
    return None


def _is_damaged(path: Path) -> bool:
    """Whether the file is neither packed nor an idx file, or has lost its end."""
    try:
        packed = path.read_bytes()
        values = _unpack(packed)
    except PermissionError:
        return False  # somebody's, for all we know
    except (OSError, EOFError, zlib.error):
        return True
    return not values or (values is packed and not _is_idx(values))


def _is_idx(values: bytes) -> bool:
    """Whether these are all the bytes of an idx file."""
    try:
        zeros, kind, axes = struct.unpack_from(">HBB", values)
        shape = struct.unpack_from(f">{axes}I", values, 4)
    except struct.error:  # too short for its header
        return False
    size = 4 + 4 * axes + math.prod(shape) * ITEM_SIZES.get(kind, 0)
    return zeros == 0 and kind in ITEM_SIZES and len(values) == size


def _unpack(packed: bytes) -> bytes:
    return gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed


def _checksum(values: bytes) -> str:
    return hashlib.md5(values, usedforsecurity=False).hexdigest()


def _download(folder: Path) -> dict[str, Path]:
    """Bring whole copies of the files that `folder` lacks. One process at a time does it.

    The others wait, then find the files, or the reason why there are none: a hanging network
    is waited for once, not once by each process in turn.
    """
    started = time.time()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        failure = folder / "download.failed"
        with locked(folder / "download.lock") as renew:
            if failure.exists() and started <= failure.stat().st_mtime <= time.time():
                raise DataError(failure.read_text(encoding="utf-8"))
            failure.unlink(missing_ok=True)
            found = _find(folder)
            for name in [name for name in CHECKSUMS if name not in found]:
                try:
                    packed = _fetch(name, renew)
                except DataError as error:
                    state = "damaged" if (folder / name).exists() else "missing"
                    reason = f"{folder / name} is {state} and could not be downloaded: {error}"
                    failure.write_text(reason, encoding="utf-8")
                    raise DataError(reason) from None
                damaged = (folder / name).is_file()
                with atomic_write(folder / name) as file:
                    file.write(packed)
                if damaged:
                    warn(f"{folder / name} was damaged: a whole copy has taken its place.")
            return {name: found.get(name, folder / name) for name in CHECKSUMS}
    except KeyboardInterrupt:
        raise DataError(f"The download of MNIST was interrupted. {HOW_TO_GET_MNIST}") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"MNIST cannot be kept in {folder} ({reason}). {HOW_TO_KEEP_MNIST}"
        ) from error


def _fetch(name: str, renew: Callable[[], None]) -> bytes:
    """The bytes of one file, from the first mirror that sends it whole."""
    failures, advice = [], HOW_TO_GET_MNIST
    for mirror in MIRRORS:
        try:
            packed = _receive(mirror + name, renew)
            if _checksum(packed) == CHECKSUMS[name]:
                return packed
            failures.append(f"{mirror} sent a damaged or cut-off file")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            failures.append(f"{mirror} failed ({str(reason).strip() or repr(reason)})")
            if isinstance(reason, ssl.SSLCertVerificationError):
                advice = HOW_TO_BE_TRUSTED
    raise DataError(f"{'; '.join(failures)}. {advice}")


def _receive(url: str, renew: Callable[[], None]) -> bytes:
    """What the server sends. Raises OSError where it fails, or is too slow."""
    from tqdm.auto import tqdm  # here, since it is slow to import

    renew()
    packed, progress = bytearray(), partial(tqdm, unit="B", unit_scale=True, leave=False)
    with _ask(url) as response, progress(desc=Path(url).name, total=response.length) as bar:
        started = time.monotonic()
        while chunk := response.read1(1 << 16):
            packed += chunk
            bar.update(len(chunk))
            renew()
            if len(packed) < SLOWEST * (time.monotonic() - started - TIMEOUT):
                raise TimeoutError("too slow")
    return packed


def _ask(url: str) -> http.client.HTTPResponse:
    """The server's answer, if it begins within TIMEOUT.

    The time-out of urlopen starts anew with every address of a host and every line of its
    answer, and does not hold for looking up its name.
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
