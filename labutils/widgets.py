"""Sliders and buttons over a model. They replace the bytes of one image: nothing flickers."""

from __future__ import annotations

from labutils.figures import BLUE, ORANGE, RED
from labutils.models import AutoEncoder, BernoulliVAE

import io
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import Distribution, Normal

SCALE = 8  # screen pixels for one pixel of a digit
SIDE = 28 * SCALE


def gaussian_sliders(x: torch.Tensor) -> ipywidgets.VBox:
    """Fit a Gaussian to numbers x (N,) by hand: its density, and the mean log-likelihood.

    The static part of the picture is drawn once; a move of a slider draws the curve and the point
    over it. Raises ValueError for numbers that no Gaussian fits: fewer than two, all equal, NaN.
    """
    x = torch.as_tensor(x).detach().double().cpu()
    if x.ndim != 1 or not x.isfinite().all() or len(x.unique()) < 2:
        raise ValueError(
            f"x must be finite numbers of shape (N,), not all equal, got shape {tuple(x.shape)}. "
            f"Try x.flatten(), and look at x.unique()."
        )
    sigma = x.std(correction=0)
    best = Normal(x.mean(), sigma).log_prob(x).mean()
    low, high, spread = x.min().item(), x.max().item(), 4 * sigma.item()
    options = {"readout_format": ".1f", "layout": {"width": "45%"}}
    sliders = [
        ipywidgets.FloatSlider(
            low, min=low, max=high, step=spread / 80, description="mean", **options
        ),
        ipywidgets.FloatSlider(
            spread / 2,
            min=spread / 40,
            max=spread,
            step=spread / 80,
            description="sigma",
            **options,
        ),
    ]
    picture = ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "950px"})
    number = ipywidgets.HTML()
    draw = _likelihood_picture(x, sigma)

    def update(_=None):
        picture.value, value = draw(*(slider.value for slider in sliders))
        number.value = f"mean log-likelihood {value:.3f} nats; the closed form reaches {best:.3f}"

    for slider in sliders:
        slider.observe(update, "value")
    update()
    return ipywidgets.VBox([ipywidgets.HBox(sliders), number, picture])


def _likelihood_picture(
    x: torch.Tensor, sigma: torch.Tensor
) -> Callable[[float, float], tuple[bytes, float]]:
    """A function of mean and sigma that returns the picture, as PNG, and the log-likelihood.

    x: (N,), sigma: its standard deviation.
    """
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    ticks = torch.linspace(x.min(), x.max(), 200, dtype=x.dtype)
    sigmas = sigma * torch.linspace(0.1, 4, 80, dtype=x.dtype)[:, None]
    center = x.mean()

    def mean_log_likelihood(mu, s):
        """Of the data, only mean and variance enter it."""
        return Normal(mu, s).log_prob(center) - sigma**2 / (2 * s**2)

    surface = mean_log_likelihood(ticks, sigmas).numpy()
    levels = np.linspace(surface.max() - 4, surface.max(), 15)
    left.hist(x.numpy(), bins=60, density=True, color="0.8")
    left.set(xlabel="data", ylabel="density", ylim=(0, 0.6 / sigma.item()))
    right.contourf(
        ticks.numpy(), sigmas[:, 0].numpy(), surface, levels=levels, extend="min", cmap="gray_r"
    )
    right.set(xlabel="mean", ylabel="sigma", title="dark: high likelihood")
    (curve,) = left.plot([], [], color=BLUE, linewidth=2, animated=True)
    (point,) = right.plot([], [], "o", color=ORANGE, markersize=10, animated=True)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)

    def draw(mu, s):
        curve.set_data(ticks.numpy(), Normal(mu, s).log_prob(ticks).exp().numpy())
        point.set_data([mu], [s])
        canvas.restore_region(background)
        left.draw_artist(curve)
        right.draw_artist(point)
        picture = png(np.asarray(canvas.buffer_rgba()))
        return picture, mean_log_likelihood(mu, torch.tensor(s)).item()

    return draw


