"""What is reported is right, and the same each time."""

from labutils.data import Split
from labutils.evaluation import (
    DigitFeatures,
    accuracy,
    bits_per_dimension,
    class_imbalance,
    elbo_and_gain,
    frechet_distance,
    log_likelihood,
    paired_bootstrap,
    precision_recall,
    scoreboard,
    standard_error,
)
from labutils.models import BernoulliVAE, Classifier, GaussianVAE
from labutils.objectives import elbo, exact_log_likelihood, importance_bound
from labutils.runtime import runs_folders, seeded

import math
import os
import re

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


def test_accuracy_is_measured_without_dropout():
    model, images = Classifier(784, 64, 10), torch.rand(500, 784)
    labels = model.eval()(images).argmax(-1)
    assert accuracy(model.train(), images, labels) == 1


@pytest.mark.parametrize("images, labels", [(logits, labels[:9]), (logits[:0], labels[:0])])
def test_accuracy_refuses_images_without_labels(images, labels):
    with pytest.raises(ValueError, match=f"got {len(images)} images and {len(labels)} labels"):
        accuracy(nn.Identity(), images, labels)


def test_log_likelihood_is_the_importance_bound_of_each_image(images):
    model = GaussianVAE(2, 8)
    bounds = log_likelihood(model, images, 200, batch_size=10)
    assert bounds.shape == (25,)
    assert not bounds.requires_grad
    assert torch.allclose(bounds, importance_bound(model, images, 200), atol=2)
    worse = log_likelihood(model, images, 1, batch_size=10)
    assert worse.mean() < bounds.mean()


def test_log_likelihood_keeps_the_order_of_the_images(images):
    images[7] = 0
    model = GaussianVAE(2, 8)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(-5)  # nothing is likelier than an empty page
    assert log_likelihood(model, images, 5, batch_size=4).argmax() == 7


