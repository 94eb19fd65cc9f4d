"""The benchmarks' torchvision is imported beside any torch, and its failures are not hidden."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("torchvision"), reason="torchvision is not installed"
)


def speed():
    """The module benchmarks/speed.py."""
    file = Path(__file__).resolve().parent.parent / "benchmarks" / "speed.py"
    spec = importlib.util.spec_from_file_location("speed", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def use_torchvision():
    """What the plain import raises in this process, and what the guarded one can do."""
    error = ""
    try:
        import torchvision.datasets
    except RuntimeError as failure:
        error = str(failure)
    torchvision = speed().import_torchvision()
    assert speed().import_torchvision() is torchvision is sys.modules["torchvision"]
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
    torchvision = speed().import_torchvision()
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
