"""load() gives the same disjoint splits, from the first place that has them."""

from labutils import mnist as mnist_files
from labutils.data import DataError, Split, binarize, check_split, load

import ast
import gzip
import hashlib
import importlib.util
import math
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

MNIST = os.environ.get("LABUTILS_DATA")
needs_mnist = pytest.mark.skipif(
    not MNIST or not all((Path(MNIST) / name).exists() for name in mnist_files.CHECKSUMS),
    reason="LABUTILS_DATA names no folder with MNIST",
)
MIRRORS, UNPACKED = mnist_files.MIRRORS, mnist_files.UNPACKED  # before a test replaces them
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.delenv("LABUTILS_DATA", raising=False)
    monkeypatch.setattr(mnist_files, "MIRRORS", ["http://127.0.0.1:9/"])


def put(files, folder):
    folder.mkdir(parents=True)
    for name, packed in files.items():
        (folder / name).write_bytes(packed)
    return folder


@pytest.fixture(params=["mnist", "bundled"])
def loaded(request, mnist, tmp_path):
    put(mnist, tmp_path / "here")
    return load(tmp_path / "here", source=request.param, validation=10)


# What comes out


def test_images_and_labels_are_as_promised(loaded):
    for split in (getattr(loaded, name) for name in SPLITS):
        assert split.images.dtype == torch.float32
        assert split.labels.dtype == torch.int64
        assert split.images.shape == (len(split), 784)
        assert split.labels.shape == (len(split),)
        assert 0 <= split.images.min() < 0.1 and 0.9 < split.images.max() <= 1
        assert set(split.labels.tolist()) <= set(range(10))
        assert split.images.is_contiguous()


def test_the_splits_are_the_same_each_time(loaded, tmp_path):
    again = load(tmp_path / "here", source=loaded.source, validation=10)
    for name in SPLITS:
        assert torch.equal(getattr(loaded, name).images, getattr(again, name).images)
        assert torch.equal(getattr(loaded, name).labels, getattr(again, name).labels)


def test_loading_draws_no_random_numbers(tmp_path):
    before = torch.get_rng_state()
    load(source="bundled")
    assert torch.equal(torch.get_rng_state(), before)


def test_mnists_last_training_images_validate(mnist, tmp_path):
    digits = load(put(mnist, tmp_path / "here"), validation=10)
    names = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
    train, test = (torch.tensor(list(gzip.decompress(mnist[name])[16:])) for name in names)
    images = torch.cat([digits.train.images, digits.validation.images])
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (20, 10, 10)
    assert torch.equal(images, train.view(-1, 784) / 255)
    assert torch.equal(digits.test.images, test.view(-1, 784) / 255)
    names = ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    train, test = (list(gzip.decompress(mnist[name])[8:]) for name in names)
    assert torch.cat([digits.train.labels, digits.validation.labels]).tolist() == train
    assert digits.test.labels.tolist() == test


def test_the_bundled_digits_are_split_in_their_fixed_order():
    from sklearn.datasets import load_digits

    digits = load(source="bundled")
    assert digits.source == "bundled"
    assert [len(getattr(digits, name)) for name in SPLITS] == [1250, 250, 297]
    labels = torch.cat([getattr(digits, name).labels for name in SPLITS])
    assert labels.tolist() == load_digits().target.tolist()
    # an image scaled up keeps its mean, give or take its margin
    images = torch.cat([getattr(digits, name).images for name in SPLITS])
    assert torch.corrcoef(torch.stack([images.mean(1), rough_means(load_digits())]))[0, 1] > 0.98


def rough_means(bundled):
    return torch.from_numpy(bundled.data).float().mean(1) / 16


@pytest.mark.parametrize("validation", [1, 59_999])
def test_a_bundled_split_is_never_empty(validation):
    digits = load(source="bundled", validation=validation)
    assert min(len(getattr(digits, name)) for name in SPLITS) >= 1
    assert len(digits.train) + len(digits.validation) == 1500


def test_the_digits_say_what_they_are(mnist, tmp_path):
    digits = load(put(mnist, tmp_path / "here"), validation=10)
    assert repr(digits) == "MNIST: 20 to train, 10 to validate, 10 to test"
    assert repr(digits.train) == "20 digits of 784 pixels"
    assert "bundled with scikit-learn: 1,250 to train" in repr(load(source="bundled"))


