"""Sliders and buttons over a model. They replace the bytes of one image: nothing flickers."""

from __future__ import annotations

from labutils.figures import BLUE, ORANGE, RED
from labutils.models import AutoEncoder, BernoulliVAE, GaussianVAE

import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import ipywidgets
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps
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
    options = {"step": spread / 80, "readout_format": ".1f", "layout": {"width": "45%"}}
    slider = partial(ipywidgets.FloatSlider, **options)
    sliders = [
        slider(low, min=low, max=high, description="mean"),
        slider(spread / 2, min=spread / 40, max=spread, description="sigma"),
    ]
    picture = ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "950px"})
    number = ipywidgets.HTML()
    draw = _likelihood_picture(x, sigma)

    def update():
        picture.value, value = draw(*(slider.value for slider in sliders))
        number.value = f"mean log-likelihood {value:.3f} nats; the closed form reaches {best:.3f}"

    _follow(sliders, update)
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
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))
        return _png(picture), mean_log_likelihood(mu, torch.tensor(s)).item()

    return draw


def bound_sliders(
    thetas: torch.Tensor,
    log_p: Callable[[torch.Tensor], torch.Tensor],
    bound: Callable[[torch.Tensor, float, float], torch.Tensor],
) -> ipywidgets.VBox:
    """log p(x) of a model with one parameter, and an ELBO under it that two sliders move.

    thetas: (N,) in rising order. log_p(thetas) and bound(thetas, at, width) give (N,) nats: q is
    the posterior of the model with theta = at, its standard deviation times width.
    """
    low, high = thetas.min().item(), thetas.max().item()
    sliders = [
        ipywidgets.FloatSlider(1.0, min=low, max=high, step=(high - low) / 50, description="q's θ"),
        ipywidgets.FloatSlider(1.0, min=0.3, max=3, step=0.1, description="q's width"),
    ]
    picture = ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "700px"})
    number = ipywidgets.HTML()
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    truth = log_p(thetas)
    axes.plot(thetas.numpy(), truth.numpy(), color="black", linewidth=2)
    axes.set(xlabel="θ", ylabel="nats", title="black: log p(x); orange: the ELBO")
    axes.set(ylim=(truth.min().item() - 2, truth.max().item() + 0.3))
    (curve,) = axes.plot([], [], color=ORANGE, linewidth=2, animated=True)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)

    def update():
        at, width = (slider.value for slider in sliders)
        values = bound(thetas, at, width)
        curve.set_data(thetas.numpy(), values.numpy())
        canvas.restore_region(background)
        axes.draw_artist(curve)
        picture.value = _png(Image.fromarray(np.asarray(canvas.buffer_rgba())))
        gap = (truth - values).min()
        best = thetas[values.argmax()]
        number.value = f"smallest gap {gap:.3f} nats; the ELBO is highest at θ = {best:.2f}"

    _follow(sliders, update)
    return ipywidgets.VBox([*sliders, number, picture])


def traversal(model: GaussianVAE, code: torch.Tensor, dimensions: Sequence[int]) -> ipywidgets.VBox:
    """A slider for some latent dimensions of a code, and the decoder's mean for it.

    code: (latent_dim,), where the sliders start; dimensions: which of them move, from 0.
    """
    sliders = [
        ipywidgets.FloatSlider(code[d].item(), min=-3, max=3, step=0.05, description=f"z {d + 1}")
        for d in dimensions
    ]
    image = ipywidgets.Image(format="png", width=SIDE)

    def decode():
        z = code.detach().clone()
        for d, slider in zip(dimensions, sliders, strict=True):
            z[d] = slider.value
        image.value = _decoded(model, z[None])

    _follow(sliders, decode)
    return ipywidgets.VBox([*sliders, image])


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

    def decode():
        digits = [str(int(button.value)) for button in buttons]
        for button, digit in zip(buttons, digits, strict=True):
            button.description = digit
        caption.value = f"The decoder's mean for the code {''.join(digits)}"
        image.value = _decoded(model, torch.tensor([[float(digit) for digit in digits]]))

    _follow(buttons, decode)
    rows = [ipywidgets.HBox(buttons[first : first + 8]) for first in range(0, latent_dim, 8)]
    return ipywidgets.VBox([*rows, image, caption])


@torch.no_grad()
def _decoded(model, code):
    """The mean image of one code, as the bytes of a picture."""
    weights = next(model.parameters())
    return _png(_digit(model.likelihood(code.to(weights)).mean))


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
    def decode():
        z = codes.new_tensor([slider.value for slider in sliders])
        density = mixture.log_prob(z).item()
        caption.value = f"Left: where you are. Right: the digit. Log-density {density:.1f} nats"
        picture = Image.new("RGB", (2 * SIDE, SIDE))
        picture.paste(plane)
        _mark(picture, z, low, high)
        picture.paste(_digit(model.decode(z)), (SIDE, 0))
        image.value = _png(picture)

    _follow(sliders, decode)
    return ipywidgets.VBox([*sliders, image, caption])


def _density_map(mixture, low, high, codes):
    """The density over the rectangle as a picture (SIDE, SIDE), the second axis upwards."""
    x, y = (torch.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True))
    points = torch.cartesian_prod(y.flip(0), x).flip(1).to(codes)
    log_density = mixture.log_prob(points).view(SIDE, SIDE)
    # the root, so that weak components are seen
    shade = ((log_density - log_density.max()) / 2).exp()
    return ImageOps.colorize(_grey(shade), black="white", white=BLUE)


def _mark(picture, z, low, high):
    """Draw a cross at z on the map, in the left half of the picture."""
    x, y = ((at - a) / (b - a) * (SIDE - 1) for at, a, b in zip(z.tolist(), low, high, strict=True))
    y = SIDE - 1 - y
    pen = ImageDraw.Draw(picture)
    pen.line((x - 10, y, x + 10, y), fill=RED, width=5)
    pen.line((x, y - 10, x, y + 10), fill=RED, width=5)


def _digit(pixels):
    """A digit of 784 pixels, 1 is black, as a picture (SIDE, SIDE)."""
    return _grey(1 - pixels.view(28, 28)).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _grey(values):
    """Numbers from 0, black, to 1, white, as a picture."""
    return Image.fromarray((255 * values).round().byte().cpu().numpy())


def _follow(controls: Iterable[ipywidgets.DOMWidget], update: Callable[[], None]) -> None:
    """Call update now, and whenever one of the controls is moved."""
    for control in controls:
        control.observe(lambda _: update(), "value")
    update()


def _png(picture):
    packed = io.BytesIO()
    picture.save(packed, "PNG", compress_level=1)
    return packed.getvalue()