def test_log_likelihood_is_the_same_for_the_same_seed(images):
    model, before = GaussianVAE(2, 8), torch.get_rng_state()
    first = log_likelihood(model, images, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(log_likelihood(model, images, 5), first)
    assert not torch.equal(log_likelihood(model, images, 5, seed=1), first)


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
    with seeded(0):
        assert torch.equal(elbo(model, images), bound)
        assert torch.equal(log_likelihood(model, every, 3) - elbo(model, every, 10), few)


def test_bits_per_dimension_of_coin_flips_is_one():
    assert bits_per_dimension(784 * math.log(0.5)) == pytest.approx(1)


def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says():
    """Two models whose values differ by 1 on average, on images that vary far more."""
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(300):
        images = 30 * torch.randn(200, generator=generator)
        noise = torch.randn(200, generator=generator)
        mean, low, high = paired_bootstrap(images + 1 + noise, images, draws=300)
        assert low < mean < high < low + 0.5, "the spread of the images cancels"
        covered += low <= 1 <= high
    assert 0.91 < covered / 300 < 0.98


def test_the_bootstrap_refuses_values_that_are_not_paired():
    with pytest.raises(ValueError, match=r"got shapes \(3,\) and \(2,\)"):
        paired_bootstrap(torch.zeros(3), torch.zeros(2))


BOUND = {"kind": "bound", "num_samples": 9}
SET = {"source": "mnist", "split": "test", "binarisation": "one draw"}
values = torch.tensor([-100.0, -110.0, -120.0])


def test_the_scoreboard_keeps_what_was_entered_and_sorts_it():
    scoreboard("coins", values - 200, kind="exact", **SET)
    board = scoreboard("VAE", values, kind="bound", num_samples=1000, **SET)
    assert [row["model"] for row in board.rows] == ["VAE", "coins"]
    assert board.rows == scoreboard(source="mnist").rows, "it is read from the file again"
    assert board.rows[0]["nats"] == -110
    assert board.rows[0]["error"] == pytest.approx(10 / math.sqrt(3))
    assert board.rows[0]["images"] == 3
    lines = repr(board).splitlines()
    assert re.search(
        r"VAE +-110.00 +5.77 +0.202  bound, K = 1000 +3 test images, one draw", lines[1]
    )


def test_a_row_may_add_the_mean_of_a_gain_that_was_measured_on_some_images():
    gain = torch.tensor([3.0, 5.0])
    board = scoreboard("VAE", values, **BOUND, gain=gain, **SET)
    (row,) = board.rows
    assert row["nats"] == -106 and row["images"] == 3
    assert row["error"] == pytest.approx(math.sqrt(100 / 3 + 2 / 2))
    assert "3 test images, one draw; gain over the ELBO: 2 images" in repr(board)


def test_entering_a_row_again_replaces_it():
    for shift in (0, 5):
        board = scoreboard("VAE", values + shift, kind="ELBO", **SET)
    assert [row["nats"] for row in board.rows] == [-105]
    board = scoreboard("VAE", values, kind="bound", num_samples=10, **SET)
    assert len(board.rows) == 2, "another kind of number is another row"


def test_rows_on_other_data_are_kept_but_not_shown():
    scoreboard("VAE", values, kind="ELBO", **SET)
    assert scoreboard(source="bundled").rows == []
    assert "no row yet" in repr(scoreboard(source="bundled"))
    scoreboard("VAE", values, kind="ELBO", **(SET | {"source": "bundled"}))
    assert len(scoreboard(source="mnist").rows) == 1


ROW = (
    '[{"model": "m", "kind": "k", "split": "s", "binarisation": "b", "error": 1.0, "images": 2, '
    '"gain_images": null, '
)


@pytest.mark.parametrize(
    "text",
    [
        "", "[{", "7", "{}", "[7]", "\x00\x01", "[" * 100_000,
        ROW + '"num_samples": 1, "nats": -1.0}]',
        ROW + '"num_samples": 1, "source": "mnist", "nats": NaN}]',
    ],
)  # fmt: skip
def test_a_damaged_scoreboard_is_set_aside(text):
    scoreboard("VAE", values, kind="ELBO", **SET)
    file = runs_folders()[0] / "scoreboard.json"
    file.write_text(text)
    with pytest.warns(UserWarning, match="damaged. It was set aside as scoreboard.damaged.json"):
        board = scoreboard("coins", values, kind="exact", **SET)
    assert [row["model"] for row in board.rows] == ["coins"]
    assert file.with_suffix(".damaged.json").read_text() == text


def test_a_scoreboard_that_cannot_be_kept_is_still_shown():
    runs_folders()[0].parent.mkdir(parents=True, exist_ok=True)
    runs_folders()[0].write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match="cannot be kept"):
        board = scoreboard("VAE", values, kind="ELBO", **SET)
    assert [row["model"] for row in board.rows] == ["VAE"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "guess"}, "kind"),
        ({"split": None}, "split"),
        ({"binarisation": ""}, "binarisation"),
        ({"kind": "bound"}, "num_samples"),
        ({"num_samples": 5}, "num_samples"),
        ({"nats": -100.0}, "tensor"),
        ({"nats": values[:1]}, "at least 2"),
        ({"nats": torch.tensor([-1.0, -math.inf])}, "got 1 values that are not"),
        ({"nats": -values}, "Was a loss passed"),
        ({"gain": values}, "Only a bound"),
        ({**BOUND, "gain": 4.0}, "tensor"),
        ({**BOUND, "gain": torch.tensor([1.0, math.nan])}, "got 1 values that are not"),
        ({**BOUND, "gain": torch.tensor([120.0, 121.0])}, "Was a loss passed"),
    ],
)
def test_a_row_that_is_not_complete_is_refused(wrong, message):
    row = {"model": "VAE", "nats": values, "kind": "ELBO", **SET} | wrong
    with pytest.raises(ValueError, match=message):
        scoreboard(**row)
    assert scoreboard(source="mnist").rows == []


def enter(number, folder):
    os.environ["LABUTILS_RUNS"] = folder
    for row in range(20):
        scoreboard(f"model {number}.{row}", values, kind="ELBO", **SET)


