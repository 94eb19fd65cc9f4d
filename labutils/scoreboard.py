"""The course's scoreboard: the log-likelihoods of all models on the same test digits, in nats."""

from labutils import guards
from labutils.data import Digits, binarize
from labutils.evaluation import bits_per_dimension, half_width
from labutils.runtime import atomic_write, runs_folders, warn

import hashlib
import html
import json
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

FILE = "board-{}.json"  # of one row: in the folder itself, which a group may share
SEED = 0
MEANS = ("exact", "elbo", "bound")  # the fields of a Row that are Nats
HEAD = ("model", "exact", "ELBO", "bound (K)", "bits/dim", "images")


@dataclass(frozen=True)
class Nats:
    """A mean over images in nats, and half of its 95 % interval."""

    nats: float
    half_width: float

    def __str__(self):
        return f"{self.nats:.2f} ± {self.half_width:.2f}"


@dataclass(frozen=True)
class Row:
    """What is known of one model: its exact log-likelihood, lower bounds on it, or both.

    bound is the importance-weighted one with num_samples samples, whose gain over the ELBO was
    measured on gain_images of the images. source and data say which digits, how binarised.
    Raises ValueError where one of these is missing.
    """

    model: str
    source: str
    data: str
    images: int
    exact: Nats | None = None
    elbo: Nats | None = None
    bound: Nats | None = None
    num_samples: int | None = None
    gain_images: int | None = None

    def __post_init__(self):
        texts = (("the model's name", self.model), ("source", self.source), ("data", self.data))
        for name, text in texts:
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"A row needs {name}, got {text!r}.")
        guards.whole_number(self.images, "images")
        if self.tightest is None:
            raise ValueError(f"{self.model} needs exact log-likelihoods or an ELBO, got neither.")
        if self.bound:
            guards.whole_number(self.num_samples, "num_samples")
            guards.whole_number(self.gain_images, "gain_images")

    @property
    def tightest(self) -> Nats:
        """The exact log-likelihood, or else the highest of the bounds by construction."""
        return self.exact or self.bound or self.elbo


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head, and a caption: looks alike in a notebook and in a console."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str

    def __repr__(self):
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in (self.head, *self.rows)
        ]
        return "\n".join([*lines, self.caption])

    def _repr_html_(self):
        def line(tag, cells):
            first, *others = map(html.escape, cells)
            left = f'<{tag} style="text-align:left">{first}</{tag}>'
            return f"<tr>{left}{''.join(f'<{tag}>{cell}</{tag}>' for cell in others)}</tr>"

        body = "\n".join(line("td", cells) for cells in self.rows)
        caption = f'<caption style="caption-side:bottom">{html.escape(self.caption)}</caption>'
        return f"<table>{caption}\n{line('th', self.head)}\n{body}\n</table>"


