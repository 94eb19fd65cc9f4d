"""How good a trained model is on data that it has not seen: accuracy, and nats per image."""

from labutils import guards
from labutils.data import AT_ONCE
from labutils.models import PIXELS, evaluating
from labutils.objectives import elbo, importance_bound
from labutils.runtime import own_seed, seeded

import math

import torch
from torch import nn

STANDARD_ERRORS = 1.96  # in half of a 95 % interval
BOUND_BATCH = 100  # images whose importance-weighted bounds are computed together
ELBO_BATCH = 1_000  # images whose ELBOs are: for 10,000, each temporary tensor takes 31 MB
SEED = own_seed(0, "evaluation")


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The fraction of images (N, 784) whose largest logit is that of their label (N,).

    Measured in evaluation mode; the model's own mode comes back. Raises ValueError unless there
    is one label for each image, and at least one.
    """
    _check_images(images)
    guards.tensor(labels, "labels")
    if labels.shape != images.shape[:1]:  # labels (N, 1) would be compared with all logits
        raise ValueError(
            f"Expected one label for each of the {len(images)} images, ({len(images)},), got "
            f"labels of shape {tuple(labels.shape)}."
        )
    with evaluating(model):
        classes = torch.cat([model(some).argmax(-1) for some in images.split(AT_ONCE)])
    return (classes == labels).float().mean().item()


def log_likelihood(model: nn.Module, images: torch.Tensor, num_samples: int) -> torch.Tensor:
    """A lower bound on log p(x) of each image: importance_bound, batch by batch.

    images: (N, 784). Returns (N,) in nats, without a gradient; the same numbers each time.
    Raises ValueError for no image or no sample.
    """
    _check_images(images)
    with evaluating(model), seeded(SEED, images.device):
        return _bounds(model, images, num_samples)


def elbo_and_gain(
    model: nn.Module, images: torch.Tensor, count: int = 100, num_samples: int = 1000
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ELBO of all images (N, 784), and what the importance-weighted bound adds on some.

    The bound costs much, but its gain over the ELBO varies less between images than either does.
    So the mean ELBO of all images plus the mean gain on about `count` of them, spread over the
    set, estimates the mean bound of all. Returns the ELBO (N,) and the gain (about count,), in
    nats, without a gradient; the same numbers each time. Raises ValueError for no image or sample.
    """
    _check_images(images)
    some = images[:: max(1, len(images) // guards.whole_number(count, "count"))]
    with evaluating(model), seeded(SEED, images.device):
        bound = torch.cat([elbo(model, x) for x in images.split(ELBO_BATCH)])
        gain = _bounds(model, some, num_samples) - elbo(model, some, 10)
    return bound, gain


def _bounds(model, images, num_samples):
    bounds = [importance_bound(model, x, num_samples) for x in images.split(BOUND_BATCH)]
    return torch.cat(bounds)


def _check_images(images):
    guards.tensor(images, "images")
    if len(images) == 0:
        raise ValueError("Expected at least one image, got none.")


def bits_per_dimension(nats):
    """Log-likelihood of a whole image in nats to the bits that coding one pixel costs, Eq. 1.14.

    nats: a number, or a tensor of any shape; the result is of the same kind.
    """
    return -nats / (PIXELS * math.log(2))


def auroc(higher: torch.Tensor, lower: torch.Tensor) -> float:
    """The share of pairs in which a value of `higher` (N,) exceeds one of `lower` (M,).

    Ties count one half. That is the area under the curve of hits against false alarms.
    """
    from sklearn.metrics import roc_auc_score  # here, since it is slow to import

    truth = torch.cat([torch.ones(len(higher)), torch.zeros(len(lower))])
    return float(roc_auc_score(truth, torch.cat([higher, lower])))


def half_width(*values: torch.Tensor) -> torch.Tensor:
    """Half of the 95 % interval of a mean: what the course writes after ±.

    values: (N, ...), independent along the first axis. Of several, which may differ in N, the
    sum of their means is meant, as if they were independent of each other. Returns (...,), in the
    unit of the values. Raises ValueError for fewer than two values.
    """
    if not values or min(len(each) for each in values) < 2:
        raise ValueError("An interval of a mean needs at least two values.")
    variances = [each.var(0) / len(each) for each in values]
    return STANDARD_ERRORS * sum(variances).sqrt()


def paired_bootstrap(first: torch.Tensor, second: torch.Tensor) -> tuple[float, float, float]:
    """The mean of `first - second`, and its 95 % interval over the choice of images.

    first, second: (N,) in nats, the same images in the same order. Images are drawn anew with
    replacement 1,000 times, the same ones for both (Efron, 1979). Returns the mean and the
    interval's ends, in nats. Raises ValueError for values that are not finite or not paired.
    """
    from scipy.stats import bootstrap  # here, since it is slow to import

    guards.nats_per_image(first, "first")
    guards.nats_per_image(second, "second", count=len(first))
    difference = (first - second).detach().double().cpu().numpy()
    interval = bootstrap(
        [difference],
        lambda nats, axis: nats.mean(axis),
        n_resamples=1_000,
        batch=max(1, 1_000_000 // len(difference)),  # 8 MB at once
        method="percentile",
        rng=SEED,
    ).confidence_interval
    return float(difference.mean()), float(interval.low), float(interval.high)
