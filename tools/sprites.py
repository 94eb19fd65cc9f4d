"""Record the notebooks' widgets, for pages and slides, where no kernel runs.

    python tools/sprites.py [NOTEBOOK.py ...]

Executes the notebooks up to their last widget. Each widget is moved over a grid, and its pictures
and texts become one file of data in docs/site/widgets/. In a page it is a fragment of HTML
(sprites.html) that needs nothing else. Record again when a model or a widget has changed.
"""

from labutils import recipes
from run import last_line

import argparse
import io
import json
import os
import re
import sys
import tempfile
from base64 import b64encode
from itertools import product
from math import prod
from pathlib import Path

import ipywidgets
import jupytext
import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat.v4 import new_code_cell
from PIL import Image

TOOLS = Path(__file__).resolve().parent
NOTEBOOKS = TOOLS.parent / "notebooks"
BUILD = TOOLS.parent / "build"
WIDGETS = TOOLS.parent / "docs" / "site" / "widgets"
MOST = 500  # frames; a widget with more has its sliders moved one at a time
FOR_BASE = 31  # frames that show what stays

# The model that a widget shows, by its recipe.
MODELS = {
    "03_traversal": "gaussian_vae_2d",
    "03_traversal_2": "gaussian_vae",
    "04_bits": "bernoulli_vae_8",
    "05_latent_walk": "autoencoder_2d",
}
# Which steps of each slider are recorded. 01: the best mean is 48 steps from the least, sigma 18.
STEPS = {
    "01_gaussian_sliders": (range(3, 171, 5), range(8, 59, 10)),
    "03_bound_sliders": (range(0, 51, 2), range(2, 28, 5)),
    "03_traversal": (range(0, 121, 6),) * 2,
    "03_traversal_2": (range(0, 121, 3),) * 5,
    "04_bits": (None,) * 8,
    "05_latent_walk": (range(0, 101, 5),) * 2,
}


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    BUILD.mkdir(exist_ok=True)
    for path in parser.parse_args(words).notebooks or sorted(NOTEBOOKS.glob("*.py")):
        if not path.is_file():
            sys.exit(f"There is no notebook {path}.")
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            record_notebook(path, folder)
            for file in sorted(Path(folder).glob("*.json")):
                print(f"{file.name:<26} {file.stat().st_size / 1000:>6.0f} kB", flush=True)
                os.replace(file, WIDGETS / file.name)


def places(notebook, number):
    """The indices of the cells that show a widget, each with the name of its recording.

    number: of the notebook, "03".
    """
    names = []
    for index, cell in enumerate(notebook.cells):
        call = re.search(r"^lab\.widgets\.(\w+)\(", cell.source, re.MULTILINE)
        if cell.cell_type == "code" and call:
            names.append(f"{number}_{call[1]}")
            again = names.count(names[-1])
            yield index, names[-1] + (f"_{again}" if again > 1 else "")