class Scoreboard:
    """A table of models on one binarised test set: shown as such, entered by `enter`.

    images: digits.test, binarised once, (N, 784): the same draw for every notebook. Each row is
    a file beside the trained models, in the first of the runs folders, so that no entry gets in
    the way of another; rows are read from all of them. Looking at a board writes nothing.
    """

    def __init__(self, digits: Digits):
        if not isinstance(digits, Digits):
            raise ValueError(
                f"A scoreboard needs the digits that load() returns, got {type(digits).__name__}."
            )
        self.images = binarize(digits.test.images, torch.Generator().manual_seed(SEED))
        self.source, self.name = digits.source, digits.name
        self.data = f"test, drawn once, seed {SEED}"
        self._unwritten = {}  # by model, for when the folder can't be written
        self._said = set()

    @property
    def rows(self) -> list[Row]:
        """The rows on these images, the best first by their tightest number."""
        rows = {}
        for folder in reversed(runs_folders()):  # the first is one's own: it comes last, and wins
            rows |= {row.model: row for row in self._kept(folder)}
        rows |= self._unwritten
        return sorted(rows.values(), key=lambda row: (-row.tightest.nats, row.model))

    def enter(
        self,
        name: str,
        *,
        exact: torch.Tensor | None = None,
        elbo: torch.Tensor | None = None,
        gain: torch.Tensor | None = None,
        num_samples: int | None = None,
    ) -> None:
        """Enter what was measured of a model on `images`, in place of what was there of it.

        exact: its log-likelihoods (N,), elbo: their lower bounds (N,), in nats, one for each of
        the board's images; one of the two is enough. gain: (n,), what the bound with num_samples
        samples adds to the ELBO on some of the images, as from elbo_and_gain: its mean is added
        to that of the ELBO, as if the two were independent.

        Raises ValueError for a row that is not complete, not finite or positive on average.
        """
        self._unwritten[name] = self._row(name, exact, elbo, gain, num_samples)
        folder = runs_folders()[0]
        for row in [*self._unwritten.values()]:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with atomic_write(folder / _file_name(row)) as file:
                    file.write(json.dumps(asdict(row), default=operator.index).encode())
                del self._unwritten[row.model]
            except OSError as reason:
                self._warn(f"The scoreboard can't be kept in {folder.absolute()} ({reason}).")

    def __repr__(self):
        return repr(self._table())

    def _repr_html_(self):
        return self._table()._repr_html_()

    def _table(self):
        rows = [
            (
                " ".join(row.model.split()),
                str(row.exact or ""),
                str(row.elbo or ""),
                f"{row.bound} ({row.num_samples:,})" if row.bound else "",
                f"{bits_per_dimension(row.tightest.nats):.3f}",
                f"{row.images:,}" + (f" (gain {row.gain_images:,})" if row.bound else ""),
            )
            for row in self.rows
        ]
        caption = (
            f"{self.name} ({self.data}): nats per image, ± half of a 95 % interval; ELBO "
            f"and bound are lower bounds; bits/dim of the tightest"
        )
        return Table(HEAD, rows, caption)

    def _row(self, name, exact, elbo, gain, num_samples):
        if (gain is None) != (num_samples is None) or (gain is not None and elbo is None):
            raise ValueError(f"{name}: a bound needs the ELBO, its gain over it, and num_samples.")
        for values, of in ((exact, "exact"), (elbo, "elbo")):
            if values is not None:
                guards.nats_per_image(values, of, count=len(self.images))
        if gain is not None:
            guards.nats_per_image(gain, "gain")
        return Row(
            model=name,
            source=self.source,
            data=self.data,
            images=len(self.images),
            exact=_mean(exact),
            elbo=_mean(elbo),
            bound=_mean(elbo, gain),
            num_samples=num_samples,
            gain_images=None if gain is None else len(gain),
        )

    def _kept(self, folder: Path) -> Iterator[Row]:
        """The rows of a folder that are on these images. What can't be read is said, and stays."""
        try:
            files = sorted(file for file in folder.iterdir() if file.match(FILE.format("*")))
        except FileNotFoundError:
            files = []
        except OSError as reason:
            self._warn(f"The scoreboard in {folder.absolute()} can't be read ({reason}).")
            files = []
        for file in files:
            row = _read(file)
            if row is None:
                self._warn(f"{file.absolute()} is damaged or can't be read: its row is not shown.")
            elif (row.source, row.data) == (self.source, self.data):
                yield row

    def _warn(self, message):
        """Once: a board is looked at again and again."""
        if message not in self._said:
            self._said.add(message)
            warn(message)


def _mean(*terms):
    """The sum of the means of independent terms, (N,) each. None where a term is."""
    if any(term is None for term in terms):
        return None
    terms = [term.detach().double() for term in terms]
    nats = sum(term.mean().item() for term in terms)
    if nats > 0:
        raise ValueError(
            f"The log-probability of a binary image is never positive, got {nats:.2f} nats "
            f"on average. Was a loss passed? Flip its sign."
        )
    return Nats(nats, half_width(*terms).item())


def _file_name(row: Row) -> str:
    """The same for rows of one model on the same images, whatever characters its name has."""
    key = repr((row.model, row.source, row.data))
    return FILE.format(hashlib.sha256(key.encode()).hexdigest()[:16])


def _read(file: Path) -> Row | None:
    """The row in a file, or None where something that a row needs is missing."""
    try:
        entry = json.loads(file.read_bytes())
        values = {field.name: entry.get(field.name) for field in fields(Row)}
        means = {key: _nats(values[key]) for key in MEANS if values[key] is not None}
        return Row(**values | means)
    except Exception:  # there is no end to what a damaged file can raise
        return None


def _nats(entry):
    nats, half_width = (float(entry[key]) for key in ("nats", "half_width"))
    if not -math.inf < nats <= 0 or not 0 <= half_width < math.inf:
        raise ValueError
    return Nats(nats, half_width)
