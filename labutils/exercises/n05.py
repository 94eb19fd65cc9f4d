"""The exercises of notebook 05: mixtures of codes, and measures of samples."""

from labutils.exercises.kinds import Exercise
from labutils.exercises.pairs import DIMENSIONS_AVERAGED, DIMENSIONS_KEPT, OUT_OF_RANGE

import math

import torch

FAR = torch.tensor([[0.0], [-5], [-130], [-140], [-150]])
WEIGHT = (
    "The weight of a component doesn't multiply its density, as it does in equation 5.3.",
    "The logarithm of a product is a sum: add log_weight before normalising.",
)
NOT_NORMALISED = (
    "The responsibilities for a code don't add up to 1.",
    "Equation 5.3 divides by the sum over all components: softmax does.",
)


def responsibilities(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


def without_softmax(log_weight, log_density):
    joint = log_weight.exp() * log_density.exp()
    return joint / joint.sum(-1, keepdim=True)


FIT = (
    "The fit doesn't enter as in equation 5.5.",
    "total is the log-likelihood of all codes already: multiply it by -2.",
)
PRICE = (
    "The price of a parameter isn't that of equation 5.5.",
    "Each costs log N, a natural logarithm.",
)
WEIGHTS = (
    "The wrong number of weights is counted: they add up to 1.",
    "K weights that add up to 1 have K - 1 free ones.",
)
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
CROSS_TERM = (
    "The distance of a Gaussian from itself isn't 0.",
    "Look at the cross term, -2 s t.",
)
ONLY_HALF = (
    "Two different Gaussians can have distance 0.",
    "Means and spreads both count.",
)


def frechet_diagonal(mean_a, std_a, mean_b, std_b):
    return ((mean_a - mean_b) ** 2).sum() + ((std_a - std_b) ** 2).sum()


TWICE = (
    "A sample that lies in several balls counts several times.",
    "It counts once, if it lies in any of them.",
)
NOT_A_FRACTION = (
    "What comes out is not the fraction of the samples.",
    "Ask of each sample whether a ball holds it, then take the mean of the answers.",
)
# Distances in radii: in the first ball; in two; on the edge; only in a ball that isn't nearest; in
# none. No sample lies in the last ball.
IN_RADII = torch.tensor(
    [
        [0.5, 1.5, 1.5, 40],
        [0.5, 0.6, 1.5, 40],
        [1, 1.5, 1.5, 40],
        [1.4, 1.6, 0.7, 40],
        [2, 2, 2, 40],
    ]
)


def precision(distances, radii):
    return (distances <= radii).any(1).float().mean()


def balls(draw):
    """Distances and radii on which all mistakes differ: (N, 4) and (4,)."""
    count = torch.tensor([draw.choice((2, 3, 4, 6, 8)), 1, 1, 2, 3])
    ratio = IN_RADII.repeat_interleave(count, 0)
    ratio = torch.where(ratio == 1, ratio, ratio * (1 + 0.1 * draw.uniform(*ratio.shape)))
    radii = torch.tensor([1, 2, 4, 0.1]) * (1 + 0.2 * draw.uniform(4))
    return ratio * radii, radii


EXERCISES = {
    "responsibilities": Exercise(
        "5.3",
        responsibilities,
        inputs=lambda draw: (draw.normal(3).log_softmax(-1), 3 * draw.normal(5, 3) + FAR),
        mistakes={
            "log_density.softmax(-1)": (
                "Large components and small ones have the same claim to a code.",
                "The weights of the components are missing.",
            ),
            "(log_weight.exp() + log_density).softmax(-1)": WEIGHT,
            "(log_weight * log_density).softmax(-1)": WEIGHT,
            "log_weight.exp() * log_density.softmax(-1)": WEIGHT,
            "(log_weight + log_density).softmax(0)": (
                "The codes share each component. It is the components that share each code.",
                "Normalise over the components, the last axis.",
            ),
            without_softmax: OUT_OF_RANGE,
            "(log_weight + log_density).exp()": NOT_NORMALISED,
            "log_weight + log_density": NOT_NORMALISED,
            "(log_weight + log_density).log_softmax(-1)": (
                "These are logarithms: they are negative.",
                "Take the exponential, or softmax instead of log_softmax.",
            ),
            "(lambda a: a / a.sum(-1, keepdim=True))(log_weight + log_density)": (
                "Logarithms are divided as if they were probabilities.",
                "Normalise their exponentials: softmax.",
            ),
            "(log_weight + log_density).logsumexp(-1)": (
                "This is log m(z), one number per code. What is each component's share in it?",
                "Divide each numerator of equation 5.3 by the denominator: softmax.",
            ),
        },
    ),
    "bic": Exercise(
        "5.5",
        bic,
        inputs=lambda draw: (
            -100 - 300 * draw.uniform(),
            draw.integers(2, 7),
            draw.integers(4, 20),
            draw.integers(200, 5000),
        ),
        mistakes={
            "2 * total + size(components, d) * math.log(n)": (
                "A better fit raises the result. The mixture with the lowest BIC is chosen.",
                "Minus twice the log-likelihood.",
            ),
            "-total + size(components, d) * math.log(n)": FIT,
            "-2 * total * n + size(components, d) * math.log(n)": FIT,
            "-2 * total + size(components, d)": PRICE,
            "-2 * total + size(components, d) * n": PRICE,
            "-2 * total + size(components, d) * math.log10(n)": PRICE,
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
            "-2 * total + (components * (1 + d * (d + 1) // 2) - 1) * math.log(n)": (
                "Each component has d numbers too few: its means, or the diagonal of its covariance.",
                "There are d means, and d (d + 1) / 2 numbers of a covariance.",
            ),
            "bic(total, components, d, n) / 2": (
                "This is half of the BIC.",
                "Compare with equation 5.5, factor by factor.",
            ),
        },
    ),
    "frechet_diagonal": Exercise(
        "5.8",
        frechet_diagonal,
        inputs=lambda draw: (
            draw.normal(4),
            draw.positive(4),
            draw.normal(4),
            draw.positive(4),
        ),
        mistakes={
            "frechet_diagonal(mean_a, std_a, mean_b, std_b).sqrt()": (
                "This is the distance. Published numbers are its square.",
                "Leave out the root.",
            ),
            "((mean_a - mean_b) ** 2).sum() + ((std_a**2 - std_b**2) ** 2).sum()": UNITS,
            "((mean_a - mean_b) ** 2).sum() + ((std_a**0.5 - std_b**0.5) ** 2).sum()": UNITS,
            "(mean_a - mean_b).norm() + ((std_a - std_b) ** 2).sum()": UNITS,
            "((mean_a - mean_b) ** 2).sum() + (std_a - std_b).abs().sum()": UNITS,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2 - 2 * (std_a * std_b) ** 0.5).sum()": UNITS,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2 + std_a**2 + std_b**2 - std_a * std_b).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2 + (std_a + std_b) ** 2).sum()": CROSS_TERM,
            "((mean_a - mean_b) ** 2).sum()": ONLY_HALF,
            "((std_a - std_b) ** 2).sum()": ONLY_HALF,
            "(mean_a - mean_b).sum() ** 2 + (std_a - std_b).sum() ** 2": (
                "Differences of opposite sign cancel.",
                "Square each difference before the sum.",
            ),
            "frechet_diagonal(mean_a, std_a, mean_b, std_b) / len(mean_a)": DIMENSIONS_AVERAGED,
            "(mean_a - mean_b) ** 2 + (std_a - std_b) ** 2": DIMENSIONS_KEPT,
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
            "(distances <= radii).any(1).float().sum()": NOT_A_FRACTION,
            "(distances <= radii).any().float()": NOT_A_FRACTION,
            "(distances <= radii).any(1).float()": NOT_A_FRACTION,
            "(distances < radii).any(1).float().mean()": (
                "A sample on the edge of a ball doesn't count.",
                "Equation 5.9 says less or equal.",
            ),
            "(distances.min(1).values <= radii[distances.argmin(1)]).float().mean()": (
                "Only the nearest ball is looked at. A larger one, farther away, may hold it too.",
                "Compare each distance with the radius of its own ball.",
            ),
            "(distances > radii).all(1).float().mean()": (
                "This is the fraction of the samples that lie in no ball.",
                "Return the fraction of the others.",
            ),
        },
    ),
}