def bits(model: BernoulliVAE, code: torch.Tensor | Sequence[int] | None = None) -> ipywidgets.VBox:
    """A toggle button for each bit of a code, and the decoder's mean image for it.

    code: zeros and ones (latent_dim,) to start from; all zeros without one. Raises ValueError
    for another length or other values.
    """
    latent_dim = model.prior.event_shape[0]
    code = torch.zeros(latent_dim) if code is None else torch.as_tensor(code).float().cpu()
    if code.shape != (latent_dim,) or not ((code == 0) | (code == 1)).all():
        raise ValueError(f"code must hold {latent_dim} numbers, each 0 or 1, got {code.tolist()}.")
    narrow = ipywidgets.Layout(width="3em")
    buttons = [
        ipywidgets.ToggleButton(value=bool(bit), tooltip=f"bit {place}", layout=narrow)
        for place, bit in enumerate(code, start=1)
    ]
    image, caption = ipywidgets.Image(format="png", width=SIDE), ipywidgets.Label()

    def decode(change=None):
        digits = [str(int(button.value)) for button in buttons]
        for button, digit in zip(buttons, digits, strict=True):
            button.description = digit
        caption.value = f"The decoder's mean for the code {''.join(digits)}"
        image.value = _decoded(model, torch.tensor([[float(digit) for digit in digits]]))

    for button in buttons:
        button.observe(decode, "value")
    decode()
    rows = [ipywidgets.HBox(buttons[first : first + 8]) for first in range(0, latent_dim, 8)]
    return ipywidgets.VBox([*rows, image, caption])


@torch.no_grad()
def _decoded(model, code):
    """The mean image of one code, as the bytes of a picture."""
    weights = next(model.parameters())
    mean = model.likelihood(code.to(weights)).mean.view(28, 28).cpu()
    grey = (255 * (1 - mean)).round().byte()  # 0 is black in a picture
    return png(grey.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1).numpy())


@torch.no_grad()
def latent_walk(model: AutoEncoder, mixture: Distribution, codes: torch.Tensor) -> ipywidgets.VBox:
    """Two sliders over a plane of codes: where they are on the mixture's density, and the digit.

    model: an AutoEncoder with two latent dimensions. mixture: a distribution over codes.
    codes (N, 2): the sliders go where all but a hundredth of them are. Raises ValueError for
    codes that do not fill a plane: of another shape, not finite, or all on a line along an axis.
    """
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"Expected codes of shape (N, 2), got {tuple(codes.shape)}.")
    if not codes.isfinite().all():
        raise ValueError("Expected finite codes: has the training diverged?")
    low, high = codes.quantile(torch.tensor([0.005, 0.995]).to(codes), dim=0).tolist()
    if any(a == b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"Expected codes that fill a plane, got all from {low} to {high}.")
    plane = _density_map(mixture, low, high, codes)
    start = codes[mixture.log_prob(codes).argmax()].tolist()
    sliders = [
        ipywidgets.FloatSlider(value=at, min=a, max=b, step=(b - a) / 100, description=f"code {i}")
        for i, (at, a, b) in enumerate(zip(start, low, high, strict=True), start=1)
    ]
    image, caption = ipywidgets.Image(format="png", width=2 * SIDE), ipywidgets.Label()

    @torch.no_grad()
    def decode(change=None):
        z = codes.new_tensor([slider.value for slider in sliders])
        density = mixture.log_prob(z).item()
        caption.value = f"Left: where you are. Right: the digit. Log-density {density:.1f} nats"
        image.value = png(_beside(_marked(plane, z, low, high), model.decode(z)))

    for slider in sliders:
        slider.observe(decode, "value")
    decode()
    return ipywidgets.VBox([*sliders, image, caption])


def _density_map(mixture, low, high, codes):
    """The density over the rectangle as colours (SIDE, SIDE, 3), the second axis upwards."""
    x, y = (torch.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True))
    points = torch.cartesian_prod(y.flip(0), x).flip(1).to(codes)
    log_density = mixture.log_prob(points).view(SIDE, SIDE, 1)
    # the root, so that weak components are seen
    shade = ((log_density - log_density.max()) / 2).exp()
    return 1 - shade * (1 - torch.tensor(to_rgb(BLUE)).to(shade))


def _marked(plane, z, low, high):
    """The map with a cross at z."""
    x, y = (
        min(SIDE - 1, max(0, round((at - a) / (b - a) * (SIDE - 1))))
        for at, a, b in zip(z.tolist(), low, high, strict=True)
    )
    row, column, marked = SIDE - 1 - y, x, plane.clone()
    red = torch.tensor(to_rgb(RED)).to(plane)
    for reach, thick in ((10, 2), (2, 10)):
        top, left = max(0, row - reach), max(0, column - thick)
        marked[top : row + reach + 1, left : column + thick + 1] = red
    return marked


def _beside(plane, pixels):
    """The map and, right of it, the digit (784,), as an array of bytes."""
    digit = 1 - pixels.view(28, 28, 1).expand(-1, -1, 3)
    digit = digit.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1)
    picture = torch.cat([plane, digit], 1).clamp(0, 1) * 255
    return picture.round().byte().cpu().numpy()


def png(picture: np.ndarray) -> bytes:
    """An array of bytes, (height, width) or (height, width, channels), as a PNG file."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "PNG", compress_level=1)
    return packed.getvalue()
