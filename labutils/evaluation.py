"""Measures of a trained model on data that it has not seen, and the course's scoreboard."""

import json
import math
import warnings

import torch
from filelock import FileLock

from labutils.data import atomic_write
from labutils.models import PIXELS
from labutils.objectives import importance_bound
from labutils.training import runs_folder, seeded

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
    num_samples=None, error=None,
):  # fmt: skip
    """The log-likelihoods of the course's models in nats; with a `model`, its row is entered.

    model: the row's name. nats: (N,), one value for each image. kind: "exact", "ELBO" (a lower
    bound) or "bound" (the importance-weighted one, with its `num_samples`). source, split and
    binarisation say on which images: only rows that agree in these can be compared. error: the
    standard error of the mean, where it is not that of N independent values.

    Entering the same row again replaces it; num_samples and the number of images are recorded,
    but are not part of what makes two rows the same. The rows are kept beside the trained models,
    in scoreboard.json. A file that cannot be read is set aside, with a warning. Returns the
    Scoreboard of `source`; raises ValueError for a row that is not complete or not finite.
    """
    row = None
    if model is not None:
        row = _row(model, nats, source, kind, split, binarisation, num_samples, error)
    file, rows = runs_folder() / "scoreboard.json", []
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
            f"{'model':<34} {'nats':>8}   {'±':<5} {'bits/dim':>8}  {'what':<14} data",
            *map(self._line, self.rows),
            "± is the standard error over images; a bound lies below the log-likelihood.",
        ]
        return "\n".join(lines)

    @staticmethod
    def _line(row):
        what = row["kind"] + (f", K = {row['num_samples']}" if row["num_samples"] else "")
        data = f"{row['images']:,} {row['split']} images, {row['binarisation']}"
        bits = bits_per_dimension(row["nats"])
        return (
            f"{row['model']:<34} {row['nats']:>8.2f}   {row['error']:<5.2f} {bits:>8.3f}  "
            f"{what:<14} {data}"
        )


def _row(model, nats, source, kind, split, binarisation, num_samples, error):
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
    if not torch.is_tensor(nats) or nats.ndim != 1 or len(nats) < 2:
        raise ValueError("nats must be a tensor with one value for each of at least 2 images.")
    if not nats.isfinite().all():
        raise ValueError(
            f"nats must be finite, got {int((~nats.isfinite()).sum())} values that are not: an "
            f"image that the model holds for impossible makes the whole mean minus infinity."
        )
    nats = nats.double()
    if nats.mean() > 0:
        raise ValueError(
            f"The log-probability of a binary image is never positive, got {nats.mean():.2f} nats "
            f"on average. Was a loss passed? Flip its sign."
        )
    if error is None:
        error = nats.std() / math.sqrt(len(nats))
    return {
        "model": model, "nats": nats.mean().item(), "error": float(error), "kind": kind,
        "num_samples": num_samples, "source": source, "split": split,
        "binarisation": binarisation, "images": len(nats),
    }  # fmt: skip


def _is_row(row):
    return (
        isinstance(row, dict)
        and row.keys() == {*KEYS, "nats", "error", "num_samples", "images"}
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