def record_notebook(path, folder):
    """Execute a notebook up to its last widget, and record each widget into the folder."""
    notebook = jupytext.read(path)
    shown = list(places(notebook, path.name[:2]))
    if new := {name for _, name in shown} - STEPS.keys():
        sys.exit(f"Say in STEPS of {__file__} which steps of {', '.join(new)} are recorded.")
    for index, name in reversed(shown):
        code = f"import sys; sys.path.append({str(TOOLS)!r}); import sprites\n"
        code += f"sprites.record([*Out.values()][-1], {name!r}, {str(folder)!r})"
        notebook.cells.insert(index + 1, new_code_cell(code))
    if shown:
        del notebook.cells[shown[-1][0] + len(shown) + 1 :]
        os.environ["LABUTILS_PROGRESS"] = str(folder)
        client = NotebookClient(
            notebook,
            timeout=600,
            extra_arguments=["--log-level=CRITICAL"],
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            client.execute()
        except (CellControlSignal, DeadKernelError) as error:
            sys.exit(f"{path.name}: {last_line(error)}. None of its widgets is recorded.")


def record(box, name, folder):
    """In the kernel: move the controls of a widget over their grid, and write what is seen."""
    controls, picture, text = parts_of(box)
    grids = [positions(*each) for each in zip(controls, STEPS[name], strict=True)]
    start = [grid.index(control.value) for grid, control in zip(grids, controls, strict=True)]
    sizes, frames = [len(grid) for grid in grids], {}
    for place in all_places(sizes, start):
        for control, grid, index in zip(controls, grids, place, strict=True):
            control.value = grid[index]
        frames[",".join(map(str, place))] = pixels(picture.value), text.value
    recording = {
        "recipe": recipe(name),
        "alt": picture.tooltip,
        "inputs": [
            {"label": label(control), "start": at, "words": words(grid)}
            for control, grid, at in zip(controls, grids, start, strict=True)
        ],
        "one_at_a_time": prod(sizes) > MOST,
        **packed(frames),
    }
    Path(folder, f"{name}.json").write_text(json.dumps(recording, indent=1) + "\n", "ascii")


def packed(frames):
    """What the frames share, and the rest of each. frames: pixels (height, width, 3) and text."""
    some = [picture for picture, _ in frames.values()][:: -(-len(frames) // FOR_BASE)]
    base = np.median(some, axis=0).astype(np.uint8)
    return {
        "height": base.shape[0],
        "width": base.shape[1],
        "base": url(webp(base)),
        "frames": {
            place: (url(over(frame, base)), said) for place, (frame, said) in frames.items()
        },
    }


def fragment(name, folder=WIDGETS):
    """A recorded widget as HTML."""
    recording = json.loads(Path(folder, f"{name}.json").read_text("ascii"))
    template = Environment(loader=FileSystemLoader(TOOLS), autoescape=True, trim_blocks=True)
    return template.get_template("sprites.html").render(recording, name=name)


def recipe(name):
    """All that a recording depends on, but for widget and notebook: it is stored, and compared."""
    settings = recipes.RECIPES[MODELS[name]]().mnist if name in MODELS else ""
    return f"{recipes.FORMAT} {settings} torch {torch.__version__.partition('+')[0]}"


def parts_of(box):
    """The controls of a widget, its picture and its text."""
    parts = list(walk(box))
    kinds = (ipywidgets.FloatSlider, ipywidgets.ToggleButton), ipywidgets.Image, ipywidgets.HTML
    controls, [picture], [text] = ([p for p in parts if isinstance(p, kind)] for kind in kinds)
    return controls, picture, text


def walk(part):
    yield part
    for child in getattr(part, "children", ()):
        yield from walk(child)


def positions(control, steps):
    """The values of a control that are recorded: the start takes the place of the nearest."""
    if isinstance(control, ipywidgets.ToggleButton):
        return [False, True]
    values = [control.min + step * control.step for step in steps]
    nearest = min(values, key=lambda value: abs(value - control.value))
    values[values.index(nearest)] = control.value
    return values


def words(grid):
    """The values of a slider; a button needs none."""
    return None if grid == [False, True] else [f"{value:.2f}" for value in grid]


def label(control):
    return control.tooltip if isinstance(control, ipywidgets.ToggleButton) else control.description


def all_places(sizes, start):
    """All combinations of indices or, where these are too many, those one control can reach."""
    if prod(sizes) <= MOST:
        return list(product(*map(range, sizes)))
    one = [(*start[:k], i, *start[k + 1 :]) for k, size in enumerate(sizes) for i in range(size)]
    return list(dict.fromkeys(one))


def over(frame, base):
    """The frame as WebP; where that is smaller, only the pixels that differ from the base."""
    differs = (frame != base).any(-1, keepdims=True)
    cut = np.concatenate([frame * differs, 255 * differs], -1).astype(np.uint8)
    return min(webp(frame), webp(cut), key=len)


def pixels(packed):
    return np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))


def webp(frame):
    packed = io.BytesIO()
    Image.fromarray(frame).save(packed, "WEBP", lossless=True)
    return packed.getvalue()


def url(packed):
    return f"data:image/webp;base64,{b64encode(packed).decode()}"


if __name__ == "__main__":
    main()
