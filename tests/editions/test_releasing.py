"""The branch from which students pull: what they typed stays, and nothing else is touched."""

import carrying
import editions
from releasing import release

import shlex
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

NAME = "02_mlp_classifier.ipynb"


def git(folder, *words):
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Somebody's course, with a change that is staged and one that is not."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Teacher")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "teacher@example.org")
    folder = tmp_path / "course"
    git(tmp_path, "init", "--initial-branch=main", str(folder))
    for text in ("committed", "staged", "not staged"):
        (folder / "plan.txt").write_text(text)
        if text != "not staged":
            git(folder, "add", ".")
        if text == "committed":
            git(folder, "commit", "--message=a plan")
    return folder


@pytest.fixture(scope="module")
def edition():
    return editions.student_edition(editions.COMPLETE / NAME)


def released(notebook, **others):
    attributes = editions.released([])[".gitattributes"]
    notebook = (nbformat.writes(notebook) + "\n").encode()
    return {".gitattributes": attributes, NAME: notebook, "labutils/__init__.py": b"", **others}


def changed(edition):
    """The next edition: a text and an exercise are corrected, a question comes and a cell goes."""
    new = nbformat.from_dict(edition)
    exercise = next(cell for cell in new.cells if carrying.names(cell))
    for cell in (new.cells[0], exercise):
        cell.source += "\n\n# corrected"
        cell.metadata.edition = carrying.digest(cell.source)
    new.cells.insert(4, new_markdown_cell("A new question", metadata={"edition": "1"}))
    new.cells.insert(
        new.cells.index(exercise) + 1, new_code_cell("new_too = 1", metadata={"edition": "1"})
    )
    new.metadata.edition = "2"
    return new


def test_commits_stand_on_each_other_and_nothing_else_changes(repository, edition):
    index = (repository / ".git" / "index").read_bytes()
    before = git(repository, "status", "--porcelain", "--branch")
    assert "a new commit" in release(repository, "student", released(edition))
    first = git(repository, "rev-parse", "student")
    assert "nothing has changed" in release(repository, "student", released(edition))
    assert git(repository, "rev-parse", "student") == first
    assert "a new commit" in release(repository, "student", released(changed(edition)))
    assert git(repository, "rev-parse", "student^") == first
    assert git(repository, "log", "--format=%an", "student") == "Teacher\nTeacher"
    assert (repository / ".git" / "index").read_bytes() == index
    assert git(repository, "status", "--porcelain", "--branch") == before
    names = git(repository, "ls-tree", "-r", "--name-only", "student").splitlines()
    assert names == [".gitattributes", NAME, "labutils/__init__.py"]


@pytest.mark.parametrize(
    "branch, name, reason",
    [
        ("student", "02_perceptron.ipynb", "keeps the name under which it was released"),
        ("main", NAME, "is checked out"),
        ("plans", NAME, "holds something else"),
        ("no name", NAME, "git .* failed: "),
    ],
)
def test_what_would_lose_work_is_refused(repository, edition, branch, name, reason):
    release(repository, "student", released(edition))
    git(repository, "branch", "plans")
    before = git(repository, "show-ref")
    with pytest.raises(SystemExit, match=reason):
        release(repository, branch, {name: b"{}"})
    assert git(repository, "show-ref") == before


def typed_into(path):
    """Run and answer it as JupyterLab would save it; returns what was typed, by the cells' ids."""
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.outputs = [new_output("stream", text=f"{number}\nprinted\n")]
        if carrying.names(cell) or cell.id.endswith("-answer"):
            cell.source = f"# mine {number}\n{cell.source}\n# of cell {number}"
    notebook.cells.append(new_code_cell("my_own = 1"))
    nbformat.write(notebook, path)
    typed = [cell for cell in notebook.cells if cell.source.startswith(("# mine", "my_own"))]
    return {cell.id: (cell.source, cell.get("outputs")) for cell in typed}


@pytest.fixture
def pull(repository, tmp_path):
    """Pull as a click on the link does, into the folder that it returns."""
    reason = "what pulls is missing: pip install -r requirements-tools.txt"
    GitPuller = pytest.importorskip("nbgitpuller.pull", reason=reason).GitPuller
    folder = tmp_path / "home" / "course"

    def pull():
        lines = list(GitPuller(repository.as_uri(), str(folder), branch="student").pull())
        assert "CONFLICT" not in "".join(lines)
        assert git(folder, "status", "--porcelain", "--untracked-files=no") == ""
        return folder

    return pull


def cells_of(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return {cell.id: (cell.source, cell.get("outputs")) for cell in notebook.cells}


@pytest.fixture
def driver(monkeypatch):
    """Git as it is set up in the image."""
    words = (sys.executable, str(editions.TOOLS / "merging.py"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "merge.notebook.driver")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", " ".join(map(shlex.quote, words)) + " %A %B %P")


def test_two_releases_pulled_by_nbgitpuller_keep_what_was_typed(repository, edition, pull):
    release(repository, "student", released(edition))
    typed = typed_into(pull() / NAME)
    assert len(typed) > 10
    release(repository, "student", released(changed(edition), **{"07_more.ipynb": b"{}"}))
    folder = pull()
    cells = cells_of(folder / NAME)
    assert typed.items() <= cells.items()
    sources = [source for source, _ in cells.values()]
    assert sources[0].endswith("# corrected")
    assert "A new question" in sources
    assert {path.name for path in folder.iterdir()} == {
        ".git", ".gitattributes", NAME, "07_more.ipynb", "labutils",
    }  # fmt: skip


def test_the_driver_merges_cell_by_cell(repository, edition, pull, driver):
    release(repository, "student", released(edition))
    typed = typed_into(pull() / NAME)
    release(repository, "student", released(changed(edition)))
    folder = pull()
    cells = cells_of(folder / NAME)
    assert typed.items() <= cells.items()
    assert {"A new question", "new_too = 1"} <= {source for source, _ in cells.values()}
    (kept,) = folder.glob("*.kept-1.md")
    assert "# corrected" in kept.read_text(encoding="utf-8")


def test_the_driver_keeps_a_notebook_that_cannot_be_read(repository, edition, pull, driver):
    release(repository, "student", released(edition))
    (pull() / NAME).write_text("torn off")
    release(repository, "student", released(new := changed(edition)))
    folder = pull()
    assert list(cells_of(folder / NAME)) == [cell.id for cell in new.cells]
    (aside,) = folder.glob("*.unreadable-1.ipynb")
    assert aside.read_text() == "torn off"


def test_what_is_released_runs_by_itself_and_has_no_solution():
    files = editions.released(sorted(editions.COMPLETE.glob("*.ipynb")))
    notebooks = {name for name in files if name.endswith(".ipynb")}
    assert notebooks == {path.name for path in editions.COMPLETE.glob("*.ipynb")}
    assert not [name for name in notebooks if b"SOLUTION" in files[name]]
    assert {"labutils/__init__.py", "pyproject.toml", "tools/doctor.py"} <= files.keys()
