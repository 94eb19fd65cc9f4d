"""Diagrams: boxes, lines and labels as data, and one function that draws them.

Lengths are in inches from the lower left corner. Each diagram brings its alt text.
"""

from labutils.figures import BLUE, GREEN, GREY, ORANGE, RED

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Patch, Polygon

Point = tuple[float, float]


class Box(NamedTuple):
    """A text in a `box`, `circle`, `frame`, `plate`, or a trapezium that `narrows` or `widens`."""

    x: float  # of its middle
    y: float
    text: str
    colour: str
    width: float = 1.3
    height: float = 0.75
    shape: str = "box"


class Line(NamedTuple):
    """An arrow or a plain line between two boxes, given by name, or points."""

    start: str | Point
    end: str | Point
    colour: str = "black"
    arrow: bool = True
    style: str = "-"
    width: float = 1.8


class Label(NamedTuple):
    """A text by itself."""

    x: float
    y: float
    text: str
    colour: str = "black"
    align: str = "center"
    weight: str = "normal"
    size: float = 13


def draw(
    size: Point, boxes: Mapping[str, Box], lines: Sequence[Line], labels: Sequence[Label], alt: str
) -> Figure:
    """The figure of a diagram. A line joins the middles of boxes and stops at their borders."""
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]), aspect="equal")
    axes.set_axis_off()
    shapes = {name: axes.add_patch(_shape(box)) for name, box in boxes.items()}
    middles = {name: (box.x, box.y) for name, box in boxes.items()}
    for start, end, colour, arrow, style, width in lines:
        axes.add_patch(
            FancyArrowPatch(
                middles.get(start, start), middles.get(end, end), shrinkA=0, shrinkB=0,
                patchA=shapes.get(start), patchB=shapes.get(end), mutation_scale=13, color=colour,
                arrowstyle="-|>" if arrow else "-", linewidth=width, linestyle=style,
                capstyle="butt",  # round ends would fill the gaps of a dotted line
            )
        )  # fmt: skip
    texts = [Label(box.x, box.y, box.text) for box in boxes.values()]
    for x, y, text, colour, align, weight, fontsize in (*texts, *labels):
        axes.text(x, y, text, color=colour, ha=align, va="center", weight=weight, fontsize=fontsize)
    figure.set_label(alt)
    return figure


def _shape(box: Box) -> Patch:
    left, bottom = box.x - box.width / 2, box.y - box.height / 2
    if box.shape == "circle":
        return Ellipse(
            (box.x, box.y), box.width, box.height, facecolor=box.colour, edgecolor="black", zorder=2
        )
    if box.shape in ("narrows", "widens"):
        heights = (1, 0.45) if box.shape == "narrows" else (0.45, 1)
        a, b = (box.height / 2 * height for height in heights)
        corners = [(left, box.y - a), (left, box.y + a)]
        corners += [(left + box.width, box.y + b), (left + box.width, box.y - b)]
        return Polygon(corners, facecolor=(box.colour, 0.2), edgecolor=box.colour, linewidth=2.5)
    frame = box.shape in ("frame", "plate")
    return FancyBboxPatch(
        (left, bottom), box.width, box.height, boxstyle="round,pad=0,rounding_size=0.12",
        facecolor="none" if frame else "white", edgecolor=box.colour,
        linestyle="--" if box.shape == "frame" else "-", linewidth=1 if frame else 2.5,
    )  # fmt: skip


def _path(*names: str) -> list[Line]:
    """Arrows from box to box."""
    return [Line(start, end) for start, end in pairwise(names)]


_encoder = partial(Box, text="encoder", colour=BLUE, width=1.7, height=2, shape="narrows")
_decoder = partial(Box, text="decoder", colour=GREEN, width=1.7, height=2, shape="widens")


