"""Measures of a trained model on data that it has not seen, and the course's scoreboard."""

from labutils.models import PIXELS
from labutils.objectives import elbo, importance_bound
from labutils.runtime import atomic_write, runs_folders, seeded

import json
import math
import warnings

import torch
from filelock import FileLock

KINDS = ("exact", "ELBO", "bound")
KEYS = ("model", "kind", "source", "split", "binarisation")  # what makes two rows the same


@torch.no_grad()
def accuracy(model, images, labels):
    """The fraction of images (N, 784) whose largest logit is that of their label (N,)."""
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(
            f"Expected one label for each image, and at least one, got {len(images)} images and "
            f"{len(labels)} labels."
        )
    model.eval()
    return (model(images).argmax(-1) == labels).float().mean().item()


def log_likelihood(model, images, num_samples, seed=0, batch_size=100):
    """A lower bound on log p(x) of each image: importance_bound, batch by batch.

    images: (N, 784). Returns (N,) in nats; the same seed gives the same numbers.
    """
    if len(images) == 0:
        raise ValueError("Expected at least one image, got none.")
    with seeded(seed, images.device):
        bounds = [importance_bound(model, x, num_samples) for x in images.split(batch_size)]
    return torch.cat(bounds)


@torch.no_grad()
def elbo_and_gain(model, images, count=100, num_samples=1000):
    """The ELBO of all images (N, 784), and what the importance-weighted bound adds on some.

    The bound costs much, but its gain over the ELBO varies less between images than either does.
    So the mean ELBO of all images plus the mean gain on about `count` of them, spread over the
    set, estimates the mean bound of all. Returns the ELBO (N,) and the gain (about count,), in
    nats, without a gradient; the same numbers each time.
    """
    some = images[:: max(1, len(images) // count)]
    with seeded(0, images.device):
        bound = elbo(model, images)
        gain = log_likelihood(model, some, num_samples) - elbo(model, some, 10)
    return bound, gain


def bits_per_dimension(nats):
    """Log-likelihood of a whole image in nats to the bits that coding one pixel costs, Eq. 1.14."""
    return -nats / (PIXELS * math.log(2))


def paired_bootstrap(first, second, draws=1_000, seed=0):
    """The mean of `first - second`, and its 95 % interval over the choice of images.

    first, second: (N,) in nats, the same images in the same order. Images are drawn anew with
    replacement `draws` times, the same ones for both (Efron, 1979). Returns three floats.
    """
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            f"Expected two values in nats for each of at least 2 images, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    difference = (first - second).double().cpu()
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(difference), (draws, len(difference)), generator=generator)
    means = difference[chosen].mean(1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=means.dtype)).tolist()
    return difference.mean().item(), low, high


def scoreboard(
    model=None, nats=None, *, source, kind=None, split=None, binarisation=None,
    num_samples=None, gain=None,
):  # fmt: skip
    """The log-likelihoods of the course's models in nats; with a `model`, its row is entered.

    model: the row's name. nats: (N,), one value for each image. kind: "exact", "ELBO" (a lower
    bound) or "bound" (the importance-weighted one, with its `num_samples`). source, split and
    binarisation say on which images: only rows that agree in these can be compared. gain: (n,),
    of a bound, as from elbo_and_gain: its mean is added, and the standard error of the row is
    that of the sum, as if the two were independent.

    Entering the same row again replaces it; num_samples and the number of images are recorded,
    but are not part of what makes two rows the same. The rows are kept beside the trained models,
    in scoreboard.json. A file that cannot be read is set aside, with a warning. Returns the
    Scoreboard of `source`; raises ValueError for a row that is not complete or not finite.
    """
    row = None
    if model is not None:
        row = _row(model, nats, source, kind, split, binarisation, num_samples, gain)
    file, rows = runs_folders()[0] / "scoreboard.json", []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            rows = _with_row(_read_rows(file), row)
            with atomic_write(file) as out:
                out.write(json.dumps(rows, indent=1).encode())
    except OSError as reason:
        rows = _with_row(rows, row)
        warnings.warn(f"The scoreboard cannot be kept in {file} ({reason}).", stacklevel=2)
    return Scoreboard([each for each in rows if each["source"] == source])


