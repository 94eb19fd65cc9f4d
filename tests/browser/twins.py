"""In the notebook's kernel: for each widget shown a second one, to say what should be seen."""

import ast
import base64

import ipywidgets
from IPython import get_ipython

twins = {}  # by the number of the cell's execution


def watch():
    """From now on, evaluate each call of `lab.widgets` a second time, which no cell shows."""
    get_ipython().events.register("post_run_cell", make)


def make(executed):
    cell = executed.info.raw_cell
    if executed.success and "lab.widgets." in cell:
        call = compile(ast.Expression(ast.parse(cell).body[-1].value), "twin", "eval")
        twins[executed.execution_count] = eval(call, get_ipython().user_ns)


def picture(number, values):
    """What the widget of this execution should show at these values, as a data URL."""
    parts = list(with_parts(twins[number]))
    controls = [each for each in parts if isinstance(each, CONTROLS)]
    for control, value in zip(controls, values, strict=True):
        control.value = value
    (image,) = (each for each in parts if isinstance(each, ipywidgets.Image))
    return f"data:image/png;base64,{base64.b64encode(image.value).decode()}"


CONTROLS = (ipywidgets.FloatSlider, ipywidgets.ToggleButton)


def with_parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from with_parts(child)
