"""load() gives the same disjoint splits, from the first place that has them."""

from labutils import data
from labutils.data import CHECKSUMS, DataError, binarize, import_torchvision, load

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

MNIST = os.environ.get("LABUTILS_DATA")
needs_mnist = pytest.mark.skipif(
    not MNIST or not all((Path(MNIST) / name).exists() for name in CHECKSUMS),
    reason="LABUTILS_DATA names no folder with MNIST",
)
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.delenv("LABUTILS_DATA", raising=False)
    monkeypatch.setattr(import_torchvision().datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


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
    train, test = (torch.tensor(list(data.gzip.decompress(mnist[name])[16:])) for name in names)
    images = torch.cat([digits.train.images, digits.validation.images])
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (20, 10, 10)
    assert torch.equal(images, train.view(-1, 784) / 255)
    assert torch.equal(digits.test.images, test.view(-1, 784) / 255)
    names = ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    train, test = (list(data.gzip.decompress(mnist[name])[8:]) for name in names)
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
    with pytest.raises(ValueError, match="validation must be a whole number from 1 to 59,999"):
        load(source="bundled", validation=validation)


@pytest.mark.parametrize("source", ["MNIST", "", None])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ValueError, match='"auto", "mnist" or "bundled"'):
        load(source=source)


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
def test_loading_mnist_takes_at_most_300_mb():
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
    command = [sys.executable, "-c", code]
    root = Path(__file__).resolve().parent.parent
    output = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    assert 200_000 < int(output.stdout) < 300_000  # kB; the pixels alone are 220 MB


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


# torchvision


def test_the_checksums_are_torchvisions():
    assert dict(import_torchvision().datasets.MNIST.resources) == CHECKSUMS


def use_torchvision():
    """What the plain import raises in this process, and what the guarded one can do."""
    error = ""
    try:
        import torchvision.datasets
    except RuntimeError as failure:
        error = str(failure)
    torchvision = import_torchvision()
    assert import_torchvision() is torchvision is sys.modules["torchvision"]
    grid = torchvision.utils.make_grid(torch.rand(4, 1, 28, 28), nrow=2, padding=0)
    turned = torchvision.transforms.functional.rotate(torch.rand(1, 28, 28), 30)
    return error, grid.shape, turned.shape, torchvision.datasets.MNIST.__name__


def test_torchvision_is_imported_beside_the_torch_at_hand(elsewhere):
    error, grid, turned, name = elsewhere(use_torchvision)
    if torch.version.cuda is None and sys.platform == "linux":
        assert error in ("", "operator torchvision::nms does not exist")
    assert (grid, turned, name) == ((3, 56, 56), (1, 28, 28), "MNIST")


def import_stub(folder):
    """The names that `folder`'s torchvision has, and the operators it finds declared."""
    sys.path.insert(0, str(folder))
    torchvision = import_torchvision()
    assert Path(torchvision.__file__).parent.parent == folder
    operators = [name for name in ("nms", "qnms") if hasattr(torch.ops.torchvision, name)]
    return torchvision.datasets.MNIST, operators


def stub(folder, init, datasets="MNIST = 'a data set'"):
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(init)
    (folder / "torchvision" / "datasets.py").write_text(datasets)
    return folder


def test_a_torchvision_that_works_is_left_as_it_is(elsewhere, tmp_path):
    assert elsewhere(import_stub, stub(tmp_path, "")) == ("a data set", [])


def test_a_torchvision_without_its_operators_is_given_them(elsewhere, tmp_path):
    init = (
        "import torch, torchvision.datasets\n"
        "for name in ('nms', 'qnms'):\n"
        "    torch.library.register_fake(f'torchvision::{name}')(lambda *args: None)\n"
    )
    assert elsewhere(import_stub, stub(tmp_path, init)) == ("a data set", ["nms", "qnms"])


@pytest.mark.parametrize("error", ["RuntimeError('else')", "ImportError('else')"])
def test_any_other_failure_of_torchvision_is_not_hidden(error, elsewhere, tmp_path):
    fails_once = (
        "import pathlib\n"
        "first = pathlib.Path(__file__).with_name('first')\n"
        f"if not first.exists(): first.touch(); raise {error}\n"
    )
    stub(tmp_path, fails_once)
    with pytest.raises((RuntimeError, ImportError), match="else"):
        elsewhere(import_stub, tmp_path)
    assert elsewhere(import_stub, tmp_path) == ("a data set", [])
