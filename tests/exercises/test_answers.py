"""What the check makes of answers that were written from the texts of the exercises alone.

A right one is tried on 50 sets of inputs, or on as many as LABUTILS_TEST_DRAWS says.
"""

from labutils import exercises
from labutils.exercises import EXERCISES, digest, verdict
from labutils.exercises.limits import Caller, undisturbed

import os
from collections import Counter

import pytest

from .answers import RIGHT, WRONG
from .mutants import outcomes, rates

DRAWS = int(os.environ.get("LABUTILS_TEST_DRAWS", 50))
RIGHT_ANSWERS = [
    pytest.param(name, answer, id=f"{name}-{answer.__name__}")
    for name, answers in RIGHT.items()
    for answer in answers
]


@pytest.fixture(scope="module")
def found():
    return {name: judged(name, answers) for name, answers in WRONG.items()}


def judged(name, answers):
    """Outcomes, also of those that are right but in single precision, or but for their gradient."""
    found = outcomes(name, [(answer.__name__, answer) for answer in answers])
    for each, answer in zip(found, answers, strict=True):
        if each.kind == "equal":
            each.kind = on_a_second_look(name, answer)
    return found


def on_a_second_look(name, answer):
    with undisturbed():
        right, what, fix = verdict(EXERCISES[name], answer, f"{name} {digest(answer)}")
    if right:
        return "accepted"
    if fix or what.startswith("the value is right, but"):
        return "named"
    return "remarked" if "where a finite number is right" in what else "unsaid"


def test_each_exercise_has_answers_of_both_kinds():
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)
    assert min(map(len, RIGHT.values())) >= 2
    assert min(map(len, WRONG.values())) >= 3


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_never_refused(name, answer, monkeypatch):
    monkeypatch.setattr(exercises, "SETS", DRAWS)
    monkeypatch.setattr(exercises, "Caller", lambda: Caller(600))  # so many sets take longer
    with undisturbed():
        right, what, _ = verdict(EXERCISES[name], answer, f"{name} {digest(answer)}")
    assert right, what


def test_wrong_answers_are_named_or_remarked_upon_and_none_is_accepted(found, capsys):
    outcomes_of_all = [each for several in found.values() for each in several]
    total = Counter(each.kind for each in outcomes_of_all)
    with capsys.disabled():
        print(f"\n{rates(total, 'wrong answers')}")
    assert not [each for each in outcomes_of_all if each.kind in ("accepted", "misnamed")]
    told = total["named"] + total["remarked"]
    assert told >= 250
    assert told >= 0.9 * (told + total["unsaid"])
