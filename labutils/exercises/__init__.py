"""Exercises: an answer is checked on drawn inputs, and a wrong one gets a reason.

check, predict and solved are what notebooks call. The exercises of notebook 01 are in n01, and so
on: the right answer, the inputs and the known mistakes of each in one place.
"""

from labutils import runtime
from labutils.exercises import n01, n02, n03, n04, n05, n06
from labutils.exercises.kinds import Bug, Choice, Exercise, Line
from labutils.exercises.limits import Caller, Trouble, undisturbed
from labutils.exercises.remarks import Trial, gradient_problem, place, remarks

import ast
import hashlib
import inspect
import json
import os
import textwrap
import warnings
from contextlib import suppress
from itertools import filterfalse, islice

import torch

NOTEBOOKS = (n01, n02, n03, n04, n05, n06)
BY_NOTEBOOK = {f"0{k}": n.EXERCISES for k, n in enumerate(NOTEBOOKS, start=1)}
EXERCISES = {name: e for exercises in BY_NOTEBOOK.values() for name, e in exercises.items()}

SETS = 3  # of inputs, on which an answer must be right
CONFIRMED_ON = 12  # sets of inputs, on which a mistake or a remark must hold
SAID = 2  # remarks at once, at most
UNANSWERED = "not answered yet."

_tried: dict[str, set[str]] = {}  # the wrong answers of this process, by exercise
_here: dict[str, dict] = {"solved": {}, "hints": {}, "predictions": {}}  # of this process too


def check(name: str, answer: object, *, fix: bool = False) -> object:
    """Compare an answer with that of the exercise `name`, on inputs drawn for this very answer.

    Returns the answer if it is right. Otherwise says what is wrong and returns the reference, so
    that the cells that follow work. Where the fix is it says when a changed answer is wrong too,
    or if `fix` is true. Raises KeyError for a name that is no exercise.
    """
    if name not in EXERCISES:
        raise KeyError(f"There is no exercise {name!r}. There are: {', '.join(EXERCISES)}.")
    exercise, mark = EXERCISES[name], digest(answer)
    with undisturbed():
        right, what, where = verdict(exercise, answer, f"{name} {mark}")
    if right:
        print(f"{name}: right{what}.")
        _note("solved", name, True)
        return answer
    tried = _tried.setdefault(name, set())
    if where and (fix or tried - {mark}):
        what += f"\n{where}"
        _note("hints", name, True)
    if what != UNANSWERED:
        tried.add(mark)
    print(f"{name}: {what}\nThe cells below use the reference answer.")
    return exercise.answer


def verdict(
    exercise: Exercise, answer: object, seed: str, call: Caller | None = None
) -> tuple[bool, str, str]:
    """Whether an answer is right; what there is to say of it; where the fix is, "" if unknown."""
    if answer is None or answer is ... or _is_stub(getattr(answer, "forward", answer)):
        return False, UNANSWERED, ""
    if isinstance(exercise, Bug) and exercise.place and isinstance(answer, str):
        exercise = exercise.place
    if isinstance(exercise, Choice):
        return _choice(exercise, answer)
    if not exercise.accepts(answer):
        return False, f"expected {exercise.expected}, got {type(answer).__name__}.", ""
    try:
        return _compare(exercise, answer, seed, call or Caller())
    except NotImplementedError:
        return False, UNANSWERED, ""
    except Trouble as trouble:
        return False, str(trouble), ""


def _choice(exercise, answer):
    letter = str(answer).strip(" .").casefold()
    if letter == exercise.answer.casefold():
        return True, "", ""
    options = ", ".join(sorted([exercise.answer, *exercise.mistakes]))
    unknown = f"expected one of {options}, as a text, got {answer!r}."
    words = {option.casefold(): words for option, words in exercise.mistakes.items()}
    return False, *words.get(letter, (unknown, ""))


def _compare(exercise, answer, seed, call):
    trial = Trial(exercise, answer, seed, call, SETS)
    if not trial.same(trial.got, trial.right):
        what, where, call.printed.left = "the result is wrong.", "", -1  # it printed enough
        with suppress(Trouble):  # no time may be left
            more = Trial(exercise, answer, seed, call, CONFIRMED_ON)
            more.got[:SETS] = trial.got  # an answer that remembers may give others now
            what, where = explain(more)
        return False, f"{what}\n{place(trial)}", where
    if trial.changed:
        changes = f"it changes its argument {trial.changed} in place, under the hands of others"
        return False, f"the value is right, but {changes}. Work on a copy: .clone().", ""
    if exercise.gradient and (problem := gradient_problem(trial)):
        return False, problem, ""
    exact = all(map(torch.equal, trial.got, trial.right))
    return True, (", exactly" if exact else ", to rounding") * isinstance(exercise, Line), ""


def explain(trial: Trial) -> tuple[str, str]:
    """In words, what a wrong answer does and where it first differs; and where the fix is."""
    with warnings.catch_warnings(action="ignore"):  # what is tried may be worth one
        what, where = named(trial) or (" ".join(islice(remarks(trial), SAID)), "")
    return what or "the result is wrong.", where


