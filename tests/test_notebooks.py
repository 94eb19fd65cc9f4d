"""What is stored in the notebooks: the text that is reviewed, and outputs without blemish."""

from labutils.exercises import EXERCISES

import ast
import re
import symtable
from pathlib import Path

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def outputs(path):
    return [(cell, output) for cell in cells(path) for output in cell.outputs]


@each
def test_py_and_ipynb_hold_the_same_cells(path):
    text = jupytext.read(path.with_suffix(".py"))
    stored = nbformat.read(path, as_version=4)
    both = [[(c.cell_type, c.source) for c in notebook.cells] for notebook in (text, stored)]
    assert both[0] == both[1], "run `make sync`"


@each
def test_every_cell_was_executed_in_order(path):
    assert [c.execution_count for c in cells(path)] == list(range(1, len(cells(path)) + 1))


@each
def test_no_error_warning_or_progress_bar_is_stored(path):
    for cell, output in outputs(path):
        assert output.output_type != "error", cell.source
        assert output.get("name") != "stderr", output.text
        assert "%|" not in str(output.get("data", {}).get("text/plain", "")), cell.source


@each
def test_the_stored_outputs_are_those_of_mnist(path):
    text = "".join(o.get("text", "") for c in cells(path)[:1] for o in c.outputs)
    assert "MNIST: 50,000 to train, 10,000 to validate, 10,000 to test" in text


@each
def test_every_picture_has_alt_text(path):
    pictures = [output for _, output in outputs(path) if "image/png" in output.get("data", {})]
    assert pictures
    for output in pictures:
        assert output.metadata["image/png"]["alt"]


@each
def test_cells_that_are_compared_have_an_output_to_compare_with(path):
    compared = [c for c in cells(path) if c.source.startswith("# NBVAL_CHECK_OUTPUT")]
    assert compared
    assert all(c.outputs for c in compared)


@each
def test_cells_are_short(path):
    for cell in cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 30, cell.source
    for cell in cells(path, "markdown"):
        assert len(cell.source.splitlines()) <= 40, cell.source


@each
def test_every_exercise_says_how_hard_and_how_long_and_has_two_hints(path):
    for cell in cells(path, "markdown"):
        for exercise in re.split(r"(?=\*\*Exercise)", cell.source)[1:]:
            assert re.match(
                r"\*\*Exercise [\d.]+\*\* \(difficulty [123] of 3, \d+ minutes?\)", exercise
            )
            assert exercise.count("<summary>Hint") == 2


@each
def test_an_exercise_without_its_solution_is_still_python_and_is_checked(path):
    solved = [c.source for c in cells(path) if "BEGIN SOLUTION" in c.source]
    texts = "".join(c.source for c in cells(path, "markdown"))
    investigated = [source for source in solved if "lab.check(" not in source]
    assert len(investigated) <= texts.count("**Investigate**")
    assert len(solved) - len(investigated) == texts.count("**Exercise") > 0
    for source in solved:
        stub = re.sub(r"\n? *### BEGIN SOLUTION.*?### END SOLUTION", "", source, flags=re.DOTALL)
        assert stub != source
        ast.parse(stub)
        if source not in investigated:
            names = re.findall(r'check\("([\w.]+)", \w+\)', stub)
            assert names
            assert set(names) <= EXERCISES.keys()


@each
def test_an_investigation_says_how_long_and_how_to_report_and_is_not_checked(path):
    for cell in cells(path, "markdown"):
        for text in cell.source.split("**Investigate**")[1:]:
            assert re.match(r" \(difficulty 3 of 3, \d+ minutes\)", text)
            for part in ("seconds", "interval", "A good answer"):
                assert part in text, part


@each
def test_it_has_the_parts_that_every_notebook_has(path):
    text = "\n".join(c.source for c in cells(path, "markdown"))
    for part in (
        "After this notebook you will be able to", "**Time needed:**", "Predict, then run",
        "## Summary", "## Errata of the handout", "## References",
    ):  # fmt: skip
        assert part in text, part


@each
def test_no_picture_goes_without_a_word_in_the_text(path):
    """A cell that shows a picture has prose before it, or comes right after one that has."""
    everything = nbformat.read(path, as_version=4).cells
    notebook = [c for c in everything if "claim" not in c.metadata.get("tags", [])]
    for index, cell in enumerate(notebook):
        if cell.cell_type == "code" and "show(" in cell.source:
            before = [c.cell_type for c in notebook[max(0, index - 3) : index]]
            assert "markdown" in before, cell.source


def bound_names(source):
    """The names that a cell binds: assigned, imported, defined or looped over."""
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    nodes = ast.walk(ast.parse(source))
    inside = [node.target.id for node in nodes if isinstance(node, ast.NamedExpr)]  # := anywhere
    return inside + [s.get_name() for s in symbols if s.is_assigned() or s.is_imported()]


def test_bound_names_are_found_wherever_they_hide():
    assert not bound_names("assert all(x > 0 for x in values), f'{values}'")
    for source in (
        "x = 1", "x += 1", "assert (x := 1)", "for x in y: pass", "import x", "def x(): pass",
        "with y as x: pass", "assert any((x := z) for z in y)", "x, *_ = y", "del y, x",
    ):  # fmt: skip
        assert "x" in bound_names(source), source


@each
def test_what_only_ci_needs_stands_in_claim_cells_that_bind_nothing(path):
    claims = [c for c in cells(path) if "claim" in c.metadata.get("tags", [])]
    assert claims
    for cell in cells(path):
        asserts = any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))
        assert asserts == (cell in claims), cell.source
    for cell in claims:
        assert not bound_names(cell.source), cell.source
        assert not cell.outputs, cell.source


@each
def test_the_settings_of_a_recipe_stand_in_recipes_alone(path):
    stated = re.compile(r"\b(epochs|batch_size|learning_rate|rate)\s*=")
    for cell in cells(path):
        if "lab.trained(" in cell.source:
            assert not stated.search(cell.source), cell.source


@each
def test_nothing_is_asserted_of_seconds(path):
    for cell in cells(path):
        for line in cell.source.splitlines():
            assert not re.match(r"\s*assert\b.*(second|perf_counter|elapsed)", line), line


@each
def test_it_becomes_a_script_of_python(path):
    language = nbformat.read(path, as_version=4).metadata.get("language_info", {})
    assert language.get("file_extension") == ".py", "store it with tools/run.py --save"
    assert "version" not in language
