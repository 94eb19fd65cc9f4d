"""Sliders and buttons over a model. They replace the bytes of one image: nothing flickers."""

from __future__ import annotations

from labutils.figures import BLUE, ORANGE, RED
from labutils.models import AutoEncoder, BernoulliVAE, GaussianVAE

import io
from collections.abc import Callable, Sequence
from functools import partial

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps
from torch.distributions import Distribution, Normal

SCALE = 8  # screen pixels for one pixel of a digit
SIDE = 28 * SCALE


def gaussian_sliders(x: torch.Tensor) -> ipywidgets.VBox:
    """Fit a Gaussian to numbers x (N,) by hand: its density, and the mean log-likelihood.

    Raises ValueError for numbers that no Gaussian fits: fewer than two, all equal, NaN.
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
    ticks = torch.linspace(low, high, 200, dtype=x.dtype)
    sigmas = sigma * torch.linspace(0.1, 4, 80, dtype=x.dtype)[:, None]

    def mean_log_likelihood(mu, s):
        """Of the data, only mean and variance enter it."""
        return Normal(mu, s).log_prob(x.mean()) - sigma**2 / (2 * s**2)

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    surface = mean_log_likelihood(ticks, sigmas).numpy()
    levels = np.linspace(surface.max() - 4, surface.max(), 15)
    left.hist(x.numpy(), bins=60, density=True, color="0.8")
    left.set(xlabel="data", ylabel="density", ylim=(0, 0.6 / sigma.item()))
    right.contourf(
        ticks.numpy(), sigmas[:, 0].numpy(), surface, levels=levels, extend="min", cmap="gray_r"
    )
    right.set(xlabel="mean", ylabel="sigma", title="dark: high likelihood")
    (curve,) = left.plot([], [], color=BLUE, linewidth=2)
    (point,) = right.plot([], [], "o", color=ORANGE, markersize=10)
    picture = _over(figure, curve, point)

    def draw(mu, s):
        curve.set_data(ticks.numpy(), Normal(mu, s).log_prob(ticks).exp().numpy())
        point.set_data([mu], [s])
        value = mean_log_likelihood(mu, torch.tensor(s))
        words = f"mean log-likelihood {value:.3f} nats; the closed form reaches {best:.3f}"
        return picture(), f"{_named(sliders)}: {words}"

    alt = "Left: the density over a histogram. Right: where it is on the mean log-likelihood"
    return _box(sliders, draw, alt, 950, [ipywidgets.HBox(sliders)])


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
    truth = log_p(thetas)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(thetas.numpy(), truth.numpy(), color="0.7", linewidth=6)
    axes.set(xlabel="θ", ylabel="nats", title="grey: log p(x); orange: the ELBO; blue: the gap")
    axes.set(ylim=(truth.min().item() - 2, truth.max().item() + 0.3))
    (curve,) = axes.plot([], [], color=ORANGE, linewidth=2)
    (bar,) = axes.plot([], [], color=BLUE, linewidth=4, solid_capstyle="butt")
    picture = _over(figure, curve, bar)

    def draw(at, width):
        values = bound(thetas, at, width)
        curve.set_data(thetas.numpy(), values.numpy())
        own, best = torch.tensor(at), thetas[values.argmax()]
        top, below = log_p(own).item(), bound(own, at, width).item()
        bar.set_data([at, at], [below, top])
        words = f"{max(top - below, 0):.3f} nats below log p(x) at q's own θ"
        words += f"; the ELBO is highest at θ = {best:.2f}"
        return picture(), f"{_named(sliders)}: {words}"

    return _box(sliders, draw, "log p(x) over θ, an ELBO below it, and the gap at q's θ", 700)


def traversal(model: GaussianVAE, code: torch.Tensor, dimensions: Sequence[int]) -> ipywidgets.VBox:
    """A slider for some latent dimensions of a code, and the decoder's mean for it.

    code: (latent_dim,), where the sliders start; dimensions: which of them move, from 0.
    """
    sliders = [
        ipywidgets.FloatSlider(code[d].item(), min=-3, max=3, step=0.05, description=f"z {d + 1}")
        for d in dimensions
    ]

    def draw(*values):
        z = code.detach().clone()
        z[list(dimensions)] = z.new_tensor(values)
        return _decoded(model, z[None]), f"The decoder's mean for {_named(sliders)}"

    return _box(sliders, draw, "A decoded digit", SIDE)


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

    def draw(*values):
        digits = [str(int(value)) for value in values]
        for button, digit in zip(buttons, digits, strict=True):
            button.description = digit
        image = _decoded(model, torch.tensor([values]).float())
        return image, f"The decoder's mean for the code {''.join(digits)}"

    rows = [ipywidgets.HBox(buttons[first : first + 8]) for first in range(0, latent_dim, 8)]
    return _box(buttons, draw, "A decoded digit", SIDE, rows)


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

    @torch.no_grad()
    def draw(*values):
        z = codes.new_tensor(values)
        picture = Image.new("RGB", (2 * SIDE, SIDE))
        picture.paste(plane)
        _mark(picture, z, low, high)
        picture.paste(_digit(model.decode(z)), (SIDE, 0))
        words = f"log-density {mixture.log_prob(z).item():.1f} nats"
        return _png(picture), f"{_named(sliders)}: {words}"

    alt = "Left: the density over the plane, a cross where the sliders are. Right: the digit"
    return _box(sliders, draw, alt, 2 * SIDE)


def _box(controls, draw, alt, width, rows=None):
    """Controls, in rows, over a line of text and a picture of at most `width` pixels.

    draw(*values of the controls) returns the picture, as PNG, and the text.
    """
    layout = {"width": "100%", "max_width": f"{width}px"}
    picture, text = _Picture(format="png", tooltip=alt, layout=layout), ipywidgets.HTML()

    def update(_=None):
        picture.value, text.value = draw(*(control.value for control in controls))

    for control in controls:
        control.observe(update, "value")
    update()
    return ipywidgets.VBox([*(rows or controls), text, picture])


class _Picture(ipywidgets.Image):
    """An image with a tooltip, which a screen reader says. That of ipywidgets 7 has none."""

    tooltip = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # without it, JupyterLab shows no image


def _named(sliders):
    """Where the sliders are, in words."""
    return ", ".join(f"{slider.description} = {slider.value:.2f}" for slider in sliders)


def _over(figure, *artists):
    """A function that returns the figure, as PNG, with the artists drawn anew over the rest.

    The rest is drawn once.
    """
    canvas = FigureCanvasAgg(figure)
    for artist in artists:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)

    def picture():
        canvas.restore_region(background)
        for artist in artists:
            artist.axes.draw_artist(artist)
        return _png(Image.fromarray(np.asarray(canvas.buffer_rgba())))

    return picture


@torch.no_grad()
def _decoded(model, code):
    """The mean image of one code, as the bytes of a picture."""
    weights = next(model.parameters())
    return _png(_digit(model.likelihood(code.to(weights)).mean))


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


def _png(picture):
    packed = io.BytesIO()
    picture.save(packed, "PNG", compress_level=1)
    return packed.getvalue()