def named(trial: Trial) -> tuple[str, str] | None:
    """The texts of the known mistake that gives the trial's results, if there is one."""
    for mistake, words in trial.exercise.wrong_answers():
        with suppress(Exception):  # a mistake may raise on some inputs
            if trial.same(trial.got, trial.results(mistake)):
                return words
    return None


def _is_stub(answer):
    """Whether a function only returns None, as one does whose body is `...` or a docstring."""
    code, stub = getattr(answer, "__code__", None), (lambda: None).__code__
    same = code is not None and code.co_code[::2] == stub.co_code[::2]  # each second is an index
    return same and code.co_consts[-1] is None


def digest(answer: object) -> str:
    """What stays the same as long as an answer does: of its code, or of its value."""
    try:
        text = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(answer))))
    except (OSError, TypeError, SyntaxError):  # a repr of a function would hold an address
        parts = vars(answer).values() if isinstance(answer, type) else [answer]
        codes = [part.__code__ for part in parts if hasattr(part, "__code__")]
        text = str(
            [[c.co_code, c.co_names, *filterfalse(inspect.iscode, c.co_consts)] for c in codes]
        )
        text = text if codes else getattr(answer, "__qualname__", None) or repr(answer)
    return hashlib.sha256(text.encode()).hexdigest()


def predict(name: str, value: object = ..., *, outcome: object = ...) -> None:
    """Note a prediction, before the cell that settles it; or, given the outcome, print both.

    A prediction is a number or a text. Left at `...`, there is none, and all goes on.
    """
    made = _here["predictions"]
    if outcome is ...:
        made.pop(name, None)
        if value is None or value is ...:
            print(f"{name}: no prediction.")
        else:
            made[name] = {"predicted": _plain(value)}
            print(f"{name}: you predict {_shown(value)}.")
        return
    settled = made.setdefault(name, {})
    settled["outcome"] = _plain(outcome)
    _note("predictions", name, settled)
    print(f"{name}: {_beside(settled)}")


def _beside(settled):
    """A prediction and its outcome in words."""
    if "outcome" not in settled:
        return f"predicted {_shown(settled['predicted'])}, not settled yet."
    outcome = settled["outcome"]
    if "predicted" not in settled:
        return f"no prediction; it is {_shown(outcome)}."
    predicted = settled["predicted"]
    if isinstance(predicted, str) or isinstance(outcome, str):
        same = str(predicted).casefold() == str(outcome).casefold()
        distance = "as predicted" if same else "not as predicted"
    elif _shown(predicted) == _shown(outcome):
        distance = "as predicted"
    else:
        distance = f"{_shown(abs(predicted - outcome))} away"
    return f"predicted {_shown(predicted)}, it is {_shown(outcome)}: {distance}."


def _plain(value):
    """A number or a text, as JSON keeps it."""
    with suppress(AttributeError, RuntimeError, ValueError):
        value = value.item()
    return value if isinstance(value, (int, float)) else str(value)


def _shown(value):
    value = _plain(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def solved(notebook: str) -> None:
    """Print what was solved of a notebook ("01"), predictions beside outcomes, fixes shown.

    Raises KeyError for a notebook without exercises.
    """
    if notebook not in BY_NOTEBOOK:
        known = ", ".join(BY_NOTEBOOK)
        raise KeyError(f"There are no exercises of notebook {notebook!r}, but of {known}.")
    kept = dict(_here)
    with suppress(Exception):  # a damaged file, which is not ours to mend
        kept = {kind: _kept().get(kind, {}) | here for kind, here in _here.items()}
    exercises = BY_NOTEBOOK[notebook]
    opened = [name for name in exercises if name not in kept["solved"]]
    print(f"Exercises solved: {len(exercises) - len(opened)} of {len(exercises)}.")
    if opened:
        print(f"Still open: {', '.join(opened)}.")
    for name, settled in _here["predictions"].items():
        print(f"Prediction {name}: {_beside(settled)}")
    print(f"Fixes shown: {sum(name in exercises for name in kept['hints'])}.")


def _file():
    named = runtime.environment_folder(os.environ.get("LABUTILS_PROGRESS"))
    return (named or runtime.cache_folder()) / "progress.json"


def _kept():
    return json.loads(_file().read_text(encoding="utf-8")) if _file().exists() else {}


def _note(kind, name, value):
    """Keep it in the user's own folder; where that cannot be written, in this process alone."""
    _here[kind][name] = value
    with suppress(Exception):  # a damaged file stays as it is
        _file().parent.mkdir(parents=True, exist_ok=True)
        with runtime.locked(_file().with_suffix(".lock")):
            kept = _kept()
            kept.setdefault(kind, {})[name] = value
            with runtime.atomic_write(_file()) as file:
                file.write(json.dumps(kept, indent=1).encode())
