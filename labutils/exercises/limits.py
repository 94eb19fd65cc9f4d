"""Calls a student's function so that nothing it does harms the notebook.

Held are 5 seconds of its own time, calls without end, sys.exit and whatever else it raises, floods
of print, changed modes and random numbers. Python interrupts between two of its own steps: a single
long call into C (one huge matrix product, time.sleep) is waited for. os._exit and 10 GB of memory
harm the student's own kernel only.
"""

from labutils.runtime import plain_torch

import ctypes
import io
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

import numpy as np
import torch

SECONDS = 5.0  # of an answer's own time, in one check
CHARACTERS = 2_000  # that an answer may print in one check
AGAIN = 0.05  # seconds until an answer that swallowed the interruption is interrupted once more


class Trouble(Exception):
    """An answer that cannot be compared; the message goes on after the exercise's name."""


class _OutOfTime(BaseException):  # no Exception, lest the answer catch it
    pass


class Caller:
    """Calls functions within the limits, which hold for all its calls together."""

    def __init__(self, seconds: float = SECONDS):
        self.seconds, self.left, self.printed = seconds, seconds, _Printed(sys.stdout)

    def __call__(self, function: Callable, *arguments: object) -> object:
        """The function's value. Raises Trouble, or NotImplementedError if the function does."""
        started, threads = time.monotonic(), torch.get_num_threads()
        if self.left <= 0:
            raise Trouble("no time is left.")
        begun, running, ended = threading.Lock(), threading.Lock(), []
        begun.acquire()
        running.acquire()
        watch = (threading.get_ident(), self.left, begun, running, ended)
        try:
            with plain_torch(), redirect_stdout(self.printed):
                threading.Thread(target=_interrupt, args=watch, daemon=True).start()
                try:
                    begun.release()
                    return function(*arguments)
                finally:  # only C is called: what is written in Python could be struck half-way
                    while not ended:
                        try:
                            if running.locked():
                                running.release()
                            time.sleep(0)
                        except _OutOfTime:
                            pass
        except (KeyboardInterrupt, Trouble):
            raise
        except NotImplementedError as error:
            if "not implemented for" not in str(error):
                raise
            problem = f"it raised NotImplementedError: {error}"  # torch's, of a kind of numbers
        except _OutOfTime:
            problem = f"it was stopped after {self.seconds:g} seconds. Is there an endless loop?"
        except RecursionError:
            problem = "it calls itself without end (RecursionError)."
        except SystemExit:
            problem = "it ends the program (sys.exit, exit or quit). Use return."
        except BaseException as error:  # a student's function may raise anything
            problem = f"it raised {type(error).__name__}: {str(error)[:400]}"
        finally:
            self.left -= time.monotonic() - started
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
        raise Trouble(problem)


@contextmanager
def undisturbed() -> Iterator[None]:
    """In the block torch's modes are the usual ones and random numbers the same each time; outside
    they stay as they were."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    for seed in (torch.default_generator.manual_seed, np.random.seed, random.seed):
        seed(0)
    try:
        with plain_torch(), torch.device("cpu"):
            yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


class _Printed(io.TextIOBase):
    """Passes on the first characters and drops the rest."""

    def __init__(self, stream):
        self.stream, self.left = stream, CHARACTERS

    def write(self, text: str) -> int:
        self.stream.write(text[: max(self.left, 0)])
        if self.left >= 0 > self.left - len(text):
            self.stream.write("\n(It prints more than is shown here.)\n")
        self.left -= len(text)
        return len(text)


def _interrupt(thread, seconds, begun, running, ended):
    """Raise _OutOfTime in the thread after so many seconds, and again until `running` is free."""
    wait, raise_in = seconds, ctypes.pythonapi.PyThreadState_SetAsyncExc
    begun.acquire()
    while not running.acquire(timeout=wait):
        raise_in(ctypes.c_ulong(thread), ctypes.py_object(_OutOfTime))
        wait = AGAIN
    raise_in(ctypes.c_ulong(thread), None)  # one that is on its way would strike later
    ended.append(True)
