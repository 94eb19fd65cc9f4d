"""Exercises of notebook 05, the autoencoder made generative."""

from labutils.exercises.kinds import Exercise

import math

import torch


def mixture_parameters(components, d):
    return components * (1 + d + d * (d + 1) // 2) - 1


def responsibilities(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


def frechet_diagonal(mean_a, std_a, mean_b, std_b):
    return (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()


def precision(distances, radii):
    return (distances <= radii).any(1).float().mean()


def bic(total, components, d, n):
    return -2 * total + mixture_parameters(components, d) * math.log(n)


EXERCISES = {
    "responsibilities": Exercise(
        "5.3",
        responsibilities,
        inputs=lambda draw: (
            draw.normal(3).log_softmax(0),
            torch.cat([draw.normal(3, 3), draw.normal(2, 3) - 130]),
        ),
        gradient=(),
        mistakes={
            "log_density.softmax(-1)": (
                "The weights of the components are missing: a large component claims more codes.",
                "The weights of the components are missing: a large component claims more codes.",
            ),
            "(log_weight.exp() + log_density).softmax(-1)": (
                "Add the logarithm of the weight, which is the argument itself.",
                "Add the logarithm of the weight, which is the argument itself.",
            ),
            "(log_weight + log_density).softmax(0)": (
                "You normalise over the codes.",
                "For each code, the components share one whole.",
            ),
            "log_weight.exp() * log_density.exp() / (log_weight.exp() * log_density.exp()).sum(-1, keepdim=True)": (
                "That is no number: exp(-130) underflows to 0, and 0 / 0 is none; or a logarithm was taken of log_weight, which is one.",
                "The softmax of the sum needs neither.",
            ),
            "(log_weight + log_density).log_softmax(-1)": (
                "Those are logarithms.",
                "Take the exponential.",
            ),
            "log_weight + log_density": ("That is the numerator's logarithm.", "Normalise it."),
            "(log_weight * log_density).softmax(-1)": (
                "The logarithm of a product is a sum: add them.",
                "The logarithm of a product is a sum: add them.",
            ),
            "(log_weight + log_density).exp()": (
                "exp(-130) underflows to 0, and nothing normalises it: softmax does both.",
                "exp(-130) underflows to 0, and nothing normalises it: softmax does both.",
            ),
            "(log_weight + log_density) / (log_weight + log_density).sum(-1, keepdim=True)": (
                "You divide logarithms.",
                "Normalise their exponentials: softmax.",
            ),
            "log_weight.exp() * log_density.softmax(-1)": (
                "Multiply by the weight before normalising: add its logarithm inside the softmax.",
                "Multiply by the weight before normalising: add its logarithm inside the softmax.",
            ),
            "(log_weight + log_density).logsumexp(-1)": (
                "That is log m(z), the denominator's logarithm.",
                "Divide by it.",
            ),
        },
    ),
    "frechet_diagonal": Exercise(
        "5.8",
        frechet_diagonal,
        inputs=lambda draw: (draw.normal(4), draw.positive(4), draw.normal(4), draw.positive(4)),
        gradient=(),
        mistakes={
            "frechet_diagonal(mean_a, std_a, mean_b, std_b).sqrt()": (
                "That is the root.",
                "The squared distance is asked for.",
            ),
            "(mean_a - mean_b).square().sum() + (std_a ** 2 - std_b ** 2).square().sum()": (
                "You compare the variances.",
                "In the closed form it is the standard deviations.",
            ),
            "(mean_a - mean_b).square().sum() + (std_a ** 2 + std_b ** 2).sum()": (
                "The cross term is missing: minus twice the sum of the products of the two.",
                "The cross term is missing: minus twice the sum of the products of the two.",
            ),
            "(mean_a - mean_b).square().sum()": (
                "The spreads are missing.",
                "The spreads are missing.",
            ),
            "(std_a - std_b).square().sum()": ("The means are missing.", "The means are missing."),
            "(mean_a - mean_b).square().sum() + (std_a + std_b - 2 * (std_a * std_b).sqrt()).sum()": (
                "You read standard deviations as variances: square them.",
                "You read standard deviations as variances: square them.",
            ),
            "(mean_a - mean_b).norm() + (std_a - std_b).square().sum()": (
                "Square the distance of the means.",
                "Square the distance of the means.",
            ),
            "(mean_a - mean_b).square().sum() + (std_a ** 2 + std_b ** 2 - std_a * std_b).sum()": (
                "The factor 2 of the cross term is missing.",
                "The factor 2 of the cross term is missing.",
            ),
            "(mean_a - mean_b).square().sum() + (std_a ** 2 + std_b ** 2 - 2 * (std_a * std_b).sqrt()).sum()": (
                "The root of s² t² is s t.",
                "The root of s² t² is s t.",
            ),
            "((mean_a - mean_b).square() + (std_a + std_b).square()).sum()": (
                "The cross term is subtracted: s² + t² - 2 s t.",
                "The cross term is subtracted: s² + t² - 2 s t.",
            ),
            "(mean_a - mean_b).square().sum() + (std_a - std_b).abs().sum()": (
                "Square the differences of the standard deviations, too.",
                "Square the differences of the standard deviations, too.",
            ),
            "frechet_diagonal(mean_a, std_a, mean_b, std_b) / len(mean_a)": (
                "You average over the dimensions.",
                "Their terms add up: take the sum.",
            ),
            "(mean_a - mean_b).square() + (std_a - std_b).square()": (
                "Sum over the dimensions, to one number.",
                "Sum over the dimensions, to one number.",
            ),
        },
    ),
    "precision": Exercise(
        "5.9",
        precision,
        inputs=lambda draw: (
            draw.integers(1, 12, (8, 5)).float(),
            draw.integers(1, 5, (5,)).float(),
        ),
        gradient=(),
        mistakes={
            "(distances <= radii).float().mean()": (
                "You count pairs.",
                "A sample counts once, if it lies in any ball.",
            ),
            "(distances <= radii).any(0).float().mean()": (
                "That is the fraction of balls that hold a sample.",
                "Count the samples in a ball.",
            ),
            "(distances <= radii).all(1).float().mean()": (
                "One ball is enough: any, not all.",
                "One ball is enough: any, not all.",
            ),
            "(distances <= radii).any(1).float().sum()": (
                "Divide by the number of samples.",
                "Divide by the number of samples.",
            ),
            "(distances <= radii).any().float()": (
                "You ask whether any sample lies in any ball.",
                "any(1) asks it of each sample.",
            ),
            "(distances <= radii).sum() / len(distances)": (
                "You count balls.",
                "A sample in several balls counts once: any.",
            ),
            "(distances <= radii).any(1).float()": (
                "Take the mean over the samples, to one number.",
                "Take the mean over the samples, to one number.",
            ),
            "(distances < radii).any(1).float().mean()": (
                "A sample on the edge of a ball counts: less or equal.",
                "A sample on the edge of a ball counts: less or equal.",
            ),
            "(distances.min(1).values <= radii[distances.argmin(1)]).float().mean()": (
                "You look at the nearest ball only.",
                "A farther, larger one may hold the sample.",
            ),
            "(distances > radii).all(1).float().mean()": (
                "Those are the samples in no ball: the rest of them is asked for.",
                "Those are the samples in no ball: the rest of them is asked for.",
            ),
        },
    ),
    "bic": Exercise(
        "5.5",
        bic,
        inputs=lambda draw: (
            -300 - 100 * draw.uniform(),
            draw.integers(2, 6),
            draw.integers(2, 9),
            draw.integers(50, 900),
        ),
        gradient=(),
        mistakes={
            "2 * total + mixture_parameters(components, d) * math.log(n)": (
                "The sign: minus twice the log-likelihood.",
                "A better fit lowers the BIC.",
            ),
            "-total + mixture_parameters(components, d) * math.log(n)": (
                "The factor 2 before the log-likelihood is missing.",
                "The factor 2 before the log-likelihood is missing.",
            ),
            "-2 * total + mixture_parameters(components, d)": (
                "Each parameter costs log N.",
                "You charge 1 for it.",
            ),
            "-2 * total - mixture_parameters(components, d) * math.log(n)": (
                "Parameters are a cost: add them.",
                "You reward a large mixture.",
            ),
            "-2 * total + (mixture_parameters(components, d) + 1) * math.log(n)": (
                "The weights sum to 1: one of them is not free.",
                "Subtract 1.",
            ),
            "-2 * total + (components * (1 + 2 * d) - 1) * math.log(n)": (
                "You count diagonal covariances.",
                "A full one has d (d + 1) / 2 numbers.",
            ),
            "-2 * total + (components * (1 + d + d * d) - 1) * math.log(n)": (
                "A covariance is symmetric: d (d + 1) / 2 of its d * d numbers are free.",
                "A covariance is symmetric: d (d + 1) / 2 of its d * d numbers are free.",
            ),
            "-2 * total + mixture_parameters(components, d) * n": (
                "Each parameter costs log N, not N.",
                "Each parameter costs log N, not N.",
            ),
            "-2 * total + 2 * mixture_parameters(components, d)": (
                "That is Akaike's criterion.",
                "Here each parameter costs log N.",
            ),
            "-2 * total + components * (d + d * (d + 1) // 2) * math.log(n)": (
                "The weights are missing: K - 1 of them are free.",
                "The weights are missing: K - 1 of them are free.",
            ),
            "-2 * total * n + mixture_parameters(components, d) * math.log(n)": (
                "total is already the sum over the codes: do not multiply by n.",
                "total is already the sum over the codes: do not multiply by n.",
            ),
            "bic(total, components, d, n) / 2": (
                "That is half of the BIC.",
                "That is half of the BIC.",
            ),
            "-2 * total + components * (1 + d + d * d) * math.log(n)": (
                "A covariance has d (d + 1) / 2 free numbers, and of the weights one is not free.",
                "A covariance has d (d + 1) / 2 free numbers, and of the weights one is not free.",
            ),
            "-2 * total + mixture_parameters(components, d) * math.log10(n)": (
                "That is the logarithm to base 10.",
                "The natural one is asked for.",
            ),
            "-2 * total + 0.5 * mixture_parameters(components, d) * math.log(n)": (
                "Each parameter costs log N, not half of it.",
                "Each parameter costs log N, not half of it.",
            ),
        },
    ),
}
