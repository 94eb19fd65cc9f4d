"""Accuracy and nats per image are right, and the same each time."""

from labutils import evaluation
from labutils.evaluation import (
    SEED,
    accuracy,
    auroc,
    bits_per_dimension,
    elbo_and_gain,
    half_width,
    log_likelihood,
    paired_bootstrap,
)
from labutils.models import BernoulliVAE, Classifier, GaussianVAE
from labutils.objectives import elbo, exact_log_likelihood, importance_bound
from labutils.runtime import seeded

import math
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

logits = torch.eye(10)
labels = torch.arange(10)


@pytest.fixture
def images():
    return torch.rand(25, 784).round()


@pytest.mark.parametrize("wrong", [0, 1, 3, 10])
def test_accuracy_is_the_fraction_that_is_right(wrong):
    given = labels.clone()
    given[:wrong] = (given[:wrong] + 1) % 10
    result = accuracy(nn.Identity(), logits, given)
    assert isinstance(result, float)
    assert result == pytest.approx(1 - wrong / 10)


def test_accuracy_is_measured_without_dropout_and_the_modes_come_back():
    model, images = nn.Sequential(nn.Identity(), Classifier(784, 64, 10)), torch.rand(500, 784)
    labels = model.eval()(images).argmax(-1)
    model.train()
    model[0].eval()  # as of a part that is frozen
    assert accuracy(model, images, labels) == 1
    assert [module.training for module in model.modules()] == [True, False, True, True, True]
    with pytest.raises(RuntimeError):
        accuracy(model, images[:, :5], labels)
    assert [module.training for module in model.modules()] == [True, False, True, True, True]


@pytest.mark.parametrize("measure", [elbo_and_gain, log_likelihood])
def test_nats_of_what_are_no_images_are_refused(measure, images):
    with pytest.raises(ValueError, match="at least one image, got none"):
        measure(GaussianVAE(2, 8), images[:0], num_samples=3)
    with pytest.raises(ValueError, match="images must be a torch tensor, got numpy.ndarray"):
        measure(GaussianVAE(2, 8), images.numpy(), num_samples=3)


@pytest.mark.parametrize("model", [GaussianVAE(2, 8), BernoulliVAE(8, 8)])
def test_the_elbo_of_many_images_is_that_of_all_at_once(model):
    many = torch.rand(2_500, 784).round()
    with torch.no_grad(), seeded(SEED):
        at_once = elbo(model, many)
    bound, _ = elbo_and_gain(model, many, count=1, num_samples=1)
    assert torch.allclose(bound, at_once, rtol=1e-5)


def test_whole_numbers_of_numpy_are_whole_numbers(images):
    model, number = GaussianVAE(2, 8), np.int64
    ours = log_likelihood(model, images, number(3))
    assert torch.equal(ours, log_likelihood(model, images, 3))


@pytest.mark.parametrize("measure", [elbo_and_gain, log_likelihood])
def test_nats_are_measured_without_dropout_and_the_modes_come_back(measure, images):
    model = GaussianVAE(2, 8)
    model.encoder.insert(0, nn.Dropout(0.9))
    model.decoder[0].eval()
    modes = [module.training for module in model.modules()]
    first = measure(model, images, num_samples=3)
    assert [module.training for module in model.modules()] == modes
    model.encoder[0].p = 0.1
    again = measure(model, images, num_samples=3)
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize(
    "images, labels, words",
    [
        (logits, labels[:9], r"each of the 10 images, \(10,\), got labels of shape \(9,\)"),
        (logits, labels[:, None], r"got labels of shape \(10, 1\)"),
        (logits[:0], labels[:0], "at least one image, got none"),
        (logits.numpy(), labels, "images must be a torch tensor, got numpy.ndarray"),
        (logits, labels.tolist(), "labels must be a torch tensor, got builtins.list"),
    ],
)
def test_accuracy_needs_one_label_for_each_image(images, labels, words):
    with pytest.raises(ValueError, match=words):
        accuracy(nn.Identity(), images, labels)


def test_log_likelihood_is_the_importance_bound_of_each_image(images):
    model = GaussianVAE(2, 8)
    bounds = log_likelihood(model, images, 200)
    assert bounds.shape == (25,)
    assert not bounds.requires_grad
    assert torch.allclose(bounds, importance_bound(model, images, 200), atol=2)
    worse = log_likelihood(model, images, 1)
    assert worse.mean() < bounds.mean()


def test_log_likelihood_keeps_the_order_of_the_images(images, monkeypatch):
    monkeypatch.setattr(evaluation, "BOUND_BATCH", 4)
    images[7] = 0
    model = GaussianVAE(2, 8)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(-5)  # nothing is likelier than an empty page
    assert log_likelihood(model, images, 5).argmax() == 7


