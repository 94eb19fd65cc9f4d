"""What is handed out: complete in itself, without a solution, and it runs elsewhere."""

import carrying
import editions

import json
import re
import shutil
import subprocess
import sys
import time
import zipfile

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "student.zip"
    sources = sorted(editions.COMPLETE.glob("*.ipynb"))
    path.write_bytes(
        editions.packed({each.name: editions.student_edition(each) for each in sources})
    )
    return path


@pytest.fixture
def unpacked(archive, tmp_path):
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(tmp_path)
    (folder,) = tmp_path.glob("deep-*")
    return folder


def build(folder):
    """Run the script of the zip, as its `make lab` does; returns what it said."""
    command = [sys.executable, str(folder / "tools" / "editions.py")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_holds_all_that_a_student_needs_and_no_solution(unpacked):
    names = {p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*") if p.is_file()}
    top = {name for name in names if "/" not in name}
    assert top == {
        "Makefile", "README.md", "LICENSE", "LICENSE-text.md", "pyproject.toml",
        "requirements.txt", "constraints.txt", "environment.yml",
    }  # fmt: skip
    assert {name.split("/")[0] for name in names - top} == {"labutils", "tools"}
    ours = {p.relative_to(editions.ROOT).as_posix() for p in editions.ROOT.glob("labutils/**/*.py")}
    assert ours <= names
    notebooks = [name for name in names if name.endswith(".ipynb")]
    assert len(notebooks) == len(list(editions.COMPLETE.glob("*.ipynb")))
    for name in notebooks:
        notebook = nbformat.read(unpacked / name, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells)
        assert "SOLUTION" not in "".join(cell.source for cell in notebook.cells)
    assert not [name for name in names if "pycache" in name or name.split("/")[-1].startswith(".")]


def test_its_readme_names_only_what_it_holds(unpacked):
    text = (unpacked / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\b(?:tools/\w+\.py|[\w-]+\.(?:txt|yml))\b", text)
    assert {"tools/editions.py", "tools/doctor.py", "requirements.txt"} <= set(named)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert not [name for name in named + links if not (unpacked / name).exists()]
    targets = re.findall(r"^([a-z-]+):", (unpacked / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= set(targets)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_its_make_lab_opens_the_notebooks(unpacked):
    told = subprocess.run(["make", "-n", "lab"], cwd=unpacked, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "pip install" in told.stdout
    assert told.stdout.splitlines()[-1].endswith("tools/editions.py --open")


def test_elsewhere_a_notebook_runs_with_nothing_filled_in(unpacked, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("LABUTILS_DATA", raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens: the bundled digits
    assert build(unpacked).startswith("student/01_generative_modelling.ipynb: new")
    path = unpacked / "student" / "02_mlp_classifier.ipynb"  # the shortest one
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(
        new_code_cell("import json; print(json.dumps([lab.__file__, digits.source]))")
    )
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    assert json.loads(notebook.cells[-1].outputs[0].text) == [
        str(unpacked / "labutils" / "__init__.py"), "bundled",
    ]  # fmt: skip
    printed = [o.get("text", "") for c in notebook.cells for o in c.get("outputs", [])]
    asked = sum(cell.source.count("lab.check(") for cell in notebook.cells)
    assert "".join(printed).count("not answered yet") == asked > 0


def test_a_newer_zip_over_an_older_one_keeps_what_was_typed(unpacked, archive, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    build(unpacked)
    path = unpacked / "student" / "01_generative_modelling.ipynb"
    notebook = nbformat.read(path, as_version=4)
    exercise = next(cell for cell in notebook.cells if carrying.names(cell))
    exercise.source += "\n# mine"
    nbformat.write(notebook, path)
    original = unpacked / "tools" / "originals" / path.name
    newer = nbformat.read(original, as_version=4)
    newer.cells[0].source = "# A new title"
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(unpacked.parent)
    nbformat.write(newer, original)
    assert "what you typed in the old one" in build(unpacked)
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    assert sources[0] == "# A new title"
    assert exercise.source in sources


def test_files_are_newer_than_those_of_an_older_zip(archive):
    """By their dates, make knows that what is installed has to follow the new requirements."""
    with zipfile.ZipFile(archive) as stored:
        oldest = min(info.date_time for info in stored.infolist())
    made = archive.stat().st_mtime
    assert oldest > time.localtime(made - 60)[:6]
    requirements = editions.ROOT / "requirements.txt"
    assert requirements.stat().st_mtime < made, "its own date is an older one"
