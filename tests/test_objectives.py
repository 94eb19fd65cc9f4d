"""Each objective agrees with the same number found by another route.

The VAE here has six pixels: its 64 images can be counted, its latents integrated.
"""

from labutils import models, objectives
from labutils.mixtures import GaussianMixture
from labutils.models import BernoulliVAE, GaussianVAE
from labutils.objectives import (
    all_codes,
    elbo,
    exact_elbo,
    exact_log_likelihood,
    importance_bound,
    kl_bernoulli,
    kl_diagonal_gaussian,
)

import itertools
import math

import pytest
import torch
from conftest import Largest
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

PIXELS = 6
every_image = torch.tensor(list(itertools.product((0.0, 1.0), repeat=PIXELS)))
x = every_image[[0, 13, 38, 63]]


@pytest.fixture(params=[1, 2], ids=["one latent", "two latents"])
def vae(request, monkeypatch):
    """A VAE whose posteriors are neither the prior nor right."""
    monkeypatch.setattr(models, "PIXELS", PIXELS)
    model = GaussianVAE(request.param, 8)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.6)
    return model


def grid(latent_dim):
    """Points of the latent space, and the logarithm of the volume of the cell of each."""
    line = torch.arange(-8, 8.01, 0.1)
    points = torch.cartesian_prod(*[line] * latent_dim).view(-1, 1, latent_dim)
    return points, latent_dim * math.log(0.1)


def log_joint(model, x, z):
    return model.prior.log_prob(z) + model.likelihood(z).log_prob(x)


@torch.no_grad()
def log_evidence(model, x):
    z, log_cell = grid(model.prior.event_shape.numel())
    return log_joint(model, x, z).logsumexp(0) + log_cell


def quadrature_elbo(model, x):
    z, log_cell = grid(model.prior.event_shape.numel())
    log_q = model.posterior(x).log_prob(z)
    return ((log_q + log_cell).exp() * (log_joint(model, x, z) - log_q)).sum(0)


def repeated(bound, model, num_samples, times):
    """The bound again and again: (times, images)."""
    return bound(model, x.repeat(times, 1), num_samples).view(times, len(x))


# KL


@pytest.fixture
def gaussian():
    return torch.randn(20, 5), torch.randn(20, 5)


def test_kl_is_that_of_torch_distributions(gaussian):
    mean, log_var = gaussian
    q = Independent(Normal(mean, (log_var / 2).exp()), 1)
    p = Independent(Normal(torch.zeros(5), torch.ones(5)), 1)
    kl = kl_diagonal_gaussian(mean, log_var)
    assert kl.shape == (20,)
    assert torch.allclose(kl, kl_divergence(q, p), rtol=1e-5)


def test_kl_is_that_of_monte_carlo(gaussian):
    mean, log_var = gaussian
    q = Normal(mean, (log_var / 2).exp())
    z = q.sample((50_000,))
    log_ratio = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)
    error = log_ratio.std(0) / 50_000**0.5
    assert ((kl_diagonal_gaussian(mean, log_var) - log_ratio.mean(0)).abs() < 5 * error).all()


def test_kl_is_that_of_quadrature():
    mean, log_var = torch.tensor([[0.0], [1.5], [-2.0]]), torch.tensor([[0.0], [-1.0], [0.7]])
    z, q = torch.arange(-15, 15, 0.01)[:, None, None], Normal(mean, (log_var / 2).exp())
    integrand = q.log_prob(z).exp() * (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z))
    expected = 0.01 * integrand.sum((0, 2))
    assert torch.allclose(kl_diagonal_gaussian(mean, log_var), expected, atol=1e-4)


def test_kl_is_zero_for_the_prior_and_never_negative():
    assert (kl_diagonal_gaussian(torch.zeros(3, 2), torch.zeros(3, 2)) == 0).all()
    scales = 10.0 ** torch.arange(-8, 1)[:, None, None]
    mean, log_var = scales * torch.randn(9, 1_000, 3), scales * torch.randn(9, 1_000, 3)
    assert kl_diagonal_gaussian(mean, log_var).shape == (9, 1_000)
    assert (kl_diagonal_gaussian(mean, log_var) >= 0).all()


def test_kl_has_the_gradient_of_finite_differences():
    inputs = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(kl_diagonal_gaussian, inputs)


# ELBO


def test_the_probabilities_of_all_images_sum_to_one(vae):
    assert log_evidence(vae, every_image).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_elbo_is_that_of_quadrature(vae):
    with torch.no_grad():
        values = elbo(vae, x, num_samples=50_000)
    assert values.shape == (4,)
    assert torch.allclose(values, quadrature_elbo(vae, x).detach(), atol=0.03)


def test_elbo_with_a_mixture_as_prior_is_that_of_quadrature(vae):
    """There is no closed form of the divergence from a mixture."""
    codes = torch.randn(500, vae.prior.event_shape.numel()) + 1
    model = vae.with_prior(GaussianMixture.fit(codes, 3, seed=0))
    with torch.no_grad():
        values = elbo(model, x, num_samples=50_000)
    assert torch.allclose(values, quadrature_elbo(model, x).detach(), atol=0.08)


