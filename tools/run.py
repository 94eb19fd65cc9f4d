"""Execute the notebooks, each in a kernel of its own, and print how they fared.

    python tools/run.py [--alone] [--save] [NOTEBOOK ...]

Printed are the seconds and the peak memory of each kernel beside their limits (limits.py). Over
the limit, seconds are pointed out and MiB fail.

With --save, each notebook that passes is written back with its outputs. Its text is that of the
.py beside it, which is what people edit and review: it is read first, and never written. Where all
notebooks are saved, their seconds and MiB are kept in benchmarks/notebooks.json.
"""

import limits
from carrying import write as write_whole

import argparse
import json
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

import nbformat
from jupytext.cli import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
COSTS = ROOT / "benchmarks" / "notebooks.json"  # of the last run that saved all, for the site
STUDENT = "student/"  # before the names of that edition
CELL_TIMEOUT = 600  # seconds: stops what hangs, not what is slow
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {  # without a version; without any, nbconvert takes the notebook for plain text
    "name": "python",
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "codemirror_mode": {"name": "ipython"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

# asked in the kernel, in cells that do not stay
SOURCE = "print(digits.source)"
PEAK = """
import sys
if sys.platform == "win32":  # untried
    import psutil  # comes with ipykernel
    peak = psutil.Process().memory_info().peak_wset
elif sys.platform == "darwin":  # untried
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
else:  # getrusage would count the process that started this one
    peak = 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
print(peak // 2**20)
"""


@dataclass(frozen=True)
class Cell:
    """An executed code cell."""

    number: int
    source: str
    seconds: float

    @property
    def limit(self):
        return limits.TRAINING_CELL if "lab.trained(" in self.source else limits.CELL

    def __str__(self):
        return f"code cell {self.number} ({self.source.strip().splitlines()[0]})"


@dataclass
class Outcome:
    """How a notebook fared."""

    name: str
    limit: int  # seconds
    seconds: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    source: str = "unknown"  # of the digits
    peak: int | None = None  # MiB of the kernel, where it could tell
    failures: list[str] = field(default_factory=list)

    def row(self):
        slowest = max(self.cells, key=lambda cell: cell.seconds, default=None)
        return (
            f"{self.name:<32} {self.source:<8} {self.seconds:>7.1f} {self.limit:>5}  "
            f"{'?' if self.peak is None else self.peak:>5} {limits.MIB:>5}  "
            f"{f'{slowest.number}: {slowest.seconds:.1f} s' if slowest else '':<14} "
            f"{'fail' if self.failures else 'pass'}"
        )

    def remarks(self):
        """What failed, and what took long."""
        yield from self.failures
        if self.seconds > self.limit:
            yield f"slow: {self.seconds:.0f} s, the limit is {self.limit} s"
        for cell in self.cells:
            if cell.seconds > cell.limit:
                yield f"slow: {cell}: {cell.seconds:.0f} s, the limit is {cell.limit} s"


HEAD = (
    f"{'notebook':<32} {'data':<8} {'seconds':>7} {'limit':>5}  {'MiB':>5} {'limit':>5}  "
    f"{'slowest cell':<14} result"
)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument(
        "--alone", action="store_true", help="no notebook finds what another one trained"
    )
    parser.add_argument("--save", action="store_true", help="keep the outputs, from the .py's text")
    options = parser.parse_args(words)
    pattern = "*.py" if options.save else "*.ipynb"
    paths = [
        path.resolve().with_suffix(".ipynb")
        for path in options.notebooks or sorted(NOTEBOOKS.glob(pattern))
    ]
    if not paths:
        parser.error(f"there are no notebooks in {NOTEBOOKS}")
    sys.stdout.reconfigure(errors="replace")  # an error message may hold any character
    print(HEAD)
    outcomes = run_all(paths, options.alone, options.save)
    if not options.alone:
        complete = [outcome for outcome in outcomes if not outcome.name.startswith(STUDENT)]
        seconds = sum(outcome.seconds for outcome in complete)
        print(f"{'all':<32} {'':<8} {seconds:>7.1f} {limits.ALL_IN_ORDER:>5}")
    failed = any(outcome.failures for outcome in outcomes)
    if options.save and not (options.alone or options.notebooks or failed):
        keep_costs(outcomes)
    sys.exit(failed)


def keep_costs(outcomes):
    costs = {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "notebooks": {
            each.name: {"seconds": round(each.seconds), "MiB": each.peak} for each in outcomes
        },
    }
    write_whole(COSTS, json.dumps(costs, indent=2) + "\n")


def run_all(paths, alone, save):
    """Trained models are kept between notebooks, and progress too: both in folders that vanish."""
    outcomes = []
    with tempfile.TemporaryDirectory() as kept:
        for path in paths:
            os.environ["LABUTILS_RUNS"] = str(Path(kept, path.stem if alone else "runs"))
            os.environ["LABUTILS_PROGRESS"] = str(Path(kept, path.parent.name))
            outcomes.append(run(path, alone, save))
    return outcomes


def run(path, alone, save):
    """Execute one notebook and print its line of the table."""
    limit = limits.ALONE.get(path.stem[:2], limits.IN_ORDER) if alone else limits.IN_ORDER
    outcome = Outcome(f"{STUDENT if path.parent.name == 'student' else ''}{path.stem}", limit)
    started = time.perf_counter()
    try:
        notebook = read(path, save)
        execute(notebook, path.parent, outcome)
    except Exception as error:  # the other notebooks still run
        outcome.failures.append(in_one_line(f"{type(error).__name__}: {error}"))
    outcome.seconds = time.perf_counter() - started
    print(outcome.row(), flush=True)
    for remark in outcome.remarks():
        print(f"    {remark}", flush=True)
    if save and not outcome.failures:
        write(notebook, path)
    return outcome


def read(path, save):
    if save:
        text = str(path.with_suffix(".py"))
        jupytext(["--quiet", "--to", "ipynb", "--update", text])  # --update keeps the cells' ids
    return nbformat.read(path, as_version=4)


def execute(notebook, folder, outcome):
    """Run all cells, up to the first that fails, and note how they fare."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        record_timing=False,
        coalesce_streams=True,  # however slowly lines are printed
        extra_arguments=["--log-level=CRITICAL"],  # only the table goes to the terminal
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        outcome.failures += execute_cells(client, outcome.cells)
        outcome.source = ask(client, SOURCE) or "unknown"
        peak = ask(client, PEAK)
    if peak:
        outcome.peak = int(peak)
        if outcome.peak > limits.MIB:
            outcome.failures.append(
                f"memory: {outcome.peak} MiB at the peak, the limit is {limits.MIB} MiB"
            )
    client.set_widgets_metadata()


def execute_cells(client, executed):
    """Adds to `executed` as it goes; returns what failed, as a list of at most one line."""
    for index, cell in enumerate(client.nb.cells):
        started, error = time.perf_counter(), None
        try:
            client.execute_cell(cell, index)
        except (CellControlSignal, DeadKernelError) as caught:
            error = caught
        if cell.cell_type == "code":
            seconds = time.perf_counter() - started
            executed.append(Cell(len(executed) + 1, cell.source, seconds))
        if error:
            return [f"{executed[-1]}: {last_line(error)}"]
    return []


def last_line(error):
    if isinstance(error, CellExecutionError):
        return in_one_line(f"{error.ename}: {error.evalue}")
    return str(error).splitlines()[0]  # a time-out or a dead kernel; the rest repeats the cell


def in_one_line(message):
    return " ".join(message.split())


def ask(client, code):
    """What `code` prints in the kernel, in a cell that does not stay; None if it fails."""
    cells = client.nb.cells
    cells.append(new_code_cell(code))
    client.timeout = 5  # after a time-out the kernel is still busy
    try:
        client.execute_cell(cells[-1], len(cells) - 1)
        return cells[-1].outputs[0].text.strip()
    except (CellControlSignal, DeadKernelError):
        return None
    finally:
        cells.pop()


def write(notebook, path):
    """Save what does not differ from run to run without need."""
    drop_progress_bars(notebook)
    drop_hidden_widgets(notebook)
    notebook.metadata.kernelspec = KERNEL
    notebook.metadata.language_info = LANGUAGE
    nbformat.write(notebook, path)
    # The .py stays the newer of the two: it may have been edited during the run, and the next
    # sync must not undo that.
    path.with_suffix(".py").touch()


def drop_progress_bars(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_progress_bar(output)]


def is_progress_bar(output):
    """Whether it is a bar of tqdm.auto, as in '40%|...' or, without an end, '9it [00:01, ...]'."""
    data = output.get("data", {})
    return WIDGET_VIEW in data and bool(re.search(r"%\||\[\d\d:\d\d", data.get("text/plain", "")))


def drop_hidden_widgets(notebook):
    """Keep the state of those widgets only that an output shows, and of their parts."""
    state = notebook.metadata.pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    views = [output.data.get(WIDGET_VIEW) for output in outputs if "data" in output]
    shown = with_parts(state, {view["model_id"] for view in views if view})
    if shown:
        saved = {"state": shown, "version_major": 2, "version_minor": 0}
        notebook.metadata.widgets = {WIDGET_STATE: saved}


def with_parts(state, models):
    """The part of `state` that `models` refer to: layouts, styles, captured outputs."""
    found, new = set(), models & state.keys()
    while new:
        found |= new
        text = json.dumps([state[model] for model in new])
        new = {model for model in state if model in text} - found
    return {model: state[model] for model in state if model in found}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
