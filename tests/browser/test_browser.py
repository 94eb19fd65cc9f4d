"""The notebooks in JupyterLab, in a browser: run to the end, and move every widget.

The student's edition; with EDITION=complete in the environment, the one with solutions.
"""

import editions

import nbformat
import pytest

from .conftest import chromium

chromium()  # or nothing is collected
NOTEBOOKS = sorted(editions.COMPLETE.glob("*.ipynb"))
CALL = "\nlab.widgets."
WIDGETS = {path.name: path.with_suffix(".py").read_text("utf-8").count(CALL) for path in NOTEBOOKS}
# scope="module": all tests of a notebook before the next one is opened
every_notebook = pytest.mark.parametrize("notebook", WIDGETS, indirect=True, scope="module")
with_widgets = pytest.mark.parametrize(
    "notebook", [name for name, count in WIDGETS.items() if count], indirect=True, scope="module"
)
KEYS = 20


@pytest.fixture(scope="module")
def notebook(request, opened):
    with opened(request.param) as (notebook,):
        notebook.run_all()
        yield notebook


@every_notebook
def test_every_cell_runs_and_shows_no_error(notebook):
    assert notebook.errors() == []
    assert len(notebook.widgets()) == WIDGETS[notebook.name]


@with_widgets
def test_each_slider_and_button_follows_a_key_and_the_mouse(notebook):
    for widget in notebook.widgets():
        widget.check("the notebook has run")
        for control in widget.controls():
            for move in (widget.press, widget.drag):
                before = widget.values()
                move(control)
                assert widget.values() != before, f"{widget}: {move.__name__} moves nothing"
                widget.check(move.__name__)


@with_widgets
def test_fast_keys_leave_no_empty_and_no_stale_picture(notebook):
    for widget in notebook.widgets():
        image = widget.watched_image()
        controls, before = widget.controls(), widget.values()
        for turn in range(KEYS):
            widget.press(controls[turn % len(controls)])
        assert widget.values() != before
        widget.check(f"{KEYS} fast keys")
        assert image.evaluate("image => image.empty") == 0, f"{widget}: the picture was gone"


@with_widgets
def test_the_time_from_a_key_to_the_changed_picture_is_told(notebook, record_property):
    for widget in notebook.widgets():
        record_property(f"{notebook.name[:2]} {widget}", widget.delays(KEYS))


@with_widgets
def test_a_cell_that_is_run_again_has_one_living_widget(notebook):
    for widget in notebook.widgets():
        parts = len(widget.controls())
        widget.run_again()
        assert notebook.errors() == []
        assert widget.cell.locator("img.widget-image").count() == 1
        assert len(widget.controls()) == parts
        widget.check("the cell has run again")
        widget.press(widget.controls()[0])
        widget.check("a key, once the cell has run again")


@every_notebook
def test_the_console_says_nothing(notebook):
    """The last test of a notebook: of all that was done to it."""
    assert not [text for kind, text in notebook.said if kind in ("error", "warning")]


CELL = """import labutils as lab

import torch

torch.manual_seed({seed})
lab.widgets.traversal(lab.models.GaussianVAE(2, 16), torch.zeros(2), [0, 1])"""


def test_two_notebooks_in_one_window_do_not_interfere(opened, server):
    folder, _ = server
    for seed in (1, 2):
        cells = [nbformat.v4.new_code_cell(CELL.format(seed=seed))]
        new = nbformat.v4.new_notebook(cells=cells, metadata=editions.kernel_metadata())
        nbformat.write(new, folder / "notebooks" / f"{seed}.ipynb")
    with opened("1.ipynb", "2.ipynb") as both:
        for notebook in both:
            notebook.to_front()
            notebook.run_all()
        for control, move in ((0, "press"), (1, "drag"), (0, "drag")):
            for notebook in both:
                notebook.to_front()
                (widget,) = notebook.widgets()
                widget.check("the other was moved")
                getattr(widget, move)(widget.controls()[control])
                widget.check(move)
