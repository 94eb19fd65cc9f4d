"""The student's edition: what is taken out, what stays, and that JupyterLab has nothing to add."""

import carrying
import editions
from labutils.exercises import EXERCISES

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

SOURCES = sorted(editions.COMPLETE.glob("*.ipynb"))
each = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def student(tmp_path, *cells):
    """The cells of the student's edition of a notebook with these cells."""
    path = tmp_path / "09_small.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return editions.student_edition(path).cells


def stubbed(tmp_path, source):
    (cell,) = student(tmp_path, new_code_cell(source))
    return cell.source


def test_a_function_keeps_its_docstring_and_says_what_to_write(tmp_path):
    source = '''def f(x):
    """Eq. 9.2, of Eq. 9.1. Returns (batch,)."""
    ### BEGIN SOLUTION
    y = 2 * x

    return y + 1
    ### END SOLUTION


f = lab.check("f", f)'''
    expected = '''def f(x):
    """Eq. 9.2, of Eq. 9.1. Returns (batch,)."""
    raise NotImplementedError("Write Eq. 9.2.")


f = lab.check("f", f)'''
    assert stubbed(tmp_path, source) == expected


def test_without_an_equation_the_stub_names_the_exercise(tmp_path):
    text = new_markdown_cell("Words.\n\n**Exercise 9.3** (difficulty 1 of 3, 3 minutes). Write it.")
    code = new_code_cell("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION")
    stub = student(tmp_path, text, code)[1].source
    assert 'raise NotImplementedError("Write the answer to Exercise 9.3.")' in stub


def test_the_example_of_an_investigation_goes_and_leaves_a_place_for_ones_own(tmp_path):
    text = new_markdown_cell("**Exercise 9.3** (...)\n\n**Investigate** (...). Does it help?")
    code = new_code_cell("### BEGIN SOLUTION\nx = 1\nprint(x)\n### END SOLUTION")
    *_, last = student(tmp_path, text, code)
    assert last.source == "...  # Write the answer to the investigation."


def test_outside_functions_nothing_is_raised_that_would_stop_the_notebook(tmp_path):
    source = """# Eq. 9.1
### BEGIN SOLUTION
helper = 2
kl = helper + 1
### END SOLUTION
kl = lab.check("kl", kl)"""
    expected = '# Eq. 9.1\nkl = ...  # Write Eq. 9.1.\nkl = lab.check("kl", kl)'
    assert stubbed(tmp_path, source) == expected


def test_a_class_and_a_method_without_their_body_are_still_python(tmp_path):
    source = '''class Net(nn.Module):
    """Eq. 9.1."""

    ### BEGIN SOLUTION
    def __init__(self):
        super().__init__()
    ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return x
        ### END SOLUTION
'''
    stub = stubbed(tmp_path, source)
    assert "    ...  # Write Eq. 9.1.\n" in stub
    assert '        raise NotImplementedError("Write Eq. 9.1.")' in stub
    ast.parse(stub)


@pytest.mark.parametrize("lonely", ["### BEGIN SOLUTION", "### END SOLUTION"])
def test_a_solution_with_one_mark_is_never_let_through(lonely, tmp_path):
    with pytest.raises(ValueError, match="09_small.ipynb: a solution has only one"):
        stubbed(tmp_path, f"{lonely}\nx = 1")


def test_claims_outputs_and_marks_for_tests_are_gone(tmp_path):
    shown = new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(1)", execution_count=3)
    shown.outputs = [new_output("stream", text="1\n")]
    claim = new_code_cell("assert True", metadata={"tags": ["claim"]})
    (cell,) = student(tmp_path, shown, claim)
    assert (cell.source, cell.outputs, cell.execution_count) == ("print(1)", [], None)


def test_a_folded_solution_is_open_in_the_edition_and_a_folded_figure_stays_so(tmp_path):
    folded = {"jupyter": {"source_hidden": True}}
    solution = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION\nprint(x)"
    cells = [new_code_cell(solution, metadata=folded), new_code_cell("draw()", metadata=folded)]
    exercise, figure = student(tmp_path, *cells)
    assert "jupyter" not in exercise.metadata
    assert figure.metadata.jupyter.source_hidden


def test_there_is_room_under_an_open_question_but_not_beside_a_prediction_in_code(tmp_path):
    asks = new_markdown_cell("**Predict, then run.** How many?", id="one")
    typed = new_code_cell('lab.predict("how_many", ...)')
    run = new_code_cell("print(3)")
    assert [c.source for c in student(tmp_path, asks, run)][1:] == [editions.ROOM, "print(3)"]
    assert len(student(tmp_path, asks, typed)) == 2


