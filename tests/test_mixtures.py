"""Mixtures against densities known otherwise: counted images, torch's distributions, samples."""

from labutils.mixtures import BernoulliMixture, GaussianMixture
from labutils.runtime import seeded

import itertools

import numpy as np
import pytest
import torch
from conftest import Largest, fit_by_em
from torch.distributions import Bernoulli, Independent, MixtureSameFamily, MultivariateNormal

every_image = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)))


# Bernoullis


def patterns(count=200, dtype=torch.float32):
    """Images of six pixels: two noisy patterns, a third of them the first."""
    first, second = torch.tensor([[0.9] * 3 + [0.1] * 3, [0.1] * 3 + [0.9] * 3], dtype=dtype)
    kind = (torch.arange(count) % 3 == 0)[:, None]
    return torch.bernoulli(torch.where(kind, first, second))


def by_hand(mixture, x):
    """Eq. 1.15 as it stands, with probabilities."""
    theta = mixture.component_distribution.mean
    of_pixels = torch.where(x[:, None] == 1, theta, 1 - theta)
    return (mixture.log_weight.exp() * of_pixels.prod(-1)).sum(-1).log()


def test_the_density_of_a_mixture_of_bernoullis_is_the_weighted_sum_and_sums_to_one():
    mixture = BernoulliMixture.fit(patterns(), 3, seed=0)
    assert (mixture.log_weight.shape, mixture.logits.shape) == ((3,), (3, 6))
    assert (mixture.batch_shape, mixture.event_shape) == ((), (6,))
    values = mixture.log_prob(every_image)
    assert torch.allclose(values, by_hand(mixture, every_image), atol=1e-5)
    assert values.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert mixture.log_prob(every_image.view(4, 16, 6)).shape == (4, 16)
    assert torch.allclose(values, MixtureSameFamily.log_prob(mixture, every_image), atol=1e-5)


def test_one_component_is_independent_pixels():
    x = patterns()
    mixture = fit_by_em(x, 1, steps=1, alpha=0.5)
    theta = (0.5 + x.sum(0)) / (1 + len(x))
    expected = Independent(Bernoulli(theta), 1).log_prob(every_image)
    assert torch.allclose(mixture.log_prob(every_image), expected, atol=1e-5)


def test_booleans_give_the_same_mixture_to_the_last_bit():
    x = patterns()
    expected, found = (BernoulliMixture.fit(each, 3, seed=0) for each in (x, x.bool()))
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.log_weight, expected.log_weight)
    assert torch.equal(found.log_prob(every_image.bool()), expected.log_prob(every_image))


def test_it_finds_two_patterns_and_how_many_images_each_has():
    mixture = fit_by_em(patterns(6_000), 2, steps=50, alpha=0.1)
    order = mixture.component_distribution.mean[:, 0].argsort()
    assert torch.allclose(mixture.log_weight.exp()[order], torch.tensor([2 / 3, 1 / 3]), atol=0.03)
    means = mixture.component_distribution.mean[order]
    expected = torch.tensor([[0.1] * 3 + [0.9] * 3, [0.9] * 3 + [0.1] * 3])
    assert torch.allclose(means, expected, atol=0.03)


@pytest.mark.parametrize("alpha", [1e-4, 0.1, 3.0])
def test_em_never_lowers_the_likelihood_of_real_and_imagined_pixels(alpha):
    x = patterns(dtype=torch.float64)
    values = []
    for steps in range(1, 12):
        mixture = fit_by_em(x, 4, steps=steps, alpha=alpha)
        imagined = torch.nn.functional.logsigmoid(torch.stack([mixture.logits, -mixture.logits]))
        values.append((mixture.log_prob(x).sum() + alpha * imagined.sum()).item())
    assert values == sorted(values)
    assert values[-1] > values[0] + 1


def plain_em(x, components, steps, alpha, seed):
    """Eq. 1.16 as it stands, with probabilities: log-weights (K,) and templates (K, pixels)."""
    with seeded(seed):
        some = x[torch.randperm(len(x))[:components]]
    weight, theta = torch.full((components,), 1 / components), 0.1 + 0.4 * some + 0.4 * x.mean(0)
    for _ in range(steps):
        joint = weight * torch.where(x[:, None] == 1, theta, 1 - theta).prod(-1)
        r = joint / joint.sum(-1, keepdim=True)
        weight = r.mean(0)
        theta = (alpha + r.T @ x) / (2 * alpha + r.sum(0)[:, None])
    return weight.log(), theta


@pytest.mark.parametrize("at_once", [7, 4096])
def test_em_in_parts_is_that_of_all_images_at_once(at_once, monkeypatch):
    monkeypatch.setattr("labutils.mixtures.AT_ONCE", at_once)
    x = patterns()
    mixture = fit_by_em(x, 4, steps=6, alpha=0.2, seed=3)
    log_weight, theta = plain_em(x, 4, 6, 0.2, seed=3)
    assert torch.allclose(mixture.log_weight, log_weight, atol=1e-4)
    assert torch.allclose(mixture.component_distribution.mean, theta, atol=1e-4)


