"""Notebook 04: the ELBO of the Bernoulli VAE, exactly, and the estimators of its gradient."""

import labutils as lab
from labutils import estimators
from labutils.exercises import EXERCISES
from labutils.objectives import exact_elbo, exact_log_likelihood

import itertools
import math
from functools import partial

import pytest
import torch
from torch.distributions import Bernoulli

from .oracles import images


def tiny_bits(latent_dim=3):
    """A VAE with three bits, in double precision, and its eight codes, counted by itertools."""
    torch.manual_seed(0)
    model = lab.BernoulliVAE(latent_dim, hidden_dim=None).double()
    for parameter in model.encoder.parameters():
        parameter.data *= 2.0
    return model, torch.tensor(list(itertools.product((0.0, 1.0), repeat=latent_dim))).double()


def by_hand(model, x, codes):
    """log p(x given z) and q(z given x), pixel by pixel and bit by bit: (codes, images)."""
    pixels, p = model.decoder(codes).sigmoid()[:, None], model.encoder(x).sigmoid()
    log_likelihood = torch.where(x == 1, pixels, 1 - pixels).log().sum(-1)
    q = torch.where(codes[:, None] == 1, p, 1 - p).prod(-1)
    return log_likelihood, q


def of_logits(estimator, model, x, draws):
    """Draws of an estimator's gradient with respect to the logits: (draws, images, bits)."""
    logits = model.encoder(x).detach().repeat(draws, 1).requires_grad_()
    repeated = x.repeat(draws, 1)
    value = estimator(lambda z: model.likelihood(z).log_prob(repeated), logits)
    return torch.autograd.grad(value.sum(), logits)[0].view(draws, len(x), -1)


def expected_gradient(model, x, codes):
    """Of E[g], by the sum over codes: q is differentiated by hand, bit by bit."""
    log_likelihood, q = by_hand(model, x, codes)
    score = codes[:, None] - model.encoder(x).sigmoid()
    return ((log_likelihood * q)[..., None] * score).sum(0).detach()


@pytest.mark.equation("4.1")
def test_the_prior_is_fair_and_the_images_sum_to_one():
    model, codes = tiny_bits()
    assert torch.allclose(model.prior.log_prob(codes).exp(), torch.full((8,), 1 / 8).double())
    x = images()
    log_likelihood, _ = by_hand(model, x, codes)
    assert torch.allclose(exact_log_likelihood(model, x), log_likelihood.exp().mean(0).log())


@pytest.mark.equation("4.2")
def test_the_posterior_factorises_over_the_bits():
    model, codes = tiny_bits()
    x = images()
    _, q = by_hand(model, x, codes)
    assert torch.allclose(q.sum(0), torch.ones(3).double())
    assert torch.allclose(model.posterior(x).log_prob(codes[:, None]).exp(), q)


@pytest.mark.equation("4.3")
def test_the_kl_is_the_sum_of_its_definition_over_all_codes():
    codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4))).double()
    logits, prior = torch.tensor([0.3, -2.0, 5.0, 0.0]).double(), torch.tensor([-1.0, 0, 2, 0.5])
    for prior_logits in (torch.zeros(4).double(), prior.double()):
        log_q, log_p = (Bernoulli(logits=a).log_prob(codes).sum(-1) for a in (logits, prior_logits))
        counted = (log_q.exp() * (log_q - log_p)).sum()
        assert torch.isclose(lab.kl_bernoulli(logits, prior_logits), counted)
    fair = EXERCISES["kl_bits"].answer(logits[None])
    assert torch.isclose(fair, lab.kl_bernoulli(logits, 0.0))


@pytest.mark.equation("4.4")
@pytest.mark.parametrize(
    "bound",
    [lab.elbo, partial(estimators.bits_elbo, estimators.leave_one_out)],
    ids=["elbo", "bits_elbo"],
)
def test_the_loss_is_the_kl_minus_the_mean_over_samples(bound):
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    kl = (q * (q.log() + 3 * math.log(2))).sum(0)
    exact = kl - (q * log_likelihood).sum(0)
    with torch.no_grad(), lab.seeded(0):
        draws = torch.stack([-bound(model, x, 10) for _ in range(500)])
    error = draws.std(0) / math.sqrt(500)
    assert ((draws.mean(0) - exact).abs() < 5 * error).all()


