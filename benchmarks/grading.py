"""Seconds that grading takes: submissions of one notebook, as many at a time as there are cores.

python benchmarks/grading.py [--students 30]
"""

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "grading")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=30)
    students = parser.parse_args().students
    if not find_spec("nbgrader"):
        sys.exit(print("grading: not measured, since nbgrader is not installed"))

    import grading

    import nbformat
    import test_grading as handed_in
    from joblib import cpu_count

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "class")
        for k in range(students):
            notebook, cells = handed_in.solved(*handed_in.NAMES[: k % 8])
            handed_in.half_done(notebook, cells)
            path = folder / f"student{k:02}" / f"{handed_in.STEM}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(notebook, path)
        started = time.perf_counter()
        grading.main([str(folder)])
        seconds = time.perf_counter() - started
    print(f"{students} submissions, {cpu_count()} at a time: {seconds:.0f} s, ", end="")
    print(f"{seconds * cpu_count() / students:.1f} s each on a core")


if __name__ == "__main__":
    main()
