"""The exercises of notebook 03: the terms of the ELBO, and a tighter bound."""

from labutils.exercises.kinds import Exercise
from labutils.exercises.pairs import (
    BATCH_SUMMED,
    DIMENSIONS_AVERAGED,
    DIMENSIONS_KEPT,
    HALF_MISSING,
    HALF_OF_SOME,
    KL_ADDED,
    KL_MISSING,
    LOG_OF_MEAN,
    LOG_STD,
    LOGARITHM,
    LOSS,
    NEGATIVE_KL,
    OUT_OF_RANGE,
    PER_EXAMPLE,
    SAMPLES_KEPT,
    SAMPLES_SUMMED,
)

import math

import torch

NOT_A_VARIANCE = (
    "log_var is used as the variance or as sigma. It can be negative, and neither of them can.",
    "The variance is the exponential of log_var.",
)
TOO_NARROW = (
    "As sigma shrinks to 0 the result doesn't grow. The divergence is infinite there.",
    "Look at the term log sigma squared.",
)


def kl_gaussian(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


NOT_SIGMA = (
    "z doesn't scatter around the mean with standard deviation sigma.",
    "Sigma is exp(log_var / 2), and it multiplies the noise.",
)
MEAN_FORGOTTEN = (
    "z scatters around 0, whatever mean the encoder returns.",
    "Add the mean after the noise has been scaled.",
)


def reparameterise(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


NOT_ONE_NUMBER = (
    "Each image keeps a number of its own. Equation 3.8 averages over the minibatch.",
    "Take the mean over the images too.",
)


def minibatch_elbo(log_likelihood, kl):
    return (log_likelihood.mean(0) - kl).mean()


NOT_A_MEAN = (
    "If all weights of an image are equal, the bound isn't their logarithm. It should be.",
    "The mean of K weights is their sum divided by K: subtract log K.",
)


def importance_weighted(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


EXERCISES = {
    "kl_gaussian": Exercise(
        "3.7",
        kl_gaussian,
        # the first row has no nan where log_var is taken for a variance
        inputs=lambda draw: (
            draw.normal(4, 3),
            torch.cat([draw.positive(1, 3), draw.normal(3, 3)]),
        ),
        gradient=("mean", "log_var"),
        mistakes={
            "-kl_gaussian(mean, log_var)": NEGATIVE_KL,
            "kl_gaussian(mean, log_var) / mean.shape[-1]": DIMENSIONS_AVERAGED,
            "kl_gaussian(mean, log_var).mean()": PER_EXAMPLE,
            "kl_gaussian(mean, log_var).sum()": PER_EXAMPLE,
            "0.5 * (log_var.exp() + mean**2 - 1 - log_var)": DIMENSIONS_KEPT,
            "2 * kl_gaussian(mean, log_var)": HALF_MISSING,
            "(0.5 * log_var.exp() + mean**2 - 1 - log_var).sum(-1)": HALF_OF_SOME,
            "kl_gaussian(mean, 2 * log_var)": LOG_STD,
            "0.5 * (log_var + mean**2 - 1 - log_var.log()).sum(-1)": NOT_A_VARIANCE,
            "0.5 * (log_var**2 + mean**2 - 1 - (log_var**2).log()).sum(-1)": NOT_A_VARIANCE,
            "0.5 * (log_var.exp() + mean**2 - 1).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - 1 + log_var).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - log_var).sum(-1)": (
                "For q equal to the prior the result isn't 0.",
                "One of the four terms is missing.",
            ),
            "0.5 * (log_var.exp() + mean - 1 - log_var).sum(-1)": (
                "A mean of -1 costs less than a mean of 1, though they are equally far from 0.",
                "The mean is squared.",
            ),
            "0.5 * ((1 + mean**2) / log_var.exp() - 1 + log_var).sum(-1)": (
                "This is KL(p || q). The expectation in the ELBO is taken under q.",
                "Exchange the roles of q and the prior.",
            ),
        },
    ),
    "reparameterise": Exercise(
        "3.9",
        reparameterise,
        inputs=lambda draw: (draw.normal(4, 3), draw.normal(4, 3), draw.normal(4, 3)),
        gradient=("mean", "log_var"),
        mistakes={
            "mean + log_var.exp() * eps": LOG_STD,
            "mean + log_var * eps": NOT_SIGMA,
            "mean + eps": NOT_SIGMA,
            "mean + (log_var / 2).exp() + eps": NOT_SIGMA,
            "mean + log_var.exp() + eps": NOT_SIGMA,
            "mean + (log_var / 2).exp()": (
                "z isn't random: for one image, each sample is the same.",
                "The noise is missing: sigma multiplies eps.",
            ),
            "mean + (log_var / 2).exp() * eps[0]": (
                "All examples share their noise, so that their samples depend on each other.",
                "Each example has a row of eps of its own.",
            ),
            "(log_var / 2).exp() * eps": MEAN_FORGOTTEN,
            "(mean + (log_var / 2).exp()) * eps": MEAN_FORGOTTEN,
            "mean - (log_var / 2).exp() * eps": (
                "The distribution is right, but z moves against the noise that it is given.",
                "Equation 3.9 adds the noise.",
            ),
        },
    ),
    "minibatch_elbo": Exercise(
        "3.8",
        minibatch_elbo,
        inputs=lambda draw: (10 * draw.normal(5, 4) - 90, 20 * draw.positive(4)),
        gradient=("log_likelihood", "kl"),
        mistakes={
            "(log_likelihood.mean(0) + kl).mean()": KL_ADDED,
            "-minibatch_elbo(log_likelihood, kl)": LOSS,
            "(log_likelihood.mean(0) - kl).sum()": BATCH_SUMMED,
            "log_likelihood.mean() - kl.sum()": BATCH_SUMMED,
            "(log_likelihood.sum(0) - kl).mean()": SAMPLES_SUMMED,
            "log_likelihood - kl": SAMPLES_KEPT,
            "log_likelihood.mean(0) - kl": NOT_ONE_NUMBER,
            "log_likelihood.mean(0) - kl.mean()": NOT_ONE_NUMBER,
            "log_likelihood.mean()": KL_MISSING,
            "importance_weighted(log_likelihood - kl).mean()": LOG_OF_MEAN,
        },
    ),
    "importance_weighted": Exercise(
        "3.11",
        importance_weighted,
        inputs=lambda draw: (3 * draw.normal(7, 3) - torch.tensor([130.0, 140, 5]),),
        mistakes={
            "log_weight.mean(0)": (
                "The logarithms are averaged: this is the ELBO, which more samples don't tighten.",
                "Average the weights first, then take the logarithm.",
            ),
            "log_weight.logsumexp(0)": NOT_A_MEAN,
            "log_weight.logsumexp(0) + math.log(len(log_weight))": NOT_A_MEAN,
            "log_weight.logsumexp(0) - len(log_weight)": NOT_A_MEAN,
            "log_weight.logsumexp(0) / len(log_weight)": NOT_A_MEAN,
            "log_weight.exp().mean(0).log()": OUT_OF_RANGE,
            "log_weight.exp().mean(0)": LOGARITHM,
            "log_weight.logsumexp(1) - math.log(log_weight.shape[1])": (
                "The weights of different images are averaged: each sample gets a bound.",
                "The samples are on the first axis.",
            ),
            "importance_weighted(log_weight).mean()": PER_EXAMPLE,
            "-importance_weighted(log_weight)": LOSS,
        },
    ),
}
