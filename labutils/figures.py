"""Every picture that two notebooks share, or that a student need not read the code of."""

from itertools import pairwise

import torch
from IPython.display import display
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch, Polygon

# Okabe and Ito's palette, told apart with any common colour vision; black on white for text.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#7F7F7F"
# Paul Tol's "muted" scheme: one colour a class, always beside the numeral itself.
CLASS_COLOURS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933",
    "#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777",
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


def use_style():
    """Make matplotlib's figures readable from the back row. Call once, in the setup cell."""
    plt.rcParams.update(STYLE)


def show(figure, alt=None):
    """Display a figure with the text that stands for it where it cannot be seen.

    The diagrams of this module bring their own text; any other figure needs `alt`.
    Raises ValueError where there is none.
    """
    alt = alt or figure.get_label()
    if not alt:
        raise ValueError("Say in a sentence what the figure shows: show(figure, alt=...).")
    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)


def digit_grid(images, columns=10, title=None, row_labels=None, captions=None, size=0.85):
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
    for index, image in enumerate(images.detach().cpu()):
        axis = axes.flat[index]
        axis.imshow(image.view(28, 28), vmin=0, vmax=1)
        if captions:
            axis.set_title(captions[index], fontsize=12, fontweight="normal")
    for axis, label in zip(axes[:, 0], row_labels or (), strict=False):
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title, fontweight="bold", fontsize=14)
    return figure


def tiles(images, columns, title=None, extent=None, axes=None):
    """Digits side by side in one picture. images: (N, 784), N a multiple of columns."""
    axes = axes or plt.figure(figsize=(7, 7)).add_subplot()
    picture = (
        images.detach().cpu().view(-1, columns, 28, 28).transpose(1, 2).reshape(-1, columns * 28)
    )
    axes.imshow(picture, vmin=0, vmax=1, extent=extent, interpolation="nearest")
    axes.set_title(title)
    if extent is None:
        axes.set_axis_off()
    return axes.figure


def class_scatter(points, labels, title=None, axes=None):
    """Points in the plane (N, 2), coloured by class, each class named at its median."""
    axes = axes or plt.figure(figsize=(7, 6)).add_subplot()
    points, labels = points.detach().cpu(), labels.cpu()
    for label, colour in enumerate(CLASS_COLOURS):
        mine = points[labels == label]
        axes.scatter(*mine.T, s=4, alpha=0.5, color=colour, linewidths=0, rasterized=True)
    for label, colour in enumerate(CLASS_COLOURS):
        x, y = points[labels == label].median(0).values
        box = {
            "boxstyle": "circle,pad=0.15",
            "facecolor": "white",
            "edgecolor": colour,
            "linewidth": 2,
        }
        axes.text(x, y, str(label), ha="center", va="center", fontweight="bold", bbox=box)
    axes.set_title(title)
    return axes.figure


def confusion(matrix, title=None):
    """A confusion matrix (classes, classes), true class by row; the diagonal is left blank."""
    figure, axes = plt.subplots(figsize=(6.5, 6))
    off_diagonal = matrix.clone().float().fill_diagonal_(0)
    axes.imshow(off_diagonal, cmap="Blues")
    dark = off_diagonal.max() / 2
    for row, column in matrix.nonzero().tolist():
        if row != column:
            colour = "white" if off_diagonal[row, column] > dark else "black"
            axes.text(column, row, int(matrix[row, column]), ha="center", va="center", color=colour)
    axes.plot([-0.5, len(matrix) - 0.5], [-0.5, len(matrix) - 0.5], color="0.85", linewidth=1)
    axes.set(xticks=range(len(matrix)), yticks=range(len(matrix)), title=title)
    axes.set(xlabel="predicted class", ylabel="true class")
    return figure


