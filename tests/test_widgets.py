"""Widgets answer at once, and change the bytes of an image instead of drawing a figure."""

import io
import time

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from labutils.models import AutoEncoder, fit_mixture
from labutils.widgets import SIDE, latent_walk

CODES = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0])


@pytest.fixture
def walk():
    torch.manual_seed(0)
    model, mixture = AutoEncoder(2, 400), fit_mixture(CODES, 3)
    first, second, image, caption = latent_walk(model, mixture, CODES).children
    return model, mixture, (first, second), image, caption


def picture(image):
    return torch.from_numpy(plt.imread(io.BytesIO(image.value)))[..., :3]


def test_a_step_of_a_slider_changes_the_digit_and_moves_the_mark(walk):
    model, mixture, sliders, image, caption = walk
    before, said = picture(image), caption.value
    sliders[0].value = sliders[0].min
    after = picture(image)
    assert after.shape == (SIDE, 2 * SIDE, 3)
    assert not torch.equal(before[:, :SIDE], after[:, :SIDE])
    z = torch.tensor([slider.value for slider in sliders])
    digit = 1 - model.decode(z).detach().view(28, 28)
    assert torch.allclose(after[4::8, SIDE + 4 :: 8, 0], digit, atol=0.01)
    assert caption.value != said and f"{mixture.log_prob(z):.1f} nats" in caption.value


def test_the_mark_is_where_the_sliders_are(walk):
    *_, sliders, image, _ = walk
    for slider, at in zip(sliders, ("min", "max"), strict=True):
        slider.value = getattr(slider, at)
    red = (picture(image)[:, :SIDE] - torch.tensor([0.835, 0.369, 0.0])).abs().sum(-1) < 0.02
    rows, columns = red.nonzero().T
    assert rows.max() < 15 and columns.max() < 15  # the second axis points upwards


def test_it_starts_where_the_density_of_the_codes_is_highest(walk):
    _, mixture, sliders, *_ = walk
    z = torch.tensor([slider.value for slider in sliders])
    assert mixture.log_prob(z) >= mixture.log_prob(CODES).max() - 0.1


def test_it_answers_within_a_tenth_of_a_second(walk):
    _, _, sliders, *_ = walk
    seconds = []
    for value in (-2.0, -1.0, 0.0, 1.0, 2.0):
        started = time.perf_counter()
        sliders[0].value = value
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1
    assert not plt.get_fignums()


def test_codes_that_are_not_in_a_plane_are_refused(walk):
    model, mixture, *_ = walk
    with pytest.raises(ValueError, match=r"shape \(N, 2\), got \(5, 3\)"):
        latent_walk(model, mixture, torch.randn(5, 3))
