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


def weighted_codes():
    """Codes (N, 2), responsibilities (N,), and a Gaussian that does not fit them."""
    z = codes_in_the_plane(200)
    with lab.seeded(1):
        r = torch.rand(200, dtype=torch.float64)
    covariance = torch.tensor([[1.5, 0.4], [0.4, 0.7]], dtype=torch.float64)
    return z, r, torch.tensor([0.3, -0.6], dtype=torch.float64), covariance


@pytest.mark.equation("5.4")
def test_the_lines_of_the_derivation_are_the_gradients_of_the_bound():
    value, in_mean, in_precision = (EXERCISES[f"m_step_derived.{k}"].answer for k in (1, 2, 3))
    z, r, mean, covariance = weighted_codes()
    mean, precision = mean.requires_grad_(), covariance.inverse().requires_grad_()
    log_density = MultivariateNormal(mean, precision_matrix=precision).log_prob(z)
    bound = sum(weight * each for weight, each in zip(r, log_density, strict=True))
    slopes = torch.autograd.grad(bound, (mean, precision))
    symmetric = (slopes[1] + slopes[1].T) / 2  # torch takes the triangle below for all of it
    arguments = z, r, mean.detach(), covariance
    assert torch.isclose(value(*arguments), bound)
    assert torch.allclose(in_mean(*arguments), slopes[0])
    assert torch.allclose(in_precision(*arguments), symmetric)


@pytest.mark.equation("5.5")
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
    assert all(map(torch.allclose, new, EXERCISES["gaussian_m_step"].answer(z, r)))
    free = [new[0].log(), new[1], torch.linalg.cholesky(new[2])]  # no constraint but these
    for parameter in free:
        parameter.requires_grad_()
    log_weight, means, root = free
    value = expected(log_weight.softmax(0), means, root @ root.mT)
    gradients = torch.autograd.grad(value, free)
    assert all(gradient.abs().max() < 1e-6 * len(z) for gradient in gradients), "a stationary point"
    assert value > expected(*old)
    assert em_step(z, *new)[-1] > before


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
    assert abs(ours - (0.8**2 + 0.9**2)) < 5e-3, "the closed form in one dimension"


@pytest.mark.equation("5.9")
def test_the_kernel_distance_of_two_gaussians_is_the_closed_form():
    """In one dimension; E k(a, b) for independent Gaussians is a Gaussian integral."""
    sd_a, sd_b, gap = 0.6, 1.0, 0.8
    with lab.seeded(0):
        a, b = sd_a * torch.randn(3_000, 1) + gap, sd_b * torch.randn(3_000, 1)
    width = torch.pdist(b).median().item() / 2

    def expected(variance, distance):
        total = width**2 + variance
        return width / math.sqrt(total) * math.exp(-(distance**2) / (2 * total))

    within = expected(2 * sd_a**2, 0) + expected(2 * sd_b**2, 0)
    exact = within - 2 * expected(sd_a**2 + sd_b**2, gap)
    assert quality.kernel_distance(a, b) == pytest.approx(exact, rel=0.06)


@pytest.mark.equation("5.10")
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


@pytest.mark.equation("5.11")
def test_the_jackknife_error_is_the_spread_over_new_data_and_too_long_near_the_floor():
    def ratio(shift):
        """Of the jackknife's error to the spread over new data."""

        def fresh():
            return torch.randn(200, 3), (1 + 0.6 * shift) * torch.randn(200, 3) + shift

        with lab.seeded(0):
            spread = torch.tensor([quality.frechet_distance(*fresh()) for _ in range(400)]).std()
            bars = [quality.jackknife(quality.frechet_distance, *fresh()) for _ in range(60)]
        return sum(bars) / len(bars) / 2.262 / spread  # the quantile of t with 9 degrees of freedom

    assert abs(ratio(0.5) - 1) < 0.15
    assert 1.2 < ratio(0) < 2.2


@pytest.mark.equation("5.12")
def test_the_copy_rate_is_the_auroc_counted_pair_by_pair():
    with lab.seeded(0):
        samples, held_out = torch.randint(0, 9, (30,)).float(), torch.randint(2, 9, (20,)).float()
    pairs = [(x < y) + 0.5 * (x == y) for x in samples.tolist() for y in held_out.tolist()]
    rate = EXERCISES["copy_rate"].answer(samples, held_out)
    assert rate.item() == pytest.approx(sum(pairs) / len(pairs))
    assert rate.item() == pytest.approx(lab.auroc(held_out, samples), abs=1e-6)
    assert EXERCISES["copy_rate"].answer(held_out, held_out).item() == pytest.approx(0.5)


