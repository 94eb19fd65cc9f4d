"""Each diagram has words that stand for it, and lines that stop where a box begins."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from labutils import diagrams

from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text
from pictures import faults

pytestmark = pytest.mark.usefixtures("style")

DIAGRAMS = {
    "taxonomy": diagrams.taxonomy,
    "classifier": lambda: diagrams.classifier(784, 512, 10, 0.5),
    "autoencoder": diagrams.autoencoder,
    "vae": diagrams.vae,
    "bits": diagrams.bits,
    "plate": diagrams.plate,
}


@pytest.fixture(params=DIAGRAMS)
def diagram(request):
    return DIAGRAMS[request.param]()


def words(figure):
    return [text for text in figure.findobj(Text) if text.get_text().strip()]


def test_a_diagram_brings_its_own_alt_text(diagram):
    assert len(diagram.get_label()) > 80


def test_letters_can_be_read_from_the_back_row_and_keep_apart(diagram):
    assert min(text.get_fontsize() for text in words(diagram)) >= 12
    assert faults(diagram) == []


def test_the_classifier_diagram_names_every_dimension():
    figure = diagrams.classifier(784, 300, 10, 0.2)
    said = " ".join(text.get_text() for text in words(figure))
    for piece in ("300 × 784", "10 × 300", "b₁: 300", "b₂: 10", "dropout 0.2"):
        assert piece in said
        numbers = [word for word in piece.split() if word.isdigit()]
        assert all(number in figure.get_label() for number in numbers)


def test_the_dotted_connections_are_those_of_the_dropped_unit():
    arrows = DIAGRAMS["classifier"]().findobj(FancyArrowPatch)
    assert len(arrows) == 6 * 5 + 5 * 4
    assert sum(arrow.get_linestyle() == ":" for arrow in arrows) == 6 + 4


def test_only_the_inference_network_is_dashed_in_the_plate():
    dashed = [p for p in diagrams.plate().findobj(Patch) if p.get_linestyle() == "--"]
    assert len(dashed) == 2 and all(isinstance(patch, FancyArrowPatch) for patch in dashed)


def test_a_dotted_line_has_gaps_that_can_be_seen():
    line = diagrams.Line((0.5, 0.5), (3.5, 0.5), arrow=False, style=":")
    figure = diagrams.draw((4, 1), {}, [line], [], "a dotted line")
    figure.canvas.draw()
    darkest = np.asarray(figure.canvas.buffer_rgba())[..., 0].min(axis=0)  # of each column
    (inked,) = (darkest < 128).nonzero()
    assert (darkest[inked[0] : inked[-1]] > 230).mean() > 0.3


@pytest.mark.parametrize("shape, half_width", [("box", 1), ("circle", 1), ("widens", 1)])
def test_a_line_between_boxes_ends_at_their_borders(shape, half_width):
    boxes = {
        name: diagrams.Box(x, 1, name, "black", 2 * half_width, 1, shape)
        for name, x in (("a", 1.5), ("b", 6))
    }
    figure = diagrams.draw((8, 2), boxes, [diagrams.Line("a", "b", arrow=False)], [], "two boxes")
    figure.canvas.draw()
    (line,) = figure.findobj(FancyArrowPatch)
    xs = line.get_path().vertices[:, 0]
    assert xs.min() == pytest.approx(1.5 + half_width, abs=0.05)
    assert xs.max() == pytest.approx(6 - half_width, abs=0.05)
    assert figure.get_label() == "two boxes"


def test_a_line_may_end_at_a_point():
    line = diagrams.Line("a", (4, 1), arrow=False)
    boxes = {"a": diagrams.Box(1, 1, "a", "black")}
    figure = diagrams.draw((5, 2), boxes, [line], [], "a box and a line")
    figure.canvas.draw()
    (drawn,) = figure.findobj(FancyArrowPatch)
    assert drawn.get_path().vertices[-1] == pytest.approx((4, 1), abs=0.05)
