"""Notebook 03: the ELBO of the Gaussian VAE, its gradient, and tighter bounds."""

import labutils as lab
from labutils.exercises import EXERCISES

import math
from types import SimpleNamespace

import pytest
import torch
from torch import distributions
from torch.distributions import Normal
from torch.nn import functional as F

from .oracles import PLANE, STEP, images, log_joint, tiny_vae
from .reading import from_notebook


@pytest.mark.equation("3.1")
def test_the_evidence_is_the_mean_of_the_likelihood_over_the_prior():
    model, x = tiny_vae(), images()
    (log_evidence,) = from_notebook("03", "log_evidence")
    with torch.no_grad(), lab.seeded(0):
        likelihood = model.likelihood(model.prior.sample((10_000, 1))).log_prob(x)
        exact = log_evidence(log_joint(model, x), STEP)
    estimate = likelihood.logsumexp(0) - math.log(len(likelihood))
    weights = likelihood.softmax(0)
    error = (weights - 1 / len(weights)).square().sum(0).sqrt()  # relative, of the mean
    assert ((estimate - exact).abs() < 5 * error).all()


@pytest.mark.equation("3.2")
def test_the_likelihood_sums_to_one_over_all_images():
    """Over all values of two pixels: the others are independent given z."""
    model, z = tiny_vae(), torch.zeros(1, 2, dtype=torch.float64)
    pixels = model.likelihood(z).base_dist
    total = sum(
        pixels.log_prob(torch.full((1, 784), v, dtype=torch.float64)).exp() for v in (0.0, 1.0)
    )
    assert torch.allclose(total, torch.ones_like(total))
    x = images(1)
    by_hand = torch.where(x == 1, pixels.probs, 1 - pixels.probs).log().sum(-1)
    assert torch.allclose(model.likelihood(z).log_prob(x), by_hand)


@pytest.mark.equation("3.3")
def test_bayes_rule_gives_a_density_of_codes():
    """It integrates to one, and its ratio at two codes is that of the joint densities."""
    model, x = tiny_vae(), images()
    (log_posterior,) = from_notebook("03", "log_posterior")
    with torch.no_grad():
        log_density = log_posterior(log_joint(model, x), STEP)
        there = model.likelihood(PLANE[[7_000, 7_100], None]).log_prob(x)
        there = there + model.prior.log_prob(PLANE[[7_000, 7_100]])[:, None]
    total = (log_density.exp() * STEP**2).sum(0)
    assert torch.allclose(total, torch.ones_like(total))
    assert torch.allclose(log_density[[7_000, 7_100]].diff(dim=0), there.diff(dim=0))


@pytest.mark.equation("3.4")
def test_the_posterior_factorises_over_the_latent_dimensions():
    model, x = tiny_vae(), images()
    mean, log_var = model.encoder(x).chunk(2, dim=-1)
    z = torch.randn(3, 2, dtype=torch.float64)
    each = -0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 / log_var.exp())
    assert torch.allclose(model.posterior(x).log_prob(z), each.sum(-1))


@pytest.mark.equation("3.5")
def test_jensens_bound_is_the_expected_log_weight():
    """log p(x, z) - log q(z) averaged over z from q: below log p(x), and elbo()'s other form."""
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        q = model.posterior(x)
        z = q.sample((2_000,))
        joint = model.likelihood(z).log_prob(x) + model.prior.log_prob(z)
        weight = joint - q.log_prob(z)
        log_p = log_joint(model, x).logsumexp(0) + 2 * math.log(STEP)
        other = lab.elbo(model, x, 2_000)
    error = weight.std(0) / math.sqrt(2_000)
    assert (weight.mean(0) + 5 * error < log_p).all()
    assert ((weight.mean(0) - other).abs() < 7 * error).all()


@pytest.mark.equation("3.5", "3.8")
def test_the_elbo_is_the_integral_by_quadrature():
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        exact = (log_q.exp() * (log_joint(model, x) - log_q)).sum(0) * STEP**2
        draws = torch.stack([lab.elbo(model, x, 100) for _ in range(50)])
    error = draws.std(0) / math.sqrt(50)
    assert ((draws.mean(0) - exact).abs() < 5 * error + 1e-6).all()