def taxonomy() -> Figure:
    """Deep generative models by how they represent the likelihood, after Goodfellow (2016)."""
    families = (
        ("explicit", "exact", BLUE, (
            ("finite mixture", "density", "likelihood, by EM", "01, 05"),
            ("belief network, autoregressive", "density", "likelihood", "01, 06"),
            ("normalising flow", "density", "likelihood", "01"),
        )),
        ("explicit", "bounded", GREEN, (
            ("variational autoencoder", "lower bound", "the bound", "03, 04"),
            ("diffusion model", "lower bound", "a weighted bound", "named only"),
        )),
        ("explicit", "up to a constant:\nMarkov chain", GREEN, (
            ("energy-based model", "density up to Z", "likelihood, by samples", "01"),
        )),
        ("implicit", "direct", ORANGE, (
            ("adversarial network (GAN)", "samples", "a game", "named only"),
            ("autoencoder + mixture", "samples, a bound", "reconstruction, then EM", "05"),
        )),
        ("implicit", "Markov chain", ORANGE, (
            ("generative stochastic network", "samples", "denoising", "named only"),
        )),
    )  # fmt: skip
    columns = (4.4, 7.13, 8.85, 11.15)
    heads = ("model", "what it gives", "fitted by", "here")
    labels = [
        Label(x, 6.55, head, align="left", weight="bold")
        for x, head in zip(columns, heads, strict=True)
    ]
    boxes = {
        "root": Box(0.5, 3.2, "model\nof p(x)", GREY, width=0.9, height=0.95),
        "explicit": Box(1.65, 4.3, "explicit\ndensity", GREY, width=0.95),
        "implicit": Box(1.65, 1.25, "implicit\ndensity", GREY, width=0.95),
    }
    lines = [Line("root", "explicit", GREY), Line("root", "implicit", GREY)]
    y = 6.0
    for kind, family, colour, leaves in families:
        middle = y - 0.28 * (len(leaves) - 1)
        boxes[kind + family] = Box(3.25, middle, family, colour, width=1.7, height=0.72)
        lines.append(Line((2.13, boxes[kind].y), (2.39, middle), GREY, arrow=False))
        for leaf in leaves:
            lines.append(Line((4.1, middle), (4.33, y), colour, arrow=False))
            grey = "0.45" if leaf[-1] == "named only" else "black"
            labels += [
                Label(x, y, text, grey, "left", size=12.5)
                for x, text in zip(columns, leaf, strict=True)
            ]
            y -= 0.56
        y -= 0.24
    return draw(
        (12.2, 6.8), boxes, lines, labels,
        "A tree of generative models. Explicit densities are exact (finite mixtures, belief "
        "networks, flows), bounded (variational autoencoders, diffusion models) or known up to a "
        "constant and sampled by a Markov chain (energy-based models). Implicit ones give samples, "
        "directly (adversarial networks; autoencoders with a mixture on their codes, which have a "
        "bound too if read as probabilities) or by a Markov chain (generative stochastic "
        "networks). Columns say what each gives, what it is "
        "fitted by, and in which notebook it is met.",
    )  # fmt: skip


def classifier(input_dim: int, hidden_dim: int, output_dim: int, dropout_ratio: float) -> Figure:
    """The layers of Classifier, with the dimensions of each parameter."""
    layers = (
        (1.2, 6, f"image x\n{input_dim} pixels", GREY),
        (5.2, 5, f"hidden h = relu(W₁x + b₁)\n{hidden_dim} units, dropout {dropout_ratio:g}", BLUE),
        (9.2, 4, f"logits\n{output_dim} classes", ORANGE),
    )
    bottom, top, dropped = 0.75, 3.45, "5.2 2"
    boxes, labels, columns = {}, [], []
    for x, count, text, colour in layers:
        step = (top - bottom) / count
        heights = [bottom, *(bottom + step * place for place in range(2, count + 1))]
        column = {
            f"{x} {place}": Box(x, y, "", colour, 0.3, 0.3, "circle")
            for place, y in enumerate(heights, start=1)
        }
        boxes |= column
        columns.append(column)
        labels += [Label(x, bottom + step, "⋮", size=18), Label(x, 4.05, text)]
    lines = [
        Line(start, end, "0.3", False, ":", 1.2)
        if dropped in (start, end)
        else Line(start, end, "0.6", False, "-", 0.7)
        for left, right in pairwise(columns)
        for start in left
        for end in right
    ]
    weights = (
        f"W₁: {hidden_dim} × {input_dim}     b₁: {hidden_dim}",
        f"W₂: {output_dim} × {hidden_dim}     b₂: {output_dim}",
    )
    labels += [
        Label(x, 0.25, text, weight="bold") for x, text in zip((3.2, 7.2), weights, strict=True)
    ]
    labels.append(Label(boxes[dropped].x, boxes[dropped].y, "×", "white", size=22))
    return draw(
        (10.5, 4.6), boxes, lines, labels,
        f"Network diagram: {input_dim} pixels, fully connected to {hidden_dim} hidden units by W1 "
        f"({hidden_dim} by {input_dim}) and b1 ({hidden_dim}), these to {output_dim} logits by W2 "
        f"({output_dim} by {hidden_dim}) and b2 ({output_dim}). One hidden unit is crossed out "
        f"by dropout, and its connections are dotted.",
    )  # fmt: skip


def autoencoder() -> Figure:
    """Input, encoder, bottleneck, decoder, reconstruction."""
    boxes = {
        "x": Box(0.9, 1.5, "x\n784", GREY),
        "encoder": _encoder(2.9, 1.5),
        "z": Box(5.25, 1.5, "code z\na point", ORANGE),
        "decoder": _decoder(7.6, 1.5),
        "reconstruction": Box(9.6, 1.5, "x̂\n784", GREY),
    }
    return draw(
        (10.5, 2.8), boxes, _path(*boxes), [Label(5.25, 0.8, "bottleneck")],
        "Autoencoder: the image x of 784 pixels goes through an encoder into a code z, a point "
        "in a narrow bottleneck, and through a decoder into the reconstruction of 784 pixels.",
    )  # fmt: skip