class Scoreboard:
    """Rows of the scoreboard, as dicts, the best first; its repr is a table."""

    def __init__(self, rows):
        self.rows = sorted(rows, key=lambda row: -row["nats"])

    def __repr__(self):
        if not self.rows:
            return "The scoreboard has no row yet."
        lines = [
            f"{'model':<34} {'nats':>8}   {'±':<5} {'bits/dim':>8}  {'what':<16} data",
            *map(self._line, self.rows),
            "± is the standard error over images; a bound lies below the log-likelihood.",
        ]
        return "\n".join(lines)

    @staticmethod
    def _line(row):
        what = row["kind"] + (f", K = {row['num_samples']}" if row["num_samples"] else "")
        data = f"{row['images']:,} {row['split']} images, {row['binarisation']}"
        if row["gain_images"]:
            data += f"; gain over the ELBO: {row['gain_images']} images"
        bits = bits_per_dimension(row["nats"])
        return (
            f"{row['model']:<34} {row['nats']:>8.2f}   {row['error']:<5.2f} {bits:>8.3f}  "
            f"{what:<16} {data}"
        )


def _row(model, nats, source, kind, split, binarisation, num_samples, gain):
    if kind not in KINDS or not split or not binarisation:
        raise ValueError(
            f"A row needs kind ({', '.join(KINDS)}), split and binarisation, got {kind!r}, "
            f"{split!r} and {binarisation!r}."
        )
    if (kind == "bound") != (num_samples is not None):
        raise ValueError(
            f"A bound needs num_samples, and nothing else has it, got kind {kind!r} with "
            f"num_samples {num_samples!r}."
        )
    if gain is not None and kind != "bound":
        raise ValueError(f"Only a bound has a gain, got kind {kind!r} with a gain.")
    terms = [nats] if gain is None else [nats, gain]
    for term in terms:
        _check_nats(term)
    mean = sum(term.double().mean().item() for term in terms)
    variance = sum(term.double().var().item() / len(term) for term in terms)
    if mean > 0:
        raise ValueError(
            f"The log-probability of a binary image is never positive, got {mean:.2f} nats "
            f"on average. Was a loss passed? Flip its sign."
        )
    return {
        "model": model, "nats": mean, "error": math.sqrt(variance), "kind": kind,
        "num_samples": num_samples, "source": source, "split": split,
        "binarisation": binarisation, "images": len(nats),
        "gain_images": None if gain is None else len(gain),
    }  # fmt: skip


def _check_nats(nats):
    if not torch.is_tensor(nats) or nats.ndim != 1 or len(nats) < 2:
        raise ValueError("nats must be a tensor with one value for each of at least 2 images.")
    if not nats.isfinite().all():
        raise ValueError(
            f"nats must be finite, got {int((~nats.isfinite()).sum())} values that are not: an "
            f"image that the model holds for impossible makes the whole mean minus infinity."
        )


def _is_row(row):
    return (
        isinstance(row, dict)
        and row.keys() == {*KEYS, "nats", "error", "num_samples", "images", "gain_images"}
        and all(isinstance(row[key], str) for key in KEYS)
        and all(
            isinstance(row[key], float) and math.isfinite(row[key]) for key in ("nats", "error")
        )
    )


def _with_row(rows, row):
    """The rows with `row`, if any, in the place of the same one."""
    if row is None:
        return rows
    return [r for r in rows if any(r[key] != row[key] for key in KEYS)] + [row]


def _read_rows(file):
    if not file.exists():
        return []
    try:
        rows = json.loads(file.read_bytes())
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise ValueError
        return rows
    except (ValueError, RecursionError):
        aside = file.with_suffix(".damaged.json")
        file.replace(aside)
        warnings.warn(
            f"{file} is damaged. It was set aside as {aside.name}, and the scoreboard starts "
            f"again: run the notebooks whose rows you miss.",
            stacklevel=3,
        )
        return []


