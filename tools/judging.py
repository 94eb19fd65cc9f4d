"""Run what is graded of a student's notebook, and judge its answers.

The student's code runs in a kernel of its own (tools/kernels/student), under the system's limits
and, where this process is root's, as a user that owns nothing. The verdict is that of `lab.check`,
but it is found in this process, on inputs that the student can't know: only the calls of an answer
are made in the kernel, which returns numbers. So whatever the student's code overwrites, points
come from right numbers alone.
"""

from labutils import exercises
from labutils.exercises.kinds import Exercise
from labutils.exercises.limits import Trouble

import ast
import json
import os
import pickle
import re
import shutil
import subprocess
import symtable
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook, new_output

TOOLS = Path(__file__).resolve().parent
SECONDS = 60  # of a cell, and of a call of an answer, which stops itself after 10
KERNELS = 5  # that a notebook may use up
OUTPUT = 1 << 20  # characters that are read of a cell
REASON = 1_000  # characters
CHECKED = re.compile(r"""\bcheck\(\s*["']([\w.]+)["']""")
PLAIN = TransformerManager().transform_cell  # from %magic to Python
NO_CHECK = 'No lab.check("{0}", ...) was reached: it belongs at the end of the answer.'
THEIRS = object()  # an answer that is in the student's kernel


class Lost(BaseException):  # no Exception, which the search for a reason passes over
    """The kernel has ended, hangs, or did not start."""


class Client(NotebookClient):
    """Reads so much of a cell's output and no more."""

    def output(self, outs, msg, *place):
        self.room -= len(str(msg["content"]))
        return super().output(outs, msg, *place) if self.room > 0 else None


class Kernel:
    """A student's kernel, in an empty folder that goes with it, and in it what its code started."""

    def __init__(self, uid: int):
        self.uid = uid

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        if self.uid:
            os.chown(self.folder, self.uid, self.uid)
        specs = KernelSpecManager(kernel_dirs=[str(TOOLS / "kernels")])
        manager = AsyncKernelManager(kernel_name="student", kernel_spec_manager=specs)
        one = new_notebook(cells=[new_code_cell()])
        self.client = Client(one, km=manager, timeout=SECONDS, allow_errors=True)
        try:
            self.start()
        except RuntimeError as error:  # another process may have taken its ports
            self.__exit__()
            raise Lost("it did not start.") from error
        return self

    def start(self):
        kept = ("PATH", "SYSTEMROOT", "LANG")
        own = ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR", "LABUTILS_RUNS", "LABUTILS_PROGRESS")
        environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **dict.fromkeys(own, self.folder),
            "PYTHONPATH": str(TOOLS.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",  # no answer needs a GPU
            "MPLBACKEND": "Agg",
            "STUDENT_UID": str(self.uid),
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.client.start_new_kernel(cwd=self.folder, env=environment, **quiet)
        self.client.start_new_kernel_client()

    def __exit__(self, *_):
        if self.client.km:  # which goes with a kernel that did not start
            self.client.shutdown_kernel = "immediate"
            self.client._cleanup_kernel()
        if self.uid:  # whatever it has started, in sessions of their own perhaps
            kill = f"import os; os.getuid() == {self.uid} and os.kill(-1, 9)"
            drop = {"user": self.uid, "group": self.uid, "extra_groups": []}
            subprocess.run([sys.executable, "-c", kill], cwd="/", **drop)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, source):
        """The outputs of a cell. Raises Lost."""
        cell, self.client.room = new_code_cell(source), OUTPUT
        try:
            return self.client.execute_cell(cell, 0).outputs
        except CellTimeoutError:
            raise Lost(f"it did not end within {SECONDS} seconds.") from None
        except DeadKernelError:
            raise Lost("it ended its process: os._exit, or a limit of the system.") from None
        except Exception:  # what the kernel sends is the student's to forge
            raise Lost("it changed its kernel, which no longer replies.") from None

    def ask(self, verb, name, *arguments):
        """What the kernel replies. Raises Trouble, NotImplementedError for a stub, or Lost."""
        request = b64encode(pickle.dumps((verb, name, *arguments))).decode()
        outputs = self.run(f"__import__('sys').modules['student_kernel'].ask('{request}')")
        try:
            (reply,) = (o.data["text/plain"] for o in outputs if o.output_type == "execute_result")
            reply = dict(json.loads(ast.literal_eval(reply)))
        except Exception:
            raise Trouble("its kernel was changed and doesn't reply.") from None
        if "open" in reply:
            raise NotImplementedError
        if "trouble" in reply:
            raise Trouble(str(reply["trouble"]))
        return reply

    def verdict(self, name, seed):
        """Whether the answer is right, and the reason, or None where there is no answer."""
        exercise, answer = exercises.EXERCISES[name], THEIRS
        try:
            kind = self.ask("kind", name)
        except NotImplementedError:
            return False, exercises.UNANSWERED
        except Trouble as trouble:
            return False, str(trouble)
        if "missing" in kind:
            return False, None
        if "value" in kind:
            answer = kind["value"]
        else:
            exercise = elsewhere(exercise, lambda verb, *given: self.ask(verb, name, *given))
        right, what, where = exercises.verdict(exercise, answer, seed, call)
        return right, f"right{what}." if right else f"{what}\n{where}".strip()


def call(function, *arguments):
    """In the place of a Caller: the student's kernel has its own."""
    return function(*arguments)


call.printed = SimpleNamespace(left=0)


