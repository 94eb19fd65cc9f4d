"""What is recorded of the notebooks' widgets is what they show."""

import sprites
from labutils import load, widgets
from labutils.models import BernoulliVAE, GaussianVAE

import ast
import json
import math
import os
import re
from base64 import b64decode
from importlib.metadata import version
from io import BytesIO

import ipywidgets
import jupytext
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from torch.distributions import Normal, kl_divergence

LARGEST = 1_000_000  # bytes of a recording
NOTEBOOKS = {path.name[:2]: path for path in sprites.NOTEBOOKS.glob("*.ipynb")}
NAMES = [
    name
    for number, path in NOTEBOOKS.items()
    for _, name in sprites.places(jupytext.read(path), number)
]
REQUIREMENTS = sprites.TOOLS.parent / "requirements.txt"
PINS = dict(re.findall(r"^(\w+)==([\d.]+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE))
as_recorded = pytest.mark.skipif(
    any(version(name).partition("+")[0] != PINS[name] for name in ("torch", "matplotlib")),
    reason="the recordings are of what requirements.txt pins",
)


class Recorded:
    """A recording: its fragment of HTML, and its frames by place, each a picture and a text."""

    def __init__(self, name, folder=sprites.WIDGETS):
        self.text = sprites.fragment(name, folder)
        self.html = BeautifulSoup(self.text, "html.parser")
        self.base = re.search(r"background: white url\((.*?)\)", self.text)[1]
        self.frames = json.loads(re.search(r"const frames = (.*?}); //", self.text)[1])

    def pixels(self, place):
        """A picture over what lies beneath it, as a browser shows it."""
        urls = self.base, self.frames[place][0]
        layers = [Image.open(BytesIO(b64decode(url.partition(",")[2]))) for url in urls]
        return composed(*layers)


def composed(below, above):
    """What is seen of two layers, as pixels."""
    both = Image.alpha_composite(below.convert("RGBA"), above.convert("RGBA"))
    return np.asarray(both.convert("RGB"))


def moved(box, name, place):
    """What the widget itself shows at a place of the recording: pixels and text."""
    controls, picture, text = sprites.parts_of(box)
    grids = map(sprites.positions, controls, sprites.STEPS[name])
    for control, values, at in zip(controls, list(grids), place.split(","), strict=True):
        control.value = values[int(at)]
    return sprites.pixels(picture.value), text.value


def assert_the_same(recording, box, name, places):
    for place in places:
        pixels, text = moved(box(), name, place)
        assert np.array_equal(recording.pixels(place), pixels)
        assert recording.frames[place][1] == text


def test_each_widget_of_the_notebooks_is_recorded_and_nothing_else_is():
    assert sorted(NAMES) == sorted(path.stem for path in sprites.WIDGETS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_small_and_fetches_nothing(name):
    recording = Recorded(name)
    assert len(recording.text) <= LARGEST
    stripped = re.sub(r"data:image/webp;base64,[\w+/=]+", "DATA", recording.text)
    assert not re.search(r"https?:|//\w|url\((?!DATA)|\bimport\b|fetch", stripped)
    assert {each["src"][:5] for each in recording.html.find_all(src=True)} == {"data:"}
    assert not recording.html.find_all(href=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_labelled_and_starts_as_it_says(name):
    html, frames = Recorded(name).html, Recorded(name).frames
    inputs = html.find_all("input")
    assert inputs and all(each.parent.name == "label" and each.parent.text for each in inputs)
    assert html.img["alt"] and html.output["aria-live"] == "polite"
    start = [each.get("value") or str(int(each.has_attr("checked"))) for each in inputs]
    assert [html.img["src"], html.output.text] == frames[",".join(start)]


@pytest.mark.parametrize("name", NAMES)
def test_each_place_has_its_own_text_and_a_picture_of_one_size(name):
    recording = Recorded(name)
    texts = {text for _, text in recording.frames.values()}
    assert len(texts) == len(recording.frames)
    height, width = (int(recording.html.img[side]) for side in ("height", "width"))
    some = list(recording.frames)[::20]
    assert {recording.pixels(place).shape for place in some} == {(height, width, 3)}


@as_recorded
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_of_the_models_of_today(name):
    stored = Recorded(name).html.figure["data-recipe"]
    assert stored == sprites.recipe(name), "python tools/sprites.py"


# Against what labutils computes


def definitions(number, *names):
    """Functions of a notebook."""
    cells = jupytext.read(NOTEBOOKS[number]).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found = [node for node in ast.parse(code).body if getattr(node, "name", "") in names]
    space = {"math": math, "torch": torch, "Normal": Normal, "kl_divergence": kl_divergence}
    exec(ast.unparse(found), space)
    return [space[name] for name in names]


@as_recorded
def test_the_bound_is_recorded_as_it_is_drawn(style):
    curves = definitions("03", "log_p_1d", "elbo_1d")
    assert_the_same(
        Recorded("03_bound_sliders"),
        lambda: widgets.bound_sliders(torch.linspace(0, 5, 251), *curves),
        "03_bound_sliders",
        ["0,0", "5,1", "5,3", "25,5"],
    )


@as_recorded
@pytest.mark.skipif("LABUTILS_DATA" not in os.environ, reason="the recording is of MNIST")
def test_the_gaussian_is_recorded_as_it_is_drawn(style):
    ink = 100 * load(source="mnist").train.images.mean(1)
    assert_the_same(
        Recorded("01_gaussian_sliders"),
        lambda: widgets.gaussian_sliders(ink),
        "01_gaussian_sliders",
        ["0,3", "9,1", "13,1", "33,5"],
    )


def test_the_recorded_codes_are_those_of_the_notebook_s_model():
    """By what the notebook printed: how many pixels each bit changes, on average over all codes."""
    outputs = " ".join(
        output.get("text", "")
        for cell in jupytext.read(NOTEBOOKS["04"]).cells
        for output in cell.get("outputs", ())
    )
    printed = re.search(r"pixels that a flip changes, by bit: ([\d ]+)", outputs)[1].split()
    recording = Recorded("04_bits")
    digits = np.stack([recording.pixels(place)[::8, ::8, 0] / 255 for place in recording.frames])
    digits = digits.reshape(*[2] * 8, 784)
    changes = [abs(np.diff(digits, axis=bit)).sum(-1).mean() for bit in range(8)]
    assert np.allclose(changes, [int(number) for number in printed], atol=1)


# Of small models


def test_bits_are_recorded_in_every_code(tmp_path):
    model = BernoulliVAE(8, 16)
    sprites.record(widgets.bits(model, [0, 1] * 4), "04_bits", tmp_path)
    recording = Recorded("04_bits", tmp_path)
    assert len(recording.frames) == 256
    assert_the_same(recording, lambda: widgets.bits(model), "04_bits", list(recording.frames)[::17])
    checked = [each.has_attr("checked") for each in recording.html.find_all("input")]
    assert checked == [False, True] * 4


def test_many_sliders_are_recorded_one_at_a_time(tmp_path):
    model, code = GaussianVAE(6, 16), torch.tensor([0.0, 0.31, -1.0, 3.0, -3.0, 0.5])
    box = widgets.traversal(model, code, [1, 2, 3, 4, 5])
    sprites.record(box, "03_traversal_2", tmp_path)
    recording = Recorded("03_traversal_2", tmp_path)
    start = [int(each["value"]) for each in recording.html.find_all("input")]
    places = [[int(at) for at in place.split(",")] for place in recording.frames]
    assert len(places) == 5 * 40 + 1
    assert all(sum(a != b for a, b in zip(at, start, strict=True)) <= 1 for at in places)
    assert_the_same(
        recording,
        lambda: widgets.traversal(model, code, [1, 2, 3, 4, 5]),
        "03_traversal_2",
        list(recording.frames)[::40],
    )


def test_a_slider_is_recorded_at_its_start_and_at_steps_of_its_own():
    slider = ipywidgets.FloatSlider(0.31, min=-3, max=3, step=0.05)
    values = sprites.positions(slider, range(0, 121, 3))
    steps = np.linspace(-3, 3, 41)
    steps[22] = 0.31  # not 0.3
    assert np.allclose(values, steps, atol=1e-9)


def test_a_frame_over_the_base_is_the_frame():
    base = np.random.default_rng(0).integers(256, size=(20, 30, 3)).astype(np.uint8)
    frame = base.copy()
    frame[3:5, 7:9, 1] += 1
    packed = sprites.over(frame, base)
    assert len(packed) < len(sprites.webp(frame)), "only what differs"
    assert np.array_equal(composed(Image.fromarray(base), Image.open(BytesIO(packed))), frame)


def test_what_cannot_be_recorded_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sprites.STEPS, "08_bits", ())
    monkeypatch.setenv("LABUTILS_PROGRESS", "")  # which recording sets
    notebook = tmp_path / "08_failing.py"
    notebook.write_text("# %%\nlab.widgets.bits(model)\n", encoding="utf-8")
    said = (
        r"^08_failing\.py: NameError: name 'lab' is not defined\. None of its widgets is recorded"
    )
    with pytest.raises(SystemExit, match=said):
        sprites.main([str(notebook)])
    with pytest.raises(SystemExit, match=r"^There is no notebook notebooks.09\.py\.$"):
        sprites.main(["notebooks/09.py"])
    notebook = tmp_path / "09_new.py"
    notebook.write_text("# %%\nlab.widgets.bits(model)\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="^Say in STEPS of .* which steps of 09_bits are recorded"):
        sprites.record_notebook(notebook, tmp_path)
