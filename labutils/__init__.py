"""Helpers of the course on deep generative models: what its notebooks import."""

import ctypes
import os
import sys
from importlib import import_module

# torch's threads spin while they wait for each other, so that two kernels on the same cores take
# many times as long: wait briefly, then sleep. OpenMP reads this once, when torch is loaded.
# KMP_BLOCKTIME, for the OpenMP of macOS and Windows, is untried.
_SPIN = ("GOMP_SPINCOUNT", "1000") if sys.platform == "linux" else ("KMP_BLOCKTIME", "1")
if not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}:
    os.environ[_SPIN[0]] = _SPIN[1]

# glibc hands freed blocks of up to 32 MiB out again instead of giving them back, and soon holds 100
# MiB in pieces that nobody uses: what is larger than 5 MiB, no batch of a training, goes back.
# Fixing the first threshold fixes the second at 128 KiB, which would cost time in each batch.
if sys.platform == "linux" and hasattr(_libc := ctypes.CDLL(None), "mallopt"):
    _libc.mallopt(-3, 5 * 2**20)  # M_MMAP_THRESHOLD
    _libc.mallopt(-1, 32 * 2**20)  # M_TRIM_THRESHOLD

import torch
from joblib import cpu_count

# what the process, in a container perhaps, may use: not what the machine has
torch.set_num_threads(min(torch.get_num_threads(), cpu_count()))

from labutils.data import DataError, binarize, load
from labutils.evaluation import (
    accuracy,
    auroc,
    bits_per_dimension,
    elbo_and_gain,
    half_width,
    log_likelihood,
    paired_bootstrap,
)
from labutils.exercises import check, predict, solved
from labutils.mixtures import BernoulliMixture, GaussianMixture
from labutils.models import AutoEncoder, BernoulliVAE, Classifier, GaussianVAE, start_at_mean
from labutils.objectives import elbo, importance_bound, kl_bernoulli, kl_diagonal_gaussian
from labutils.quality import frechet_distance, precision_recall
from labutils.recipes import trained
from labutils.runtime import seeded
from labutils.scoreboard import Scoreboard
from labutils.training import fit

__all__ = [
    "AutoEncoder", "BernoulliMixture", "BernoulliVAE", "Classifier", "DataError", "GaussianMixture",
    "GaussianVAE", "Scoreboard", "accuracy", "auroc", "binarize", "bits_per_dimension", "check",
    "elbo", "elbo_and_gain", "fit", "frechet_distance", "half_width", "importance_bound",
    "kl_bernoulli", "kl_diagonal_gaussian", "load", "log_likelihood", "paired_bootstrap",
    "precision_recall", "predict", "seeded", "solved", "start_at_mean", "trained",
]  # fmt: skip

_DRAWING = ("diagrams", "figures", "widgets")  # slow to import, and so at first use


def __getattr__(name):
    if name in _DRAWING:
        return import_module(f"labutils.{name}")
    raise AttributeError(f"module 'labutils' has no attribute {name!r}")