def test_a_split_is_indexed_like_its_tensors():
    split = load(source="bundled").test
    for which in (slice(3), slice(None, None, 2), torch.tensor([5, 1]), split.labels == 3):
        part = split[which]
        assert torch.equal(part.images, split.images[which])
        assert torch.equal(part.labels, split.labels[which])
        assert len(part) == len(part.labels)


@pytest.mark.parametrize("validation", [0, -1, 60_000, 10.0, "10", None])
def test_a_wrong_number_to_validate_is_refused(validation):
    with pytest.raises(ValueError, match="validation must be a whole number, from 1 to 59,999"):
        load(source="bundled", validation=validation)


@pytest.mark.parametrize("source", ["MNIST", "", None])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ValueError, match='"auto", "mnist" or "bundled"'):
        load(source=source)


def test_a_whole_number_of_numpy_may_validate(mnist, tmp_path):
    folder = put(mnist, tmp_path / "here")
    assert len(load(folder, validation=np.int64(7)).validation) == 7


def test_there_is_a_choice_for_each_source(digits):
    assert digits.pick(mnist=1, bundled=2) == 2
    assert replace(digits, source="mnist").pick(mnist=1, bundled=2) == 1
    with pytest.raises(ValueError, match='"mnist" and "bundled", got .fashion'):
        replace(digits, source="fashion").pick(mnist=1, bundled=2)


def test_digits_of_ones_own_say_what_they_are(digits):
    own = replace(digits, source="fashion")
    assert repr(own) == "fashion: 100 to train, 50 to validate, 50 to test"


@pytest.mark.parametrize("shape", [(0, 784), (3, 28, 28), (3,)])
def test_a_split_of_any_shape_can_be_printed(shape):
    split = Split(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64))
    assert repr(split) == f"{shape[0]} digits of {math.prod(shape[1:])} pixels"


GOOD = Split(torch.full((4, 784), 0.5), torch.arange(4))
WRONG_SPLITS = {
    "an array of images": (
        Split(GOOD.images.numpy(), GOOD.labels),
        "here.images must be a torch tensor, got numpy.ndarray. Try torch.as_tensor",
    ),
    "an array of labels": (
        Split(GOOD.images, GOOD.labels.numpy()),
        "here.labels must be a torch tensor, got numpy.ndarray",
    ),
    "a list": (
        Split(GOOD.images, [0, 1, 2, 3]),
        "here.labels must be a torch tensor, got builtins",
    ),
    "no split": (GOOD.images, "here must be a Split of images and labels, got Tensor. Try Split"),
    "nothing": (None, "here must be a Split of images and labels, got NoneType"),
    "bytes": (Split(GOOD.images.byte(), GOOD.labels), "must be float32 .* got torch.uint8"),
    "square": (Split(GOOD.images.view(4, 28, 28), GOOD.labels), r"\(4, 28, 28\)\. Try"),
    "no image": (GOOD[:0], "here is empty: expected at least one"),
    "labels": (
        Split(GOOD.images, GOOD.labels[1:]),
        "here.labels must be int64 .* one label an image",
    ),
    "range": (Split(2 + GOOD.images, GOOD.labels), r"here.images must lie in \[0, 1\], got .* 2\."),
    "NaN": (Split(math.nan * GOOD.images, GOOD.labels), "here.images must lie in .* got .* nan"),
}


@pytest.mark.parametrize("wrong", WRONG_SPLITS)
def test_a_wrong_split_is_refused_in_one_line(wrong):
    split, words = WRONG_SPLITS[wrong]
    with pytest.raises(ValueError, match=words) as caught:
        check_split(split, "here")
    assert "\n" not in str(caught.value)


def test_a_right_split_is_accepted(digits):
    check_split(digits.train, "here")


# Where it comes from


@pytest.mark.parametrize("place", ["root", "variable", "cache"])
@pytest.mark.parametrize("source", ["auto", "mnist"])
def test_mnist_is_found_without_a_word(place, source, mnist, tmp_path, monkeypatch):
    put(mnist, tmp_path / place)
    monkeypatch.setenv("LABUTILS_DATA", str(tmp_path / "variable"))
    root = tmp_path / "root" if place == "root" else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(root, source=source, validation=10).source == "mnist"
    others = {"root", "variable", "cache"} - {place}
    assert not any((tmp_path / other).exists() for other in others)


