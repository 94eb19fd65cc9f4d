"""The widgets answer to their sliders and buttons, at once, with another picture."""

from labutils import widgets
from labutils.mixtures import GaussianMixture
from labutils.models import AutoEncoder, BernoulliVAE

import io
import time

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import Normal


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


CODES = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0])


def colours(image):
    """The picture as numbers from 0 to 1."""
    return torch.from_numpy(picture(image) / np.float32(255))


@pytest.fixture
def walk():
    torch.manual_seed(0)
    model, mixture = AutoEncoder(2, 400), GaussianMixture.fit(CODES, 3, seed=0)
    first, second, image, caption = widgets.latent_walk(model, mixture, CODES).children
    return model, mixture, (first, second), image, caption


def test_a_step_of_a_slider_changes_the_digit_and_moves_the_mark(walk):
    model, mixture, sliders, image, caption = walk
    before, said = colours(image), caption.value
    sliders[0].value = sliders[0].min
    after = colours(image)
    assert after.shape == (widgets.SIDE, 2 * widgets.SIDE, 3)
    assert not torch.equal(before[:, : widgets.SIDE], after[:, : widgets.SIDE])
    z = torch.tensor([slider.value for slider in sliders])
    digit = 1 - model.decode(z).detach().view(28, 28)
    assert torch.allclose(after[4::8, widgets.SIDE + 4 :: 8, 0], digit, atol=0.01)
    assert caption.value != said and f"{mixture.log_prob(z):.1f} nats" in caption.value


def test_the_mark_is_where_the_sliders_are(walk):
    *_, sliders, image, _ = walk
    for slider, at in zip(sliders, ("min", "max"), strict=True):
        slider.value = getattr(slider, at)
    red = (colours(image)[:, : widgets.SIDE] - torch.tensor([0.835, 0.369, 0.0])).abs().sum(
        -1
    ) < 0.02
    rows, columns = red.nonzero().T
    assert rows.max() < 15 and columns.max() < 15  # the second axis points upwards


def test_it_starts_where_the_density_of_the_codes_is_highest(walk):
    _, mixture, sliders, *_ = walk
    z = torch.tensor([slider.value for slider in sliders])
    assert mixture.log_prob(z) >= mixture.log_prob(CODES).max() - 0.1


def test_codes_that_are_not_in_a_plane_are_refused(walk):
    model, mixture, *_ = walk
    with pytest.raises(ValueError, match=r"shape \(N, 2\), got \(5, 3\)"):
        widgets.latent_walk(model, mixture, torch.randn(5, 3))
