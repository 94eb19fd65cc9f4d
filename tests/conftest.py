"""What the tests share: folders of their own, small digits, a small MNIST, other processes."""

from labutils import data, mixtures, recipes, runtime, training
from labutils import mnist as mnist_files
from labutils.data import Digits, Split

import gzip
import hashlib
import multiprocessing
import os
import struct
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import matplotlib
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode


def pytest_collection_modifyitems(items):
    """First what keeps one core busy: `make test-all` uses the other one. The browser comes last:
    it finds the models that the notebooks have left."""
    last = ("tests/exercises", "notebooks", "build", "tests/browser")
    items.sort(key=lambda item: [item.nodeid.startswith(folder) for folder in reversed(last)])


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """No test touches the user's cache, nor opens a window."""
    for module in (data, runtime):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("LABUTILS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("LABUTILS_PROGRESS", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def seed():
    """The same numbers each time. On one thread: small networks are slower on two."""
    torch.manual_seed(0)
    torch.set_num_threads(1)


def small_digits():
    """Ten noisy patterns: a network learns them in a blink."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(10, 784, generator=generator).round()

    def split(count):
        labels = torch.arange(count) % 10
        noise = torch.rand(count, 784, generator=generator)
        return Split(0.8 * patterns[labels] + 0.2 * noise, labels)

    return Digits(split(100), split(50), split(50), "bundled")


def fit_by_em(x, components, *, steps, alpha, seed=0):
    """A BernoulliMixture after another number of steps than ten, or with more imagined pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixtures, "STEPS", steps)
        patch.setattr(mixtures, "ALPHA", alpha)
        return mixtures.BernoulliMixture.fit(x, components, seed=seed)


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation returns."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.size = max(self.size, result.numel())
        return result


@pytest.fixture
def style():
    """The course's style of figures, in this test alone."""
    from labutils import figures  # here, since it is slow to import

    matplotlib.use("Agg")
    with matplotlib.rc_context():
        figures.use_style()
        yield
    figures.plt.close("all")


@pytest.fixture
def digits():
    return small_digits()


@pytest.fixture
def mnist(monkeypatch):
    """The names and bytes of a small MNIST: 30 images to train, 10 to test. load() believes it."""
    generator = torch.Generator().manual_seed(0)
    files, unpacked = {}, {}
    for name in mnist_files.CHECKSUMS:
        count = 30 if name.startswith("train") else 10
        shape, top = ((count, 28, 28), 256) if "images" in name else ((count,), 10)
        values = torch.randint(top, shape, generator=generator).flatten().tolist()
        header = struct.pack(f">{1 + len(shape)}i", 0x800 + len(shape), *shape)
        unpacked[name] = header + bytes(values)
        files[name] = gzip.compress(unpacked[name], mtime=0)
    for sums, contents in (("CHECKSUMS", files), ("UNPACKED", unpacked)):
        md5 = partial(hashlib.md5, usedforsecurity=False)
        right = {name: md5(each).hexdigest() for name, each in contents.items()}
        monkeypatch.setattr(mnist_files, sums, right)
    return files


@pytest.fixture
def full_device(monkeypatch):
    """As if an accelerator were there; what it raises is what a full one raises."""
    other = torch.device("meta")
    for module in (recipes, training):
        monkeypatch.setattr(module, "choose_device", lambda: other)

    def full(device, *arguments, run=training._train_on):
        if device == other:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(device, *arguments)

    monkeypatch.setattr(training, "_train_on", full)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the site, for who has what it needs."""
    import website

    into = tmp_path_factory.mktemp("built") / "site"
    website.main(["--into", str(into)])
    return into


@pytest.fixture(scope="session")
def processes():
    """Starts processes. Where the system can fork, they have imported labutils beforehand."""
    context = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
    context.set_forkserver_preload(["labutils"])
    return context


@pytest.fixture
def elsewhere(processes):
    """Calls a function in another process, always the same one within a test."""
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()
