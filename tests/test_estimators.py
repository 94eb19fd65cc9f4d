"""The gradient estimators against the exact gradient, by enumeration of all codes.

First as estimators of E_q[g], then of the ELBO of a BernoulliVAE (bits_elbo).

An estimate is compared through z-scores, its deviation in standard errors of the mean. For an
unbiased estimator they are standard normal: the largest of the 48 numbers compared here (8 bits
of 6 images) exceeds 5 with a probability below 48 * 5.8e-7 = 3e-5. The seed is fixed.
"""

from labutils import elbo, models
from labutils.estimators import (
    bits_elbo,
    disarm,
    exact,
    gumbel_softmax,
    leave_one_out,
    score_function,
    straight_through,
)
from labutils.mixtures import BernoulliMixture
from labutils.models import BernoulliVAE, GaussianVAE
from labutils.objectives import all_codes, exact_elbo, kl_bernoulli
from labutils.runtime import seeded

import inspect
import math
from functools import partial

import pytest
import torch
from torch.distributions import Bernoulli, Independent

UNBIASED = [score_function, leave_one_out, disarm]
BIASED = [straight_through, gumbel_softmax]
ALL = UNBIASED + BIASED
HARD = [score_function, leave_one_out, disarm, straight_through]  # their values are unbiased
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


def likelihood_of(model, images):
    """g of a VAE: codes (samples, batch, latent) to log p(x given z), (samples, batch)."""
    return lambda z: model.likelihood(z).log_prob(images)


def gradients(estimator, model, draws, **settings):
    """Values (draws, images) and gradients with respect to the logits (draws, images, bits)."""
    logits = model.encoder(x).detach().repeat(draws, 1).requires_grad_()
    value = estimator(likelihood_of(model, x.repeat(draws, 1)), logits, **settings)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.detach().view(draws, -1), gradient.view(draws, len(x), -1)


def z_scores(drawn, exact):
    return (drawn.mean(0) - exact) / (drawn.std(0) / math.sqrt(len(drawn))).clamp(min=1e-6)


def test_enumeration_is_the_sum_over_all_codes_with_their_probabilities(vae):
    """Written out with probabilities, in double precision, beside finite differences."""
    g, logits = likelihood_of(vae.double(), x[:2].double()), torch.randn(2, 8).double()
    codes, p = all_codes(8).double(), logits.sigmoid()
    q = torch.where(codes[:, None] == 1, p, 1 - p).prod(-1)
    with torch.no_grad():
        by_hand = (q * g(codes[:, None])).sum(0)
        assert torch.allclose(exact(g, logits), by_hand)
    assert torch.autograd.gradcheck(partial(exact, g), logits.requires_grad_())


@pytest.mark.parametrize("num_samples", [2, 4])
@pytest.mark.parametrize("estimator", UNBIASED)
def test_the_unbiased_ones_agree_with_enumeration(estimator, num_samples, vae):
    value, slope = gradients(exact, vae, 1)
    values, drawn = gradients(estimator, vae, DRAWS, num_samples=num_samples)
    assert z_scores(drawn, slope[0]).abs().max() < 5
    assert z_scores(values, value[0]).abs().max() < 5


@pytest.mark.parametrize("estimator", BIASED)
def test_the_biased_ones_do_not(estimator, vae):
    _, slope = gradients(exact, vae, 1)
    _, drawn = gradients(estimator, vae, DRAWS)
    assert z_scores(drawn, slope[0]).abs().max() > 8
    assert torch.cosine_similarity(drawn.mean(0).flatten(), slope.flatten(), dim=0) > 0.5


@pytest.mark.parametrize("estimator", HARD)
def test_values_with_hard_bits_are_unbiased(estimator, vae):
    value, _ = gradients(exact, vae, 1)
    values, _ = gradients(estimator, vae, DRAWS)
    assert z_scores(values, value[0]).abs().max() < 5


def test_the_value_of_relaxed_bits_does_not(vae):
    value, _ = gradients(exact, vae, 1)
    values, _ = gradients(gumbel_softmax, vae, DRAWS, temperature=1.0)
    assert z_scores(values, value[0]).abs().max() > 8


def test_a_low_temperature_has_less_bias_and_more_variance(vae):
    _, slope = gradients(exact, vae, 1)
    cold, hot = (gradients(gumbel_softmax, vae, DRAWS, temperature=t)[1] for t in (0.2, 2.0))
    assert (cold.mean(0) - slope[0]).norm() < (hot.mean(0) - slope[0]).norm()
    assert cold.var(0).sum() > 2 * hot.var(0).sum()