def vae() -> Figure:
    """The architecture of a VAE, and where each term of the ELBO comes from."""
    boxes = {
        "x": Box(0.8, 2.5, "x", GREY, width=0.9),
        "encoder": _encoder(2.45, 2.5),
        "mean": Box(4.5, 3.2, "mean μ(x)", BLUE),
        "log variance": Box(4.5, 1.8, "log σ²(x)", BLUE),
        "posterior": Box(4.5, 2.5, "", RED, width=1.56, height=2.4, shape="frame"),
        "z": Box(7.0, 2.5, "z = μ + σ ⊙ ε", ORANGE, width=1.9),
        "noise": Box(7.0, 0.7, "ε ~ N(0, I)", GREY, width=1.7),
        "decoder": _decoder(9.2, 2.5),
        "likelihood": Box(11.15, 2.5, "p(x | z)", GREEN, width=1.2),
    }
    lines = (
        *_path("x", "encoder", "mean", "z", "decoder", "likelihood"),
        *_path("encoder", "log variance", "z"),
        *_path("noise", "z"),
        Line("posterior", (4.5, 4.3), RED),
        Line("likelihood", (11.15, 4.3), RED),
    )
    labels = (
        Label(4.5, 4.5, "− KL( q(z | x) ‖ p(z) )", RED, weight="bold"),
        Label(7.9, 4.5, "the two terms of the ELBO", RED),
        Label(11.85, 4.5, "+ E$_q$ log p(x | z)", RED, "right", "bold"),
    )
    return draw(
        (12, 4.9), boxes, lines, labels,
        "Variational autoencoder: the encoder turns x into a mean and a log-variance. Noise drawn "
        "from N(0, I), scaled by sigma and shifted by the mean, gives z. The decoder turns z into "
        "the distribution p(x given z). Two arrows mark the terms of the ELBO: minus the KL from "
        "mean and log-variance, plus the expected log-likelihood from p(x given z).",
    )  # fmt: skip


def bits() -> Figure:
    """A VAE whose code is bits, and the place where its gradient stops."""
    boxes = {
        "x": Box(0.8, 2.7, "x", GREY, width=0.9),
        "encoder": _encoder(2.45, 2.7),
        "logits": Box(4.45, 2.7, "logits ℓ(x)", BLUE, width=1.5),
        "z": Box(7.0, 2.7, "z = 1[u < sigmoid ℓ]", ORANGE, width=2.6),
        "noise": Box(7.0, 1.1, "u ~ Uniform(0, 1)", GREY, width=2.2),
        "decoder": _decoder(9.5, 2.7),
        "likelihood": Box(11.3, 2.7, "p(x | z)", GREEN, width=1.2),
    }
    lines = (
        *_path("x", "encoder", "logits", "z", "decoder", "likelihood"),
        *_path("noise", "z"),
        Line((11.3, 3.75), (7.15, 3.75), RED),
        Line((6.85, 3.75), (2.45, 3.75), RED, arrow=False, style=":"),
    )
    labels = (
        Label(9.3, 3.98, "gradient: decoder learns", RED, weight="bold"),
        Label(7.0, 3.75, "×", RED, weight="bold", size=30),
        Label(4.5, 3.98, "encoder: none of it arrives", RED, weight="bold"),
    )
    return draw(
        (12, 4.4), boxes, lines, labels,
        "Variational autoencoder with bits: the encoder turns x into logits. Each bit is 1 where "
        "uniform noise u is below the sigmoid of its logit. The decoder turns the bits into "
        "p(x given z). The gradient comes back through the decoder and stops at the bits: a step "
        "has slope zero, so that none of it arrives at the encoder.",
    )  # fmt: skip


def plate() -> Figure:
    """The graphical model of a VAE: what is inside the plate is there once for each image."""
    boxes = {
        "plate": Box(3.6, 1.5, "", GREY, 3.4, 2.5, "plate"),
        "z": Box(2.7, 1.7, "$z_i$", "white", 0.9, 0.9, "circle"),
        "x": Box(4.5, 1.7, "$x_i$", "0.8", 0.9, 0.9, "circle"),
        "phi": Box(0.7, 1.7, "$\\phi$", "white", 0.8, 0.6),
        "theta": Box(6.5, 1.7, "$\\theta$", "white", 0.8, 0.6),
    }
    lines = (
        Line("z", "x", GREEN),
        Line("theta", "x", GREEN),
        Line("phi", "z", BLUE, style="--"),
        Line((4.2, 2.2), (3.0, 2.2), BLUE, style="--"),
    )
    labels = (
        Label(4.5, 0.55, "N images", GREY),
        Label(3.6, 2.45, "q(z | x)", BLUE),
        Label(3.6, 1.4, "p(x | z)"),
    )
    return draw(
        (7.2, 3), boxes, lines, labels,
        "Graphical model. In a plate that stands for N images, z_i points to the observed x_i, and "
        "theta, outside, points to x_i too. Dashed arrows of the inference network lead from x_i "
        "and phi, outside, to z_i.",
    )  # fmt: skip
