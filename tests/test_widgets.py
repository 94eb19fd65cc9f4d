"""The widgets answer to their sliders, at once, with another picture."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import Normal

from labutils import widgets


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
