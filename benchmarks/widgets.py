"""How long each widget takes to answer a move of a slider or a button; the aim is 100 ms."""

from labutils import AutoEncoder, BernoulliVAE, GaussianVAE, widgets

import time

import ipywidgets
import numpy as np
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

ROUNDS = 100  # moves of each widget


def main():
    torch.manual_seed(0)
    codes = torch.randn(10_000, 2)
    mixture = MixtureSameFamily(  # of the size of notebook 05's
        Categorical(torch.ones(30)), Independent(Normal(torch.randn(30, 2), torch.ones(2)), 1)
    )
    boxes = {
        "gaussian_sliders": widgets.gaussian_sliders(torch.randn(10_000) * 4 + 13),
        "bound_sliders": widgets.bound_sliders(
            torch.linspace(0, 4, 201), lambda t: -((t - 1) ** 2), lambda t, a, w: -w * (t - a) ** 2
        ),
        "traversal": widgets.traversal(GaussianVAE(20, 400), torch.zeros(20), [0, 1, 2, 3]),
        "bits": widgets.bits(BernoulliVAE(8, 400)),
        "latent_walk": widgets.latent_walk(AutoEncoder(2, 400), mixture, codes),
    }
    for name, box in boxes.items():
        median, high = np.quantile(answers(box), (0.5, 0.95))
        print(f"{name:16}  median {median:5.1f} ms, 95th percentile {high:5.1f} ms")


def answers(box: ipywidgets.Box) -> list[float]:
    """Milliseconds of each of ROUNDS moves, over the controls of a widget in turn."""
    controls = list(controls_of(box))
    return [move(controls[place % len(controls)]) for place in range(ROUNDS)]


def controls_of(box):
    for child in box.children:
        if isinstance(child, ipywidgets.Box):
            yield from controls_of(child)
        elif isinstance(child, ipywidgets.FloatSlider | ipywidgets.ToggleButton):
            yield child


def move(control):
    """To its other state, or to the end that is farther away."""
    if isinstance(control, ipywidgets.ToggleButton):
        to = not control.value
    else:
        to = max(control.min, control.max, key=lambda end: abs(end - control.value))
    started = time.perf_counter()
    control.value = to
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