def taxonomy_diagram():
    """Deep generative models by how they represent the likelihood, after Goodfellow (2016)."""
    families = (
        ("density in\nclosed form", BLUE, (
            ("finite mixture", "exact density", "01: mixture of Bernoullis"),
            ("autoregressive model", "exact density", "named only"),
            ("normalising flow", "exact density", "01: recipe 1, in one dimension"),
        )),
        ("density\napproximated", GREEN, (
            ("variational autoencoder", "lower bound", "03: Gaussian, 04: binary latents"),
            ("score, diffusion model", "lower bound", "named only"),
            ("energy-based model", "density up to a constant", "01: recipe 3, in the plane"),
        )),
        ("no density", ORANGE, (
            ("adversarial network (GAN)", "samples only", "named only"),
            ("autoencoder + mixture", "samples only", "05"),
        )),
    )  # fmt: skip
    figure = _canvas(13.5, 6.2)
    axes = figure.axes[0]
    for x, title in ((4.1, "model"), (7.35, "what it gives"), (10.2, "in this course")):
        axes.text(x, 5.85, title, va="center", fontweight="bold")
    _box(axes, 0.75, 2.75, "model\nof p(x)", GREY, width=1.3, height=0.95)
    y = 5.25
    for family, colour, leaves in families:
        middle = y - 0.65 * (len(leaves) - 1) / 2
        _arrow(axes, (1.4, 2.75), (1.9, middle), GREY)
        _box(axes, 2.75, middle, family, colour, width=1.7, height=0.85)
        for name, gives, where in leaves:
            axes.plot((3.6, 4.0), (middle, y), color=colour)
            for x, text in ((4.1, name), (7.35, gives), (10.2, where)):
                axes.text(x, y, text, va="center", color="0.45" if where == "named only" else "k")
            y -= 0.65
        y -= 0.25
    figure.set_label(
        "A tree of generative models. With a density in closed form: finite mixtures, "
        "autoregressive models and normalising flows give an exact density. With an approximated "
        "one: variational autoencoders and diffusion models give a lower bound, energy-based "
        "models a density up to a constant. Without a density: adversarial networks, and "
        "autoencoders with a mixture on their codes, give samples only. A last column says in "
        "which notebook each is met."
    )
    return figure


def classifier_diagram(input_dim, hidden_dim, output_dim, dropout_ratio):
    """The layers of Classifier, with the dimensions of each parameter."""
    figure = _canvas(10.5, 4.6)
    axes = figure.axes[0]
    layers = (
        (1.2, 7, f"image x\n{input_dim} pixels", GREY),
        (5.2, 6, f"hidden h = relu(W₁x + b₁)\n{hidden_dim} units, dropout {dropout_ratio:g}", BLUE),
        (9.2, 5, f"logits\n{output_dim} classes", ORANGE),
    )
    columns = []
    for x, count, text, colour in layers:
        ys = torch.linspace(0.75, 3.45, count).tolist()
        columns.append([(x, y) for i, y in enumerate(ys) if i != 1])
        axes.text(x, ys[1], "⋮", ha="center", va="center", fontsize=18)
        axes.text(x, 4.05, text, ha="center", va="center")
        for node in columns[-1]:
            axes.add_patch(plt.Circle(node, 0.15, facecolor=colour, edgecolor="black", zorder=3))
    dropped = columns[1][1]
    for left, right in pairwise(columns):
        for start in left:
            for end in right:
                off = dropped in (start, end)
                axes.plot(*zip(start, end, strict=True), color="0.75", linewidth=0.7,
                          linestyle=":" if off else "-")  # fmt: skip
    axes.text(*dropped, "×", ha="center", va="center", fontsize=22, color="white", zorder=4)
    weights = (f"W₁: {hidden_dim} × {input_dim}     b₁: {hidden_dim}",
               f"W₂: {output_dim} × {hidden_dim}     b₂: {output_dim}")  # fmt: skip
    for x, text in zip((3.2, 7.2), weights, strict=True):
        axes.text(x, 0.25, text, ha="center", va="center", fontweight="bold")
    figure.set_label(
        f"Network diagram: {input_dim} pixels, fully connected to {hidden_dim} hidden units by W1 "
        f"({hidden_dim} by {input_dim}) and b1 ({hidden_dim}), these to {output_dim} logits by W2 "
        f"({output_dim} by {hidden_dim}) and b2 ({output_dim}). One hidden unit is crossed out "
        f"by dropout, and its connections are dotted."
    )
    return figure


def activation_diagram():
    """ReLU, sigmoid and tanh with their slopes."""
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharex=True)
    functions = (
        ("relu(a) = max(0, a)", torch.relu),
        ("sigmoid(a)", torch.sigmoid),
        ("tanh(a)", torch.tanh),
    )
    for axis, (name, function) in zip(axes, functions, strict=True):
        a = torch.linspace(-4, 4, 401, requires_grad=True)
        value = function(a)
        (slope,) = torch.autograd.grad(value.sum(), a)
        axis.axhline(0, color="0.8", linewidth=1)
        axis.plot(a.detach(), value.detach(), label="value")
        axis.plot(a.detach(), slope, "--", label="slope")
        axis.set(title=name, xlabel="a", ylim=(-1.2, 2.2))
    axes[0].legend(loc="upper left")
    figure.set_label(
        "Three panels against a from -4 to 4. ReLU: zero, then the diagonal; its slope jumps "
        "from 0 to 1 at zero. Sigmoid: rises from 0 to 1, slope at most 0.25. Tanh: rises from -1 "
        "to 1, slope at most 1. The slopes of sigmoid and tanh vanish on both sides."
    )
    return figure


