"""Sliders over a trained model: they change the bytes of one image and redraw nothing else."""

import io

import ipywidgets
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from labutils.figures import BLUE, RED

SCALE = 8  # screen pixels for one pixel of a digit
SIDE = 28 * SCALE


@torch.no_grad()
def latent_walk(model, mixture, codes):
    """Two sliders over a plane of codes: where they are on the mixture's density, and the digit.

    model: an AutoEncoder with two latent dimensions. mixture: a distribution over codes.
    codes (N, 2): the sliders go where all but a hundredth of them are. Raises ValueError for
    codes that are not in a plane.
    """
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"Expected codes of shape (N, 2), got {tuple(codes.shape)}.")
    low, high = codes.quantile(torch.tensor([0.005, 0.995]).to(codes), dim=0).tolist()
    plane = _density_map(mixture, low, high).to(codes)
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
        image.value = _png(_marked(plane, z, low, high), model.decode(z))

    for slider in sliders:
        slider.observe(decode, "value")
    decode()
    return ipywidgets.VBox([*sliders, image, caption])


def _density_map(mixture, low, high):
    """The density over the rectangle as colours (SIDE, SIDE, 3), the second axis upwards."""
    x, y = (torch.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True))
    points = torch.cartesian_prod(y.flip(0), x).flip(1)
    density = mixture.log_prob(points.to(mixture.mean)).view(SIDE, SIDE, 1).exp()
    shade = (density / density.max()).sqrt()  # the root, so that weak components are seen
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


def _png(plane, pixels):
    """The map and, beside it, the digit (784,), as the bytes of a picture."""
    digit = 1 - pixels.view(28, 28, 1).expand(-1, -1, 3)
    digit = digit.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1)
    picture = torch.cat([plane, digit], 1).clamp(0, 1)
    file = io.BytesIO()
    plt.imsave(file, picture.cpu().numpy(), format="png")
    return file.getvalue()
