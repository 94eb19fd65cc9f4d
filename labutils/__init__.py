"""Helpers of the course on deep generative models: what its notebooks import."""

from labutils.checks import check
from labutils.data import DataError, binarize, load
from labutils.evaluation import accuracy, log_likelihood
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
    "check",
    "elbo",
    "fit",
    "importance_bound",
    "kl_bernoulli",
    "kl_diagonal_gaussian",
    "load",
    "log_likelihood",
    "seeded",
]
