"""What `make run` and `make lint` say of notebooks and modules, tried on small ones."""

import limits
import run
import sizes

import json
import subprocess
import sys

import jupytext
import nbformat
import pytest

SET_UP = 'from types import SimpleNamespace\n\ndigits = SimpleNamespace(source="bundled")'


@pytest.fixture
def execute(capsys):
    """Calls tools/run.py; returns whether all passed, and what it printed."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            run.main([str(word) for word in words])
        return not ended.value.code, capsys.readouterr().out

    return call


def write(path, *cells):
    """A notebook and its .py."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"jupytext": {"formats": "ipynb,py:percent"}},
    )
    nbformat.write(notebook, path)
    jupytext.write(notebook, path.with_suffix(".py"), fmt="py:percent")
    return path


def test_a_notebook_that_passes(tmp_path, execute):
    passed, printed = execute(write(tmp_path / "01_small.ipynb", SET_UP, "print(1 + 1)"))
    assert passed
    head, row, total = printed.splitlines()
    assert head.split()[:3] == ["notebook", "data", "seconds"]
    name, source, _, limit, peak, _, *_, result = row.split()
    assert (name, source, limit, result) == ("01_small", "bundled", "90", "pass")
    assert 20 < int(peak) < 1000, "MiB of a bare kernel, whatever its system counts in"
    assert total.startswith("all")


def test_an_error_names_its_cell_and_fails(tmp_path, execute):
    path = write(tmp_path / "01_small.ipynb", SET_UP, "1 / 0  # here", "later = 1")
    other = write(tmp_path / "02_other.ipynb", SET_UP)
    passed, printed = execute(path, other)
    assert not passed
    assert "code cell 2 (1 / 0  # here): ZeroDivisionError: division by zero" in printed
    assert "fail" in printed.splitlines()[1]
    assert "02_other" in printed, "the other notebooks still run"


def test_a_notebook_that_is_not_there_fails_and_the_others_run(tmp_path, execute):
    passed, printed = execute(tmp_path / "none.ipynb", write(tmp_path / "01_small.ipynb", SET_UP))
    assert not passed
    assert "FileNotFoundError" in printed
    assert "01_small" in printed


def test_more_memory_than_the_limit_fails(tmp_path, execute, monkeypatch):
    monkeypatch.setattr(limits, "MIB", 150)
    path = write(tmp_path / "01_small.ipynb", SET_UP, "x = bytes(b'x' * (200 << 20))", "del x")
    passed, printed = execute(path)
    assert not passed
    assert "MiB at the peak, the limit is 150 MiB" in printed


def test_more_seconds_than_the_limit_are_pointed_out_and_pass(tmp_path, execute, monkeypatch):
    for name in ("IN_ORDER", "CELL"):
        monkeypatch.setattr(limits, name, 0)
    passed, printed = execute(write(tmp_path / "01_small.ipynb", SET_UP, "lab = 'lab.trained('"))
    assert passed
    slow = [line.strip() for line in printed.splitlines() if "slow:" in line]
    assert len(slow) == 2, "the notebook and its first cell; the second may train a recipe"
    assert "the limit is 0 s" in slow[0]
    assert slow[1].startswith("slow: code cell 1 (from types import SimpleNamespace)")


@pytest.mark.parametrize("alone", [True, False])
def test_notebooks_share_a_folder_of_runs_unless_alone(alone, tmp_path, execute):
    code = (
        "import os, pathlib\n"
        "runs = pathlib.Path(os.environ['LABUTILS_RUNS'])\n"
        "assert not (runs / 'run').exists()\n"
        "runs.mkdir(exist_ok=True)\n"
        "(runs / 'run').touch()"
    )
    paths = [write(tmp_path / f"0{number}_small.ipynb", SET_UP, code) for number in (1, 2)]
    passed, printed = execute(*paths, *(["--alone"] if alone else []))
    assert passed == alone
    assert printed.count("pass") == 1 + alone


def test_an_execution_finds_no_progress_of_another_and_leaves_none(tmp_path, execute, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LABUTILS_PROGRESS")
    ask = "lab.exercises.solved('03')"
    solve = "lab.check('kl_gaussian', lab.exercises.EXERCISES['kl_gaussian'].answer)"
    path = write(tmp_path / "03_small.ipynb", "import labutils as lab", SET_UP, ask, solve)
    for _ in range(2):
        assert execute(path, "--save")[0]
        assert "Exercises solved: 0 of " in path.read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("progress.json"))


def test_alone_the_limits_are_those_of_the_notebook(tmp_path, execute):
    _, printed = execute(write(tmp_path / "05_small.ipynb", SET_UP), "--alone")
    assert printed.splitlines()[1].split()[3] == "110"


