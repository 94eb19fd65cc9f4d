"""Every picture has words that stand for it, and letters that can be read."""

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
from labutils import figures

from matplotlib import pyplot as plt
from matplotlib.text import Text

IMAGES = torch.rand(20, 784, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 10
DIAGRAMS = {
    "taxonomy": figures.taxonomy_diagram,
    "classifier": lambda: figures.classifier_diagram(784, 512, 10, 0.5),
    "activation": figures.activation_diagram,
    "autoencoder": figures.autoencoder_diagram,
    "vae": figures.vae_diagram,
    "bits": figures.bits_diagram,
}
PICTURES = {
    **DIAGRAMS,
    "digits": lambda: figures.digit_grid(IMAGES, row_labels=("a", "b"), captions=["c"] * 20),
    "tiles": lambda: figures.tiles(IMAGES, 5, title="t"),
    "scatter": lambda: figures.class_scatter(IMAGES[:, :2], LABELS, title="t"),
    "confusion": lambda: figures.confusion(torch.ones(10, 10, dtype=torch.int64), title="t"),
}


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        figures.use_style()
        yield
    plt.close("all")


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_brings_its_own_alt_text(name):
    assert len(DIAGRAMS[name]().get_label()) > 80


@pytest.mark.parametrize("name", PICTURES)
def test_letters_can_be_read_from_the_back_row(name):
    figure = PICTURES[name]()
    assert isinstance(figure, plt.Figure)
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 12


def test_show_hands_the_alt_text_to_jupyter_and_closes_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda figure, metadata: shown.append(metadata))
    figures.show(plt.figure(), alt="a picture")
    assert shown == [{"image/png": {"alt": "a picture"}}]
    assert not plt.get_fignums()


def test_a_figure_without_words_is_not_shown():
    with pytest.raises(ValueError, match="alt="):
        figures.show(plt.figure())


def test_tiles_puts_the_digits_row_by_row():
    ramp = torch.arange(6.0)[:, None].expand(6, 784)
    picture = figures.tiles(ramp, columns=3).axes[0].images[0].get_array()
    assert picture.shape == (56, 84)
    assert picture[::28, ::28].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_classifier_diagram_names_every_dimension():
    figure = figures.classifier_diagram(784, 300, 10, 0.2)
    words = " ".join(t.get_text() for t in figure.findobj(Text))
    for piece in ("300 × 784", "10 × 300", "b₁: 300", "b₂: 10", "dropout 0.2"):
        assert piece in words