FORMS = {
    "unpacked": (lambda name: name.removesuffix(".gz"), gzip.decompress),
    "unpacked, with a dot": (
        lambda name: name.removesuffix(".gz").replace("-idx", ".idx"),
        gzip.decompress,
    ),
    "with a dot": (lambda name: name.replace("-idx", ".idx"), lambda packed: packed),
    "packed again": (lambda name: name, lambda packed: repack(packed, 1)),
    "packed in name only": (lambda name: name, gzip.decompress),
}


def repack(packed, level):
    return gzip.compress(gzip.decompress(packed), level, mtime=1)


@pytest.mark.parametrize("form", FORMS)
def test_right_contents_are_right_in_any_form(form, mnist, tmp_path):
    expected = load(put(mnist, tmp_path / "original"), validation=10)
    rename, pack = FORMS[form]
    others = {rename(name): pack(packed) for name, packed in mnist.items()}
    assert others != mnist
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        digits = load(put(others, tmp_path / "here"), source="mnist", validation=10)
    for name in SPLITS:
        assert torch.equal(getattr(digits, name).images, getattr(expected, name).images)
        assert torch.equal(getattr(digits, name).labels, getattr(expected, name).labels)


@needs_mnist
def test_the_sums_of_the_unpacked_files_are_those_of_mnist():
    for name, expected in UNPACKED.items():
        unpacked = gzip.decompress(Path(MNIST, name).read_bytes())
        assert hashlib.md5(unpacked, usedforsecurity=False).hexdigest() == expected


def test_quotes_and_blanks_around_the_variable_do_not_matter(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("LABUTILS_DATA", f'"{put(mnist, tmp_path / "here")}" ')
    assert load(source="mnist", validation=10).source == "mnist"


def test_a_relative_folder_is_found_from_notebooks(mnist, tmp_path, monkeypatch):
    put(mnist, tmp_path / "data")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("LABUTILS_DATA", "data")
    assert load(source="mnist", validation=10).source == "mnist"
    assert not any(Path.cwd().iterdir())


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_messages_name_the_absolute_folder(named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABUTILS_DATA", "data" if named == "variable" else "elsewhere")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "data"))):
        load("data" if named == "argument" else None, source="mnist")


def test_root_may_be_text(mnist, tmp_path):
    assert load(str(put(mnist, tmp_path / "here")), validation=10).source == "mnist"


def test_a_root_that_is_given_replaces_the_variable(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("LABUTILS_DATA", str(put(mnist, tmp_path / "variable")))
    with pytest.raises(DataError, match="elsewhere"):
        load(tmp_path / "elsewhere", source="mnist")


def test_mnist_by_name_never_falls_back(tmp_path):
    with pytest.raises(DataError, match=r"To get MNIST, .* LABUTILS_DATA to that folder"):
        load(tmp_path, source="mnist")


def test_auto_falls_back_with_one_warning_that_says_what_to_do(tmp_path):
    with pytest.warns(UserWarning) as caught:
        digits = load(tmp_path)
    assert digits.source == "bundled"
    (warning,) = (each for each in caught if each.category is UserWarning)  # not scikit-learn's
    for words in ("NOT MNIST", str(tmp_path), "1,797 digits", "set the environment variable"):
        assert words in str(warning.message)
    assert warning.filename == __file__  # it points at the line that called load()


def test_bundled_does_not_look_for_mnist(mnist, tmp_path):
    assert load(put(mnist, tmp_path / "here"), source="bundled").source == "bundled"


@pytest.mark.parametrize("damage", ["truncated", "corrupted", "missing"])
def test_a_damaged_file_is_not_used(damage, mnist, tmp_path):
    folder = put(mnist, tmp_path / "here")
    path = folder / "t10k-labels-idx1-ubyte.gz"
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if damage == "truncated" else whole[:-1] + b"\xff")
    state = "missing" if damage == "missing" else "damaged"
    with pytest.raises(DataError, match=re.escape(f"{path} is {state} and could not be down")):
        load(folder, source="mnist")


@needs_mnist
def test_mnist_itself():
    digits = load(MNIST, source="mnist")
    assert [len(getattr(digits, name)) for name in SPLITS] == [50_000, 10_000, 10_000]
    labels = torch.cat([digits.train.labels, digits.validation.labels])
    known = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert labels.bincount().tolist() == known
    known = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert digits.test.labels.bincount().tolist() == known
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    pixels = torch.cat([digits.train.images, digits.validation.images])
    assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)


@needs_mnist
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_loading_mnist_takes_at_most_250_mb():
    code = """if True:
        import re, torch, labutils
        from pathlib import Path
        def peak():
            status = Path("/proc/self/status").read_text()
            return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
        before = peak()
        digits = labutils.load(source="mnist")
        print(peak() - before)
    """
    environment = {**os.environ, "LABUTILS_DATA": MNIST}
    peak = int(run(code, environment))
    assert 200_000 < peak < 250_000  # kB; the pixels alone are 220 MB


def run(code, environment):
    """What the code prints, in a process of its own."""
    command = [sys.executable, "-c", code]
    root = Path(__file__).resolve().parent.parent
    return subprocess.run(
        command, cwd=root, env=environment, check=True, capture_output=True, text=True
    ).stdout


# Binarisation


def test_binarize_draws_zeros_and_ones_whose_mean_is_the_image():
    images = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).expand(100_000, 5)
    drawn = binarize(images, torch.Generator().manual_seed(0))
    assert drawn.dtype == images.dtype and drawn.shape == images.shape
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean(0) == pytest.approx(images[0].numpy(), abs=0.006)
    assert (drawn[:, 0] == 0).all() and (drawn[:, 4] == 1).all()
    assert drawn[:, 1:4].T.corrcoef().triu(1).abs().max() < 0.02  # pixels are independent


