"""Helpers of the course on deep generative models: what its notebooks import."""

from labutils.checks import check
from labutils.data import DataError, binarize, load
from labutils.evaluation import (
    accuracy,
    bits_per_dimension,
    log_likelihood,
    paired_bootstrap,
    scoreboard,
)
from labutils.models import BernoulliVAE, Classifier, GaussianVAE
from labutils.objectives import elbo, importance_bound, kl_bernoulli, kl_diagonal_gaussian
from labutils.training import fit, seeded

__all__ = [
    "BernoulliVAE",
    "Classifier",
    "DataError",
    "GaussianVAE",
    "accuracy",
    "binarize",
    "bits_per_dimension",
    "check",
    "elbo",
    "fit",
    "importance_bound",
    "kl_bernoulli",
    "kl_diagonal_gaussian",
    "load",
    "log_likelihood",
    "paired_bootstrap",
    "scoreboard",
    "seeded",
]