def test_processes_that_enter_rows_at_once_lose_none(processes):
    folder = str(runs_folders()[0])
    started = [processes.Process(target=enter, args=(number, folder)) for number in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert len(scoreboard(source="mnist").rows) == 80


# The space in which digits are compared


def trained_classifier():
    """A classifier of the ten one-hot images below: its hidden units are the pixels."""
    model = Classifier(784, 784, 10, dropout_ratio=0.5)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        model.proj1.weight.copy_(torch.eye(784))
        model.proj2.weight[:, :10] = torch.eye(10)
    return model.train()


def one_hot_digits(count=200):
    given = torch.arange(count) % 10
    images = torch.zeros(count, 784)
    images[torch.arange(count), given] = 1
    return Split(images, given)


def test_the_features_are_principal_components_of_the_hidden_units():
    digits = one_hot_digits()
    space = DigitFeatures(trained_classifier(), digits, dimensions=9)
    features = space(digits.images)
    assert features.shape == (200, 9)
    assert not features.requires_grad
    assert torch.allclose(features.mean(0), torch.zeros(9), atol=1e-6)
    # ten one-hot vectors span nine directions, in which no distance is lost
    assert space.kept == pytest.approx(1)
    assert torch.allclose(
        torch.cdist(features, features), torch.cdist(digits.images, digits.images), atol=1e-3
    )
    assert repr(space) == "9 principal components of 784 features, with 100.0% of their variance"


def test_the_components_of_largest_variance_are_kept():
    images = torch.zeros(300, 784)
    images[:, :10] = torch.rand(300, 10) * torch.linspace(0.1, 1, 10)
    given = trained_classifier().eval()(images).argmax(-1)
    space = DigitFeatures(trained_classifier(), Split(images, given), dimensions=2)
    variances = images[:, :10].var(0).sort().values
    assert space.kept == pytest.approx((variances[-2:].sum() / variances.sum()).item(), abs=0.03)


def test_classes_are_those_of_the_classifier_without_dropout():
    digits = one_hot_digits()
    space = DigitFeatures(trained_classifier(), digits, dimensions=9)
    assert torch.equal(space.classes(digits.images), digits.labels)


def test_a_classifier_that_is_not_trained_is_refused():
    with pytest.raises(ValueError, match="it is not trained. Train it first"):
        DigitFeatures(Classifier(784, 32, 10), one_hot_digits())


@pytest.mark.parametrize("dimensions", [0, 201])
def test_more_components_than_digits_are_refused(dimensions):
    with pytest.raises(ValueError, match=f"from 1 to 200.*got {dimensions}"):
        DigitFeatures(trained_classifier(), one_hot_digits(), dimensions)


# Frechet distance


def with_moments(mean, covariance, count=500):
    """Features whose sample mean and covariance are exactly these."""
    white = torch.randn(count, len(mean), dtype=torch.float64)
    white -= white.mean(0)
    root = torch.linalg.cholesky(torch.atleast_2d(white.T.cov()))
    white = torch.linalg.solve_triangular(root, white.T, upper=False).T
    return white @ torch.linalg.cholesky(covariance).T + mean


def covariance(dimensions):
    root = torch.randn(dimensions, dimensions, dtype=torch.float64)
    return root @ root.T + 0.1 * torch.eye(dimensions)


def test_frechet_between_diagonal_gaussians_is_the_closed_form():
    mean_a, mean_b = torch.randn(2, 5, dtype=torch.float64)
    sigma_a, sigma_b = torch.rand(2, 5, dtype=torch.float64) + 0.1
    samples = with_moments(mean_a, sigma_a.square().diag())
    reference = with_moments(mean_b, sigma_b.square().diag(), count=300)
    expected = ((mean_a - mean_b) ** 2 + (sigma_a - sigma_b) ** 2).sum().item()
    assert frechet_distance(samples, reference) == pytest.approx(expected)


def test_frechet_between_full_gaussians_is_that_of_the_matrix_root():
    a, b = covariance(6), covariance(6)
    zero = torch.zeros(6, dtype=torch.float64)
    root = torch.linalg.eigvals(a @ b).sqrt().sum().real  # another route to the trace
    expected = (a.trace() + b.trace() - 2 * root).item()
    assert frechet_distance(with_moments(zero, a), with_moments(zero, b)) == pytest.approx(expected)


def test_frechet_of_one_feature_and_of_equal_sets():
    one = torch.randn(50, 1)
    assert frechet_distance(one, one + 3) == pytest.approx(9, rel=1e-5)
    assert frechet_distance(torch.cat([one, one], 1), torch.cat([one, one], 1)) == pytest.approx(
        0, abs=1e-6
    )


def test_frechet_is_symmetric_and_knows_no_rotation():
    a, b = torch.randn(80, 5), torch.rand(90, 5) * torch.arange(1, 6)
    turn = torch.linalg.qr(torch.randn(5, 5)).Q
    distance = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(distance, rel=1e-4)


def test_frechet_takes_singular_covariances():
    samples, reference = torch.randn(40, 3), torch.randn(40, 3)
    flat = [torch.cat([x, torch.zeros(40, 2)], 1) for x in (samples, reference)]
    assert frechet_distance(*flat) == pytest.approx(frechet_distance(samples, reference), rel=1e-6)
    assert frechet_distance(torch.zeros(40, 3), torch.ones(40, 3)) == pytest.approx(3)
    copied = [x.repeat(1, 8) for x in (samples, reference)]  # rounding: eigenvalues below zero
    expected = 8 * frechet_distance(samples, reference)
    assert frechet_distance(*copied) == pytest.approx(expected, rel=1e-5)


def test_frechet_says_what_to_do_with_fewer_samples_than_features():
    with pytest.raises(ValueError, match="more than 64 digits, got 60 in reference.*dimensions=20"):
        frechet_distance(torch.randn(100, 64), torch.randn(60, 64))
    with pytest.raises(ValueError, match="got 64 in samples"):
        frechet_distance(torch.randn(64, 64), torch.randn(100, 64))


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(measure, bad):
    broken, whole = torch.randn(20, 3), torch.randn(20, 3)
    broken[5, 1] = bad
    with pytest.raises(ValueError, match="1 of the 20 samples have a feature that is NaN"):
        measure(broken, whole)
    with pytest.raises(ValueError, match="1 of the 20 reference have"):
        measure(whole, broken)


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall])
def test_features_of_another_shape_are_refused(measure):
    with pytest.raises(ValueError, match="same features, got 3 and 4"):
        measure(torch.randn(20, 3), torch.randn(20, 4))
    with pytest.raises(ValueError, match=r"shape \(20,\)"):
        measure(torch.randn(20), torch.randn(20, 4))
    with pytest.raises(ValueError, match=r"shape \(0, 4\)"):
        measure(torch.randn(0, 4), torch.randn(20, 4))


