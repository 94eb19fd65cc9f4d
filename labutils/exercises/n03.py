"""The exercises of notebook 03: the terms of the ELBO, and a tighter bound."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise

import math

import torch

VARIANCE = ("log_var is taken for the variance or for sigma.", "The variance is its exponential.")
TOO_NARROW = ("As sigma shrinks to 0, the result doesn't grow.", "Look at log sigma squared.")

PRIOR = ("The divergence of the prior from itself isn't 0.", "There is a -1 in the bracket.")
ONCE = (
    "The 1 is subtracted once, so that more dimensions cost more even where q is the prior.",
    "Each dimension has its own -1: it belongs inside the sum.",
)
MEAN = ("A mean further from 0 doesn't always cost more.", "The square of the mean is added.")


def kl_gaussian(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


SIGMA = ("The standard deviation of z isn't sigma.", "Multiply the noise by exp(log_var / 2).")
CENTRE = ("z scatters around 0, whatever the encoder says.", "Add the mean, outside the product.")


def reparameterise(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


NOT_ONE = ("Each image keeps a number of its own.", "Equation 3.8 is one number for the batch.")


def minibatch_elbo(log_likelihood, kl):
    return (log_likelihood.mean(0) - kl).mean()


ELBO = ("Logarithms are averaged: more samples don't tighten this.", "Average the weights.")
NOT_A_MEAN = ("With equal weights, the result depends on K.", "Divide by K: subtract log K.")


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
            "-kl_gaussian(mean, log_var)": pairs.NEGATIVE_KL,
            "kl_gaussian(mean, log_var) / mean.shape[-1]": pairs.DIMENSIONS_AVERAGED,
            "kl_gaussian(mean, log_var).mean()": pairs.PER_EXAMPLE,
            "kl_gaussian(mean, log_var).sum()": pairs.PER_EXAMPLE,
            "0.5 * (log_var.exp() + mean**2 - 1 - log_var)": pairs.DIMENSIONS_KEPT,
            "2 * kl_gaussian(mean, log_var)": pairs.HALF_MISSING,
            "(0.5 * log_var.exp() + mean**2 - 1 - log_var).sum(-1)": pairs.HALF_OF_SOME,
            "kl_gaussian(mean, 2 * log_var)": pairs.LOG_STD,
            "0.5 * (log_var.exp() ** 2 + mean**2 - 1 - log_var).sum(-1)": pairs.LOG_STD,
            "0.5 * (log_var + mean**2 - 1 - log_var.log()).sum(-1)": VARIANCE,
            "0.5 * (log_var**2 + mean**2 - 1 - (log_var**2).log()).sum(-1)": VARIANCE,
            "0.5 * (log_var.exp() + mean**2 - 1).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - 1 + log_var).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - log_var).sum(-1)": PRIOR,
            "0.5 * (log_var.exp() + mean**2 + 1 - log_var).sum(-1)": PRIOR,
            "0.5 * ((log_var.exp() + mean**2 - log_var).sum(-1) - 1)": ONCE,
            "0.5 * (log_var.exp() + mean**2 - log_var).sum(-1) - 1": ONCE,
            "0.5 * (log_var.exp() + mean - 1 - log_var).sum(-1)": MEAN,
            "0.5 * (log_var.exp() - mean**2 - 1 - log_var).sum(-1)": MEAN,
            "0.5 * (log_var.exp() - 1 - log_var).sum(-1)": MEAN,
            "0.5 * ((1 + mean**2) / log_var.exp() - 1 + log_var).sum(-1)": (pairs.KL_REVERSED),
            "kl_gaussian(mean.mT, log_var.mT)": (
                "The images are added up, so that each latent dimension has a result of its own.",
                "Sum over the last axis, the latent one.",
            ),
            "kl_gaussian(mean, log_var)[:, None]": (
                "An axis of length 1 is left. Subtracted from (batch,), it gives a square table.",
                "Leave out keepdim: the sum takes the last axis away.",
            ),
        },
    ),
    "reparameterise": Exercise(
        "3.9",
        reparameterise,
        inputs=lambda draw: tuple(draw.normal(3, 4, 3)),
        gradient=("mean", "log_var"),
        mistakes={
            "mean + log_var.exp() * eps": pairs.LOG_STD,
            "mean + log_var * eps": SIGMA,
            "mean + log_var / 2 * eps": SIGMA,
            "mean + (2 * log_var).exp() * eps": SIGMA,
            "mean + log_var.exp() / 2 * eps": SIGMA,
            "mean + log_var.sqrt() * eps": SIGMA,
            "mean + log_var.abs().sqrt() * eps": SIGMA,
            "mean + (-log_var / 2).exp() * eps": SIGMA,
            "mean + eps": SIGMA,
            "mean + (log_var / 2).exp() + eps": SIGMA,
            "mean + log_var.exp() + eps": SIGMA,
            "mean + (log_var / 2).exp()": ("z isn't random.", "The noise is missing."),
            "mean + (log_var / 2).exp() * eps[0]": (
                "All examples share their noise, so that their samples depend on each other.",
                "Each example has a row of eps of its own.",
            ),
            "(eps - mean) / (log_var / 2).exp()": (
                "This is the way back: it turns a z into the noise that it came from.",
                "Multiply the noise by sigma, then add the mean.",
            ),
            "(log_var / 2).exp() * eps": CENTRE,
            "(mean + (log_var / 2).exp()) * eps": CENTRE,
        },
    ),
    "minibatch_elbo": Exercise(
        "3.8",
        minibatch_elbo,
        inputs=lambda draw: (10 * draw.normal(5, 4) - 90, 20 * draw.positive(4)),
        gradient=("log_likelihood", "kl"),
        mistakes={
            "(log_likelihood.mean(0) + kl).mean()": pairs.KL_ADDED,
            "-minibatch_elbo(log_likelihood, kl)": pairs.LOSS,
            "(log_likelihood.mean(0) - kl).sum()": pairs.BATCH_SUMMED,
            "log_likelihood.mean() - kl.sum()": pairs.BATCH_SUMMED,
            "log_likelihood.sum() - kl.sum()": pairs.BATCH_SUMMED,
            "(log_likelihood - kl).sum()": pairs.BATCH_SUMMED,
            "(log_likelihood.sum(0) - kl).mean()": pairs.SAMPLES_SUMMED,
            "log_likelihood - kl": pairs.SAMPLES_KEPT,
            "log_likelihood.mean(0) - kl": NOT_ONE,
            "log_likelihood.mean(0) - kl.mean()": NOT_ONE,
            "log_likelihood.mean()": pairs.KL_MISSING,
            "importance_weighted(log_likelihood - kl).mean()": pairs.LOG_OF_MEAN,
            "(log_likelihood[0] - kl).mean()": pairs.FIRST_SAMPLE,
            "(log_likelihood.amax(0) - kl).mean()": (
                "Only the best sample counts, so that the result need not be a lower bound.",
                "Take the mean over the first axis.",
            ),
            "log_likelihood.mean() - kl.mean() / len(log_likelihood)": (
                "The KL term is divided by the number of samples too, so that it counts for less.",
                "Only the log-likelihoods are averaged over samples.",
            ),
            "log_likelihood.mean() - kl.mean() / 784": (
                "A KL per pixel is subtracted from a log-likelihood per image.",
                "Both terms are nats per image: subtract the KL as it is.",
            ),
        },
    ),
    "importance_weighted": Exercise(
        "3.11",
        importance_weighted,
        inputs=lambda draw: (3 * draw.normal(7, 3) - torch.tensor([130.0, 140, 5]),),
        mistakes={
            "log_weight.mean(0)": ELBO,
            "log_weight.mean(0) - math.log(len(log_weight))": ELBO,
            "log_weight.logsumexp(0)": NOT_A_MEAN,
            "log_weight.logsumexp(0) + math.log(len(log_weight))": NOT_A_MEAN,
            "log_weight.logsumexp(0) - len(log_weight)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(log_weight.shape[1])": NOT_A_MEAN,
            "log_weight.logsumexp(0) / len(log_weight)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(10)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log2(len(log_weight))": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(log_weight.numel())": (
                "The result falls as the batch grows: it is divided by the number of all weights.",
                "Divide by the number of samples, len(log_weight).",
            ),
            "log_weight.amax(0)": (
                "Only the largest weight counts, as if it were the mean of all.",
                "Average the weights: logsumexp, minus log K.",
            ),
            "(log_weight.softmax(0) * log_weight).sum(0)": (
                "Logarithms of weights are averaged. The bound is the logarithm of an average.",
                "Every weight counts alike: logsumexp, minus log K.",
            ),
            "(log_weight.exp().mean(0) + 1e-8).log()": pairs.EPSILON,
            "(log_weight.exp().mean(0) + 1e-10).log()": pairs.EPSILON,
            "(log_weight.exp().mean(0) + 1e-12).log()": pairs.EPSILON,
            "log_weight.exp().mean(0).log()": pairs.OUT_OF_RANGE,
            "log_weight.exp().mean(0)": pairs.LOGARITHM,
            "log_weight.logsumexp(1) - math.log(log_weight.shape[1])": (
                "The weights of different images are averaged: each sample gets a bound.",
                "The samples are on the first axis.",
            ),
            "importance_weighted(log_weight).mean()": pairs.PER_EXAMPLE,
            "-importance_weighted(log_weight)": pairs.LOSS,
        },
    ),
}
