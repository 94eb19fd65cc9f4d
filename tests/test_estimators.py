"""The gradient estimators against the exact gradient, by enumeration of all codes.

An estimate is compared through z-scores, its deviation in standard errors of the mean. For an
unbiased estimator they are standard normal: the largest of the 48 numbers compared here (8 bits
of 6 images) exceeds 5 with a probability below 48 * 5.8e-7 = 3e-5. The seed is fixed.
"""

from labutils import elbo, kl_bernoulli, models
from labutils.estimators import (
    disarm,
    gumbel_softmax,
    leave_one_out,
    score_function,
    straight_through,
)
from labutils.models import BernoulliVAE
from labutils.objectives import exact_elbo

import inspect
import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Bernoulli, Independent

UNBIASED = [score_function, leave_one_out, disarm]
BIASED = [straight_through, gumbel_softmax]
ALL = UNBIASED + BIASED
HARD = [score_function, leave_one_out, disarm, straight_through]  # their values are ELBOs
DRAWS = 20_000
PIXELS = 30  # few, so that many draws are cheap
x = torch.rand(6, PIXELS, generator=torch.Generator().manual_seed(1)).round()


@pytest.fixture(params=[None, 8], ids=["linear", "hidden"])
def vae(request, monkeypatch):
    """A model whose code matters: g is far from constant, and no bit is certain."""
    monkeypatch.setattr(models, "PIXELS", PIXELS)
    model = BernoulliVAE(8, request.param)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.mul_(2.0 if "encoder" in name else 3.0)
    return model


def gradients(estimator, model, draws, **settings):
    """Values (draws, images) and gradients with respect to the logits (draws, images, bits)."""
    logits = model.encoder(x).detach().repeat(draws, 1).requires_grad_()
    stand_in = SimpleNamespace(
        prior=model.prior,
        posterior=lambda _: Independent(Bernoulli(logits=logits), 1),
        likelihood=model.likelihood,
    )
    value = estimator(stand_in, x.repeat(draws, 1), **settings)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.detach().view(draws, -1), gradient.view(draws, len(x), -1)


def z_scores(drawn, exact):
    return (drawn.mean(0) - exact) / (drawn.std(0) / math.sqrt(len(drawn))).clamp(min=1e-6)


@pytest.mark.parametrize("num_samples", [2, 4])
@pytest.mark.parametrize("estimator", UNBIASED)
def test_the_unbiased_ones_agree_with_enumeration(estimator, num_samples, vae):
    value, exact = gradients(exact_elbo, vae, 1)
    values, drawn = gradients(estimator, vae, DRAWS, num_samples=num_samples)
    assert z_scores(drawn, exact[0]).abs().max() < 5
    assert z_scores(values, value[0]).abs().max() < 5


@pytest.mark.parametrize("estimator", BIASED)
def test_the_biased_ones_do_not(estimator, vae):
    _, exact = gradients(exact_elbo, vae, 1)
    _, drawn = gradients(estimator, vae, DRAWS)
    assert z_scores(drawn, exact[0]).abs().max() > 8
    assert torch.cosine_similarity(drawn.mean(0).flatten(), exact.flatten(), dim=0) > 0.5


@pytest.mark.parametrize("estimator", HARD)
def test_values_with_hard_bits_estimate_the_elbo(estimator, vae):
    value, _ = gradients(exact_elbo, vae, 1)
    values, _ = gradients(estimator, vae, DRAWS)
    assert z_scores(values, value[0]).abs().max() < 5


def test_the_value_of_relaxed_bits_does_not(vae):
    value, _ = gradients(exact_elbo, vae, 1)
    values, _ = gradients(gumbel_softmax, vae, DRAWS, temperature=1.0)
    assert z_scores(values, value[0]).abs().max() > 8


def test_a_low_temperature_has_less_bias_and_more_variance(vae):
    _, exact = gradients(exact_elbo, vae, 1)
    cold, hot = (gradients(gumbel_softmax, vae, DRAWS, temperature=t)[1] for t in (0.2, 2.0))
    assert (cold.mean(0) - exact[0]).norm() < (hot.mean(0) - exact[0]).norm()
    assert cold.var(0).sum() > 2 * hot.var(0).sum()


