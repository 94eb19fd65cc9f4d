"""The peak of each notebook's kernel after its first cell and its first training, in MiB.

The whole notebook's is in the table of `make run`. Takes about two minutes.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
import run  # noqa: E402

AIM = 700  # MiB


def main():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LABUTILS_RUNS"] = folder
            print(f"{path.stem:32} {peak(path):5} MiB  (aim: at most {AIM} MiB)", flush=True)


def peak(path):
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    text = path.with_suffix(".py").read_text(encoding="utf-8")
    (training,) = re.search(r'(lab\.trained\("\w+", digits)', text).groups()
    notebook.cells = [first, new_code_cell(f"{training});")]
    outcome = run.Outcome(path.stem, limit=0)
    run.execute(notebook, path.parent, outcome)
    if outcome.failures:
        sys.exit(f"{path.stem}: {outcome.failures[0]}")
    return outcome.peak


if __name__ == "__main__":
    main()
