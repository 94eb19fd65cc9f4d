"""Print the sizes of labutils and of the notebooks' texts beside their limits (limits.py).

    python tools/sizes.py

A module or the exercises of a notebook with too many lines, or too many names in `lab`, is a
failure; the rest is printed only.
"""

import labutils
import limits

import re
import sys
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parent.parent


def main():
    modules = module_lines(ROOT / "labutils")
    exercises = {name: lines for name, lines in modules.items() if name.startswith("exercises")}
    rooms = {name: lines for name, lines in modules.items() if name not in exercises}
    words = words_by_notebook(ROOT / "notebooks")

    print(f"{'lines of labutils':<26} {'':>6} {'limit':>6}")
    failed = [print_row(name, lines, limits.MODULE_LINES) for name, lines in rooms.items()]
    print_row("all of these", sum(rooms.values()), limits.LABUTILS_LINES)
    written = {name: n for name, n in exercises.items() if re.search(r"/(n\d\d|pairs)\.py$", name)}
    machinery = sum(exercises.values()) - sum(written.values())
    print_row("exercises' machinery", machinery, limits.MACHINERY_LINES)
    failed += [print_row(name, n, limits.NOTEBOOK_EXERCISES) for name, n in written.items()]
    print_row("all of these", sum(written.values()), limits.EXERCISES_LINES)
    failed.append(print_row("names in lab", len(labutils.__all__), limits.NAMES))
    print("words of text outside exercises and predictions")
    for numbers, limit in limits.WORDS.items():
        print_row(" and ".join(numbers), sum(words.get(number, 0) for number in numbers), limit)
    sys.exit(any(failed))


def print_row(name, size, limit=None):
    """Print a line of the table; returns whether the size is over its limit."""
    over = limit is not None and size > limit
    print(f"  {name:<24} {size:>6} {limit or '':>6}{'  over' if over else ''}")
    return over


def module_lines(folder):
    """The number of lines of each module."""
    return {
        path.relative_to(folder).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.rglob("*.py"))
    }


def words_by_notebook(folder):
    """The words of the text of each notebook, by its number ("01")."""
    return {
        path.name[:2]: sum(
            prose_words(cell.source)
            for cell in jupytext.read(path).cells
            if cell.cell_type == "markdown"
        )
        for path in sorted(folder.glob("[0-9]*.py"))
    }


def prose_words(markdown):
    """How many words a cell has outside predictions and warm-ups, up to its first exercise or
    investigation."""
    prose = re.split(r"\*\*(?:Exercise|Investigate)", markdown)[0]
    paragraphs = prose.split("\n\n")
    return sum(len(p.split()) for p in paragraphs if not re.search(r"\*\*(Predict|Warm-up)", p))


if __name__ == "__main__":
    main()