def test_the_edition_of_the_edition_is_the_edition(tmp_path):
    """So that one script serves the project, and the zip, which holds no solution."""
    first = editions.student_edition(SOURCES[0])
    copy = tmp_path / SOURCES[0].name
    nbformat.write(first, copy)
    assert editions.student_edition(copy) == first


@each
def test_solutions_are_folded_the_doctor_is_named_and_the_score_comes_last(path):
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    solutions = [cell for cell in code if editions.SOLUTION.search(cell.source)]
    assert solutions
    for cell in solutions:
        assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.source
    first, _, _ = code[0].source.partition("\n")
    assert first == "import labutils as lab  # fails? python tools/doctor.py"
    assert code[-1].source == f'lab.solved("{path.name[:2]}")'


@each
def test_no_solution_claim_or_output_is_left(path):
    complete = nbformat.read(path, as_version=4)
    cells = editions.student_edition(path).cells
    text = "\n".join(c.source for c in cells)
    assert not re.search("SOLUTION|NBVAL", text)
    assert not any(c.get("outputs") or c.get("execution_count") for c in cells)
    for cell in complete.cells:
        for solution in editions.SOLUTION.finditer(cell.source):
            *_, last = solution[2].strip().splitlines()
            assert last.strip() not in text, "the last line of a solution is one that counts"
        assert "claim" not in cell.metadata.get("tags", []) or cell.source not in text


@each
def test_each_exercise_is_asked_for_and_can_be_checked(path):
    cells = editions.student_edition(path).cells
    stubs = [c.source for c in cells if "NotImplementedError" in c.source or "= ...  #" in c.source]
    exercises = sum(c.source.count("**Exercise") for c in cells)
    assert len(stubs) >= exercises > 0
    for source in stubs:
        ast.parse(source)
    assert {n for c in cells for n in carrying.names(c) if "check(" in c.source} <= set(EXERCISES)


@each
def test_it_is_stored_as_jupyterlab_stores_it(path, tmp_path):
    """Same ids, format, order of keys, indent and last line: saving it changes no byte."""
    editions.main(["--into", str(tmp_path)])
    stored = (tmp_path / path.name).read_bytes().decode()
    notebook = nbformat.reads(stored, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert stored == nbformat.writes(notebook) + "\n"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_its_metadata_are_those_that_jupyterlab_takes_from_the_kernel():
    """JupyterLab writes both into a notebook that it opens; where they differ it is "changed"."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        info = client.kernel_info(reply=True, timeout=60)["content"]["language_info"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    metadata = editions.student_edition(SOURCES[0]).metadata
    assert metadata.language_info == info
    spec = manager.kernel_spec
    assert metadata.kernelspec.display_name == spec.display_name
    assert (metadata.kernelspec.name, metadata.kernelspec.language) == ("python3", spec.language)


@pytest.fixture
def lab(monkeypatch):
    """The command lines with which JupyterLab is opened, which ends the script."""
    started = []

    def main(words):
        started.append(words)
        return 0

    monkeypatch.setattr("jupyterlab.labapp.main", main)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    return started


def test_the_students_edition_is_what_opens(lab, tmp_path):
    with pytest.raises(SystemExit):
        editions.main(["--open", "--into", str(tmp_path)])
    ((root, *_, notebook),) = lab
    assert root == f"--ServerApp.root_dir={tmp_path.resolve()}", "no solution is within reach"
    assert Path(notebook) == tmp_path.resolve() / SOURCES[0].name
    assert Path(notebook).exists()


def test_the_complete_edition_opens_where_it_is_asked_for(lab):
    with pytest.raises(SystemExit):
        editions.main(["--open", "--complete"])
    ((root, *_, notebook),) = lab
    assert root == f"--ServerApp.root_dir={editions.ROOT}"
    assert Path(notebook) == SOURCES[0]


def test_no_window_asks_for_news(lab, tmp_path):
    import os

    from jupyter_core.paths import jupyter_config_path
    from jupyterlab_server.settings_utils import _get_overrides

    with pytest.raises(SystemExit):
        editions.main(["--open", "--into", str(tmp_path)])
    assert str(editions.TOOLS / "jupyter") in jupyter_config_path(), os.environ
    overrides, problem = _get_overrides(str(tmp_path))
    assert not problem
    asked = overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"]
    assert json.dumps(asked) == '"false"'
