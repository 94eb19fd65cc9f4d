"""Measures of a trained model on data that it has not seen."""

import torch

from labutils.objectives import importance_bound
from labutils.training import seeded


@torch.no_grad()
def accuracy(model, images, labels):
    """The fraction of images (N, 784) whose largest logit is that of their label (N,)."""
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(
            f"Expected one label for each image, and at least one, got {len(images)} images and "
            f"{len(labels)} labels."
        )
    model.eval()
    return (model(images).argmax(-1) == labels).float().mean().item()


def log_likelihood(model, images, num_samples, seed=0, batch_size=100):
    """A lower bound on log p(x) of each image: importance_bound, batch by batch.

    images: (N, 784). Returns (N,) in nats; the same seed gives the same numbers.
    """
    if len(images) == 0:
        raise ValueError("Expected at least one image, got none.")
    with seeded(seed, images.device):
        bounds = [importance_bound(model, x, num_samples) for x in images.split(batch_size)]
    return torch.cat(bounds)