def test_a_baseline_and_then_pairs_lower_the_variance(vae):
    plain, baseline, pairs = (gradients(each, vae, DRAWS)[1].var(0).sum() for each in UNBIASED)
    assert 2 * baseline < plain
    assert pairs < baseline


@pytest.mark.parametrize("estimator", ALL)
def test_the_decoder_learns_as_from_the_elbo(estimator, vae):
    """Where bits are certain there is one code, and every estimator has the same gradient."""
    last = list(vae.encoder.modules())[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([60.0, -60] * 4))
    weights = list(vae.decoder.parameters())
    expected = torch.autograd.grad(exact_elbo(vae, x).mean(), weights)
    got = torch.autograd.grad(estimator(vae, x).mean(), weights)
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("estimator", ALL)
def test_the_kl_is_exact(estimator, vae):
    """A decoder that ignores the code leaves the gradient of the KL term alone."""
    first = next(m for m in vae.decoder.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        first.weight.zero_()
    _, drawn = gradients(estimator, vae, 50)
    logits = vae.encoder(x).detach().requires_grad_()
    (kl,) = torch.autograd.grad(-kl_bernoulli(logits).sum(), logits)
    if estimator is score_function:  # without a baseline the constant in g remains
        drawn = gradients(estimator, vae, DRAWS)[1]
        assert z_scores(drawn, kl).abs().max() < 5
    else:
        assert torch.allclose(drawn, kl.expand_as(drawn), atol=2e-4)


@pytest.mark.parametrize("estimator", ALL)
def test_one_signature(estimator, vae):
    """(model, x, num_samples=2), and nothing else that has no default."""
    first, *others = inspect.signature(estimator).parameters.values()
    assert [first.name, others[0].name, others[1].name] == ["model", "x", "num_samples"]
    assert others[1].default == 2
    assert all(each.kind is each.KEYWORD_ONLY for each in others[2:])
    value = estimator(vae, x)
    assert value.shape == (6,) and value.requires_grad


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None])
def test_a_wrong_number_of_samples_is_refused(estimator, wrong, vae):
    with pytest.raises(ValueError, match="num_samples must be a whole number, 1 or more, got"):
        estimator(vae, x, wrong)


def test_one_sample_leaves_none_out(vae):
    with pytest.raises(ValueError, match="at least 2 samples"):
        leave_one_out(vae, x, 1)


@pytest.mark.parametrize("wrong", [1, 3])
def test_pairs_are_even(wrong, vae):
    with pytest.raises(ValueError, match=f"must be even, got {wrong}"):
        disarm(vae, x, wrong)


@pytest.mark.parametrize("wrong", [0, -0.5, math.inf, math.nan, "0.5", None])
def test_a_temperature_is_positive(wrong, vae):
    with pytest.raises(ValueError, match="temperature must be a positive number, got"):
        gumbel_softmax(vae, x, temperature=wrong)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_logits_that_are_not_finite_are_refused(estimator, wrong, vae):
    with torch.no_grad():
        list(vae.encoder.parameters())[-1].fill_(wrong)
    with pytest.raises(ValueError, match="logits|Logits"):
        estimator(vae, x)


@pytest.mark.parametrize("estimator", ALL)
def test_certain_bits_give_finite_gradients(estimator, vae):
    with torch.no_grad():
        list(vae.encoder.parameters())[-1].copy_(torch.tensor([1e4, -1e4] * 4))
    value = estimator(vae, x).mean()
    value.backward()
    assert value.isfinite()
    assert all(weights.grad.isfinite().all() for weights in vae.parameters())


@pytest.mark.parametrize("estimator", [disarm, gumbel_softmax])
def test_noise_of_exactly_zero_does_no_harm(estimator, vae, monkeypatch):
    monkeypatch.setattr(torch, "rand", torch.zeros)
    value = estimator(vae, x).mean()
    value.backward()
    assert value.isfinite()
    assert all(weights.grad.isfinite().all() for weights in vae.parameters())


def test_training_on_an_estimate_raises_the_elbo(digits):
    """Each improves the same small model on patterns that a few bits can tell apart."""
    images = digits.train.images.round()
    for estimator in (leave_one_out, disarm, straight_through, gumbel_softmax):
        model = BernoulliVAE(6, 16)
        before = exact_elbo(model, images).mean().item()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            (-estimator(model, images).mean()).backward()
            optimizer.step()
        with torch.no_grad():
            assert elbo(model, images).mean() > before + 100
