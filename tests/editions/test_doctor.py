"""`python tools/doctor.py` in environments that are broken in the ways that students have met."""

import doctor as tool

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def doctor(*program, **variables):
    """Whether all is well, and what is said of each, by its name."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [*(program or [sys.executable]), str(ROOT / "tools" / "doctor.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert not done.stderr
    said = {}
    for line in done.stdout.splitlines()[:-2]:
        if line.startswith(("ok ", "!! ")):
            name = line.split()[1]
            said[name] = line
        else:
            said[name] += line
    return done.returncode == 0, said


def test_one_screen_where_all_is_well():
    well, said = doctor()
    assert well, said
    assert list(said) == [
        "Python", "kernel", "packages", "torch", "cores", "memory", "labutils", "MNIST",
        "notebooks", "data", "runs",
    ]  # fmt: skip
    assert sys.executable in said["Python"]
    assert str(ROOT / "labutils") in said["labutils"]


def test_a_python_in_which_nothing_is_installed(tmp_path):
    venv.create(tmp_path / "bare", symlinks=os.name != "nt")
    scripts = "Scripts" if os.name == "nt" else "bin"
    well, said = doctor(tmp_path / "bare" / scripts / "python")
    assert not well
    for name in ("kernel", "packages", "torch", "labutils"):
        assert said[name].startswith("!!"), name
        assert "fix: " in said[name]
    assert "No module named" in said["labutils"]
    assert "missing" in said["torch"]
    assert said["notebooks"].startswith("ok"), "what needs no package is looked at all the same"


@pytest.mark.skipif(Path(sys.base_prefix, "conda-meta").is_dir(), reason="there, pip installs")
def test_nobody_is_told_to_install_into_the_python_of_the_system():
    """Debian's and Homebrew's refuse: "externally managed"."""
    well, said = doctor(sys._base_executable, "-S")
    assert not well
    assert "missing" in said["packages"]
    assert "make lab" in said["packages"]
    assert "pip install" not in said["packages"]


def test_a_labutils_of_another_folder(tmp_path):
    (tmp_path / "labutils").mkdir()
    (tmp_path / "labutils" / "__init__.py").touch()
    code = f"cache_folder = lambda: {str(tmp_path)!r}\nruns_folders = lambda: [{str(tmp_path)!r}]"
    (tmp_path / "labutils" / "runtime.py").write_text(code, encoding="utf-8")
    well, said = doctor(PYTHONPATH=str(tmp_path))
    assert not well
    assert said["labutils"].startswith(f"!! labutils   {tmp_path}")
    assert "fix: " in said["labutils"]


def test_a_kernel_that_is_another_python(tmp_path):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    words = ["/elsewhere/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": words, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    well, said = doctor(JUPYTER_PATH=str(tmp_path))
    assert not well
    assert "another Python, /elsewhere/bin/python" in said["kernel"]
    assert "kernelspec remove python3" in said["kernel"]


@pytest.mark.parametrize(
    ("installed", "state"),
    [
        ({"torch": "2.13.0", "constriction": "0.5.0"}, "as in requirements.txt"),
        ({"torch": "2.13.0"}, "as in requirements.txt, without constriction"),
        (
            {"torch": "2.13.0", "constriction": "0.4.2"},
            "others than were tested: constriction 0.4.2",
        ),
        ({"constriction": "0.5.0"}, "missing: torch"),
    ],
)
def test_a_requirement_that_not_every_system_has(installed, state, tmp_path, monkeypatch):
    lines = 'torch==2.13.0 # why\nconstriction==0.5.0 ; platform_machine != "aarch64"\n-e .\n'
    (tmp_path / "requirements.txt").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "INSTALLED", installed)
    _, said, fix = tool.packages()
    assert said == state
    assert bool(fix) == state.startswith("missing")


@pytest.mark.parametrize("vision", ["0.27.1", "0.29.0+cpu"])
def test_a_torchvision_that_does_not_go_with_torch(vision, tmp_path):
    for name, version in (("torch", "2.13.0"), ("torchvision", vision)):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
    well, said = doctor(PYTHONPATH=os.pathsep.join([str(ROOT), str(tmp_path)]))
    assert not well
    assert "these two do not go together" in said["torch"]


def test_a_torch_that_does_not_load(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libc10.so: not found')", "utf-8")
    well, said = doctor(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert not well
    assert "libc10.so: not found" in said["torch"]
    assert "libc10.so: not found" in said["labutils"]


def test_where_mnist_is_and_where_it_is_not(tmp_path):
    data = tmp_path / "mnist"
    data.mkdir()
    well, said = doctor(LABUTILS_DATA=str(data), XDG_CACHE_HOME=str(tmp_path))
    assert well, "an empty folder is one to download into"
    assert "not here" in said["MNIST"]
    for name in ("train-images.idx3-ubyte", "train-labels-idx1-ubyte.gz",
                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"):  # fmt: skip
        (data / name).touch()
    assert str(data) in doctor(LABUTILS_DATA=str(data))[1]["MNIST"]
    well, said = doctor(LABUTILS_DATA=str(tmp_path / "none"), XDG_CACHE_HOME=str(tmp_path))
    assert not well
    assert "LABUTILS_DATA names no folder" in said["MNIST"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    well, said = doctor(LABUTILS_RUNS=str(tmp_path / "file" / "runs"))
    assert not well
    assert "set LABUTILS_RUNS to a folder that you may write to" in said["runs"]
