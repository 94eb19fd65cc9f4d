"""How good samples are: features of digits, distances between two sets, and their error bars."""

from labutils import guards
from labutils.data import AT_ONCE, Split
from labutils.evaluation import accuracy
from labutils.models import Classifier, evaluating
from labutils.runtime import own_seed, seeded

from collections.abc import Callable

import torch
from scipy.special import stdtrit

NEIGHBOURS = 3  # the radius of a ball of precision_recall reaches to this one
ROUNDS = 10  # of the jackknife


class DigitFeatures:
    """The space in which notebook 05 compares digits: a classifier's hidden units, then PCA.

    classifier: a trained Classifier. train: the Split that its principal components are fitted
    on; keep as many as the smallest set to compare has digits to estimate a covariance from.
    All is measured in evaluation mode; the classifier's own mode comes back. `kept` is the
    fraction of the variance in the components. Raises ValueError for a classifier that is not
    trained, and for more dimensions than digits or features.
    """

    def __init__(self, classifier: Classifier, train: Split, dimensions: int = 64):
        right = accuracy(classifier, train.images, train.labels)
        if right < 0.8:
            raise ValueError(
                f"The classifier is right for {right:.0%} of the training digits: it is not "
                f"trained. Train it first, as in notebook 02."
            )
        self.classifier = classifier
        total, products = 0, 0
        with evaluating(classifier):
            for images in train.images.split(AT_ONCE):
                hidden = classifier.features(images).double()
                total, products = total + hidden.sum(0), products + hidden.T @ hidden
        # no more than there are digits or features
        dimensions = guards.whole_number(dimensions, "dimensions", high=min(len(train), len(total)))
        mean = total / len(train)
        covariance = (products - len(train) * mean.outer(mean)) / (len(train) - 1)
        variances, directions = torch.linalg.eigh(covariance)  # ascending
        self.mean, self.directions = mean.float(), directions[:, -dimensions:].float()
        self.kept = (variances[-dimensions:].sum() / variances.sum()).item()

    def __repr__(self):
        hidden, dimensions = self.directions.shape
        return (
            f"{dimensions} principal components of {hidden} features, "
            f"with {self.kept:.1%} of their variance"
        )

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """images: (N, 784). Returns their features (N, dimensions), without a gradient."""
        with evaluating(self.classifier):
            hidden = map(self.classifier.features, images.split(AT_ONCE))
            return torch.cat([(part - self.mean) @ self.directions for part in hidden])


