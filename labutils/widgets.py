"""Buttons over a trained model: they change the bytes of one image and redraw nothing else."""

import io

import ipywidgets
import torch
from matplotlib import pyplot as plt

SCALE = 8  # screen pixels for one pixel of a digit


def bits(model, code=None):
    """A toggle button for each bit of a code, and the decoder's mean image for it.

    model: a BernoulliVAE. code: zeros and ones (latent_dim,) to start from; all zeros without
    one. Raises ValueError for another length or other values.
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
    image, caption = ipywidgets.Image(format="png", width=28 * SCALE), ipywidgets.Label()

    def decode(change=None):
        digits = [str(int(button.value)) for button in buttons]
        for button, digit in zip(buttons, digits, strict=True):
            button.description = digit
        caption.value = f"The decoder's mean for the code {''.join(digits)}"
        image.value = _png(model, torch.tensor([[float(digit) for digit in digits]]))

    for button in buttons:
        button.observe(decode, "value")
    decode()
    rows = [ipywidgets.HBox(buttons[first : first + 8]) for first in range(0, latent_dim, 8)]
    return ipywidgets.VBox([*rows, image, caption])


@torch.no_grad()
def _png(model, code):
    """The mean image of one code, as the bytes of a picture."""
    device = next(model.parameters()).device
    picture = model.likelihood(code.to(device)).mean.view(28, 28).cpu()
    picture = picture.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1)
    file = io.BytesIO()
    plt.imsave(file, picture.numpy(), cmap="gray_r", vmin=0, vmax=1, format="png")
    return file.getvalue()