def test_log_evidence_is_elbo_plus_the_divergence_from_the_true_posterior(vae):
    z, log_cell = grid(vae.prior.event_shape.numel())
    with torch.no_grad():
        log_q, log_p = vae.posterior(x).log_prob(z), log_joint(vae, x, z)
        log_true = log_p - (log_p.logsumexp(0) + log_cell)
        divergence = ((log_q + log_cell).exp() * (log_q - log_true)).sum(0)
        gap = log_evidence(vae, x) - elbo(vae, x, num_samples=50_000)
    assert (divergence > 0.05).all()
    assert torch.allclose(gap, divergence, atol=0.03)


def test_one_sample_is_unbiased_and_more_vary_less(vae):
    with torch.no_grad():
        one, many = (repeated(elbo, vae, num_samples, 5_000) for num_samples in (1, 16))
    error = one.std(0) / 5_000**0.5
    assert ((one.mean(0) - quadrature_elbo(vae, x).detach()).abs() < 5 * error).all()
    assert torch.allclose(many.std(0), one.std(0) / 4, rtol=0.1)


def test_the_gradient_of_the_elbo_is_that_of_quadrature(vae):
    weights = list(vae.parameters())
    expected = torch.autograd.grad(quadrature_elbo(vae, x).mean(), weights)
    estimate = torch.autograd.grad(elbo(vae, x, 200_000).mean(), weights)
    for one, other in zip(estimate, expected, strict=True):
        assert (one - other).norm() < 0.02 * other.norm() + 0.02


# Importance-weighted bound


def test_the_bound_rises_with_the_samples_from_the_elbo_to_the_evidence(vae):
    evidence = log_evidence(vae, x)
    bounds = [repeated(importance_bound, vae, k, 2_000).mean(0) for k in (1, 4, 16, 64)]
    for lower, higher in itertools.pairwise([*bounds, evidence]):
        assert (lower < higher).all()
    assert torch.allclose(bounds[0], quadrature_elbo(vae, x).detach(), atol=0.15)
    assert torch.allclose(importance_bound(vae, x, 50_000), evidence, atol=0.05)


def test_the_exponential_of_the_bound_is_unbiased(vae):
    weights = repeated(importance_bound, vae, 3, 20_000).exp()
    error = weights.std(0) / 20_000**0.5
    assert ((weights.mean(0) - log_evidence(vae, x).exp()).abs() < 5 * error).all()


@pytest.mark.parametrize("at_once", [1, 16, 100])
def test_the_bound_is_the_same_whatever_is_drawn_at_once(at_once, vae, monkeypatch):
    y = x.repeat(4, 1)  # 16 images: torch then draws the same numbers in parts as in one go
    whole = again(vae, y)
    monkeypatch.setattr(objectives, "MEMORY", at_once * y.numel())
    assert torch.allclose(again(vae, y), whole, atol=1e-5)


def again(model, x, num_samples=257):
    torch.manual_seed(0)
    return importance_bound(model, x, num_samples)


def test_the_memory_of_the_bound_does_not_grow_with_the_samples(monkeypatch):
    model, images = GaussianVAE(2, 8), torch.rand(10, 784).round()
    monkeypatch.setattr(objectives, "MEMORY", 50_000)
    sizes = []
    for num_samples in (6, 12, 200):
        with Largest() as largest:
            importance_bound(model, images, num_samples)
        sizes.append(largest.size)
    assert sizes == [6 * 7840] * 3


def test_the_bound_has_no_gradient(vae):
    assert not importance_bound(vae, x, 3).requires_grad


def test_a_bound_of_tiny_likelihoods_is_finite():
    model = GaussianVAE(2, 8)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(50)  # all black pixels: exp(-39,200) each
    bound = importance_bound(model, torch.zeros(3, 784), 10)
    assert bound.tolist() == pytest.approx([-784 * 50] * 3, rel=1e-2)


@pytest.mark.parametrize("bound", [elbo, importance_bound])
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None])
def test_a_wrong_number_of_samples_is_refused(bound, wrong, vae):
    with pytest.raises(ValueError, match="num_samples must be a whole number, 1 or more, got"):
        bound(vae, x, wrong)


# Bits


@pytest.fixture(params=[None, 8], ids=["linear", "hidden"])
def bits(request, monkeypatch):
    """A VAE with four bits that are neither fair nor certain."""
    monkeypatch.setattr(models, "PIXELS", PIXELS)
    model = BernoulliVAE(4, request.param)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(2)
    return model


def test_kl_of_bits_is_that_of_torch_distributions():
    logits, prior = 3 * torch.randn(20, 5), torch.randn(20, 5)
    for prior_logits in (0.0, 1.3, prior[0], prior):
        full = torch.as_tensor(prior_logits).expand(20, 5)
        expected = kl_divergence(Bernoulli(logits=logits), Bernoulli(logits=full)).sum(-1)
        assert kl_bernoulli(logits, prior_logits).shape == (20,)
        assert torch.allclose(kl_bernoulli(logits, prior_logits), expected, atol=1e-4)