def frechet_distance(samples: torch.Tensor, reference: torch.Tensor) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features, Eq. 5.8.

    samples: (N, d), reference: (M, d), both with more rows than columns. Covariances may be
    singular, as where a feature is constant. Smaller is better, 0 for equal moments. Raises
    ValueError for features that are not finite, of another number, or of too few digits.
    """
    _check_features(samples, reference)
    for name, features in (("samples", samples), ("reference", reference)):
        count, dimensions = features.shape
        if count <= dimensions:
            raise ValueError(
                f"A covariance of {dimensions} features needs more than {dimensions} digits, got "
                f"{count} in {name}. Take more digits, or fewer features: "
                f"DigitFeatures(classifier, train, dimensions={max(1, count // 3)})."
            )
    samples, reference = samples.double(), reference.double()
    means = (samples.mean(0) - reference.mean(0)).square().sum()
    a, b = (torch.atleast_2d(features.T.cov()) for features in (samples, reference))
    # the trace of (a b)^(1/2) is the sum of the singular values of a^(1/2) b^(1/2): symmetric
    # roots exist for singular covariances too, and stay real
    cross = torch.linalg.svdvals(_root(a) @ _root(b)).sum()
    return max(0.0, (means + a.trace() + b.trace() - 2 * cross).item())


def precision_recall(samples: torch.Tensor, reference: torch.Tensor) -> tuple[float, float]:
    """Precision and recall of samples (Kynkaanniemi et al., 2019), Eq. 5.10.

    samples: (N, d), reference: (M, d) features. A set covers the balls around its members that
    reach to their third nearest neighbour in the set. Precision is the fraction of samples that
    the reference covers, recall that of the reference that the samples cover. Both depend on N
    and M: compare at the same numbers. Raises ValueError for features that are not finite or of
    another number, and for fewer than four digits.
    """
    _check_features(samples, reference)
    if (smaller := min(len(samples), len(reference))) <= NEIGHBOURS:
        raise ValueError(
            f"Each digit needs {NEIGHBOURS} neighbours in its own set: expected more than "
            f"{NEIGHBOURS} digits in both, got {smaller} in one."
        )
    # distances come from |a|^2 - 2ab + |b|^2, which rounds badly far from the origin
    centre = reference.double().mean(0)
    samples, reference = samples.double() - centre, reference.double() - centre
    between = torch.cdist(samples, reference)
    return _covered(between, _radii(reference)), _covered(between.T, _radii(samples))


def kernel_distance(samples: torch.Tensor, reference: torch.Tensor) -> float:
    """Squared maximum mean discrepancy of two sets of features (Gretton et al., 2012), Eq. 5.9.

    samples: (N, d), reference: (M, d). The kernel is Gaussian, half as wide as the median
    distance within the reference, and sees every difference of two distributions. The estimate is
    unbiased: around 0, and so at times below it, for two sets from one distribution. Raises
    ValueError for features that are not finite or of another number, for fewer than two digits,
    and for a reference of copies.
    """
    _check_features(samples, reference)
    if (smaller := min(len(samples), len(reference))) < 2:
        raise ValueError(f"A set needs pairs of digits: expected two or more, got {smaller}.")
    centre = reference.double().mean(0)  # as for precision_recall
    samples, reference = samples.double() - centre, reference.double() - centre
    width = torch.pdist(reference).median() / 2
    if width == 0:
        raise ValueError("Most pairs of the reference have the same features: no kernel fits them.")

    def total(a, b):
        parts = (torch.cdist(part, b).square() for part in a.split(500))
        return sum((-part / (2 * width**2)).exp().sum() for part in parts)

    def among(points):  # without a digit's kernel with itself, which is 1
        return (total(points, points) - len(points)) / (len(points) * (len(points) - 1))

    across = total(samples, reference) / (len(samples) * len(reference))
    return (among(samples) + among(reference) - 2 * across).item()


def jackknife(
    measure: Callable, samples: torch.Tensor, reference: torch.Tensor
) -> float | torch.Tensor:
    """What stands after ±: half of the 95 % interval of measure(samples, reference).

    It is 2.26 standard errors, by Student's t for ten rounds of the delete-half jackknife of
    Eq. 5.11. samples: (N, ...), reference: (M, ...). Halves are drawn without replacement: a
    bootstrap would repeat digits, whose distance to each other is 0. Returns a float, or a tensor
    (values,) where the measure has several; the same each time.
    """

    def half(features):
        return features[torch.randperm(len(features))[: len(features) // 2]]

    with seeded(own_seed(0, "jackknife")):
        values = [measure(half(samples), half(reference)) for _ in range(ROUNDS)]
    standard_errors = float(stdtrit(ROUNDS - 1, 0.975))
    width = standard_errors * torch.tensor(values, dtype=torch.float64).std(0)
    return width if width.ndim else width.item()


def _root(covariance):
    """The symmetric root of a positive semi-definite matrix; rounding below zero is cut off."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _radii(points):
    """Distance of each point to its NEIGHBOURS-th neighbour in its own set, itself not counted."""
    distances = torch.cdist(points, points).fill_diagonal_(0)
    return distances.topk(NEIGHBOURS + 1, largest=False).values[:, -1]  # faster than kthvalue


def _covered(distances, radii):
    """The fraction of rows in at least one ball. distances: (N, M), radii: (M,)."""
    return (distances <= radii).any(1).float().mean().item()


def _check_features(samples, reference):
    for name, features in (("samples", samples), ("reference", reference)):
        guards.tensor(features, name)
        if features.ndim != 2 or len(features) == 0:
            raise ValueError(
                f"Expected the features of {name} as (digits, dimensions), got a tensor of shape "
                f"{tuple(features.shape)}."
            )
        bad = int((~features.isfinite().all(1)).sum())
        if bad:
            raise ValueError(
                f"{bad} of the {len(features)} {name} have a feature that is NaN or infinite: "
                f"look for one in the images."
            )
    if samples.shape[1] != reference.shape[1]:
        raise ValueError(
            f"Both sets need the same features, got {samples.shape[1]} and {reference.shape[1]}."
        )