def test_a_baseline_and_then_pairs_lower_the_variance(vae):
    plain, baseline, pairs = (gradients(each, vae, DRAWS)[1].var(0).sum() for each in UNBIASED)
    assert 2 * baseline < plain
    assert pairs < baseline


@pytest.mark.parametrize("estimator", ALL)
def test_what_g_is_made_of_learns_as_from_enumeration(estimator, vae):
    """Where bits are certain there is one code, and every estimator has the same gradient."""
    logits = torch.tensor([60.0, -60] * 4).expand(6, 8)
    weights, g = list(vae.decoder.parameters()), likelihood_of(vae, x)
    expected = torch.autograd.grad(exact(g, logits).mean(), weights)
    got = torch.autograd.grad(estimator(g, logits).mean(), weights)
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("estimator", HARD)
def test_what_g_is_made_of_learns_on_average_as_from_enumeration(estimator, vae):
    g, logits = likelihood_of(vae, x), vae.encoder(x).detach()
    offset = list(vae.decoder.parameters())[-1]

    def slope(value):
        return torch.autograd.grad(value.mean(), offset)[0]

    drawn = torch.stack([slope(estimator(g, logits)) for _ in range(400)])
    assert z_scores(drawn, slope(exact(g, logits))).abs().max() < 5


@pytest.mark.parametrize("estimator", ALL)
def test_a_constant_teaches_the_logits_nothing(estimator):
    logits = torch.randn(6, 8, requires_grad=True)
    value = estimator(lambda z: z.sum(-1) * 0 - 90, logits)
    assert torch.equal(value, torch.full((6,), -90.0))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    if estimator is not score_function:  # without a baseline, the constant makes noise
        assert (gradient == 0).all()


# The ELBO


def elbo_gradients(objective, model, draws):
    """The values (draws, images), and the gradient of the encoder's offsets in each draw."""
    offset = list(model.encoder.parameters())[-1]
    values = [objective(model, x) for _ in range(draws)]
    slopes = [torch.autograd.grad(each.sum(), offset)[0] for each in values]
    return torch.stack(values).detach(), torch.stack(slopes)


@pytest.mark.parametrize("estimator", UNBIASED)
def test_the_elbo_of_bits_agrees_with_enumeration(estimator, vae):
    model = vae.with_prior(Independent(Bernoulli(logits=torch.full((8,), 1.5)), 1))
    value, exact_slope = elbo_gradients(exact_elbo, model, 1)
    values, slopes = elbo_gradients(partial(bits_elbo, estimator), model, 400)
    assert z_scores(values, value[0]).abs().max() < 5
    assert z_scores(slopes, exact_slope[0]).abs().max() < 5


def test_with_enumeration_it_is_the_exact_elbo(vae):
    def enumerated(g, logits, num_samples):
        return exact(g, logits)

    weights = list(vae.parameters())
    one, other = bits_elbo(enumerated, vae, x), exact_elbo(vae, x)
    assert torch.allclose(one, other, atol=1e-4)
    slopes = (torch.autograd.grad(each.mean(), weights) for each in (one, other))
    assert all(torch.allclose(*pair, atol=1e-4) for pair in zip(*slopes, strict=True))