@pytest.mark.equation("3.6")
def test_log_p_is_the_elbo_plus_the_kl_to_the_true_posterior():
    model, x = tiny_vae(), images()
    gap_to_posterior, log_evidence = from_notebook("03", "gap_to_posterior", "log_evidence")
    with torch.no_grad(), lab.seeded(0):
        joint = log_joint(model, x)
        log_p = log_evidence(joint, STEP)
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        gap = gap_to_posterior(log_q, joint, STEP)
        draws = torch.stack([lab.elbo(model, x, 100) for _ in range(50)])
    error = draws.std(0) / math.sqrt(50)
    assert (gap > 0).all()
    assert ((draws.mean(0) + gap - log_p).abs() < 5 * error + 1e-6).all()


@pytest.mark.equation("3.7")
def test_the_kl_is_the_integral_of_its_definition():
    mean, log_var = torch.tensor([0.7, -0.4]).double(), torch.tensor([0.3, -1.1]).double()
    q, p = Normal(mean, (log_var / 2).exp()), Normal(torch.zeros(2).double(), 1.0)
    fine = torch.arange(-12, 12, 0.001, dtype=torch.float64)[:, None]
    integral = (q.log_prob(fine).exp() * (q.log_prob(fine) - p.log_prob(fine))).sum() * 0.001
    assert torch.isclose(lab.kl_diagonal_gaussian(mean, log_var), integral, rtol=1e-6)


@pytest.mark.equation("3.8")
def test_the_elbo_that_a_student_writes_is_that_of_labutils():
    """With the noise that labutils draws, and the KL's sum over j in it."""
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        expected = lab.elbo(model, x, 4).mean()
        parts = SimpleNamespace(
            encoder=lambda x: model.encoder(x).chunk(2, dim=-1), decoder=model.decoder
        )
        with lab.seeded(0):
            z = model.posterior(x).rsample((4,))
        mean, log_var = parts.encoder(x)
        eps = (z - mean) / (log_var / 2).exp()
        assert torch.isclose(EXERCISES["elbo"].answer(parts, x, eps), expected)


@pytest.mark.equation("3.9")
def test_reparameterised_gradients_are_those_of_the_exact_expectation():
    """E[z^3] under N(mean, sigma^2) is mean^3 + 3 mean sigma^2: its gradient is known."""
    mean = torch.full((200_000, 1), 0.5, requires_grad=True)
    log_var = torch.full((200_000, 1), -0.6, requires_grad=True)
    with lab.seeded(0):
        eps = torch.randn(200_000, 1)
    z = EXERCISES["reparameterise"].answer(mean, log_var, eps)
    gradients = torch.autograd.grad((z**3).sum(), (mean, log_var))
    variance = math.exp(-0.6)
    for gradient, exact in zip(
        gradients, (3 * 0.25 + 3 * variance, 3 * 0.5 * variance), strict=True
    ):
        assert abs(gradient.mean() - exact) < 5 * gradient.std() / math.sqrt(200_000)


@pytest.mark.equation("3.10")
def test_the_score_function_gives_the_same_gradient():
    mean, sigma = 0.5, 0.8
    with lab.seeded(0):
        z = mean + sigma * torch.randn(400_000)
    (score,) = from_notebook("03", "score")
    estimate = z**3 * score(z, mean, sigma)
    exact = 3 * mean**2 + 3 * sigma**2
    assert abs(estimate.mean() - exact) < 5 * estimate.std() / math.sqrt(400_000)


@pytest.mark.equation("3.11")
def test_the_importance_bound_rises_from_the_elbo_to_log_p():
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        log_p = log_joint(model, x).logsumexp(0) + 2 * math.log(STEP)
        bounds = [
            torch.stack([lab.importance_bound(model, x, k) for _ in range(repeats)]).mean(0)
            for k, repeats in ((1, 200), (10, 200), (1000, 50))
        ]
    assert (bounds[0] < bounds[1]).all() and (bounds[1] < bounds[2]).all()
    assert torch.allclose(bounds[2], log_p, atol=0.1)


