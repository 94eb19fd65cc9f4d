"""In the notebook's kernel: for each widget a second one, which no cell shows, to compare with."""

import ast
import base64

from IPython import get_ipython

twins = {}  # by the number of the cell's execution
errors = []


def watch():
    """From now on, evaluate each call of `lab.widgets` once more."""
    get_ipython().events.register("post_run_cell", make)


def make(executed):
    cell = executed.info.raw_cell
    if not executed.success:
        error = executed.error_before_exec or executed.error_in_exec
        errors.append(f"[{executed.execution_count}] {error!r}")
    elif "lab.widgets." in cell:
        call = compile(ast.Expression(ast.parse(cell).body[-1].value), "twin", "eval")
        twins[executed.execution_count] = eval(call, get_ipython().user_ns)


def picture(number, values):
    """What the widget of this execution should show at these values, as a data URL."""
    *rows, _, image = twins[number].children
    controls = [control for row in rows for control in getattr(row, "children", [row])]
    for control, value in zip(controls, values, strict=True):
        control.value = value
    return f"data:image/png;base64,{base64.b64encode(image.value).decode()}"