def test_kl_of_bits_is_zero_for_the_prior_and_never_negative():
    assert (kl_bernoulli(torch.zeros(3, 2)) == 0).all()
    assert (kl_bernoulli(torch.full((3, 2), 1.7), 1.7) == 0).all()
    scales = 10.0 ** torch.arange(-8, 3)[:, None, None]
    assert (kl_bernoulli(scales * torch.randn(11, 1_000, 3)) >= 0).all()


def test_kl_of_bits_has_the_gradient_of_finite_differences():
    logits = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    prior = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kl_bernoulli, (logits, prior))


@pytest.mark.parametrize("logit", [30.0, 200.0, 1e30])
def test_a_certain_bit_costs_log_2_and_has_no_gradient(logit):
    logits = torch.tensor([[logit, -logit]], requires_grad=True)
    kl = kl_bernoulli(logits)
    kl.sum().backward()
    assert kl.item() == pytest.approx(2 * math.log(2))
    assert logits.grad.abs().max() < 1e-10


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_refused(wrong):
    for arguments in ((torch.tensor([0.0, wrong]),), (torch.zeros(2), wrong)):
        with pytest.raises(ValueError, match="Logits must be finite, got"):
            kl_bernoulli(*arguments)


def test_all_codes_count_upward():
    assert all_codes(3).tolist() == [list(code) for code in itertools.product((0.0, 1.0), repeat=3)]
    assert len(all_codes(16).unique(dim=0)) == 65_536


@pytest.mark.parametrize("wrong", [17, 200])
def test_more_bits_than_can_be_counted_are_refused(wrong):
    with pytest.raises(
        ValueError, match=f"{wrong} bits are too many to enumerate, the limit is 16"
    ):
        all_codes(wrong)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "8", None])
def test_a_number_of_bits_is_a_whole_number(wrong):
    with pytest.raises(ValueError, match="whole number, 1 or more, got"):
        all_codes(wrong)


@pytest.mark.parametrize("function", [exact_elbo, exact_log_likelihood])
def test_only_bits_are_enumerated(function):
    with pytest.raises(ValueError, match="expected a BernoulliVAE"):
        function(GaussianVAE(4, 8), torch.zeros(2, 784))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize(
    "function", [exact_elbo, elbo, lambda model, x: importance_bound(model, x, 2)]
)
def test_an_encoder_that_has_diverged_is_noticed(function, wrong):
    model = BernoulliVAE(4, None)
    with torch.no_grad():
        model.encoder.bias[0] = wrong
    with pytest.raises(ValueError, match="must be finite, got .*has the training diverged"):
        function(model, torch.zeros(2, 784))


@pytest.mark.parametrize("exact", [exact_elbo, exact_log_likelihood])
def test_a_model_with_too_many_bits_is_not_counted(exact):
    with pytest.raises(ValueError, match="importance_bound"):
        exact(BernoulliVAE(200, None), torch.zeros(1, 784))


def test_with_bits_the_probabilities_of_all_images_sum_to_one(bits):
    assert exact_log_likelihood(bits, every_image).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_with_bits_log_p_is_the_elbo_plus_the_divergence_from_the_true_posterior(bits):
    codes = all_codes(4)[:, None]
    log_q, log_p = bits.posterior(x).log_prob(codes), log_joint(bits, x, codes)
    gap = (log_q.exp() * (log_q - log_p.log_softmax(0))).sum(0)
    assert (gap > 0).all()
    assert torch.allclose(exact_log_likelihood(bits, x), exact_elbo(bits, x) + gap, atol=1e-5)


def test_with_bits_the_elbo_is_that_of_enumeration(bits):
    values = repeated(elbo, bits, 2, 10_000)
    error = values.std(0) / 10_000**0.5
    assert ((values.mean(0) - exact_elbo(bits, x)).abs() < 5 * error).all()


def test_with_bits_the_bound_rises_from_the_elbo_to_the_evidence(bits):
    evidence = exact_log_likelihood(bits, x)
    bounds = [repeated(importance_bound, bits, k, 2_000).mean(0) for k in (1, 4, 16)]
    for lower, higher in itertools.pairwise([*bounds, evidence]):
        assert (lower < higher + 1e-3).all()
    assert torch.allclose(importance_bound(bits, x, 50_000), evidence, atol=0.02)


def test_with_bits_the_gradient_of_elbo_reaches_the_encoder_through_the_kl_only(bits):
    """It is no estimate of the ELBO's gradient: labutils.estimators has those."""
    weights = list(bits.encoder.parameters())
    got = torch.autograd.grad(elbo(bits, x).sum(), weights)
    expected = torch.autograd.grad(-kl_bernoulli(bits.encoder(x)).sum(), weights)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, expected, strict=True))