class Small:
    """Two pixels that depend on a code of one number, under a mixture as prior."""

    parts = Independent(Normal(torch.tensor([[-2.0], [1.0]]), torch.tensor([[0.5], [0.8]])), 1)
    prior = MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7])), parts)

    @staticmethod
    def likelihood(z):
        return Independent(Bernoulli(logits=torch.cat([2 * z - 1, z.square() - 2], -1)), 1)


PIXELS = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def by_quadrature():
    """log p(x) of PIXELS under Small."""
    z = torch.arange(-8, 8, 0.001)[:, None, None]
    log_joint = Small.likelihood(z).log_prob(PIXELS) + Small.prior.log_prob(z)
    return log_joint.logsumexp(0) + math.log(0.001)


@pytest.mark.equation("5.13")
def test_the_likelihood_under_a_mixture_prior_is_that_of_quadrature():
    """The bound with many samples, and a fitted q."""
    fitted_q, fit_posterior = from_notebook("05", "FittedQ", "fit_posterior")
    exact, zero = by_quadrature(), torch.zeros(3, 1)

    def elbo(model):
        with torch.no_grad(), lab.seeded(0):
            return lab.elbo(model, PIXELS, 20_000)

    with lab.seeded(0):
        wide = lab.importance_bound(fitted_q(Small, zero, zero + math.log(4)), PIXELS, 20_000)
        fitted = fit_posterior(fitted_q(Small, zero, zero), PIXELS)
    assert torch.allclose(wide, exact, atol=0.05)
    assert (elbo(fitted) > elbo(fitted_q(Small, zero, zero))).all(), "the fit raises the ELBO"
    assert (elbo(fitted) < exact + 0.02).all(), "which is a lower bound"


@pytest.mark.equation("5.13")
def test_the_autoencoder_read_as_coins_has_the_likelihood_of_quadrature():
    """A decoder of 784 pixels and one number as a code, whose encoder is of no use."""
    (read_as_coins,) = from_notebook("05", "ReadAsCoins")
    with lab.seeded(0):
        model = lab.AutoEncoder(1, 4)
        read = read_as_coins(model, Small.prior, 2.0)
        x = torch.bernoulli(model.decode(torch.tensor([[-1.0], [0.5]])).detach())
    z = torch.arange(-8, 8, 0.01)[:, None, None]
    with torch.no_grad(), lab.seeded(0):
        log_joint = read.likelihood(z).log_prob(x) + Small.prior.log_prob(z)
        bound = lab.importance_bound(read, x, 20_000)
    assert torch.allclose(bound, log_joint.logsumexp(0) + math.log(0.01), atol=0.05)


@pytest.mark.equation("5.14")
def test_the_importance_estimate_finds_the_likelihood_of_quadrature():
    with lab.seeded(0):
        noise = torch.randn(50_000, 3, 1)
    z = 0.5 + 2 * noise
    terms = Small.likelihood(z).log_prob(PIXELS), Small.prior.log_prob(z)
    estimate = EXERCISES["importance_estimate"].answer(*terms, noise, 2.0)
    assert torch.allclose(estimate, by_quadrature(), atol=0.03)


@pytest.mark.equation("5.2")
def test_the_mended_prior_scores_what_it_draws():
    """The mean log-density of draws is minus the entropy, by quadrature."""
    weight, mean = torch.tensor([0.3, 0.7]), torch.tensor([[-1.0, 0.5], [1.0, -0.5]])
    log_var = torch.tensor([[0.2, -1.0], [-0.5, 0.8]])
    with lab.seeded(0):
        component = torch.multinomial(weight, 100_000, replacement=True)
        noise = torch.randn(100_000, 2)
    scored = EXERCISES["mixture_prior"].answer(weight.log(), mean, log_var, component, noise)
    parts = Independent(Normal(mean.double(), (log_var / 2).exp().double()), 1)
    log_m = MixtureSameFamily(Categorical(weight), parts).log_prob(PLANE)
    assert scored.mean().item() == pytest.approx(
        (log_m.exp() * log_m).sum().item() * STEP**2, abs=0.02
    )


def test_the_elbo_by_samples_is_that_of_labutils():
    model, x = tiny_vae(), images()
    q = model.posterior(x)
    with torch.no_grad(), lab.seeded(0):
        z = q.sample((20_000,))
        terms = model.likelihood(z).log_prob(x), model.prior.log_prob(z), q.log_prob(z)
        by_samples = EXERCISES["elbo_by_samples"].answer(*terms)
        assert torch.allclose(by_samples, lab.elbo(model, x, 20_000), atol=0.05)
