"""What the check makes of answers that were written from the texts of the exercises alone."""

from labutils.exercises import EXERCISES, verdict
from labutils.exercises.limits import undisturbed

import os
from collections import Counter

import pytest

from .answers import RIGHT, WRONG
from .mutants import COMPARED, in_parallel, outcomes, rates

# one fixture tries the answers of all exercises: minutes on an idle machine, more on a busy one
pytestmark = pytest.mark.timeout(2_400)

DRAWS = int(os.environ.get("LABUTILS_DRAWS", "50"))  # of inputs, for each right answer


@pytest.mark.parametrize(
    ("name", "answer"), [(name, each) for name, several in RIGHT.items() for each in several]
)
def test_a_right_answer_is_never_refused(name, answer):
    with undisturbed():
        for draw in range(DRAWS):
            right, what, _ = verdict(EXERCISES[name], answer, f"{name} {draw}")
            assert right, what


@pytest.fixture(scope="module")
def found(processes):
    return in_parallel(of_answers, WRONG, processes)


def of_answers(name):
    """The outcomes of the wrong answers to the exercise `name`; for a source, its place."""
    return outcomes(name, enumerate(WRONG[name]))


def test_wrong_answers_are_named_or_remarked_upon_and_none_is_accepted(found, capsys):
    every = [each for several in found.values() for each in several]
    with capsys.disabled():
        print(f"\nwrong answers: {rates(Counter(each.kind for each in every))}")
    assert not [each for each in every if each.kind in ("accepted", "misnamed")]
    unsaid = [each for each in every if each.kind == "unsaid"]
    assert len(unsaid) <= 0.1 * len(every), unsaid


def test_what_is_right_in_double_precision_alone_or_as_a_value_is_refused(found):
    equal = [(name, e) for name, several in found.items() for e in several if e.kind == "equal"]
    assert equal
    for name, each in equal:
        answer = WRONG[name][each.source]
        right, what, _ = verdict(EXERCISES[name], answer, name)
        assert not right and what, answer.__name__


def test_there_are_enough_of_both_and_of_every_exercise():
    assert sum(map(len, RIGHT.values())) >= 40 and sum(map(len, WRONG.values())) >= 60
    assert RIGHT.keys() == WRONG.keys() == COMPARED.keys()