@pytest.mark.equation("4.5")
def test_the_exact_elbo_and_its_gradient_are_those_of_the_sum_over_codes():
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    counted = (q * (log_likelihood - 3 * math.log(2) - q.log())).sum(0)
    assert torch.allclose(exact_elbo(model, x), counted)
    weights = list(model.parameters())
    expected = torch.autograd.grad(counted.sum(), weights)
    got = torch.autograd.grad(exact_elbo(model, x).sum(), weights)
    assert all(torch.allclose(a, b) for a, b in zip(got, expected, strict=True))
    learned = of_logits(estimators.exact, model, x, 1)[0]
    assert torch.allclose(learned, expected_gradient(model, x, codes))


@pytest.mark.equation("4.6")
def test_log_p_is_the_elbo_plus_the_kl_to_the_true_posterior():
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    true = (log_likelihood - 3 * math.log(2)).softmax(0)
    gap = (q * (q.log() - true.log())).sum(0)
    assert (gap > 0).all()
    assert torch.allclose(exact_log_likelihood(model, x), exact_elbo(model, x) + gap)


@pytest.mark.equation("4.7")
def test_the_rate_is_the_information_plus_what_the_average_code_wastes():
    model, codes = tiny_bits()
    x = images(20)
    _, q = by_hand(model, x, codes)
    average = q.mean(1)
    information = (q * (q / average[:, None]).log()).sum() / 20  # of image and code, by definition
    wasted = (average * (average * 8).log()).sum()
    rate = lab.kl_bernoulli(model.encoder(x)).mean()
    assert torch.isclose(rate, information + wasted)
    assert 0 < information < rate < 3 * math.log(2)


@pytest.mark.equation("4.8")
def test_the_slope_of_the_mean_over_one_bit_is_that_of_finite_differences():
    g, logit, h = torch.tensor([-92.0, -90.0]).double(), torch.tensor(0.7).double(), 1e-5

    def mean(logit):
        return logit.sigmoid() * g[1] + (1 - logit.sigmoid()) * g[0]

    slope = (mean(logit + h) - mean(logit - h)) / (2 * h)
    lines = [EXERCISES[f"bit_slope.{k}"].answer(logit, *g) for k in (1, 2)]
    assert torch.isclose(lines[0], mean(logit)) and torch.isclose(lines[1], slope, rtol=1e-6)
    assert torch.isclose(slope, logit.sigmoid() * (-logit).sigmoid() * (g[1] - g[0]), rtol=1e-6)


def agrees(estimator):
    model, codes = tiny_bits()
    x = images()
    with lab.seeded(0):
        drawn = of_logits(estimator, model, x, 1_000)
    error = drawn.std(0) / math.sqrt(1_000)
    return ((drawn.mean(0) - expected_gradient(model, x, codes)).abs() / error).max() < 5


@pytest.mark.equation("4.9")
def test_the_score_function_averages_to_the_sum_over_codes():
    assert agrees(estimators.score_function)


@pytest.mark.equation("4.9")
def test_the_sum_over_codes_is_differentiated_as_the_score_and_the_score_has_mean_zero():
    model, codes = tiny_bits()
    x = images()
    logits = model.encoder(x).detach().requires_grad_()
    g = by_hand(model, x, codes)[0].detach()
    q = torch.where(codes[:, None] == 1, logits.sigmoid(), 1 - logits.sigmoid()).prod(-1)
    (by_autograd,) = torch.autograd.grad((q * g).sum(), logits)
    assert torch.allclose(by_autograd, expected_gradient(model, x, codes))
    score = codes[:, None] - logits.sigmoid()
    assert torch.allclose((q[..., None] * score).sum(0), torch.zeros_like(logits), atol=1e-12)