def elsewhere(exercise: Exercise, ask) -> Exercise:
    """The exercise, with answers that are called in the student's kernel."""

    class Elsewhere(type(exercise)):
        def accepts(self, answer):
            return True  # the kernel has looked

        def run(self, answer, inputs):
            if answer is not THEIRS:
                return super().run(answer, inputs)
            reply = ask("value", inputs)
            for k in reply.get("changed", ()):
                inputs[k].add_(1)  # in place, as the answer did
            return tensor(reply["result"])

        def gradients(self, answer, inputs, weights):
            if answer is not THEIRS:
                return super().gradients(answer, inputs, weights)
            found = ask("gradients", inputs, weights)["result"]
            return [None if each is None else tensor(each) for each in found]

    return Elsewhere(**vars(exercise))


def tensor(sent):
    """Numbers from the kernel, with nothing in them but numbers."""
    try:
        shape, data = sent
        return torch.from_numpy(np.frombuffer(bytearray(b64decode(data))).reshape(shape))
    except Exception:
        raise Trouble("its kernel was changed and returns no numbers.") from None


# ---- a notebook


def judged(notebook, seed: str, uid: int = 0):
    """The notebook with the outputs of what is graded, and a verdict in each grading cell."""
    sources, lost = graded(notebook.cells), set()
    outcomes, blame = {}, {}  # by exercise; what its cell failed with

    def attempt(kernel):
        for index, cell in enumerate(notebook.cells):
            name = grades(cell)
            if name and name not in outcomes:
                try:
                    right, why = kernel.verdict(name, f"{seed} {name}")
                    outcomes[name] = right, why or blame.get(name, NO_CHECK.format(name))
                except Lost as end:
                    outcomes[name] = False, str(end)
                    raise
                except Exception as error:  # a kernel that was changed may reply anything
                    outcomes[name] = False, f"it could not be judged: {error!r}"
            elif index in sources and index not in lost:
                try:
                    cell.outputs = kernel.run(sources[index])
                except Lost as end:
                    lost.add(index)
                    cell.outputs = [failed(str(end))]
                    raise
                finally:
                    for output in cell.outputs:
                        if output.output_type == "error":
                            why = f"{output.ename}: {output.evalue}".removeprefix(": ")
                            why = re.sub(r"\(\d+\.py, line", "(line", why)  # of a SyntaxError
                            blame.update(dict.fromkeys(CHECKED.findall(cell.source), why))

    started = False
    for _ in range(KERNELS):
        with suppress(Lost), Kernel(uid) as kernel:
            started = True
            attempt(kernel)
            break
    if not started:
        raise RuntimeError("No kernel starts: does a notebook run in JupyterLab?")
    for cell in notebook.cells:
        if name := grades(cell):
            lost_too = False, f"its notebook has ended {KERNELS} kernels before."
            settle(cell, *outcomes.get(name, lost_too))
    return notebook


def grades(cell):
    """The exercise that a cell grades; None where it grades none, or a person grades it."""
    own = cell.metadata.get("nbgrader", {})
    return name_of(cell) if own.get("grade") and not own.get("solution") else None


def to_id(name):
    """An exercise's name as an id of nbgrader's, which holds no dot."""
    return name.replace(".", "-")


def name_of(cell):
    return cell.metadata.nbgrader.grade_id.replace("-", ".")


def settle(cell, right, why):
    """Write the verdict as nbgrader reads it: an error, or none."""
    why = why[:REASON].lstrip("=+-@\t\r\n ")  # which a spreadsheet might take for a formula
    why = re.sub(r"^[a-z]{2,}(?=[ .,])", lambda word: word[0].capitalize(), why)
    cell.outputs = [new_output("stream", text=why) if right else failed(why)]


def reason(cell):
    """The words of a verdict."""
    (output,) = cell.outputs if grades(cell) else [{}]
    return output.get("text") or output.get("evalue")


def failed(text):
    return new_output("error", ename="", evalue=text, traceback=[text])


def graded(cells):
    """What is to be run, by the index of its cell: the set-up, the answers, and what they need.

    Of a cell with an answer, what follows its last check stays out.
    """
    code = {
        index: PLAIN(cell.source)
        for index, cell in enumerate(cells)
        if cell.cell_type == "code" and not grades(cell)
    }
    chosen = {index: to_last_check(text) for index, text in code.items() if CHECKED.search(text)}
    first = min(code)
    todo = {first: code[first]} | chosen
    while todo:
        index, text = todo.popitem()
        chosen[index] = text
        for name in symbols(text)[1]:
            before = [k for k in code if k < index and name in symbols(code[k])[0]]
            if before and before[-1] not in chosen:
                todo[before[-1]] = code[before[-1]]
    return chosen


def to_last_check(text):
    """The cell up to the last statement that checks; all of it where it is no Python."""
    try:
        lines = text.splitlines(keepends=True)
        ends = [(s.lineno - 1, s.end_lineno) for s in ast.parse(text).body]
        return "".join(lines[: max(b for a, b in ends if CHECKED.search("".join(lines[a:b])))])
    except (ValueError, SyntaxError):
        return text


@cache
def symbols(text):
    """The names that a cell binds, and those that it looks up, in its functions too."""
    bound, used = set(), set()
    with suppress(SyntaxError, ValueError):
        tables = [symtable.symtable(text, "cell", "exec")]
        bound = {s.get_name() for s in tables[0].get_symbols() if s.is_local()}
        for table in tables:
            tables += table.get_children()
            used |= {
                s.get_name() for s in table.get_symbols() if s.is_global() or table is tables[0]
            }
    return bound, used