def autoencoder_diagram():
    """Input, encoder, bottleneck, decoder, reconstruction."""
    figure = _canvas(10.5, 2.8)
    axes = figure.axes[0]
    _box(axes, 0.9, 1.5, "x\n784", GREY)
    _funnel(axes, 2.9, 1.5, "encoder", BLUE)
    _box(axes, 5.25, 1.5, "code z\na point", ORANGE)
    _funnel(axes, 7.6, 1.5, "decoder", GREEN, opens=True)
    _box(axes, 9.6, 1.5, "x̂\n784", GREY)
    for start, end in ((1.6, 2.0), (3.8, 4.55), (5.95, 6.7), (8.5, 8.9)):
        _arrow(axes, (start, 1.5), (end, 1.5))
    axes.text(5.25, 0.7, "bottleneck", ha="center")
    figure.set_label(
        "Autoencoder: the image x of 784 pixels goes through an encoder into a code z, a point "
        "in a narrow bottleneck, and through a decoder into the reconstruction of 784 pixels."
    )
    return figure


def vae_diagram():
    """The architecture of a VAE, and where each term of the ELBO comes from."""
    figure = _canvas(12, 4.9)
    axes = figure.axes[0]
    _box(axes, 0.8, 2.5, "x", GREY, width=0.9)
    _funnel(axes, 2.45, 2.5, "encoder", BLUE)
    _box(axes, 4.5, 3.2, "mean μ(x)", BLUE)
    _box(axes, 4.5, 1.8, "log σ²(x)", BLUE)
    _box(axes, 7.0, 2.5, "z = μ + σ ⊙ ε", ORANGE, width=1.9)
    _box(axes, 7.0, 0.7, "ε ~ N(0, I)", GREY, width=1.7)
    _funnel(axes, 9.2, 2.5, "decoder", GREEN, opens=True)
    _box(axes, 11.15, 2.5, "p(x | z)", GREEN, width=1.2)
    for start, end in (
        ((1.25, 2.5), (1.6, 2.5)), ((3.3, 2.65), (3.85, 3.1)), ((3.3, 2.35), (3.85, 1.9)),
        ((5.15, 3.1), (6.0, 2.65)), ((5.15, 1.9), (6.0, 2.35)), ((7.0, 1.1), (7.0, 2.1)),
        ((7.95, 2.5), (8.3, 2.5)), ((10.1, 2.5), (10.5, 2.5)),
    ):  # fmt: skip
        _arrow(axes, start, end)
    corner, kl = (3.72, 1.3), "− KL( q(z | x) ‖ p(z) )"
    axes.add_patch(FancyBboxPatch(corner, 1.56, 2.4, boxstyle="round,pad=0,rounding_size=0.12",
                                  fill=False, edgecolor=RED, linestyle="--"))  # fmt: skip
    axes.text(4.5, 4.45, kl, ha="center", color=RED, fontweight="bold")
    _arrow(axes, (4.5, 3.7), (4.5, 4.3), RED)
    axes.text(11.85, 4.45, "+ E$_q$ log p(x | z)", ha="right", color=RED, fontweight="bold")
    _arrow(axes, (11.15, 2.9), (11.15, 4.25), RED)
    axes.text(7.9, 4.45, "the two terms of the ELBO", ha="center", color=RED)
    figure.set_label(
        "Variational autoencoder: the encoder turns x into a mean and a log-variance. Noise drawn "
        "from N(0, I), scaled by sigma and shifted by the mean, gives z. The decoder turns z into "
        "the distribution p(x given z). Two arrows mark the terms of the ELBO: minus the KL from "
        "mean and log-variance, plus the expected log-likelihood from p(x given z)."
    )
    return figure


def _canvas(width, height):
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return figure


def _box(axes, x, y, text, colour, width=1.3, height=0.75):
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0,rounding_size=0.12",
                                  facecolor="white", edgecolor=colour, linewidth=2.5))  # fmt: skip
    axes.text(x, y, text, ha="center", va="center")


def _funnel(axes, x, y, text, colour, opens=False):
    """A trapezium: narrow on the right, or on the left if it opens."""
    left, right = (0.45, 1.0) if opens else (1.0, 0.45)
    corners = [
        (x - 0.85, y - left),
        (x - 0.85, y + left),
        (x + 0.85, y + right),
        (x + 0.85, y - right),
    ]
    axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="none", alpha=0.25))
    axes.text(x, y, text, ha="center", va="center")


def _arrow(axes, start, end, colour="black"):
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
