"""Exercises of notebook 03, the Gaussian VAE."""

from labutils.exercises.kinds import Exercise

import math

import torch


def kl_gaussian(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


def reparameterise(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


def minibatch_elbo(log_likelihood, kl):
    return (log_likelihood.mean(0) - kl).mean()


def importance_weighted(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


EXERCISES = {
    "kl_gaussian": Exercise(
        "3.7",
        kl_gaussian,
        inputs=lambda draw: (draw.normal(4, 3), draw.normal(4, 3)),
        gradient=("mean", "log_var"),
        mistakes={
            "-kl_gaussian(mean, log_var)": (
                "The sign is flipped: a KL is never negative.",
                "The sign is flipped: a KL is never negative.",
            ),
            "kl_gaussian(mean, log_var) / mean.shape[-1]": (
                "You average over the latent dimensions.",
                "Their KL terms add up: take the sum.",
            ),
            "kl_gaussian(mean, log_var).mean()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
            "kl_gaussian(mean, log_var).sum()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
            "0.5 * (log_var.exp() + mean ** 2 - 1 - log_var)": (
                "Sum over the latent dimensions, the last axis.",
                "Sum over the latent dimensions, the last axis.",
            ),
            "2 * kl_gaussian(mean, log_var)": (
                "The factor 1/2 is missing.",
                "The factor 1/2 is missing.",
            ),
            "kl_gaussian(mean, 2 * log_var)": (
                "You read log_var as the logarithm of the standard deviation.",
                "It is that of the variance: exp(log_var) is sigma squared.",
            ),
            "0.5 * (log_var + mean ** 2 - 1 - log_var.log()).sum(-1)": (
                "You read log_var as the variance itself.",
                "The variance is exp(log_var).",
            ),
            "0.5 * (log_var ** 2 + mean ** 2 - 1 - (log_var ** 2).log()).sum(-1)": (
                "You read log_var as the standard deviation.",
                "The variance is exp(log_var).",
            ),
        },
    ),
    "reparameterise": Exercise(
        "3.9",
        reparameterise,
        inputs=lambda draw: (draw.normal(4, 3), draw.normal(4, 3), draw.normal(4, 3)),
        gradient=("mean", "log_var"),
        mistakes={
            "mean + log_var.exp() * eps": (
                "You scale the noise with the variance.",
                "Sigma is exp(log_var / 2).",
            ),
            "mean + log_var * eps": (
                "log_var is not a standard deviation: take exp(log_var / 2).",
                "log_var is not a standard deviation: take exp(log_var / 2).",
            ),
            "mean + (log_var / 2).exp()": (
                "The noise is missing: sigma times eps.",
                "The noise is missing: sigma times eps.",
            ),
            "mean + eps": (
                "The noise is not scaled with sigma.",
                "The noise is not scaled with sigma.",
            ),
            "mean + (log_var / 2).exp() * eps[0]": (
                "All examples share one eps.",
                "Each needs its own.",
            ),
            "mean + log_var.exp().sqrt() + eps": (
                "sigma multiplies eps, it is not added to it.",
                "sigma multiplies eps, it is not added to it.",
            ),
        },
    ),
    "minibatch_elbo": Exercise(
        "3.8",
        minibatch_elbo,
        inputs=lambda draw: (20 * draw.normal(5, 4) - 90, 20 * draw.positive(4)),
        gradient=("log_likelihood", "kl"),
        mistakes={
            "(log_likelihood.mean(0) + kl).mean()": (
                "The KL is added.",
                "It is subtracted: the ELBO lies below log p(x).",
            ),
            "(kl - log_likelihood.mean(0)).mean()": (
                "That is the loss.",
                "The ELBO is what is maximised: flip the sign.",
            ),
            "(log_likelihood.mean(0) - kl).sum()": (
                "You sum over the batch.",
                "Take the mean over the examples.",
            ),
            "(log_likelihood.sum(0) - kl).mean()": (
                "You sum over the L samples of z.",
                "Take their mean: it estimates an expectation.",
            ),
            "log_likelihood.mean(0) - kl": (
                "Average over the batch, to one number.",
                "Average over the batch, to one number.",
            ),
            "log_likelihood.mean()": ("The KL is missing.", "The KL is missing."),
        },
    ),
    "importance_weighted": Exercise(
        "3.11",
        importance_weighted,
        inputs=lambda draw: (3 * draw.normal(7, 3) - torch.tensor([130.0, 5, 130]),),
        gradient=("log_weight",),
        mistakes={
            "log_weight.mean(0)": (
                "You average the logarithms: that is the ELBO.",
                "Average the weights, then take the logarithm.",
            ),
            "log_weight.logsumexp(0)": (
                "Divide by K: subtract log K.",
                "A sum of weights is no mean.",
            ),
            "log_weight.exp().mean(0).log()": (
                "exp(-130) underflows to 0.",
                "Use logsumexp: it takes the largest weight out first.",
            ),
            "log_weight.logsumexp(1) - math.log(log_weight.shape[1])": (
                "You average over the batch.",
                "The samples are on the first axis.",
            ),
            "(log_weight.logsumexp(0) - math.log(len(log_weight))).mean()": (
                "Return one number for each example.",
                "Return one number for each example.",
            ),
        },
    ),
}
