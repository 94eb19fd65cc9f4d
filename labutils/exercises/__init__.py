"""Exercises: an answer is checked on drawn inputs, and a wrong one gets a reason.

check, predict and solved are what notebooks call. The exercises of notebook 01 are in n01, and so
on: the right answer, the inputs and the known mistakes of each in one place.
"""

from labutils import runtime
from labutils.exercises import n01, n02, n03, n04, n05
from labutils.exercises.kinds import SETS, Bug, Choice, Exercise, digest
from labutils.exercises.limits import Caller, Trouble, same_random_numbers
from labutils.exercises.remarks import Trial, gradient_problem, place, remarks

import json
from contextlib import suppress

BY_NOTEBOOK = {"01": n01, "02": n02, "03": n03, "04": n04, "05": n05}
BY_NOTEBOOK = {number: module.EXERCISES for number, module in BY_NOTEBOOK.items()}
EXERCISES = {name: e for exercises in BY_NOTEBOOK.values() for name, e in exercises.items()}
CONFIRMED_ON = 12  # sets of inputs, on which a named mistake or a remark must hold

_seen: dict[str, set[str]] = {}  # the wrong answers of this process, by exercise


def check(name: str, answer: object, *, fix: bool = False) -> object:
    """Compare an answer with that of the exercise `name`, on inputs drawn for this answer.

    Returns the answer if it is right. Otherwise says what is wrong and returns the reference, so
    that the cells that follow work. Where the fix is it says once a changed answer is wrong too,
    or if `fix` is true. Raises KeyError for a name that is no exercise.
    """
    if name not in EXERCISES:
        raise KeyError(f"There is no exercise {name!r}. There are: {', '.join(EXERCISES)}.")
    exercise = EXERCISES[name]
    with same_random_numbers():
        what, where = verdict(exercise, answer, f"{name} {digest(answer)}")
    if what is None:
        print(f"{name}: right{where}.")
        return answer
    if what != UNANSWERED:
        tried = _seen.setdefault(name, set())
        if where and (fix or tried - {digest(answer)}):
            what = f"{what}\n{where}"
        tried.add(digest(answer))
    print(f"{name}: {what}\nThe cells below use the reference answer.")
    return exercise.answer


UNANSWERED = "not answered yet."


def verdict(exercise: Exercise, answer: object, seed: str) -> tuple[str | None, str]:
    """What is wrong with an answer, None if nothing is, and where the fix is ("" if unknown)."""
    if answer is None or answer is ... or _is_stub(answer):
        return UNANSWERED, ""
    if not exercise.accepts(answer):
        return f"expected {exercise.expected}, got {type(answer).__name__}.", ""
    call = Caller()
    trial = Trial(exercise, answer, seed, call, SETS)
    try:
        if not trial.same(trial.got, trial.right):
            return explain(Trial(exercise, answer, seed, call, CONFIRMED_ON))
        if trial.changed:
            return (
                f"the value is right, but it changes its argument {trial.changed} in place, and "
                f"with it the numbers that other cells use. Work on a copy: .clone().",
                "",
            )
        return (gradient_problem(trial) if exercise.gradient else None), ""
    except NotImplementedError:
        return UNANSWERED, ""
    except Trouble as trouble:
        return str(trouble), ""


def explain(trial: Trial) -> tuple[str, str]:
    """In words, what a wrong answer does and where it first differs; and where the fix is."""
    if words := named(trial):
        what, where = words
    else:
        what, where = next(remarks(trial), "the result is not right."), ""
    return f"{what}\n{place(trial)}", where


def named(trial: Trial) -> tuple[str, str] | None:
    """The texts of the known mistake that gives the trial's results, if there is one."""
    for function, words in trial.exercise.wrong_answers():
        with suppress(Trouble, NotImplementedError):
            if trial.same(trial.got, (trial.result(x, function) for x in trial.sets)):
                return words
    return None


def _is_stub(answer):
    """Whether a function's body is empty: `...`, pass, or a docstring."""
    code, stub = getattr(answer, "__code__", None), (lambda: None).__code__
    if code is None or len(code.co_code) != len(stub.co_code) or code.co_names:
        return False
    return code.co_consts[-1] is None
