"""Every plot that two notebooks share, or that a student need not read the code of."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from IPython.display import Image, display
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from labutils.training import History

# Okabe and Ito's palette, darkened: on white each is seen, and blue, red and grey can be read. Any
# two of them, and black, are told apart with any common colour vision.
BLUE, ORANGE, GREEN, RED, GREY = "#0059C1", "#C58300", "#10A76E", "#A82C00", "#555555"
# Paul Tol's "muted" scheme, its pale ones darkened: a colour a class, always beside the numeral.
CLASS_COLOURS = (
    "#332288", "#3D9CCB", "#3A9C8C", "#117733", "#919130",
    "#B08D20", "#CC6677", "#882255", "#AA4499", "#777777",
)  # fmt: skip
STYLE = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, GREY]),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "image.cmap": "gray_r",
    "legend.frameon": False,
    "lines.linewidth": 2,
}


def use_style() -> None:
    """Make matplotlib's figures readable from the back row. Call once, in the setup cell."""
    plt.rcParams.update(STYLE)


def show(figure: Figure, alt: str | None = None) -> None:
    """Display a figure with the text that stands for it where it cannot be seen, and close it.

    Diagrams and learning curves bring their own text; any other figure needs `alt`.
    Raises ValueError where there is none.
    """
    alt = alt or figure.get_label()
    if not alt:
        raise ValueError("Say in a sentence what the figure shows: show(figure, alt=...).")
    packed = io.BytesIO()
    # Jupyter draws figures itself only under the backend "inline", and in the format set there.
    figure.savefig(packed, format="png", dpi=figure.dpi, bbox_inches="tight")
    plt.close(figure)
    # Image(alt=...) is unknown to the IPython of Google Colab
    display(Image(packed.getvalue()), metadata={"image/png": {"alt": alt}})


def digit_grid(
    images: torch.Tensor,
    columns: int = 10,
    title: str | None = None,
    row_labels: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    size: float = 0.85,
) -> Figure:
    """A grid of digits, row by row. images: (N, 784), 0 is white and 1 black.

    row_labels: one text a row; captions: one text a digit; size: inches a digit.
    """
    rows = -(-len(images) // columns)
    height = size * (1.35 if captions else 1)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size + (1.6 if row_labels else 0), rows * height + 0.5),
        squeeze=False,
    )  # fmt: skip
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for index, image in enumerate(images.detach().cpu().numpy()):
        axis = axes.flat[index]
        axis.imshow(image.reshape(28, 28), vmin=0, vmax=1)
        if captions:
            axis.set_title(captions[index], fontsize=12, fontweight="normal")
    for axis, label in zip(axes[:, 0], row_labels or (), strict=False):
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title, fontweight="bold", fontsize=14)
    return figure


