"""Helpers of the course on deep generative models: what its notebooks import."""

from labutils.checks import check
from labutils.data import DataError, binarize, load
from labutils.evaluation import (
    DigitFeatures,
    accuracy,
    bits_per_dimension,
    class_imbalance,
    frechet_distance,
    log_likelihood,
    paired_bootstrap,
    precision_recall,
    scoreboard,
    standard_error,
)
from labutils.models import AutoEncoder, BernoulliVAE, Classifier, GaussianVAE, fit_mixture
from labutils.objectives import elbo, importance_bound, kl_bernoulli, kl_diagonal_gaussian
from labutils.training import fit, seeded

__all__ = [
    "AutoEncoder",
    "BernoulliVAE",
    "Classifier",
    "DataError",
    "DigitFeatures",
    "GaussianVAE",
    "accuracy",
    "binarize",
    "bits_per_dimension",
    "check",
    "class_imbalance",
    "elbo",
    "fit",
    "fit_mixture",
    "frechet_distance",
    "importance_bound",
    "kl_bernoulli",
    "kl_diagonal_gaussian",
    "load",
    "log_likelihood",
    "paired_bootstrap",
    "precision_recall",
    "scoreboard",
    "seeded",
    "standard_error",
]
