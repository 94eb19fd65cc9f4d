"""Answers to the exercises, written from their texts alone: nobody looked at the solutions.

RIGHT and WRONG hold a list of functions for each exercise. One file per notebook; the comment in a
wrong answer says what the student thought.
"""

from collections import defaultdict

RIGHT, WRONG = defaultdict(list), defaultdict(list)


def right(exercise):
    """Marks a function as a right answer to an exercise, in some style or other."""
    return lambda answer: RIGHT[exercise].append(answer) or answer


def wrong(exercise):
    """Marks a function as a wrong answer to an exercise."""
    return lambda answer: WRONG[exercise].append(answer) or answer


from . import a01, a02, a03, a04, a05, a06  # noqa: E402, F401