@pytest.mark.parametrize("alpha", [1e-30, 1e-4, 0.1, 1e6])
def test_every_alpha_gives_finite_numbers(alpha):
    """Pixels that a component always or never has: theta rounds to 1 or 0, its logit is finite."""
    x = torch.eye(8).repeat_interleave(4, 0).repeat(50, 1)
    mixture = fit_by_em(x, 8, steps=10, alpha=alpha)
    assert mixture.logits.isfinite().all()
    assert mixture.log_prob(x).isfinite().all()
    assert mixture.log_prob(1 - x).isfinite().all(), "no pixel is impossible"
    assert set(mixture.sample((50,)).unique().tolist()) == {0.0, 1.0}


def test_a_component_without_images_does_no_harm():
    x = torch.ones(50, 6)
    mixture = BernoulliMixture.fit(x, 50, seed=0)
    assert mixture.log_prob(every_image).isfinite().all()
    assert mixture.log_prob(every_image).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_samples_of_templates_have_the_density():
    mixture = BernoulliMixture.fit(patterns(), 3, seed=0)
    drawn = mixture.sample((40_000,))
    index = (drawn @ 2.0 ** torch.arange(5, -1, -1)).long()
    assert torch.equal(every_image[index], drawn)
    frequency = index.bincount(minlength=64) / len(drawn)
    assert torch.allclose(frequency, mixture.log_prob(every_image).exp(), atol=0.01)
    assert mixture.sample().shape == (6,)
    assert mixture.sample((3, 4)).shape == (3, 4, 6)


def test_mean_images_are_templates_drawn_with_their_weights():
    mixture = BernoulliMixture.fit(patterns(), 3, seed=0)
    means = mixture.sample_means(20_000)
    assert means.shape == (20_000, 6)
    theta = mixture.component_distribution.mean
    chosen = (means[:, None] == theta).all(-1)
    assert (chosen.sum(-1) == 1).all()
    assert torch.allclose(chosen.float().mean(0), mixture.log_weight.exp(), atol=0.02)


def test_the_templates_are_the_same_each_time_and_leave_the_random_state():
    x, before = patterns(), torch.get_rng_state()
    first = BernoulliMixture.fit(x, 4, seed=0).logits
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(BernoulliMixture.fit(x, 4, seed=0).logits, first)
    assert not torch.equal(BernoulliMixture.fit(x, 4, seed=1).logits, first)
    assert not first.requires_grad


def test_em_makes_no_table_of_images_by_components(monkeypatch):
    monkeypatch.setattr("labutils.mixtures.AT_ONCE", 100)
    x = patterns(2_000)
    with Largest() as largest:
        BernoulliMixture.fit(x, 60, seed=0)
    assert largest.size <= x.numel()  # a view of the images; the table would have 120,000


def test_images_that_do_not_fit_are_refused():
    x = patterns(10)
    with pytest.raises(ValueError, match="at most 10, the number of images, got 11"):
        BernoulliMixture.fit(x, 11, seed=0)
    with pytest.raises(ValueError, match="components must be a whole number, 1 or more, got 0"):
        BernoulliMixture.fit(x, 0, seed=0)
    with pytest.raises(ValueError, match=r"shape \(N, 784\), got \(2, 5, 6\)"):
        BernoulliMixture.fit(x.view(2, 5, 6), 2, seed=0)
    for fit_or_score in (
        lambda images: BernoulliMixture.fit(images, 2, seed=0),
        BernoulliMixture.fit(x, 2, seed=0).log_prob,
    ):
        with pytest.raises(ValueError, match="only 0 and 1, got grey values.*binarize"):
            fit_or_score(x * 0.7)
        with pytest.raises(ValueError, match=r"lie in \[0, 1\], got values from 0 to 255"):
            fit_or_score(x * 255)
        with pytest.raises(ValueError, match="torch tensor, got numpy.ndarray"):
            fit_or_score(x.numpy())
    with pytest.raises(ValueError, match=r"images of 6 pixels.*shape \(10, 5\)"):
        BernoulliMixture.fit(x, 2, seed=0).log_prob(x[:, :5])


# Gaussians