def test_saving_takes_the_text_of_the_py_and_keeps_no_version(tmp_path, execute):
    path = write(tmp_path / "01_small.ipynb", SET_UP, "print('old')")
    text = path.with_suffix(".py")
    text.write_text(text.read_text(encoding="utf-8").replace("old", "new"), encoding="utf-8")
    passed, _ = execute(path, "--save")
    assert passed
    saved = nbformat.read(path, as_version=4)
    assert saved.cells[-1].outputs[0].text == "new\n"
    assert "version" not in saved.metadata.language_info


def test_a_saved_notebook_becomes_a_script_of_python(tmp_path, execute):
    path = write(tmp_path / "01_small.ipynb", SET_UP)
    execute(path, "--save")
    path.with_suffix(".py").unlink()
    command = [sys.executable, "-m", "nbconvert", "--to", "script", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert "SimpleNamespace" in path.with_suffix(".py").read_text(encoding="utf-8")


def test_outputs_of_a_notebook_that_fails_are_not_saved(tmp_path, execute):
    path = write(tmp_path / "01_small.ipynb", SET_UP, "print('before')", "1 / 0")
    execute(path, "--save")
    assert not [c for c in nbformat.read(path, as_version=4).cells if c.outputs]


@pytest.mark.parametrize(
    ("words", "cell", "kept"),
    [(["--save"], "", True), ([], "", False), (["--save", "--alone"], "", False),
     (["--save"], "1 / 0", False)],
)  # fmt: skip
def test_what_all_notebooks_cost_is_kept_when_all_are_saved(
    words, cell, kept, tmp_path, execute, monkeypatch
):
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(run, "COSTS", tmp_path / "costs.json")
    write(tmp_path / "01_small.ipynb", SET_UP, cell)
    execute(*words)
    assert run.COSTS.exists() == kept
    if kept:
        costs = json.loads(run.COSTS.read_text(encoding="utf-8"))
        assert costs.keys() == {"date", "cores", "python", "torch", "notebooks"}
        assert 20 < costs["notebooks"]["01_small"]["MiB"] < 1000


def test_what_one_notebook_costs_is_not_kept(tmp_path, execute, monkeypatch):
    monkeypatch.setattr(run, "COSTS", tmp_path / "costs.json")
    passed, _ = execute("--save", write(tmp_path / "01_small.ipynb", SET_UP))
    assert passed and not run.COSTS.exists()


def test_lines_of_modules_are_counted_in_packages_too(tmp_path):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n\ny = 2\n", encoding="utf-8")
    (tmp_path / "exercises" / "n01.py").write_text("x = 1", encoding="utf-8")
    assert sizes.module_lines(tmp_path) == {"a.py": 3, "exercises/n01.py": 1}


def test_words_of_exercises_predictions_and_warm_ups_do_not_count():
    assert sizes.prose_words("Three words here.") == 3
    assert sizes.prose_words("Two words.\n\n**Exercise 1.1** (...)\n\nWrite it.") == 2
    assert sizes.prose_words("**Predict, then run.** What\ncomes?\n\nThen this.") == 2
    assert sizes.prose_words("**Warm-up 2.1** What is it?") == 0


def test_only_text_cells_are_counted(tmp_path):
    text = "# %% [markdown]\n# # A title\n\n# %%\nx = 1\n"
    (tmp_path / "03_small.py").write_text(text, encoding="utf-8")
    assert sizes.words_by_notebook(tmp_path) == {"03": 3}


@pytest.mark.parametrize(("lines", "passed"), [(10, True), (400, False)])
@pytest.mark.parametrize("name", ["module.py", "exercises.py"])
def test_only_modules_that_are_too_long_fail(name, lines, passed, tmp_path, monkeypatch, capsys):
    (tmp_path / "labutils").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "labutils" / name).write_text("x = 1\n" * lines, encoding="utf-8")
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        sizes.main()
    assert (not ended.value.code) == (passed or name == "exercises.py")
    assert ("over" in capsys.readouterr().out) == (not passed and name == "module.py")


@pytest.mark.parametrize(("name", "passed"), [("n01", False), ("remarks", True)])
def test_too_many_exercises_of_one_notebook_fail(name, passed, tmp_path, monkeypatch, capsys):
    (tmp_path / "labutils" / "exercises").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    module = tmp_path / "labutils" / "exercises" / f"{name}.py"
    module.write_text("x = 1\n" * 301, encoding="utf-8")
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        sizes.main()
    assert (not ended.value.code) == passed
    machinery = capsys.readouterr().out.split("machinery")[1].split()[:2]
    assert machinery == ["301" if passed else "0", "500"]


def test_too_many_names_fail(monkeypatch, capsys):
    monkeypatch.setattr(limits, "NAMES", 2)
    monkeypatch.setattr(limits, "MODULE_LINES", 10_000)
    with pytest.raises(SystemExit) as ended:
        sizes.main()
    assert ended.value.code