@pytest.mark.equation("3.12")
def test_the_integral_of_cross_entropy_over_grey_values():
    (grey_integral,) = from_notebook("03", "grey_integral")
    theta = torch.tensor([0.1, 0.45, 0.7], dtype=torch.float64)
    grey = (torch.arange(5_000, dtype=torch.float64)[:, None] + 0.5) / 5_000
    integral = (-F.binary_cross_entropy(theta.expand(5_000, 3), grey.expand(5_000, 3),
                                        reduction="none")).exp().mean(0)  # fmt: skip
    assert torch.allclose(grey_integral(theta), integral, rtol=1e-6)
    constant = distributions.ContinuousBernoulli(theta)._cont_bern_log_norm()
    assert torch.allclose(grey_integral(theta), (-constant).exp(), rtol=1e-6)


@pytest.mark.equation("3.13")
def test_the_gaussian_likelihood_is_a_density_in_every_pixel():
    torch.manual_seed(0)
    model = lab.GaussianVAE(2, 8, likelihood="gaussian").double()
    pixels = model.likelihood(torch.zeros(1, 2).double()).base_dist
    grey = torch.arange(-5, 5, 0.001, dtype=torch.float64)
    total = pixels.log_prob(grey[:, None].expand(-1, 784)).exp().sum(0) * 0.001
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)


@pytest.mark.equation("3.14")
@pytest.mark.parametrize("beta", [0.1, 1, 30])
def test_beta_weighs_the_kl(beta):
    """The loss that notebook 03 hands to fit(), against the two terms by quadrature."""
    (beta_loss,) = from_notebook("03", "beta_loss")
    model, x = tiny_vae(), images()
    with torch.no_grad(), lab.seeded(0):
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        weight = log_q.exp() * STEP**2
        log_prior = model.prior.log_prob(PLANE)[:, None]
        expected = (weight * (log_joint(model, x) - log_prior)).sum(0)
        kl = (weight * (log_q - log_prior)).sum(0)
        draws = torch.stack([beta_loss(model, x, None, beta) for _ in range(500)])
    error = draws.std() / math.sqrt(500)
    assert abs(draws.mean() + (expected - beta * kl).mean()) < 5 * error


@pytest.mark.equation("3.15")
def test_the_linear_model_has_the_evidence_of_its_integral_over_codes():
    """Quadrature over one latent dimension, averaged over data with the given covariance."""
    (log_evidence_linear,) = from_notebook("03", "log_evidence_linear")
    W = torch.tensor([[1.2], [-0.7]]).double()
    s2 = torch.tensor([0.5, 0.9]).double()
    x = torch.tensor([[1.0, 2], [-1, -2], [0.5, -1], [-0.5, 1]]).double()
    codes = torch.arange(-10, 10, 0.01, dtype=torch.float64)[:, None]
    joint = Normal(codes @ W.T, s2.sqrt()).log_prob(x[:, None]).sum(-1)
    joint = joint + Normal(0.0, 1.0).log_prob(codes[:, 0])
    exact = (joint.logsumexp(-1) + math.log(0.01)).mean()
    covariance = x.T @ x / len(x)
    assert torch.isclose(log_evidence_linear(covariance, W, s2), exact)


def test_the_linear_elbo_meets_the_evidence_where_q_is_the_posterior():
    (linear_terms, log_evidence_linear) = from_notebook("03", "linear_terms", "log_evidence_linear")
    W = torch.tensor([[1.2], [-0.7]]).double()
    s2 = torch.tensor([0.5, 0.9]).double()
    covariance = torch.tensor([[2.0, -0.4], [-0.4, 1.0]]).double()
    precision = 1 + (W.T @ (W / s2[:, None])).squeeze()
    V = (W / s2[:, None]).T / precision
    nats, kl = linear_terms(covariance, W, V, -precision.log().view(1), s2)
    assert torch.isclose(nats - kl.sum(), log_evidence_linear(covariance, W, s2))
    nats, kl = linear_terms(covariance, W, V, 0.4 - precision.log().view(1), s2)
    assert nats - kl.sum() < log_evidence_linear(covariance, W, s2) - 0.01
