"""Each fault of a figure is found in one made for it, and in none that is without."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from labutils import figures

import subprocess
import sys
from pathlib import Path

import nbformat
from matplotlib import pyplot as plt
from pictures import clipped, contrast, faint, faults, merged, overlaps, pale, small

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture
def axes():
    return plt.figure(figsize=(6, 4)).add_subplot()


def test_a_plain_figure_has_no_fault(axes):
    axes.plot([0, 1], label="rises")
    axes.plot([1, 0], label="falls")
    axes.axhline(0.5, color="0.9", linewidth=1)  # guides the eye
    axes.text(0.5, 0.8, "said in the picture")
    axes.legend(loc="lower center")
    axes.set(title="a title", xlabel="x", ylabel="y")
    assert faults(axes.figure) == []


# overlaps


def test_texts_that_run_into_each_other_are_found():
    axes = plt.figure(layout="none").add_subplot()
    axes.set_title("a title")
    axes.text(0.5, 0.5, "first")
    axes.text(0.5, 0.5, "second")
    axes.annotate("over the title", (0.5, 1.03), xycoords="axes fraction", ha="center")
    axes.plot([0, 1], label="a legend").pop()
    axes.legend(loc=(0.5, 0.48))
    found = {frozenset(pair) for pair in overlaps(axes.figure)}
    assert frozenset({"first", "second"}) in found
    assert frozenset({"a title", "over the title"}) in found
    assert any("a legend" in pair for pair in found)


def test_crowded_ticks_are_found():
    figure, axes = plt.subplots(figsize=(2, 2))
    axes.set_xticks(range(10), [f"number {i}" for i in range(10)])
    assert ("number 3", "number 4") in overlaps(figure)


def test_what_is_not_drawn_runs_into_nothing():
    figure, axes = plt.subplots(layout="none")
    axes.text(0.5, 0.5, "seen")
    axes.text(0.5, 0.5, " ")
    axes.set_xticks([1 + i / 100 for i in range(100)], ["beyond the limits"] * 100)
    axes.set_xlim(0.1, 0.9)
    hidden, without_axis = (figure.add_axes(axes.get_position()) for _ in range(2))
    hidden.text(0.5, 0.5, "hidden")
    assert len(overlaps(figure)) > 1
    hidden.set_visible(False)
    assert ("seen", "hidden") not in overlaps(figure) != []
    without_axis.set_axis_off()
    assert overlaps(figure) == []


# clipped


def test_a_text_that_is_cut_off_is_found(axes):
    axes.text(0.95, 0.5, "over the edge of the axes", clip_on=True)
    outside = axes.text(1.2, 0.2, "over that of the picture")
    assert clipped(axes.figure) == ["over the edge of the axes"]
    outside.set_in_layout(False)  # the picture is not widened for it
    assert clipped(axes.figure) == ["over the edge of the axes", "over that of the picture"]


# small


def test_letters_of_a_wide_figure_are_small_on_the_page():
    figure, axes = plt.subplots(figsize=(9, 3))
    axes.set(xticks=[], yticks=[], title="a title")
    assert small(figure) == []
    axes.text(0.5, 0.5, "small", fontsize=8.9)
    assert [text for text, _ in small(figure)] == ["small"]
    figure.set_size_inches(18, 3)
    assert [text for text, _ in small(figure)] == ["small", "a title"]


# pale


def test_black_on_white_is_21_and_equal_colours_are_1():
    black, white = np.zeros(3), np.ones(3)
    assert contrast(black, white) == pytest.approx(21) == contrast(white, black)
    assert contrast(white, white) == 1
    assert contrast(np.full(3, 0x77 / 255), white) == pytest.approx(4.48, abs=0.01)  # WebAIM's


def test_a_text_that_stands_out_too_little_is_found(axes):
    axes.text(0.1, 0.1, "grey", color="0.5")
    axes.text(0.1, 0.3, "faded", alpha=0.4)
    axes.text(0.1, 0.5, "gone", color="white")
    axes.text(0.1, 0.7, "in a box", color="white", bbox={"facecolor": "black"})
    assert [text for text, _ in pale(axes.figure)] == ["grey", "faded", "gone"]


def test_a_text_that_a_dark_line_runs_through_is_found(axes):
    axes.text(0.5, 0.5, "crossed", va="center")
    axes.text(0.5, 0.8, "free")
    assert pale(axes.figure) == []
    axes.axhline(0.5, color=figures.BLUE)
    assert [text for text, _ in pale(axes.figure)] == ["crossed"]


# faint


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: axes.plot([0, 1], color="#E69F00"),
        lambda axes: axes.plot([0, 1], "o", color="#E69F00"),
        lambda axes: axes.plot([0, 1], color="0.8", linewidth=1, label="a line, not a guide"),
        lambda axes: axes.plot([0, 1], color=figures.BLUE, alpha=0.4),
        lambda axes: axes.scatter([0, 1], [0, 1], color="#DDCC77"),
        lambda axes: axes.fill_between([0, 1], [1, 2], color="0.8"),
        lambda axes: axes.hist([0, 1], color="0.8"),
        lambda axes: axes.contour([[0, 1], [2, 3]], levels=[1], colors=["#E69F00"]),
    ],
)
def test_a_mark_that_stands_out_too_little_is_found(axes, draw):
    draw(axes)
    assert len(faint(axes.figure)) == 1


def test_a_mark_is_seen_before_what_lies_behind_it(axes):
    axes.imshow(np.ones((2, 2)), vmin=0)
    (line,) = axes.plot([0, 1], [0, 0], color="white")
    assert faint(axes.figure) == []
    line.set_color("0.2")
    assert len(faint(axes.figure)) == 1


def test_an_edge_makes_a_pale_area_stand_out(axes):
    axes.hist([0, 1], color="0.85", edgecolor="0.4")
    assert faint(axes.figure) == []


# merged

RED, GREEN = "#D55E00", "#8A8A00"  # of one lightness


@pytest.mark.parametrize(
    "a, b, vision",
    [
        (RED, GREEN, "deuteranopia"),
        ("#0072B2", "#009E73", "tritanopia"),
        ("#0060A0", "#A03CA0", "protanopia"),
        ("#0072B2", "#0072C2", None),
    ],
)
def test_colours_that_merge_are_found(axes, a, b, vision):
    axes.plot([0, 1], color=a)
    axes.plot([1, 0], color=b)
    ((*_, distance, found),) = merged(axes.figure)
    assert found == vision or vision is None
    assert distance < 20


def test_another_mark_or_a_name_tells_alike_colours_apart(axes):
    axes.plot([0, 1], color=RED)
    axes.plot([1, 0], color=GREEN, linestyle="--")
    axes.plot([0, 1], "o", color=RED)
    axes.plot([1, 0], "^", color=GREEN)
    for colour in (RED, GREEN):
        axes.scatter([0.5], [0.5], color=colour)
        axes.text(0.5, 0.5, "its name", bbox={"edgecolor": colour})
    assert merged(axes.figure) == []


def test_the_colours_of_the_course_stay_apart(axes):
    for colour in (figures.BLUE, figures.ORANGE, figures.GREEN, figures.RED, figures.GREY, "black"):
        axes.plot([0, 1], color=colour)
    assert merged(axes.figure) == faint(axes.figure) == []


# watch

CELL = """
from labutils import figures
figures.use_style()
figures.plt.plot([0, 1], color="0.9", label="hardly there")
figures.show(figures.plt.gcf(), alt="a line")
"""


def test_a_notebook_that_pytest_executes_shows_no_figure_with_a_fault(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, path := tmp_path / "faulty.ipynb")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", path, "--nbval-lax",
         "--nbval-current-env"],
        cwd=Path(__file__).parents[1], capture_output=True, text=True,
    )  # fmt: skip
    assert "'hardly there' has contrast 1.3" in run.stdout, run.stdout + run.stderr
    assert "1 failed, 1 passed" in run.stdout
