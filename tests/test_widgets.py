"""The widgets answer to their sliders and buttons, at once, with another picture."""

from labutils import figures, widgets
from labutils.models import AutoEncoder, BernoulliVAE, GaussianVAE

import gc
import io
import weakref

import ipywidgets
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")


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


@pytest.mark.parametrize(
    "x", [torch.ones(5), torch.tensor([2.0]), torch.tensor([1.0, float("nan")]), torch.rand(5, 2)]
)
def test_numbers_that_no_gaussian_fits_are_refused(x):
    with pytest.raises(ValueError, match="finite numbers of shape"):
        widgets.gaussian_sliders(x)


@pytest.mark.parametrize("x", [torch.arange(9), torch.rand(9, requires_grad=True)])
def test_numbers_of_any_kind_will_do(x):
    assert "closed form" in widgets.gaussian_sliders(x).children[1].value


# Bits


@pytest.fixture
def model():
    return BernoulliVAE(10, 16)


def parts(widget):
    *rows, caption, image = widget.children
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


@pytest.mark.parametrize("wrong", [[0.5] * 10, [2] * 10, [1] * 9, [[1] * 10], [float("nan")] * 10])
def test_a_code_is_bits(wrong, model):
    with pytest.raises(ValueError, match="code must hold 10 numbers, each 0 or 1, got"):
        widgets.bits(model, wrong)


CODES = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0])


def colours(image):
    """The picture as numbers from 0 to 1."""
    return torch.from_numpy(picture(image) / np.float32(255))


def three_clusters():
    means = torch.tensor([[-3.0, 0.0], [0.0, 0.0], [3.0, 1.0]])
    return MixtureSameFamily(Categorical(torch.ones(3)), Independent(Normal(means, 1.0), 1))


@pytest.fixture
def walk():
    torch.manual_seed(0)
    model, mixture = AutoEncoder(2, 400), three_clusters()
    first, second, caption, image = widgets.latent_walk(model, mixture, CODES).children
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
    plane = colours(image)[:, : widgets.SIDE]
    red = (plane - torch.tensor(to_rgb(figures.RED))).abs().sum(-1) < 0.02
    rows, columns = red.nonzero().T
    assert rows.max() < 15 and columns.max() < 15  # the second axis points upwards


def test_it_starts_where_the_density_of_the_codes_is_highest(walk):
    _, mixture, sliders, *_ = walk
    z = torch.tensor([slider.value for slider in sliders])
    assert mixture.log_prob(z) >= mixture.log_prob(CODES).max() - 0.1


@pytest.mark.parametrize(
    "codes, message",
    [
        (torch.randn(5, 3), r"shape \(N, 2\), got \(5, 3\)"),
        (torch.full((5, 2), float("nan")), "finite codes"),
        (torch.tensor([[0.0, 1.0], [1.0, 1.0]]), "fill a plane"),
    ],
)
def test_codes_that_do_not_fill_a_plane_are_refused(codes, message, walk):
    model, mixture, *_ = walk
    with pytest.raises(ValueError, match=message):
        widgets.latent_walk(model, mixture, codes)


def test_a_density_that_underflows_everywhere_still_has_a_map(walk):
    model, _, *_ = walk
    far = Independent(Normal(torch.full((2,), 100.0), 1.0), 1)
    *_, caption, image = widgets.latent_walk(model, far, CODES).children
    assert "nan" not in caption.value
    shades = colours(image)[:, : widgets.SIDE, 0]
    assert shades.min() < 0.1 and shades.max() > 0.9, "from the highest density to none"


# The bound


def test_the_gap_that_is_said_is_that_at_q_s_own_theta():
    """The gap is smallest one to the right of it."""
    box = widgets.bound_sliders(
        torch.linspace(0, 5, 51),
        lambda t: -(t**2),
        lambda t, at, width: -(t**2) - width * (1 + (t - at - 1) ** 2),
    )
    at, width, text, _ = box.children
    assert "2.000 nats below log p(x) at q's own" in text.value
    at.value, width.value = 3.0, 0.5
    assert "1.000 nats below log p(x) at q's own" in text.value


# All widgets


MOVED = {
    "gaussian": lambda: widgets.gaussian_sliders(torch.randn(500) * 4 + 13),
    "bits": lambda: widgets.bits(BernoulliVAE(10, 16)),
    "bound": lambda: widgets.bound_sliders(
        torch.linspace(0, 4, 50), lambda t: -(t**2), lambda t, at, width: -width * (t - at) ** 2
    ),
    "traversal": lambda: widgets.traversal(GaussianVAE(5, 16), torch.zeros(5), [4, 1]),
    "walk": lambda: widgets.latent_walk(AutoEncoder(2, 16), three_clusters(), CODES),
}


def controls_and_image(box):
    """What can be moved in a widget, and the one picture."""
    controls, images = [], []
    for child in box.children:
        if isinstance(child, ipywidgets.Box):
            controls += child.children
        elif isinstance(child, ipywidgets.FloatSlider):
            controls.append(child)
        elif isinstance(child, ipywidgets.Image):
            images.append(child)
    (image,) = images
    return controls, image


def move(control):
    control.value = not control.value if isinstance(control.value, bool) else control.max


@pytest.mark.parametrize("name", MOVED)
def test_a_move_replaces_the_bytes_of_the_image_and_draws_no_figure(name, monkeypatch):
    controls, image = controls_and_image(MOVED[name]())
    monkeypatch.setattr(Figure, "draw", lambda *_: pytest.fail("a figure was drawn"))
    for control in controls:
        before, changed = image.value, []
        image.observe(lambda change, changed=changed: changed.append(change.name))
        move(control)
        assert image.value != before
        assert changed == ["value"], "nothing else of the image, and once"
        image.unobserve_all()
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", MOVED)
def test_a_closed_widget_and_closed_figures_do_no_harm(name):
    box = MOVED[name]()
    controls, image = controls_and_image(box)
    plt.close("all")
    box.close()
    before = image.value
    move(controls[0])
    assert image.value != before


@pytest.mark.parametrize("name", MOVED)
def test_modes_of_torch_set_outside_are_no_matter(name):
    with torch.set_grad_enabled(False):
        box = MOVED[name]()
    controls, image = controls_and_image(box)
    before = image.value
    torch.set_default_dtype(torch.float64)
    try:
        move(controls[0])
    finally:
        torch.set_default_dtype(torch.float32)
    assert image.value != before


@pytest.mark.parametrize("name", MOVED)
def test_a_screen_reader_finds_what_the_picture_shows_and_where_the_controls_are(name):
    controls, image = controls_and_image(box := MOVED[name]())
    assert image.tooltip and "description" in image.keys, "else JupyterLab shows no image"
    assert vars(type(image)).keys() >= {"tooltip", "description"}, "ipywidgets 7 has neither"
    assert all(control.description or control.tooltip for control in controls)
    (text,) = (part for part in box.children if isinstance(part, ipywidgets.HTML))
    before = text.value
    move(controls[0])
    assert text.value != before


@pytest.mark.parametrize("name", MOVED)
def test_a_widget_that_is_shown_twice_moves_once(name):
    both = [controls_and_image(MOVED[name]()) for _ in range(2)]
    for (controls, mine), (_, other) in (both, both[::-1]):
        before, others = mine.value, other.value
        move(controls[0])
        assert mine.value != before and other.value == others


@pytest.mark.parametrize("name", MOVED)
def test_nothing_keeps_a_closed_widget_alive(name):
    box = MOVED[name]()
    picture = weakref.ref(controls_and_image(box)[1])
    ipywidgets.Widget.close_all()
    del box
    gc.collect()
    assert picture() is None
