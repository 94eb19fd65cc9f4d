"""What several chapters compare with: a grid in the plane, a tiny VAE, its images."""

from labutils import GaussianVAE

import torch

STEP = 0.05
TICKS = torch.arange(-6, 6, STEP, dtype=torch.float64) + STEP / 2
PLANE = torch.cartesian_prod(TICKS, TICKS)


def tiny_vae(latent_dim=2):
    """A VAE in double precision whose posterior is not too far from the true one."""
    torch.manual_seed(0)
    model = GaussianVAE(latent_dim, hidden_dim=8).double()
    for parameter in model.decoder.parameters():
        parameter.data *= 0.5
    return model


def images(count=3):
    return torch.bernoulli(torch.full((count, 784), 0.3, dtype=torch.float64),
                           generator=torch.Generator().manual_seed(1))  # fmt: skip


def log_joint(model, x, points=PLANE):
    """log p(x, z) for each point and image, (points, images): in parts, or it takes 1 GiB."""
    log_likelihood = [model.likelihood(z[:, None]).log_prob(x) for z in points.split(500)]
    return torch.cat(log_likelihood) + model.prior.log_prob(points)[:, None]