@pytest.mark.equation("4.10")
def test_leave_one_out_averages_to_the_sum_over_codes_and_is_the_formula():
    assert agrees(estimators.leave_one_out)
    g, logits = torch.tensor([[-90.0], [-93.0], [-95.0]]), torch.tensor([[0.4, -1.0]])
    z = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    score = z - logits.sigmoid()
    total = 4.0 * score[0] - 0.5 * score[1] - 3.5 * score[2]  # g minus the mean of the others
    assert torch.allclose(EXERCISES["leave_one_out_gradient"].answer(g, z, logits), total / 3)


@pytest.mark.equation("4.11")
def test_disarm_averages_to_the_sum_over_codes_and_over_its_noise_to_the_slope():
    assert agrees(estimators.disarm)
    g, fine = torch.tensor([-92.0, -90.0]).double(), (torch.arange(100_000).double() + 0.5) / 1e5
    for logit in (torch.tensor(a).double() for a in (-1.5, 0.3, 2.0)):
        z, mirrored = (fine < logit.sigmoid()).long(), (1 - fine < logit.sigmoid()).long()
        pair = (g[z] - g[mirrored]) / 2 * (z - mirrored) * logit.abs().sigmoid()
        slope = logit.sigmoid() * (-logit).sigmoid() * (g[1] - g[0])
        assert torch.isclose(pair.mean(), slope, rtol=1e-3)
        lines = [EXERCISES[f"disarm_factor.{k}"].answer(logit, *g) for k in (1, 2, 3)]
        counted = (z != mirrored).double().mean()
        halves = ((g[z] - g[mirrored]) / 2 * (z - mirrored)).mean()
        wanted = counted, halves, logit.abs().sigmoid()
        assert all(torch.isclose(a, b, rtol=1e-3) for a, b in zip(lines, wanted, strict=True))


@pytest.mark.equation("4.12")
def test_straight_through_is_the_decoders_gradient_at_the_bits():
    model, x = tiny_bits()[0], images()
    with lab.seeded(0):
        drawn = of_logits(estimators.straight_through, model, x, 1)[0]
    with lab.seeded(0):
        z = model.posterior(x).sample((2,)).requires_grad_()
    p = model.encoder(x).sigmoid()
    (by_bit,) = torch.autograd.grad(model.likelihood(z).log_prob(x).mean(0).sum(), z)
    assert torch.allclose(drawn, (by_bit.sum(0) * p * (1 - p)).detach())
    assert not agrees(estimators.straight_through)


@pytest.mark.equation("4.13")
def test_relaxed_bits_round_to_bits_and_their_gradient_is_finite_differences():
    logits, u = torch.tensor([[0.4, -1.0]]).double(), torch.rand(200_000, 2).double()
    z = EXERCISES["relaxed_bits"].answer(logits, u, 0.5)
    share = (z > 0.5).double().mean(0)
    assert ((share - logits[0].sigmoid()).abs() < 5 * 0.5 / math.sqrt(200_000)).all()
    model, x, h = tiny_bits()[0], images(), 1e-6
    with lab.seeded(0):
        drawn = of_logits(estimators.gumbel_softmax, model, x, 1)[0]

    with lab.seeded(0):
        noise = torch.rand(2, *model.encoder(x).shape, dtype=torch.float64)
    for bit in range(3):
        shift = h * torch.eye(3)[bit].double()
        up, down = (
            model.likelihood(
                EXERCISES["relaxed_bits"].answer(model.encoder(x) + s, noise, 0.5)
            ).log_prob(x).mean(0)
            for s in (shift, -shift)
        )  # fmt: skip
        assert torch.allclose(drawn[:, bit], ((up - down) / (2 * h)).detach(), rtol=1e-4)


@pytest.mark.equation("4.14")
def test_the_error_is_bias_squared_plus_variance():
    model, codes = tiny_bits()
    x = images(1)
    exact = expected_gradient(model, x, codes)
    with lab.seeded(0):
        drawn = of_logits(estimators.straight_through, model, x, 1_000)
    error = ((drawn - exact) ** 2).sum(-1).mean()
    bias, variance = drawn.mean(0) - exact, drawn.var(0, unbiased=False)
    assert torch.isclose(error, (bias**2).sum() + variance.sum())
