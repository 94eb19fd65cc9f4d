"""Every picture has words that stand for it, and letters that can be read."""

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
from labutils import figures
from labutils.training import History

import io
import subprocess
import sys

import nbformat
import numpy as np
from IPython.core.pylabtools import print_figure
from matplotlib import pyplot as plt
from matplotlib.text import Text
from nbclient import NotebookClient
from pictures import faults
from PIL import Image

pytestmark = [
    pytest.mark.usefixtures("style"),
    pytest.mark.filterwarnings("error::DeprecationWarning"),
]

IMAGES = torch.rand(20, 784, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 10
ANGLES = torch.arange(500) % 10 * 0.6
CIRCLE = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
CLOUDS = CIRCLE + 0.3 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
HISTORY = History(3, [3.0, 2.0], [2.25, 2.5], [0.01, 0.001], [1.0, 1.5])
PICTURES = {
    "activations": figures.activations,
    "learning curves": lambda: figures.learning_curves(HISTORY, title="t"),
    "digits": lambda: figures.digit_grid(
        IMAGES, row_labels=("a", "b"), captions=["c"] * 20, title="t"
    ),
    "tiles": lambda: figures.tiles(IMAGES, 5, title="t"),
    "scatter": lambda: figures.class_scatter(CLOUDS, torch.arange(500) % 10, title="t"),
    "confusion": lambda: figures.confusion(torch.ones(10, 10, dtype=torch.int64), title="t"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_letters_can_be_read_from_the_back_row_and_keep_apart(name):
    figure = PICTURES[name]()
    assert isinstance(figure, plt.Figure)
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 12
    assert faults(figure) == []


# show


@pytest.fixture
def shown(monkeypatch):
    """What show() hands to Jupyter: each picture and its metadata."""
    pictures = []
    monkeypatch.setattr(
        figures, "display", lambda picture, metadata: pictures.append((picture, metadata))
    )
    return pictures


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_show_hands_the_alt_text_to_jupyter_and_closes_the_figure(shown):
    figures.show(plt.figure(), alt="a picture")
    ((picture, metadata),) = shown
    assert list(picture._repr_mimebundle_()[0]) == ["image/png"]
    assert metadata == {"image/png": {"alt": "a picture"}}
    assert not plt.get_fignums()


def test_show_draws_what_jupyter_would(shown):
    figure = PICTURES["learning curves"]()
    expected = pixels(print_figure(figure))
    figures.show(figure)
    assert np.array_equal(pixels(shown[0][0].data), expected)


def test_a_figure_without_words_is_not_shown():
    with pytest.raises(ValueError, match="alt="):
        figures.show(plt.figure())


CELL = """
from labutils import figures
from matplotlib import pyplot as plt
plt.plot([1, 2])
figures.show(plt.gcf(), alt="a line")
"""


SVG = "%config InlineBackend.figure_formats = ['svg']"


@pytest.mark.parametrize("backend, first", [("Agg", ""), (None, SVG)])
def test_a_notebook_holds_the_png_and_its_alt_text_whatever_is_set(backend, first, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    if backend:
        monkeypatch.setenv("MPLBACKEND", backend)
    cells = [nbformat.v4.new_code_cell(source) for source in (first, CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = [each for each in cells[1].outputs if "data" in each]
    assert output.metadata["image/png"]["alt"] == "a line"
    assert "image/svg+xml" not in output.data
    assert output.data["image/png"]


def test_a_script_may_show_figures_too():
    run = subprocess.run([sys.executable, "-c", CELL], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


# plots


def test_tiles_puts_the_digits_row_by_row():
    ramp = torch.arange(6.0)[:, None].expand(6, 784)
    picture = figures.tiles(ramp, columns=3).axes[0].images[0].get_array()
    assert picture.shape == (56, 84)
    assert picture[::28, ::28].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_class_scatter_names_the_classes_that_are_there():
    figure = figures.class_scatter(IMAGES[:3, :2], torch.tensor([7, 2, 7]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["2", "7"]


def test_a_history_becomes_two_curves():
    figure = figures.learning_curves(HISTORY, title="a run")
    (axes,) = figure.axes
    train, validation = axes.get_lines()
    assert train.get_linestyle() == "--" and validation.get_color() == figures.BLUE
    assert list(train.get_xdata()) == list(validation.get_xdata()) == [1, 2]
    assert list(train.get_ydata()) == [3.0, 2.0]
    assert list(validation.get_ydata()) == [2.25, 2.5]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
    assert "nats" in axes.get_ylabel() and axes.get_xlabel() == "epoch"
    assert axes.get_title() == "a run"


def test_learning_curves_say_in_words_what_they_show(shown):
    figures.show(figures.learning_curves(HISTORY))
    assert shown[0][1]["image/png"]["alt"] == (
        "Loss in nats per example over 2 epochs. Training loss goes from 3 to 2, validation loss "
        "goes from 2.25 to 2.5; the lowest validation loss is 2.25, in epoch 1."
    )


def test_a_history_without_an_epoch_has_no_curves():
    with pytest.raises(ValueError, match="at least one epoch"):
        figures.learning_curves(History(3))