def two_clouds(count=2_000):
    """A quarter of the codes around (-5, 0), the others, stretched, around (5, 0)."""
    codes = torch.randn(count, 2)
    codes[: count // 4] -= torch.tensor([5.0, 0.0])
    codes[count // 4 :] = codes[count // 4 :] * torch.tensor([0.5, 2.0]) + torch.tensor([5.0, 0.0])
    return codes


def test_a_mixture_of_one_is_the_fitted_gaussian():
    codes = two_clouds()
    mixture = GaussianMixture.fit(codes, 1, seed=0)
    assert (mixture.batch_shape, mixture.event_shape) == ((), (2,))
    gaussian = MultivariateNormal(codes.mean(0), codes.T.cov())
    assert torch.allclose(mixture.log_prob(codes), gaussian.log_prob(codes), atol=0.01)


def test_a_mixture_finds_two_clouds_and_how_many_codes_each_has():
    mixture = GaussianMixture.fit(two_clouds(), 2, seed=0)
    order = mixture.component_distribution.mean[:, 0].argsort()
    assert torch.allclose(
        mixture.mixture_distribution.probs[order], torch.tensor([0.25, 0.75]), atol=0.01
    )
    means = mixture.component_distribution.mean[order]
    assert torch.allclose(means, torch.tensor([[-5.0, 0.0], [5.0, 0.0]]), atol=0.2)
    spreads = mixture.component_distribution.variance[order].sqrt()
    assert torch.allclose(spreads, torch.tensor([[1.0, 1.0], [0.5, 2.0]]), atol=0.1)
    drawn = mixture.sample((4_000,))
    assert drawn.dtype == torch.float32
    assert (drawn[:, 0] < 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_samples_of_the_mixture_are_those_of_torch():
    mixture = GaussianMixture.fit(two_clouds(), 2, seed=0)
    ours, theirs = mixture.sample((20_000,)), MixtureSameFamily.sample(mixture, (20_000,))
    assert torch.allclose(ours.mean(0), theirs.mean(0), atol=0.15)
    assert torch.allclose(ours.T.cov(), theirs.T.cov(), rtol=0.1, atol=0.2)
    assert mixture.sample().shape == (2,)
    assert mixture.sample((3, 4)).shape == (3, 4, 2)


def test_the_mixture_is_the_same_each_time_and_leaves_the_random_state():
    codes, before = two_clouds(), torch.get_rng_state()
    first = GaussianMixture.fit(codes, 9, seed=0).log_prob(codes)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(GaussianMixture.fit(codes, 9, seed=0).log_prob(codes), first)
    assert not torch.equal(GaussianMixture.fit(codes, 9, seed=1).log_prob(codes), first)


def test_a_lower_tolerance_fits_closer():
    codes = two_clouds()
    sooner, later = (GaussianMixture.fit(codes, 9, seed=0, tolerance=each) for each in (0.1, 1e-5))
    assert later.log_prob(codes).mean() > sooner.log_prob(codes).mean() + 0.001


def test_a_covariance_that_would_be_singular_is_kept_from_it():
    codes = torch.randn(100, 1) @ torch.ones(1, 3)  # on a line in three dimensions
    assert GaussianMixture.fit(codes, 2, seed=0).log_prob(codes).isfinite().all()


def test_codes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        GaussianMixture.fit(torch.tensor([[0.0, float("nan")]] * 10), 1, seed=0)
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        GaussianMixture.fit(torch.randn(10), 1, seed=0)
    with pytest.raises(ValueError, match="floating-point tensor.*torch.int64"):
        GaussianMixture.fit(torch.arange(10).view(5, 2), 1, seed=0)
    with pytest.raises(ValueError, match="codes must be a torch tensor, got numpy.ndarray"):
        GaussianMixture.fit(np.zeros((10, 2)), 1, seed=0)
    with pytest.raises(ValueError, match="at most 3: each needs 3 of the 10 codes.*Got 4"):
        GaussianMixture.fit(torch.randn(10, 2), 4, seed=0)
    for wrong in (0, 1.5, None):
        with pytest.raises(ValueError, match=f"whole number, 1 or more, got {wrong}"):
            GaussianMixture.fit(torch.randn(10, 2), wrong, seed=0)
    with pytest.raises(ValueError, match="all the same"):
        GaussianMixture.fit(torch.ones(10, 2), 1, seed=0)


def test_codes_of_a_network_with_gradients_can_be_fitted():
    codes = two_clouds().requires_grad_()
    mixture = GaussianMixture.fit(codes, np.int64(2), seed=0)
    assert not mixture.log_prob(codes.detach()).requires_grad


# Both


def test_a_mixture_says_what_it_is():
    assert repr(BernoulliMixture.fit(patterns(), 3, seed=0)) == (
        "BernoulliMixture(components=3, dimensions=6)"
    )
    assert repr(GaussianMixture.fit(two_clouds(), 2, seed=0)) == (
        "GaussianMixture(components=2, dimensions=2)"
    )


@pytest.mark.parametrize("kind", [BernoulliMixture, GaussianMixture])
def test_an_expanded_mixture_is_the_same_density_several_times(kind):
    x = patterns() if kind is BernoulliMixture else two_clouds(200)
    mixture = kind.fit(x, 2, seed=0)
    expanded = mixture.expand((5,))
    assert torch.allclose(expanded.log_prob(x[:5]), mixture.log_prob(x[:5]), atol=1e-5)
    assert expanded.sample((3,)).shape == (3, 5, x.shape[-1])


def test_images_of_another_precision_are_scored_in_that_of_the_templates():
    x = patterns()
    mixture = BernoulliMixture.fit(x.clone().requires_grad_(), 2, seed=0)
    assert not mixture.logits.requires_grad
    assert torch.equal(mixture.log_prob(x.double()), mixture.log_prob(x))
