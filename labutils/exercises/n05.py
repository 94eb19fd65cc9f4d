"""The exercises of notebook 05: mixtures of codes, and measures of samples."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise

import math

import torch

FAR = torch.tensor([[0.0], [-5], [-130], [-140], [-150]])
WEIGHT = ("The weights don't multiply the densities.", "Add log_weight before normalising.")
NOBODY = (
    "Far from all components nobody is responsible: where all densities underflow, this is 0.",
    "Stay with logarithms: softmax takes the largest term out first.",
)
NOT_ONE = ("The responsibilities for a code don't add up to 1.", "Divide by their sum: softmax.")


def responsibilities(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


FIT = ("The fit has another factor in equation 5.5.", "Multiply the sum over all codes by -2.")
PRICE = ("A parameter has another price in equation 5.5.", "Each costs log N, to base e.")
WEIGHTS = ("The wrong number of weights is counted.", "They add up to 1: K - 1 are free.")
COVARIANCE = (
    "The free numbers of a covariance are miscounted. It is symmetric, and not diagonal.",
    "They are its diagonal and what is above it: d (d + 1) / 2.",
)


def bic(total, components, d, n):
    parameters = components * (1 + d + d * (d + 1) // 2) - 1
    return -2 * total + parameters * math.log(n)


def size(components, d):
    """The number of parameters of a mixture."""
    return components * (1 + d + d * (d + 1) // 2) - 1


UNITS = (
    "Terms of different units are added. In a squared distance every term is a square.",
    "Square the differences of the means, and those of the standard deviations.",
)
CROSS_TERM = ("The distance of a Gaussian from itself isn't 0.", "Look at the cross term, -2 s t.")
ONLY_HALF = ("Different Gaussians can have distance 0.", "Means and spreads both count.")


def frechet_diagonal(mean_a, std_a, mean_b, std_b):
    return ((mean_a - mean_b) ** 2).sum() + ((std_a - std_b) ** 2).sum()


TWICE = ("A sample counts once for each ball that holds it.", "It counts once in all: any.")
FRACTION = ("This isn't the fraction of the samples.", "Take the mean of one answer per sample.")
RADII = torch.tensor([0.5, 0.8, 1, 1.4, 0.05])  # in some sets the last ball is empty
ONE_RADIUS = (
    "All balls are given the same radius.",
    "Compare each distance with the radius of its own ball.",
)


def precision(distances, radii):
    return (distances <= radii).any(1).float().mean()


def balls(draw):
    """Distances (N, 5) and radii (5,), a few of which are equal."""
    radii = RADII * (1 + 0.1 * draw.uniform(5))
    distances = 0.1 + 4 * draw.uniform(draw.integers(400, 600), 5)
    distances[: draw.choice((0, 20))] *= 0.01  # in the others, every ball holds some
    outside = (distances > radii).all(1).nonzero()[:5, 0]
    distances[outside, 0] = radii[0]
    return distances, radii


EXERCISES = {
    "responsibilities": Exercise(
        "5.3",
        responsibilities,
        inputs=lambda draw: (draw.normal(3).log_softmax(-1), 3 * draw.normal(5, 3) + FAR),
        mistakes={
            "log_density.softmax(-1)": ("All components count alike.", "Add log_weight."),
            "(log_weight.exp() + log_density).softmax(-1)": WEIGHT,
            "(log_weight * log_density).softmax(-1)": WEIGHT,
            "log_weight.exp() * log_density.softmax(-1)": WEIGHT,
            "(log_weight + log_density).softmax(0)": (
                "The codes share each component. It is the components that share each code.",
                "Normalise over the components, the last axis.",
            ),
            "(lambda p: p / p.sum(-1, keepdim=True))((log_weight + log_density).exp())": (
                pairs.OUT_OF_RANGE
            ),
            "(lambda p: p / p.sum(-1, keepdim=True))((log_weight + log_density).exp())"
            ".nan_to_num(0)": NOBODY,
            **{
                "(lambda p: p / (p.sum(-1, keepdim=True) + "
                f"{epsilon}))((log_weight + log_density).exp())": NOBODY
                for epsilon in ("1e-8", "1e-10", "1e-12")
            },
            "torch.nn.functional.one_hot((log_weight + log_density).argmax(-1), len(log_weight))": (
                "Each code belongs to one component alone. EM shares it, as Bayes' rule does.",
                "Return the probabilities, not the most probable: softmax.",
            ),
            "(log_weight + log_density).flatten().softmax(0).view_as(log_density)": (
                "The responsibilities for all codes together add up to 1.",
                "Those for each code do: normalise over the last axis.",
            ),
            "(log_weight + log_density).exp()": NOT_ONE,
            "log_weight + log_density": NOT_ONE,
            "(log_weight + log_density).log_softmax(-1)": ("These are logarithms.", "Use softmax."),
            "(lambda a: a / a.sum(-1, keepdim=True))(log_weight + log_density)": (
                "Logarithms are divided as if they were probabilities.",
                "Normalise their exponentials: softmax.",
            ),
            "(log_weight + log_density).logsumexp(-1)": ("This is log m(z).", "Divide by it."),
        },
    ),
    "bic": Exercise(
        "5.5",
        bic,
        inputs=lambda draw: (
            -100 - 300 * draw.uniform(),
            draw.integers(2, 7),
            2 * draw.integers(2, 10) + 1,  # odd, so that d // 2 isn't half of it
            draw.integers(200, 5000),
        ),
        mistakes={
            "2 * total + size(components, d) * math.log(n)": (
                "A better fit raises the result. The mixture with the lowest BIC is chosen.",
                "Minus twice the log-likelihood.",
            ),
            "-total + size(components, d) * math.log(n)": FIT,
            "-2 * total * n + size(components, d) * math.log(n)": FIT,
            "-2 * total / n + size(components, d) * math.log(n)": FIT,
            "-2 * total + size(components, d)": PRICE,
            "-2 * total + size(components, d) * n": PRICE,
            "-2 * total + size(components, d) * math.log10(n)": PRICE,
            "-2 * total + size(components, d) * math.log2(n)": PRICE,
            "-2 * total + 0.5 * size(components, d) * math.log(n)": PRICE,
            "-2 * total + 2 * size(components, d)": (
                "This is Akaike's criterion, in which a parameter costs 2, whatever N is.",
                "In equation 5.5 each parameter costs log N.",
            ),
            "-2 * total - size(components, d) * math.log(n)": (
                "A larger mixture is rewarded for its parameters.",
                "They are a cost, and lower is better: add them.",
            ),
            "-2 * total + (size(components, d) + 1) * math.log(n)": WEIGHTS,
            "-2 * total + components * (d + d * (d + 1) // 2) * math.log(n)": WEIGHTS,
            "-2 * total + (components * (1 + 2 * d) - 1) * math.log(n)": COVARIANCE,
            "-2 * total + (components * (1 + d + d * d) - 1) * math.log(n)": COVARIANCE,
            "-2 * total + components * (1 + d + d * d) * math.log(n)": COVARIANCE,
            "-2 * total + (components * (1 + d + d * (d + 1)) - 1) * math.log(n)": COVARIANCE,
            "-2 * total + (components * (1 + d * (d + 1) // 2) - 1) * math.log(n)": (
                "Each component has d parameters too few.",
                "Its mean has d numbers, its covariance the d of the diagonal and those above it.",
            ),
            "-2 * total + (components * (1 + d + d // 2 * (d + 1)) - 1) * math.log(n)": (
                "Half of an odd d is cut down to a whole number before it is multiplied.",
                "Multiply first: d * (d + 1) is even.",
            ),
            "-2 * total + (components * (1 + d) + d * (d + 1) // 2 - 1) * math.log(n)": (
                "All components share one covariance.",
                "In equation 5.2 each has its own.",
            ),
            "-bic(total, components, d, n)": (
                "The best mixture gets the highest value. In equation 5.5 lower is better.",
                "Both signs are flipped.",
            ),
            "bic(total, components, d, n) / 2": ("This is half of the BIC.", "Compare with 5.5."),
        },
    ),
    "frechet_diagonal": Exercise(
        "5.8",
        frechet_diagonal,
        inputs=lambda draw: (draw.normal(4), draw.positive(4), draw.normal(4), draw.positive(4)),
        mistakes={
            "frechet_diagonal(mean_a, std_a, mean_b, std_b).sqrt()": (
                "This is the distance. Published numbers are its square.",
                "Leave out the root.",
            ),
            "((mean_a - mean_b) ** 2).sum() + ((std_a**2 - std_b**2) ** 2).sum()": UNITS,
            "((mean_a - mean_b) ** 2).sum() + ((std_a**0.5 - std_b**0.5) ** 2).sum()": UNITS,
            "(mean_a - mean_b).norm() + ((std_a - std_b) ** 2).sum()": UNITS,
            "((mean_a - mean_b) ** 2).sum() + (std_a - std_b).abs().sum()": UNITS,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2 - 2 * (std_a * std_b).sqrt()).sum()": (
                UNITS
            ),
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2 - 2 * std_a**2 * std_b**2).sum()": UNITS,
            "(mean_a - mean_b).abs().sum() + (std_a - std_b).abs().sum()": (
                "Absolute differences are added. Published numbers add their squares.",
                "Square each difference.",
            ),
            "((std_a - std_b) ** 2 - (mean_a - mean_b) ** 2).sum()": (
                "The farther the means are apart, the closer the Gaussians come out.",
                "Look at the sign of the first term.",
            ),
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2).sum()"
            " - 2 * ((std_a * std_b) ** 2).sum().sqrt()": CROSS_TERM,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2 - std_a * std_b).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2 + (std_a + std_b) ** 2).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2).sum()": ONLY_HALF,
            "((std_a - std_b) ** 2).sum()": ONLY_HALF,
            "(mean_a - mean_b).sum() ** 2 + (std_a - std_b).sum() ** 2": (
                "Differences of opposite sign cancel.",
                "Square each difference before the sum.",
            ),
            "((mean_a - mean_b) ** 2 + (std_a - std_b) ** 2).mean()": pairs.DIMENSIONS_AVERAGED,
            "(mean_a - mean_b) ** 2 + (std_a - std_b) ** 2": pairs.DIMENSIONS_KEPT,
        },
    ),
    "precision": Exercise(
        "5.9",
        precision,
        inputs=balls,
        mistakes={
            "(distances <= radii).float().mean()": TWICE,
            "(distances <= radii).sum() / len(distances)": TWICE,
            "(distances <= radii).any(0).float().mean()": (
                "This is the fraction of the balls that hold a sample.",
                "The samples are the rows: one answer for each row.",
            ),
            "(distances <= radii).all(1).float().mean()": (
                "A sample counts only if it lies in all balls at once.",
                "Equation 5.9 asks for one ball that holds it.",
            ),
            "(distances <= radii).any(1).float().sum()": FRACTION,
            "(distances <= radii).any().float()": FRACTION,
            "(distances <= radii).any(1).float()": FRACTION,
            "(distances < radii).any(1).float().mean()": (
                "A sample on the edge of a ball doesn't count.",
                "Equation 5.9 says less or equal.",
            ),
            "(distances.min(1).values <= radii[distances.argmin(1)]).float().mean()": (
                "Only the nearest ball is looked at. A larger one, farther away, may hold it too.",
                "Compare each distance with the radius of its own ball.",
            ),
            "(distances <= radii.max()).any(1).float().mean()": ONE_RADIUS,
            "(distances <= radii.mean()).any(1).float().mean()": ONE_RADIUS,
            "(distances <= radii).any(1).sum() / len(radii)": FRACTION,
            "(distances <= radii).any(1).sum() // len(distances)": (
                "A fraction is cut down to the whole number below it.",
                "Divide with /, not with //.",
            ),
            "100 * precision(distances, radii)": ("This is in percent.", "Leave out the factor."),
            "(distances >= radii).any(1).float().mean()": (
                "A sample counts if there is a ball that it is not in.",
                "Look at the direction of the comparison.",
            ),
            "(distances > radii).all(1).float().mean()": (
                "This is the fraction of the samples that lie in no ball.",
                "Return the fraction of the others.",
            ),
        },
    ),
}