def test_binarize_follows_its_generator_alone():
    images, before = torch.full((3, 784), 0.5), torch.get_rng_state()
    first, second = (binarize(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(binarize(images), binarize(images))


def test_binarize_leaves_its_argument_alone():
    images = torch.full((2, 4), 0.5)
    binarize(images)
    assert (images == 0.5).all()


@pytest.mark.parametrize("wrong", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_binarize_refuses_what_is_no_probability(wrong):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        binarize(torch.tensor([[0.5, wrong]]))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.rand(2, 3) > 0.5, "floating-point numbers .* got torch.bool. Try .float()"),
        (torch.ones(2, 3).byte(), "floating-point numbers .* got torch.uint8"),
        (np.ones((2, 3)), "must be a torch tensor, got numpy.ndarray"),
        ([[0.5]], "must be a torch tensor, got builtins.list"),
    ],
)
def test_binarize_says_what_it_needs(images, words):
    with pytest.raises(ValueError, match=words):
        binarize(images)


def test_nothing_is_binarised_to_nothing():
    assert binarize(torch.zeros(0, 784)).shape == (0, 784)


# torchvision


def torchvision_says(name):
    """An attribute of torchvision's MNIST, from its source: it may not be possible to import it."""
    source = Path(torchvision.origin).with_name("datasets") / "mnist.py"
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == "MNIST":
            (value,) = (
                line.value
                for line in node.body
                if isinstance(line, ast.Assign) and line.targets[0].id == name
            )
            return ast.literal_eval(value)


torchvision = importlib.util.find_spec("torchvision")
needs_torchvision = pytest.mark.skipif(not torchvision, reason="torchvision is not installed")


@needs_torchvision
def test_the_checksums_are_torchvisions():
    assert dict(torchvision_says("resources")) == mnist_files.CHECKSUMS


@needs_torchvision
def test_the_addresses_are_torchvisions():
    assert torchvision_says("mirrors") == MIRRORS


@pytest.mark.parametrize("init", ["raise RuntimeError('compiled for another CUDA')", None])
def test_a_torchvision_that_is_broken_or_absent_does_not_matter(init, mnist, tmp_path):
    """None stands for absent: the import is refused."""
    put(mnist, tmp_path / "here")
    (tmp_path / "torchvision").mkdir()
    stub = init or "raise ModuleNotFoundError(name='torchvision')"
    (tmp_path / "torchvision" / "__init__.py").write_text(stub)
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import labutils
        from labutils import mnist
        mnist.CHECKSUMS, mnist.MIRRORS = {mnist_files.CHECKSUMS}, []
        print(labutils.load({str(tmp_path / "here")!r}, validation=10))
        try:
            labutils.load({str(tmp_path / "empty")!r}, source="mnist")
        except labutils.DataError as error:
            print("DataError")
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert run(code, environment).splitlines() == [
        "MNIST: 20 to train, 10 to validate, 10 to test",
        "DataError",
    ]
