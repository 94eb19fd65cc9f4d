"""Execute the notebooks, each in a kernel of its own, and print how they fared.

    python tools/run_notebooks.py [--save] [NOTEBOOK ...]

With --save, each notebook that passes is written back with its outputs. Its text is that of the
.py beside it, which is what people edit and review: it is read first, and never written.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupytext.cli import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 120  # seconds
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--save", action="store_true", help="keep the outputs, from the .py's text")
    arguments = parser.parse_args()
    pattern = "*.py" if arguments.save else "*.ipynb"
    paths = [
        path.resolve().with_suffix(".ipynb")
        for path in arguments.notebooks or sorted(NOTEBOOKS.glob(pattern))
    ]
    if not paths:
        parser.error(f"there are no notebooks in {NOTEBOOKS}")
    sys.stdout.reconfigure(errors="replace")  # an error message may hold any character
    print(f"{'notebook':<28} {'data':<8} {'seconds':>7}  result")
    # trained models are kept between runs: here each run starts with none
    with tempfile.TemporaryDirectory() as runs:
        os.environ["LABUTILS_RUNS"] = runs
        passed = [run(path, arguments.save) for path in paths]
    sys.exit(not all(passed))


def run(path, save):
    """Execute one notebook, print its line of the table, and return whether it passed."""
    started = time.perf_counter()
    try:
        notebook = read(path, save)
        source, failure = execute(notebook, path.parent)
    except Exception as error:  # the other notebooks still run
        source, failure = "unknown", in_one_line(f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    result = "fail" if failure else "pass"
    print(f"{path.stem:<28} {source:<8} {seconds:>7.1f}  {result}", flush=True)
    if failure:
        print(f"    {failure}", flush=True)
    elif save:
        write(notebook, path)
    return not failure


def read(path, save):
    if save:
        text = str(path.with_suffix(".py"))
        jupytext(["--quiet", "--to", "ipynb", "--update", text])  # --update keeps the cells' ids
    return nbformat.read(path, as_version=4)


def execute(notebook, folder):
    """Run all cells. Returns the data source, and what failed, or None."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        record_timing=False,
        extra_arguments=["--log-level=CRITICAL"],  # only the table goes to the terminal
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        failure = first_failure(client)
        source = data_source(client)
    client.set_widgets_metadata()
    return source, failure


def first_failure(client):
    for index, cell in enumerate(client.nb.cells):
        try:
            client.execute_cell(cell, index)
        except (CellControlSignal, DeadKernelError) as error:
            number = sum(cell.cell_type == "code" for cell in client.nb.cells[: index + 1])
            first_line = cell.source.strip().splitlines()[0]
            return f"code cell {number} ({first_line}): {last_line(error)}"
    return None


def last_line(error):
    if isinstance(error, CellExecutionError):
        return in_one_line(f"{error.ename}: {error.evalue}")
    return str(error).splitlines()[0]  # a time-out or a dead kernel; the rest repeats the cell


def in_one_line(message):
    return " ".join(message.split())


def data_source(client):
    """Ask the kernel, in a cell that does not stay, where the digits came from."""
    cells = client.nb.cells
    cells.append(new_code_cell("print(digits.source)"))
    client.timeout = 5  # after a time-out the kernel is still busy
    try:
        client.execute_cell(cells[-1], len(cells) - 1)
        return cells[-1].outputs[0].text.strip()
    except (CellControlSignal, DeadKernelError):
        return "unknown"
    finally:
        cells.pop()


def write(notebook, path):
    """Save what does not differ from run to run without need."""
    drop_progress_bars(notebook)
    drop_hidden_widgets(notebook)
    notebook.metadata.kernelspec = KERNEL
    notebook.metadata.pop("language_info", None)
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
