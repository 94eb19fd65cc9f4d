"""The buttons show what the model decodes, at once, and redraw nothing else."""

import io
import time

import pytest
import torch
from matplotlib import pyplot as plt

from labutils.models import BernoulliVAE
from labutils.widgets import SCALE, bits


@pytest.fixture
def model():
    return BernoulliVAE(10, 16)


def parts(widget):
    *rows, image, caption = widget.children
    return [button for row in rows for button in row.children], image, caption


def shown(image):
    """The pixels of the image, one for each of the digit, as 1 for black."""
    pixels = plt.imread(io.BytesIO(image.value))[:, :, 0]
    return 1 - torch.from_numpy(pixels.copy())[::SCALE, ::SCALE]


def decoded(model, code):
    with torch.no_grad():
        return model.likelihood(torch.tensor(code).float()).mean.view(28, 28)


def test_the_image_is_the_mean_of_the_code_and_follows_each_button(model):
    code = [1, 0, 1, 1, 0, 0, 0, 1, 0, 1]
    buttons, image, caption = parts(bits(model, code))
    assert [int(button.value) for button in buttons] == code
    for place in (0, 4, 9):
        code[place] = 1 - code[place]
        buttons[place].value = bool(code[place])
        assert torch.allclose(shown(image), decoded(model, code), atol=1 / 64)
        assert caption.value.endswith("".join(map(str, code)))
        assert buttons[place].description == str(code[place])


def test_without_a_code_all_bits_are_zero(model):
    buttons, image, _ = parts(bits(model))
    assert not any(button.value for button in buttons)
    assert torch.allclose(shown(image), decoded(model, [0] * 10), atol=1 / 64)


def test_an_answer_takes_less_than_100_ms_and_leaves_no_figure(model):
    buttons, _, _ = parts(bits(model))
    started = time.perf_counter()
    for button in buttons:
        button.value = True
    assert (time.perf_counter() - started) / len(buttons) < 0.1
    assert not plt.get_fignums()


@pytest.mark.parametrize("wrong", [[0.5] * 10, [2] * 10, [1] * 9, [[1] * 10], [float("nan")] * 10])
def test_a_code_is_bits(wrong, model):
    with pytest.raises(ValueError, match="code must hold 10 numbers, each 0 or 1, got"):
        bits(model, wrong)
