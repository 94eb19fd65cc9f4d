"""The widgets answer to their sliders and buttons, at once, with another picture."""

import io
import time

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import Normal

from labutils import widgets
from labutils.models import BernoulliVAE


def picture(image):
    return np.asarray(Image.open(io.BytesIO(image.value)))


@pytest.fixture
def sliders():
    """The parts of the Gaussian's widget: mean, sigma, the number, the picture."""
    box = widgets.gaussian_sliders(torch.randn(500) * 4 + 13)
    (mean, sigma), number, image = box.children[0].children, *box.children[1:]
    return mean, sigma, number, image


def test_the_number_is_the_mean_log_likelihood(sliders):
    mean, sigma, number, _ = sliders
    torch.manual_seed(0)
    x = (torch.randn(500) * 4 + 13).double()
    mean.value, sigma.value = 10.0, 5.0
    expected = Normal(mean.value, sigma.value).log_prob(x).mean()
    best = Normal(x.mean(), x.std(correction=0)).log_prob(x).mean()
    assert f"{expected:.3f} nats" in number.value
    assert f"reaches {best:.3f}" in number.value


def test_moving_a_slider_changes_the_picture_and_moving_it_back_restores_it(sliders):
    mean, _, _, image = sliders
    before = picture(image)
    start = mean.value
    mean.value = start + 5
    assert not np.array_equal(picture(image), before)
    mean.value = start
    assert np.array_equal(picture(image), before), "nothing of the last curve is left"


def test_a_move_draws_two_artists_and_no_figure(sliders, monkeypatch):
    """A whole figure takes a tenth of a second, the curve and the point a fraction of that."""
    monkeypatch.setattr(Figure, "draw", lambda *_: pytest.fail("the figure was drawn again"))
    mean, *_ = sliders
    mean.value += 2


# Bits


@pytest.fixture
def model():
    return BernoulliVAE(10, 16)


def parts(widget):
    *rows, image, caption = widget.children
    return [button for row in rows for button in row.children], image, caption


def shown(image):
    """The pixels of the image, one for each of the digit, as 1 for black."""
    return 1 - torch.tensor(picture(image)[:: widgets.SCALE, :: widgets.SCALE]) / 255


def decoded(model, code):
    with torch.no_grad():
        return model.likelihood(torch.tensor(code).float()).mean.view(28, 28)


def test_the_image_is_the_mean_of_the_code_and_follows_each_button(model):
    code = [1, 0, 1, 1, 0, 0, 0, 1, 0, 1]
    buttons, image, caption = parts(widgets.bits(model, code))
    assert [int(button.value) for button in buttons] == code
    for place in (0, 4, 9):
        code[place] = 1 - code[place]
        buttons[place].value = bool(code[place])
        assert torch.allclose(shown(image), decoded(model, code), atol=1 / 64)
        assert caption.value.endswith("".join(map(str, code)))
        assert buttons[place].description == str(code[place])


def test_without_a_code_all_bits_are_zero(model):
    buttons, image, _ = parts(widgets.bits(model))
    assert not any(button.value for button in buttons)
    assert torch.allclose(shown(image), decoded(model, [0] * 10), atol=1 / 64)


def test_an_answer_takes_less_than_100_ms(model):
    buttons, _, _ = parts(widgets.bits(model))
    started = time.perf_counter()
    for button in buttons:
        button.value = True
    assert (time.perf_counter() - started) / len(buttons) < 0.1


@pytest.mark.parametrize("wrong", [[0.5] * 10, [2] * 10, [1] * 9, [[1] * 10], [float("nan")] * 10])
def test_a_code_is_bits(wrong, model):
    with pytest.raises(ValueError, match="code must hold 10 numbers, each 0 or 1, got"):
        widgets.bits(model, wrong)