class DigitFeatures:
    """The space in which notebook 05 compares digits: a classifier's hidden units, then PCA.

    classifier: a trained Classifier. train: the Split that its principal components are fitted
    on; keep as many as the smallest set to compare has digits to estimate a covariance from.
    Raises ValueError for a classifier that is not trained.
    """

    def __init__(self, classifier, train, dimensions=64):
        right = accuracy(classifier, train.images, train.labels)
        if right < 0.8:
            raise ValueError(
                f"The classifier is right for {right:.0%} of the training digits: it is not "
                f"trained. Train it first, as in notebook 02."
            )
        self.classifier = classifier
        with torch.no_grad():
            hidden = classifier.features(train.images)
        if not 1 <= dimensions <= min(hidden.shape):
            raise ValueError(
                f"dimensions must be from 1 to {min(hidden.shape)}, what {len(hidden)} digits of "
                f"{hidden.shape[1]} features allow, got {dimensions}."
            )
        self.mean = hidden.mean(0)
        variances, directions = torch.linalg.eigh((hidden - self.mean).T.cov())  # ascending
        self.directions = directions[:, -dimensions:]
        self.kept = (variances[-dimensions:].sum() / variances.sum()).item()

    def __repr__(self):
        hidden, dimensions = self.directions.shape
        return (
            f"{dimensions} principal components of {hidden} features, "
            f"with {self.kept:.1%} of their variance"
        )

    @torch.no_grad()
    def __call__(self, images):
        """images: (N, 784). Returns (N, dimensions)."""
        return (self.classifier.features(images) - self.mean) @ self.directions

    @torch.no_grad()
    def classes(self, images):
        """The class that the classifier gives to each image, int64 (N,)."""
        return self.classifier(images).argmax(-1)


def frechet_distance(samples, reference):
    """Squared Frechet distance of the Gaussians fitted to two sets of features, Eq. 5.8.

    samples: (N, d), reference: (M, d), both with more rows than columns. Covariances may be
    singular, as where a feature is constant. Smaller is better, 0 for equal moments.
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


def precision_recall(samples, reference, neighbours=3):
    """Precision and recall of samples (Kynkaanniemi et al., 2019), Eq. 5.9.

    samples: (N, d), reference: (M, d) features. A set covers the balls around its members that
    reach to their `neighbours`-th nearest neighbour in the set. Precision is the fraction of
    samples that the reference covers, recall that of the reference that the samples cover.
    Both depend on N and M: compare at the same numbers.
    """
    _check_features(samples, reference)
    if not 1 <= neighbours < min(len(samples), len(reference)):
        raise ValueError(
            f"neighbours must be from 1 to {min(len(samples), len(reference)) - 1}, one less than "
            f"the smaller set has members, got {neighbours}."
        )
    between = torch.cdist(samples, reference)
    return (
        _covered(between, _radii(reference, neighbours)),
        _covered(between.T, _radii(samples, neighbours)),
    )


def class_imbalance(samples, reference, classes=10):
    """Half the summed difference of the class frequencies of two sets of labels (N,), (M,).

    0 where they agree, 1 where the sets share no class: the fraction of the samples that would
    have to change class.
    """
    if len(samples) == 0 or len(reference) == 0:
        raise ValueError(
            f"Expected labels in both sets, got {len(samples)} and {len(reference)} of them."
        )
    a, b = (torch.bincount(y, minlength=classes) / len(y) for y in (samples, reference))
    return 0.5 * (a - b).abs().sum().item()


def standard_error(measure, samples, reference, rounds=10, seed=0):
    """Standard error of measure(samples, reference) by the delete-half jackknife, Eq. 5.10.

    Halves are drawn without replacement: a bootstrap would repeat digits, whose distance to
    each other is 0. Returns a float, or a tensor where the measure has several values.
    """
    if rounds < 2:
        raise ValueError(f"rounds must be 2 or more to have a spread, got {rounds}.")

    def half(features):
        return features[torch.randperm(len(features))[: len(features) // 2]]

    with seeded(seed):
        values = [measure(half(samples), half(reference)) for _ in range(rounds)]
    spread = torch.tensor(values, dtype=torch.float64).std(0)
    return spread if spread.ndim else spread.item()


def _root(covariance):
    """The symmetric root of a positive semi-definite matrix; rounding below zero is cut off."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _radii(points, neighbours):
    """Distance of each point to its nearest neighbours in its own set, itself not counted."""
    distances = torch.cdist(points, points).fill_diagonal_(0)
    return distances.topk(neighbours + 1, largest=False).values[:, -1]  # faster than kthvalue


def _covered(distances, radii):
    """The fraction of rows in at least one ball. distances: (N, M), radii: (M,)."""
    return (distances <= radii).any(1).float().mean().item()


def _check_features(samples, reference):
    for name, features in (("samples", samples), ("reference", reference)):
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
