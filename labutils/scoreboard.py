"""The course's scoreboard: the log-likelihoods of all models on the same test digits, in nats."""

from labutils import guards
from labutils.data import Digits, binarize
from labutils.evaluation import STANDARD_ERRORS, bits_per_dimension
from labutils.runtime import atomic_write, locked, runs_folders, warn

import html
import json
import math
import operator
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path

import torch

FILE = "board.json"
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


class Scoreboard:
    """A table of models on one binarised test set: shown as such, entered by `enter`.

    images: digits.test, binarised once, (N, 784): the same draw for every notebook. Rows are
    kept beside the trained models, in board.json of the first of the runs folders, and read from
    all of them. Looking at a board writes nothing.
    """

    def __init__(self, digits: Digits):
        if not isinstance(digits, Digits):
            raise ValueError(
                f"A scoreboard needs the digits that load() returns, got {type(digits).__name__}."
            )
        self.images = binarize(digits.test.images, torch.Generator().manual_seed(SEED))
        self.source = digits.source
        self.data = f"test, drawn once, seed {SEED}"
        self._unwritten = {}  # by model, for when the folder can't be written
        self._said = set()

    @property
    def rows(self) -> list[Row]:
        """The rows on these images, the best first by their tightest number."""
        rows = {}
        for folder in reversed(runs_folders()):  # the first is one's own: it comes last, and wins
            rows |= self._rows_of(folder / FILE)
        rows |= self._unwritten
        return sorted(rows.values(), key=lambda row: -row.tightest.nats)

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
        row = self._row(name, exact, elbo, gain, num_samples)
        file = runs_folders()[0] / FILE
        rows = self._unwritten | {name: row}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with locked(file.with_suffix(".lock")):
                others = [e for e in self._read_or_set_aside(file) if not self._holds(e, rows)]
                with atomic_write(file) as out:
                    out.write(_lines([*others, *map(asdict, rows.values())]))
            self._unwritten = {}
        except OSError as reason:
            self._unwritten = rows
            self._warn(f"The scoreboard can't be kept in {file.absolute()} ({reason}).")

    def __repr__(self):
        table = self._table()
        widths = [max(map(len, column)) for column in zip(HEAD, *table, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in (HEAD, *table)
        ]
        return "\n".join([*lines, self._caption()])

    def _repr_html_(self):
        def line(tag, cells):
            first, *others = map(html.escape, cells)
            left = f'<{tag} style="text-align:left">{first}</{tag}>'
            return f"<tr>{left}{''.join(f'<{tag}>{cell}</{tag}>' for cell in others)}</tr>"

        body = "\n".join(line("td", cells) for cells in self._table())
        caption = f'<caption style="caption-side:bottom">{html.escape(self._caption())}</caption>'
        return f"<table>{caption}\n{line('th', HEAD)}\n{body}\n</table>"

    def _table(self):
        """Rows as text, a cell for each of HEAD."""
        return [
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

    def _caption(self):
        return (
            f"{self.source} digits ({self.data}): nats per image, ± half of a 95 % interval; ELBO "
            f"and bound are lower bounds; bits/dim of the tightest"
        )

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

    def _rows_of(self, file):
        """Those of a file's rows that are on these images, by model."""
        rows = [_parsed(entry) for entry in self._look(file)]
        if None in rows:
            self._warn(
                f"{rows.count(None)} of the rows in {file.absolute()} lack what a row needs: they "
                f"are not shown, and stay in the file."
            )
        mine = [row for row in rows if row and (row.source, row.data) == (self.source, self.data)]
        return {row.model: row for row in mine}

    def _holds(self, entry, rows):
        """Whether an entry of a file is on one of the models in rows, and on these images."""
        return (
            isinstance(entry, dict)
            and entry.get("model") in [*rows]
            and (entry.get("source"), entry.get("data")) == (self.source, self.data)
        )

    def _look(self, file):
        """The entries of a file, none if it can't be read: that is said, and left as it is."""
        try:
            return _read(file)
        except OSError as reason:
            self._warn(f"The scoreboard {file.absolute()} can't be read ({reason}).")
        except (ValueError, RecursionError):
            self._warn(f"The scoreboard {file.absolute()} is damaged: its rows are not shown.")
        return []

    def _read_or_set_aside(self, file):
        """The entries of a file that is to be written. One that is damaged gets a fresh name."""
        try:
            return _read(file)
        except (ValueError, RecursionError):
            names = (file.with_suffix(f".damaged-{number}.json") for number in count(1))
            aside = next(name for name in names if not name.exists())
            file.rename(aside)
            self._warn(
                f"The scoreboard {file.absolute()} was damaged. It was set aside as {aside.name}, "
                f"and the board starts again: run the notebooks whose rows you miss.",
            )
            return []

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
    variance = sum(term.var().item() / len(term) for term in terms)
    return Nats(nats, STANDARD_ERRORS * math.sqrt(variance))


def _lines(entries):
    """JSON with an entry in each line."""
    lines = (json.dumps(entry, default=operator.index) for entry in entries)  # numpy's integers
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def _read(file: Path) -> list:
    """The entries of a file, as they are. Raises ValueError, RecursionError if it is no list."""
    try:
        entries = json.loads(file.read_bytes())
    except FileNotFoundError:
        return []
    if not isinstance(entries, list):
        raise ValueError(f"{file} holds no list")
    return entries


def _parsed(entry):
    """A Row of what a file holds, or None where something that a row needs is missing."""
    try:
        values = {field.name: entry.get(field.name) for field in fields(Row)}
        means = {key: _nats(values[key]) for key in MEANS if values[key] is not None}
        return Row(**values | means)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def _nats(entry):
    nats, half_width = (float(entry[key]) for key in ("nats", "half_width"))
    if not (math.isfinite(nats) and math.isfinite(half_width)):
        raise ValueError
    return Nats(nats, half_width)