def tiles(
    images: torch.Tensor, columns: int, title: str | None = None, axes: Axes | None = None
) -> Figure:
    """Digits side by side in one picture. images: (N, 784), N a multiple of columns."""
    axes = axes or plt.figure(figsize=(7, 7)).add_subplot()
    picture = (
        images.detach().cpu().view(-1, columns, 28, 28).transpose(1, 2).reshape(-1, columns * 28)
    )
    axes.imshow(picture.numpy(), vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()
    return axes.figure


def class_scatter(
    points: torch.Tensor, labels: torch.Tensor, title: str | None = None, axes: Axes | None = None
) -> Figure:
    """Points in the plane (N, 2), coloured by class, each class named near its median."""
    axes = axes or plt.figure(figsize=(7, 6)).add_subplot()
    points, labels = points.detach().cpu(), labels.cpu()
    classes = labels.unique().tolist()
    medians = torch.stack([points[labels == label].median(0).values for label in classes])
    for label, (x, y) in zip(classes, _apart(medians, points), strict=True):
        colour, mine = CLASS_COLOURS[label], points[labels == label]
        axes.scatter(*mine.T.numpy(), s=4, alpha=0.5, color=colour, linewidths=0, rasterized=True)
        box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": colour, "linewidth": 2}
        axes.text(x, y, str(label), ha="center", va="center", fontweight="bold", bbox=box)
    axes.set_title(title)
    return axes.figure


def _apart(places, points, gap=0.08):
    """Places (K, 2), pushed from each other as far as a share `gap` of the points' extent."""
    extent = points.amax(0) - points.amin(0)
    at = places / extent
    for _ in range(100):
        between = at[:, None] - at
        distance = between.norm(dim=-1).clamp(min=1e-3)
        at = at + (
            between / distance[..., None] * (gap - distance).clamp(min=0)[..., None] / 4
        ).sum(1)
    return (at * extent).tolist()


def confusion(matrix: torch.Tensor, title: str | None = None) -> Figure:
    """A confusion matrix (classes, classes), true class by row; the diagonal is left blank."""
    figure, axes = plt.subplots(figsize=(6.5, 6))
    off_diagonal = matrix.cpu().float().clone().fill_diagonal_(0).numpy()
    axes.imshow(off_diagonal, cmap="Blues")
    dark = 0.71 * off_diagonal.max()  # where black and white are read equally well
    for row, column in matrix.nonzero().tolist():
        if row != column:
            colour = "white" if off_diagonal[row, column] > dark else "black"
            axes.text(column, row, int(matrix[row, column]), ha="center", va="center", color=colour)
    axes.plot([-0.5, len(matrix) - 0.5], [-0.5, len(matrix) - 0.5], color="0.85", linewidth=1)
    axes.set(xticks=range(len(matrix)), yticks=range(len(matrix)), title=title)
    axes.set(xlabel="predicted class", ylabel="true class")
    return figure


def activations() -> Figure:
    """ReLU, sigmoid and tanh with their slopes."""
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), sharex=True, sharey=True)
    names = ("relu(a) = max(0, a)", "sigmoid(a)", "tanh(a)")
    functions = (torch.relu, torch.sigmoid, torch.tanh)
    for axis, name, function in zip(axes, names, functions, strict=True):
        a = torch.linspace(-4, 4, 401, requires_grad=True)
        value = function(a)
        (slope,) = torch.autograd.grad(value.sum(), a)
        x = a.detach().numpy()
        axis.axhline(0, color="0.8", linewidth=1)
        axis.plot(x, value.detach().numpy(), label="value")
        axis.plot(x, slope.numpy(), "--", label="slope")
        axis.set(title=name, xlabel="a", ylim=(-1.3, 4.3))
    axes[0].legend(loc="upper left")
    figure.set_label(
        "Three panels against a from -4 to 4. ReLU: zero, then the diagonal; its slope jumps "
        "from 0 to 1 at zero. Sigmoid: rises from 0 to 1, slope at most 0.25. Tanh: rises from -1 "
        "to 1, slope at most 1. The slopes of sigmoid and tanh vanish on both sides."
    )
    return figure


def learning_curves(history: History, title: str | None = None) -> Figure:
    """Training and validation loss, in nats per example, against the epoch.

    Raises ValueError for a history without an epoch.
    """
    if not len(history):
        raise ValueError("Expected a history of at least one epoch, got none. Call fit() first.")
    figure, axes = plt.subplots(figsize=(7, 4))
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, history.train, "o--", color="0.45", label="training")
    axes.plot(epochs, history.validation, "o-", color=BLUE, label="validation")
    axes.set(xlabel="epoch", ylabel="loss (nats per example)", title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    losses = (("Training", history.train), ("validation", history.validation))
    spans = [f"{name} loss goes from {x[0]:.4g} to {x[-1]:.4g}" for name, x in losses]
    figure.set_label(
        f"Loss in nats per example over {len(history)} epochs. {', '.join(spans)}; the lowest "
        f"validation loss is {min(history.validation):.4g}, in epoch {history.best}."
    )
    return figure
