"""The measures of samples are right, and say what they cannot measure."""

import labutils as lab
from labutils import quality
from labutils.data import Split
from labutils.models import Classifier
from labutils.quality import (
    DigitFeatures,
    frechet_distance,
    jackknife,
    kernel_distance,
    precision_recall,
)

import pytest
import torch

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


def test_the_classifier_keeps_its_modes():
    """One with dropout before its features, as one's own may have."""

    class Own(Classifier):
        def features(self, images):
            return torch.dropout(super().features(images), 0.5, self.training)

    own, digits = Own(784, 784, 10), one_hot_digits()
    own.load_state_dict(trained_classifier().state_dict())
    own.proj1.eval()
    space = DigitFeatures(own, digits, dimensions=9)
    assert torch.equal(space(digits.images), space(digits.images))
    assert [module.training for module in own.modules()] == [True, False, True]


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


@pytest.mark.parametrize(("offset", "dtype"), [(1e3, torch.float32), (1e9, torch.float64)])
def test_precision_and_recall_do_not_depend_on_where_the_features_lie(offset, dtype):
    a, b = sixteenths(dtype), sixteenths(dtype)
    expected = precision_recall(a, b)
    assert 0.3 < expected[0] < 0.99
    assert precision_recall(a + offset, b + offset) == expected


def test_precision_and_recall_of_two_far_clusters_are_those_of_near_ones():
    a, b = sixteenths(torch.float32), sixteenths(torch.float32)
    far = torch.zeros(300, 8)
    far[150:] = 1e3  # no one centre is near all of them
    assert precision_recall(a + far, b + far) == precision_recall(a + far / 50, b + far / 50)


def sixteenths(dtype):
    """Features that stay exact when a whole number is added to them."""
    return ((16 * torch.randn(300, 8)).round() / 16).to(dtype)


def test_identical_sets_have_precision_and_recall_one():
    points = torch.randn(100, 5)
    assert precision_recall(points, points) == (1, 1)


def test_separated_sets_have_precision_and_recall_zero():
    points = torch.randn(100, 5)
    assert precision_recall(points, points + 100) == (0, 0)


def test_on_a_line_they_can_be_counted(monkeypatch):
    monkeypatch.setattr(quality, "NEIGHBOURS", 1)
    reference = torch.arange(10.0)[:, None]  # the nearest neighbour is at distance 1
    samples = torch.tensor([[0.0], [0.5], [1.0], [50.0]])
    precision, recall = precision_recall(samples, reference)
    assert precision == 3 / 4  # 50 is off the line
    # 0, 0.5 and 1 reach half a step; 50 reaches back 49 steps, to 1
    assert recall == 10 / 10
    precision, recall = precision_recall(samples[:3], reference)
    assert (precision, recall) == (1, pytest.approx(2 / 10))


def test_a_forgotten_class_costs_recall_and_an_invented_one_precision():
    two = torch.cat([torch.randn(100, 3), torch.randn(100, 3) + 50])
    one = torch.randn(200, 3)
    precision, recall = precision_recall(one, two)
    assert precision > 0.7 and recall < 0.55
    assert precision_recall(two, one) == (recall, precision)


@pytest.mark.parametrize("counts", [(3, 30), (30, 3)])
def test_each_digit_needs_three_neighbours(counts):
    sets = [torch.randn(count, 4) for count in counts]
    with pytest.raises(ValueError, match="more than 3 digits in both, got 3 in one"):
        precision_recall(*sets)


# Kernel distance


def test_the_kernel_distance_is_zero_on_average_for_one_distribution():
    with lab.seeded(0):
        values = torch.tensor(
            [kernel_distance(torch.randn(60, 2), torch.randn(80, 2)) for _ in range(300)]
        )
    assert abs(values.mean()) < 4 * values.std() / 300**0.5
    assert values.min() < 0


def test_the_kernel_distance_sees_what_two_moments_do_not():
    with lab.seeded(0):
        gaussian, coins = torch.randn(1_000, 2), torch.randn(1_000, 2).sign()
        other = torch.randn(1_000, 2)
    assert frechet_distance(coins, gaussian) < 0.05
    assert kernel_distance(coins, gaussian) > 0.05 > 20 * abs(kernel_distance(other, gaussian))


def test_the_kernel_distance_does_not_mind_where_the_origin_is():
    with lab.seeded(0):
        a, b = torch.randn(2, 50, 3, dtype=torch.float64)
    assert kernel_distance(a + 1e4, b + 1e4) == pytest.approx(kernel_distance(a, b), rel=1e-5)


def test_the_kernel_distance_says_what_it_cannot_measure():
    with pytest.raises(ValueError, match="two or more, got 1"):
        kernel_distance(torch.zeros(1, 2), torch.randn(9, 2))
    with pytest.raises(ValueError, match="same features"):
        kernel_distance(torch.randn(9, 2), torch.zeros(9, 2))


# The jackknife


def difference_of_means(a, b):
    return (a.mean() - b.mean()).item()


def test_the_jackknife_of_a_mean_is_the_known_half_width(monkeypatch):
    monkeypatch.setattr(quality, "ROUNDS", 400)
    a, b = torch.randn(2_000), 3 * torch.randn(1_000)
    known = 1.966 * (1 / 2_000 + 9 / 1_000) ** 0.5
    assert jackknife(difference_of_means, a, b) == pytest.approx(known, rel=0.12)


def test_the_jackknife_of_several_values_is_a_tensor_with_that_of_each():
    a, b = torch.randn(60, 3), torch.randn(60, 3)
    both = jackknife(precision_recall, a, b)
    of_precision = jackknife(lambda x, y: precision_recall(x, y)[0], a, b)
    assert both.shape == (2,) and both[0] == pytest.approx(of_precision)


def test_the_jackknife_is_the_same_each_time_and_leaves_the_random_state():
    a, before = torch.randn(50), torch.get_rng_state()
    first = jackknife(difference_of_means, a, a)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert jackknife(difference_of_means, a, a) == first


def test_the_jackknife_covers_as_often_as_it_says():
    covered, rounds = 0, 300
    for _ in range(rounds):
        a, b = torch.randn(100), torch.randn(100) + 1
        covered += abs(difference_of_means(a, b) + 1) < jackknife(difference_of_means, a, b)
    assert 0.87 < covered / rounds < 0.97


def test_the_two_best_known_measures_are_names_of_labutils():
    assert lab.frechet_distance is frechet_distance
    assert lab.precision_recall is precision_recall
    assert lab.quality.DigitFeatures is DigitFeatures


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall])
def test_arrays_of_numpy_are_named(measure):
    features = torch.randn(20, 3)
    with pytest.raises(ValueError, match="reference must be a torch tensor, got numpy.ndarray"):
        measure(features, features.numpy())