@pytest.mark.parametrize("estimator", ALL)
def test_the_kl_is_exact(estimator, vae):
    """A decoder that ignores the code leaves the gradient of the KL term alone."""
    first = next(m for m in vae.decoder.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        first.weight.zero_()
    logits = vae.encoder(x)
    weights = list(vae.encoder.parameters())
    expected = torch.autograd.grad(-kl_bernoulli(logits).sum(), weights)
    if estimator is score_function:  # without a baseline the constant in g remains
        _, slopes = elbo_gradients(partial(bits_elbo, estimator), vae, 400)
        assert z_scores(slopes, expected[-1]).abs().max() < 5
    else:
        got = torch.autograd.grad(bits_elbo(estimator, vae, x).sum(), weights)
        for one, other in zip(got, expected, strict=True):
            assert torch.allclose(one, other, atol=2e-3)


def test_other_codes_and_priors_have_no_elbo_of_bits(vae):
    codes = all_codes(8)[:100]
    for model in (GaussianVAE(2, 8), vae.with_prior(BernoulliMixture.fit(codes, 2, seed=0))):
        with pytest.raises(ValueError, match="needs a BernoulliVAE whose prior is independent"):
            bits_elbo(disarm, model, x)


# What goes in and out


@pytest.mark.parametrize("estimator", ALL)
def test_one_signature(estimator, vae):
    """(g, logits, num_samples=2), and nothing else that has no default."""
    g, logits, num_samples, *others = inspect.signature(estimator).parameters.values()
    assert [g.name, logits.name, num_samples.name] == ["g", "logits", "num_samples"]
    assert num_samples.default == 2
    assert all(each.kind is each.KEYWORD_ONLY for each in others)
    value = estimator(likelihood_of(vae, x), vae.encoder(x))
    assert value.shape == (6,) and value.requires_grad


def seen(estimator, logits, num_samples):
    """The codes that g is given."""
    codes = []

    def g(z):
        codes.append(z)
        return z.sum(-1)

    estimator(g, logits, num_samples)
    (z,) = codes
    return z


@pytest.mark.parametrize("estimator", ALL)
def test_g_sees_all_codes_at_once_with_the_samples_first(estimator):
    z = seen(estimator, torch.randn(6, 8), 4)
    assert z.shape == (4, 6, 8)
    assert estimator is gumbel_softmax or torch.allclose(z, z.round(), atol=1e-6)  # hard bits
    double = seen(estimator, torch.randn(6, 8).double(), 4)
    assert double.dtype == torch.float64


@pytest.mark.parametrize("estimator", [score_function, leave_one_out, straight_through])
def test_the_codes_are_those_that_torch_draws(estimator):
    logits = torch.randn(6, 8)
    with seeded(3):
        z = seen(estimator, logits, 4)
    with seeded(3):
        drawn = Bernoulli(logits=logits).sample((4,))
    assert torch.allclose(z, drawn)


@pytest.mark.parametrize("estimator", [*ALL, exact])
@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda z: z.sum(), r"got \(\)"),
        (lambda z: z.sum((0, 2)), r"got \(6,\)"),
        (lambda z: z, r"got \(\d+, 6, 8\)"),
        (lambda z: z.sum(-1, keepdim=True), r"got \(\d+, 6, 1\)"),
        (lambda z: 3.0, "got float"),
        (lambda z: None, "got NoneType"),
    ],
)
def test_a_g_of_another_shape_is_refused(wrong, got, estimator):
    with pytest.raises(ValueError, match=f"g must return one number for each code.*{got}"):
        estimator(wrong, torch.randn(6, 8))


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None])
def test_a_wrong_number_of_samples_is_refused(estimator, wrong):
    with pytest.raises(ValueError, match="num_samples must be a whole number, 1 or more, got"):
        estimator(lambda z: z.sum(-1), torch.randn(6, 8), wrong)


def test_one_sample_leaves_none_out():
    with pytest.raises(ValueError, match="at least 2 samples"):
        leave_one_out(lambda z: z.sum(-1), torch.randn(6, 8), 1)


@pytest.mark.parametrize("wrong", [1, 3])
def test_pairs_are_even(wrong):
    with pytest.raises(ValueError, match=f"must be even, got {wrong}"):
        disarm(lambda z: z.sum(-1), torch.randn(6, 8), wrong)


@pytest.mark.parametrize("wrong", [0, -0.5, math.inf, math.nan, "0.5", None])
def test_a_temperature_is_positive(wrong):
    with pytest.raises(ValueError, match="temperature must be a positive number, got"):
        gumbel_softmax(lambda z: z.sum(-1), torch.randn(6, 8), temperature=wrong)


@pytest.mark.parametrize("estimator", [*ALL, exact])
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_logits_that_are_not_finite_are_refused(estimator, wrong):
    with pytest.raises(ValueError, match="Logits must be finite"):
        estimator(lambda z: z.sum(-1), torch.full((6, 8), wrong))


@pytest.mark.parametrize("estimator", ALL)
def test_an_encoder_that_has_diverged_is_noticed(estimator, vae):
    with torch.no_grad():
        list(vae.encoder.parameters())[-1].fill_(math.nan)
    with pytest.raises(ValueError, match="Logits must be finite.*diverged"):
        bits_elbo(estimator, vae, x)


@pytest.mark.parametrize("estimator", ALL)
def test_certain_bits_give_finite_gradients(estimator, vae):
    with torch.no_grad():
        list(vae.encoder.parameters())[-1].copy_(torch.tensor([1e4, -1e4] * 4))
    value = bits_elbo(estimator, vae, x).mean()
    value.backward()
    assert value.isfinite()
    assert all(weights.grad.isfinite().all() for weights in vae.parameters())


@pytest.mark.parametrize("estimator", [disarm, gumbel_softmax])
def test_noise_of_exactly_zero_does_no_harm(estimator, vae, monkeypatch):
    monkeypatch.setattr(torch, "rand", torch.zeros)
    value = bits_elbo(estimator, vae, x).mean()
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
            (-bits_elbo(estimator, model, images).mean()).backward()
            optimizer.step()
        with torch.no_grad():
            assert elbo(model, images).mean() > before + 100