# Precision and recall


def test_identical_sets_have_precision_and_recall_one():
    points = torch.randn(100, 5)
    assert precision_recall(points, points) == (1, 1)


def test_separated_sets_have_precision_and_recall_zero():
    points = torch.randn(100, 5)
    assert precision_recall(points, points + 100) == (0, 0)


def test_on_a_line_they_can_be_counted():
    reference = torch.arange(10.0)[:, None]  # the nearest neighbour is at distance 1
    samples = torch.tensor([[0.0], [0.5], [1.0], [50.0]])
    precision, recall = precision_recall(samples, reference, neighbours=1)
    assert precision == 3 / 4  # 50 is off the line
    # 0, 0.5 and 1 reach half a step; 50 reaches back 49 steps, to 1
    assert recall == 10 / 10
    precision, recall = precision_recall(samples[:3], reference, neighbours=1)
    assert (precision, recall) == (1, pytest.approx(2 / 10))


def test_a_forgotten_class_costs_recall_and_an_invented_one_precision():
    two = torch.cat([torch.randn(100, 3), torch.randn(100, 3) + 50])
    one = torch.randn(200, 3)
    precision, recall = precision_recall(one, two)
    assert precision > 0.7 and recall < 0.55
    assert precision_recall(two, one) == (recall, precision)


def test_the_neighbours_are_the_third_by_default_and_have_to_exist():
    a, b = torch.randn(30, 4), torch.randn(30, 4)
    assert precision_recall(a, b) == precision_recall(a, b, neighbours=3)
    assert sum(precision_recall(a, b, 1)) < sum(precision_recall(a, b, 20))
    with pytest.raises(ValueError, match="from 1 to 29.*got 30"):
        precision_recall(a, b, neighbours=30)
    with pytest.raises(ValueError, match="got 0"):
        precision_recall(a, b, neighbours=0)


# Class imbalance


def test_class_imbalance_counts_what_would_have_to_change_class():
    balanced = torch.arange(100) % 10
    assert class_imbalance(balanced, balanced.flip(0)) == 0
    assert class_imbalance(torch.zeros(50, dtype=torch.int64), balanced) == pytest.approx(0.9)
    assert class_imbalance(torch.tensor([1, 1]), torch.tensor([2])) == 1
    shifted = balanced.clone()
    shifted[:10] = 0
    assert class_imbalance(shifted, balanced) == pytest.approx(0.09)
    with pytest.raises(ValueError, match="got 0 and 100"):
        class_imbalance(balanced[:0], balanced)


# Standard error


def difference_of_means(a, b):
    return (a.mean() - b.mean()).item()


def test_the_standard_error_of_a_mean_is_the_known_one():
    a, b = torch.randn(2_000), 3 * torch.randn(1_000)
    known = (1 / 2_000 + 9 / 1_000) ** 0.5
    assert standard_error(difference_of_means, a, b, rounds=400) == pytest.approx(known, rel=0.12)


def test_the_standard_error_of_several_values_is_a_tensor():
    a = torch.randn(60, 3)
    errors = standard_error(lambda x, y: (x.mean().item(), 0.0), a, a)
    assert errors.shape == (2,)
    assert errors[0] > 0 and errors[1] == 0


def test_the_standard_error_is_the_same_each_time_and_leaves_the_random_state():
    a, before = torch.randn(50), torch.get_rng_state()
    first = standard_error(difference_of_means, a, a)
    assert torch.equal(torch.get_rng_state(), before)
    assert standard_error(difference_of_means, a, a) == first
    assert standard_error(difference_of_means, a, a, seed=1) != first
    with pytest.raises(ValueError, match="2 or more to have a spread, got 1"):
        standard_error(difference_of_means, a, a, rounds=1)
