"""Notebook 05: mixtures of codes, the aggregate posterior, measures of samples."""

import labutils as lab
from labutils import quality
from labutils.exercises import EXERCISES
from labutils.recipes import reconstruction_loss

import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from .oracles import PLANE, STEP, images, tiny_vae
from .reading import from_notebook


@pytest.mark.equation("5.1")
def test_the_loss_is_the_mean_bernoulli_log_likelihood_over_binarisations():
    torch.manual_seed(0)
    model, grey = lab.AutoEncoder(2, 8), torch.rand(4, 784)
    logits = model.decoder(model.encode(grey)).detach()
    with lab.seeded(0):
        draws = torch.bernoulli(grey.expand(2_000, -1, -1))
    terms = -Bernoulli(logits=logits).log_prob(draws).sum(-1).mean(-1)
    error = terms.std() / math.sqrt(len(terms))
    assert abs(reconstruction_loss(model, grey, None).detach() - terms.mean()) < 5 * error


def codes_in_the_plane(count=3_000):
    """Two clouds of codes, one of them stretched."""
    with lab.seeded(0):
        codes = torch.randn(count, 2, dtype=torch.float64)
    codes[: count // 3] = codes[: count // 3] * torch.tensor([0.3, 1.0]) - 1.5
    return codes


@pytest.mark.equation("5.2")
def test_the_mixture_integrates_to_one_and_is_the_weighted_sum():
    mixture = lab.GaussianMixture.fit(codes_in_the_plane(), 3, seed=0)
    density = mixture.log_prob(PLANE).exp()
    assert torch.isclose(density.sum() * STEP**2, torch.ones(()).double(), atol=1e-4)
    parts = mixture.component_distribution
    by_hand = sum(
        weight * MultivariateNormal(mean, covariance).log_prob(PLANE).exp()
        for weight, mean, covariance in zip(
            mixture.mixture_distribution.probs, parts.mean, parts.covariance_matrix, strict=True
        )
    )
    assert torch.allclose(density, by_hand)


@pytest.mark.equation("5.3")
def test_responsibilities_are_the_frequencies_of_the_components_at_a_place():
    weights, means = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([-1.0, 0.5, 2.0])
    with lab.seeded(0):
        component = torch.multinomial(weights, 500_000, replacement=True)
        z = means[component] + torch.randn(500_000)
    near = (z - 0.4).abs() < 0.02
    frequency = torch.bincount(component[near], minlength=3) / near.sum()
    log_density = Normal(means, 1.0).log_prob(torch.tensor([[0.4]]))
    r = EXERCISES["responsibilities"].answer(weights.log(), log_density)[0]
    assert torch.allclose(r, frequency, atol=0.015)


@pytest.mark.equation("5.4")
def test_the_m_step_maximises_and_em_never_lowers_the_likelihood():
    responsibilities = EXERCISES["responsibilities"].answer
    (em_step,) = from_notebook("05", "em_step")
    z = codes_in_the_plane()
    old = torch.tensor([0.5, 0.5]).double(), z[[5, -5]], torch.eye(2).double().repeat(2, 1, 1)
    log_density = MultivariateNormal(*old[1:]).log_prob(z[:, None])
    r = responsibilities(old[0].log(), log_density)

    def expected(weights, means, covariances):
        return (
            r * (weights.log() + MultivariateNormal(means, covariances).log_prob(z[:, None]))
        ).sum()

    *new, before = em_step(z, *old)
    free = [new[0].log(), new[1], torch.linalg.cholesky(new[2])]  # no constraint but these
    for parameter in free:
        parameter.requires_grad_()
    log_weight, means, root = free
    value = expected(log_weight.softmax(0), means, root @ root.mT)
    gradients = torch.autograd.grad(value, free)
    assert all(gradient.abs().max() < 1e-6 * len(z) for gradient in gradients), "a stationary point"
    assert value > expected(*old)
    assert em_step(z, *new)[-1] > before


@pytest.mark.equation("5.5")
def test_the_bic_is_that_of_scikit_learn():
    from sklearn.mixture import GaussianMixture

    z = codes_in_the_plane().numpy()
    em = GaussianMixture(3, random_state=0).fit(z)
    ours = EXERCISES["bic"].answer(em.score(z) * len(z), 3, 2, len(z))
    assert abs(ours - em.bic(z)) < 1e-6 * abs(ours)


@pytest.mark.equation("5.6")
def test_codes_of_the_aggregate_posterior_have_its_mean_and_covariance():
    """By the laws of total expectation and variance."""
    (aggregate_codes,) = from_notebook("05", "aggregate_codes")
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        z = aggregate_codes(model, x.repeat(20_000, 1))
        q = model.posterior(x)
    assert z.shape == (60_000, 2)
    assert torch.allclose(z.mean(0), q.mean.mean(0), atol=0.02)
    covariance = q.variance.mean(0).diag() + q.mean.T.cov(correction=0)
    assert torch.allclose(z.T.cov(), covariance, atol=0.03)


@pytest.mark.equation("5.7")
def test_another_prior_gains_what_it_is_closer_to_the_aggregate_posterior():
    aggregate_codes, prior_gain = from_notebook("05", "aggregate_codes", "prior_gain")
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        z = aggregate_codes(model, x.repeat(10_000, 1))
        mixture = lab.GaussianMixture.fit(z[:3_000], 3, seed=0)
        terms = prior_gain(model.prior, mixture, z)
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        other = model.with_prior(mixture)
        gains = torch.stack(
            [(lab.elbo(other, x, 100) - lab.elbo(model, x, 100)).mean() for _ in range(50)]
        )
    log_p, log_m = model.prior.log_prob(PLANE), mixture.log_prob(PLANE)
    aggregate = log_q.exp().mean(1)
    kl_p, kl_m = (
        (aggregate * (aggregate.log() - log_prior)).sum() * STEP**2 for log_prior in (log_p, log_m)
    )
    of_elbo = (log_q.exp() * (log_m - log_p)[:, None]).sum(0).mean() * STEP**2
    error = terms.std() / math.sqrt(len(terms))
    assert abs(terms.mean() - (kl_p - kl_m)) < 5 * error
    assert torch.isclose(of_elbo, kl_p - kl_m)
    assert abs(gains.mean() - (kl_p - kl_m)) < 5 * gains.std() / math.sqrt(50)
    assert kl_p - kl_m < kl_p


@pytest.mark.equation("5.8")
def test_the_frechet_distance_is_the_cost_of_moving_one_gaussian_onto_the_other():
    """In one dimension the cheapest way moves quantile to quantile."""
    level = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    a, b = Normal(0.3, 0.8).icdf(level), Normal(-0.5, 1.7).icdf(level)
    moved = (a - b).square().mean().item()
    with lab.seeded(0):
        order = torch.randperm(len(b))
    ours = quality.frechet_distance(a[:, None], b[order, None])
    assert abs(ours - moved) < 1e-3
    zero = torch.zeros(1)
    diagonal = EXERCISES["frechet_diagonal"].answer(zero + 0.3, zero + 0.8, zero - 0.5, zero + 1.7)
    assert abs(diagonal.item() - (0.8**2 + 0.9**2)) < 1e-6 and abs(ours - diagonal) < 5e-3


@pytest.mark.equation("5.9")
def test_precision_counts_the_samples_in_a_ball_one_by_one():
    with lab.seeded(0):
        samples, reference = 3 * torch.randn(40, 2), torch.randn(30, 2)
    radii = [sorted((y - other).norm() for other in reference)[3] for y in reference]
    inside = [
        any((x - y).norm() <= r for y, r in zip(reference, radii, strict=True)) for x in samples
    ]
    by_hand = sum(inside) / len(samples)
    assert 0.2 < by_hand < 0.95
    assert abs(quality.precision_recall(samples, reference)[0] - by_hand) < 1e-6
    ours = EXERCISES["precision"].answer(torch.cdist(samples, reference), torch.stack(radii))
    assert abs(ours - by_hand) < 1e-6


@pytest.mark.equation("5.10")
def test_the_jackknife_error_is_the_spread_over_new_data():
    def fresh():
        return torch.randn(200, 3), 1.3 * torch.randn(200, 3) + 0.5

    with lab.seeded(0):
        spread = torch.tensor([quality.frechet_distance(*fresh()) for _ in range(400)]).std()
        errors = [
            quality.standard_error(quality.frechet_distance, *fresh(), rounds=20, seed=k)
            for k in range(30)
        ]
    assert abs(sum(errors) / len(errors) / spread - 1) < 0.15


@pytest.mark.equation("5.11")
def test_the_likelihood_under_a_mixture_prior_is_that_of_quadrature():
    """For two pixels and a code of one number: the bound with many samples, and a fitted q."""
    log_weights, fitted_posterior, log_p_bound = from_notebook(
        "05", "log_weights", "fitted_posterior", "log_p_bound"
    )
    parts = Independent(Normal(torch.tensor([[-2.0], [1.0]]), torch.tensor([[0.5], [0.8]])), 1)
    prior = MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7])), parts)

    def likelihood(z):
        return Independent(Bernoulli(logits=torch.cat([2 * z - 1, z.square() - 2], -1)), 1)

    x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    z = torch.arange(-8, 8, 0.001)[:, None, None]
    log_joint = likelihood(z).log_prob(x) + prior.log_prob(z)
    exact = log_joint.logsumexp(0) + math.log(0.001)
    start = Independent(Normal(torch.zeros(3, 1), torch.ones(3, 1)), 1)
    q = fitted_posterior(likelihood, prior, x, torch.zeros(3, 1), torch.zeros(3, 1))

    def elbo(q):
        return log_weights(likelihood, prior, q, x, q.sample((20_000,))).mean(0)

    assert (elbo(q) > elbo(start)).all(), "the fit raises the ELBO"
    assert (elbo(q) < exact + 0.02).all(), "which is a lower bound"
    wide = Independent(Normal(torch.zeros(3, 1), torch.full((3, 1), 2.0)), 1)
    many = log_p_bound(likelihood, prior, wide, x, K=20_000, at_once=1_000)
    assert torch.allclose(many, exact, atol=0.05)