def test_log_likelihood_is_the_same_each_time(images):
    model, before = GaussianVAE(2, 8), torch.get_rng_state()
    first = log_likelihood(model, images, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(log_likelihood(model, images, 5), first)


def test_log_likelihood_refuses_no_image_and_no_sample(images):
    with pytest.raises(ValueError, match="at least one image"):
        log_likelihood(GaussianVAE(2, 8), images[:0], 5)
    with pytest.raises(ValueError, match="num_samples"):
        log_likelihood(GaussianVAE(2, 8), images, 0)


@pytest.mark.parametrize("count, some", [(25, 25), (8, 9)])
def test_the_gain_leads_from_the_elbo_to_the_log_likelihood(count, some, images):
    model = BernoulliVAE(3, 8)
    with torch.no_grad():
        model.encoder[-1].weight.mul_(20)  # a posterior that is far from right
        exact = exact_log_likelihood(model, images)
    bound, gain = elbo_and_gain(model, images, count, num_samples=2_000)
    assert bound.shape == (25,) and gain.shape == (some,)
    assert not bound.requires_grad and not gain.requires_grad
    every = images[:: 25 // count]
    gap = exact_log_likelihood(model, every).detach() - elbo(model, every, 2_000).detach()
    error = (gain - gap).std() / math.sqrt(some)
    assert gap.mean() > 6 * error, "the case tells a bound from the ELBO"
    assert abs(gain.mean() - gap.mean()) < 3 * error
    assert (bound - exact).mean() < -2
    again = elbo_and_gain(model, images, count, num_samples=2_000)
    assert torch.equal(again[0], bound) and torch.equal(again[1], gain)
    few = elbo_and_gain(model, images, count, num_samples=3)[1]
    with seeded(evaluation.SEED):
        assert torch.equal(elbo(model, images), bound)
        assert torch.equal(importance_bound(model, every, 3) - elbo(model, every, 10), few)


def test_bits_per_dimension_of_coin_flips_is_one():
    assert bits_per_dimension(784 * math.log(0.5)) == pytest.approx(1)


def test_the_half_width_of_a_mean_covers_as_often_as_it_says():
    values = torch.randn(4_000, 50).exp()  # each row is a sample, and skewed
    covered = (values.mean(1) - math.exp(0.5)).abs() < half_width(values.T)
    assert 0.88 < covered.float().mean() < 0.95
    assert half_width(values[0]).shape == ()


def test_the_half_width_of_a_sum_of_means_is_that_of_independent_terms():
    """As known from the spread over new data, of two terms of different length."""
    first, second = torch.randn(5_000, 30), 3 * torch.randn(5_000, 200)
    spread = (first.mean(1) + second.mean(1)).std()
    widths = half_width(first.T, second.T)
    assert (1.96 * spread).item() == pytest.approx(widths.mean().item(), rel=0.03)
    of_two = [half_width(first[0]), half_width(second[0])]
    assert half_width(first[0], second[0]) == pytest.approx(math.hypot(*of_two))


@pytest.mark.parametrize("values", [(), (torch.zeros(1),), (torch.zeros(5), torch.zeros(0))])
def test_one_value_has_no_half_width(values):
    with pytest.raises(ValueError, match="at least two values"):
        half_width(*values)


def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says():
    """Two models whose values differ by 1 on average, on images that vary far more."""
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(300):
        images = 30 * torch.randn(200, generator=generator)
        noise = torch.randn(200, generator=generator)
        mean, low, high = paired_bootstrap(images + 1 + noise, images)
        assert low < mean < high < low + 0.5, "the spread of the images cancels"
        covered += low <= 1 <= high
    assert 0.91 < covered / 300 < 0.98


def test_the_bootstrap_refuses_values_that_are_not_paired():
    with pytest.raises(ValueError, match="second needs one value for each of the 3.*got 2"):
        paired_bootstrap(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="first must be finite, got 1 values"):
        paired_bootstrap(torch.tensor([0.0, math.nan]), torch.zeros(2))
    with pytest.raises(ValueError, match=r"at least 2 images.*shape \(2, 2\)"):
        paired_bootstrap(torch.zeros(2, 2), torch.zeros(2, 2))


def test_the_interval_is_the_same_each_time_whatever_the_batch():
    values = torch.randn(2, 100)
    assert paired_bootstrap(*values) == paired_bootstrap(*values)
    assert paired_bootstrap(values[0] + 2, values[0]) == pytest.approx((2, 2, 2))


def test_the_bootstrap_of_many_images_takes_little_memory():
    values = torch.randn(2, 20_000)
    paired_bootstrap(*values[:, :2])  # loads scipy
    tracemalloc.start()
    paired_bootstrap(*values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6, "a table of all draws takes 160 MB"


def test_auroc_is_the_share_of_pairs_and_ties_count_one_half():
    higher, lower = torch.tensor([3.0, 1, 2, 2]), torch.tensor([2.0, 0, 1.5])
    pairs = higher[:, None] - lower
    share = ((pairs > 0).float() + 0.5 * (pairs == 0).float()).mean()
    assert auroc(higher, lower) == pytest.approx(share.item())
    assert auroc(lower, higher) == pytest.approx(1 - share.item())
