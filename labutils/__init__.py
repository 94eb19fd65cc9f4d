"""Helpers of the course on deep generative models: what its notebooks import."""

from labutils.checks import check
from labutils.data import DataError, binarize, load
from labutils.evaluation import (
    DigitFeatures,
    accuracy,
    bits_per_dimension,
    class_imbalance,
    elbo_and_gain,
    frechet_distance,
    log_likelihood,
    paired_bootstrap,
    precision_recall,
    scoreboard,
    standard_error,
)
from labutils.models import (
    AutoEncoder,
    BernoulliVAE,
    Classifier,
    GaussianVAE,
    fit_mixture,
    start_at_mean,
)
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
    "elbo_and_gain",
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
    "start_at_mean",
]
