"""Mixtures of Gaussians under a check: the steps of EM and draws, with one thing changed."""

import torch
from torch.distributions import Normal


def shares(log_weight, log_density, epsilon):
    """Eq. 5.3 as printed, with a small constant under the quotient."""
    p = (log_weight + log_density).exp()
    return p / (p.sum(-1, keepdim=True) + epsilon)


def one_component(draw):
    """Codes, their responsibilities, a mean and a covariance, in double."""
    root, z, mean = draw.normal(3, 3).double(), draw.normal(7, 3).double(), draw.normal(3).double()
    return z, draw.uniform(7).double(), mean, root @ root.T + torch.eye(3)


def m_step(z, r, means=None, count=None, about=None, weight=None):
    """Eq. 5.5 with other means; or covariances with another count, about others, or weighted so."""
    right = r.sum(0)
    means = r.T @ z / right[:, None] if means is None else means
    gaps = z[:, None] - (means if about is None else about)
    weight, count = r if weight is None else weight, right if count is None else count
    covariances = torch.einsum("nk,nki,nkj->kij", weight, gaps, gaps)
    return right / len(z), means, covariances / count[..., None, None]


def published(log_weight, mean, log_var, component, noise, divisor=1, per_coordinate=True):
    """Draws with standard deviation exp(log_var / divisor); coordinates mixed one by one."""
    z = mean[component] + (log_var[component] / divisor).exp() * noise
    log_density = Normal(mean, (log_var / 2).exp()).log_prob(z[:, None])
    if per_coordinate:
        return (log_weight[:, None] + log_density).logsumexp(1).sum(-1)
    return (log_weight + log_density.sum(-1)).logsumexp(-1)


def draws_to_score(draw):
    """The arguments of published."""
    weight, (mean, log_var) = draw.normal(3).log_softmax(-1), draw.normal(2, 3, 2)
    return weight, mean, log_var, draw.integers(0, 3, (6,)), draw.normal(6, 2)
