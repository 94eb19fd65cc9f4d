"""No numbered equation without a function that names it and a test; no number out of order."""

import re
from textwrap import dedent

import pytest

from .reading import NOTEBOOKS, ROOT, equations, functions_of, marked, named_in_docstrings


def complaints(notebooks, sources, tests):
    """What is missing or too much, a sentence each: notebooks by their names, the others' texts."""
    found = []
    tags = {}
    for name, text in notebooks.items():
        expected = 0
        for expected, equation in enumerate(equations(text), start=1):
            number = f"{int(name[:2])}.{expected}"
            if equation != [number]:
                found.append(f"{name}: displayed equation {number} is tagged {equation}")
        if not expected:
            found.append(f"{name} displays no equation")
        tags |= dict.fromkeys(re.findall(r"\\tag\{(.+?)\}", text), name)
    implemented = set().union(*map(named_in_docstrings, [*sources, *notebooks.values()]))
    tested = set().union(*map(marked, tests))
    for number, name in tags.items():
        if number not in implemented:
            found.append(f"Eq. {number} of {name}: no docstring names it")
        if number not in tested:
            found.append(f"Eq. {number} of {name}: no test is marked with it")
    for number in sorted(implemented - set(tags)):
        found.append(f"Eq. {number}: a docstring names it, but no notebook has it")
    for number in sorted(tested - set(tags), key=str):
        found.append(f"Eq. {number!r}: a test is marked with it, but no notebook has it")
    return found


def test_every_equation_has_a_number_in_order_a_function_and_a_test():
    def texts(paths):
        return [path.read_text(encoding="utf-8") for path in paths]

    notebooks = dict(zip([path.stem for path in NOTEBOOKS], texts(NOTEBOOKS), strict=True))
    assert notebooks
    sources = texts((ROOT / "labutils").rglob("*.py"))
    tests = texts((ROOT / "tests" / "equations").glob("test_*.py"))
    assert complaints(notebooks, sources, tests) == []


NOTEBOOK = dedent(r'''
    # %% [markdown]
    # $$a = b \tag{7.1}$$
    # and $$c
    #   = d \tag{7.2}$$

    # %%
    import labutils as lab
    import math

    scale = 2.0

    def double(a):
        """Eq. 7.1, for
        numbers."""
        return scale * half(a) * 2

    def half(a):
        return math.sqrt(a) / 2
''')
SOURCE = 'class Model:\n    def f(self):\n        """A thing, Eq.\n        7.2."""\n'
TESTS = dedent("""
    @pytest.mark.equation("7.1")
    @pytest.mark.parametrize("k", [1, 2])
    def test_a(k): ...

    @pytest.mark.equation("7.1", "7.2")
    def test_b(): ...
""")


@pytest.mark.parametrize(
    ("part", "old", "new", "expected"),
    [
        (0, r" \tag{7.2}", "", "07_tiny: displayed equation 7.2 is tagged []"),
        (0, "{7.1}", "{7.3}", "07_tiny: displayed equation 7.1 is tagged ['7.3']"),
        (0, "{7.2}", "{7.1}", "07_tiny: displayed equation 7.2 is tagged ['7.1']"),
        (0, "$$", "$", "07_tiny displays no equation"),
        (0, "Eq. 7.1", "This", "Eq. 7.1 of 07_tiny: no docstring names it"),
        (1, "7.2", "7.1", "Eq. 7.2 of 07_tiny: no docstring names it"),
        (1, "7.2", "7.20", "Eq. 7.20: a docstring names it, but no notebook has it"),
        (2, ', "7.2"', "", "Eq. 7.2 of 07_tiny: no test is marked with it"),
        (2, "def test_b", "def b", "Eq. 7.2 of 07_tiny: no test is marked with it"),
        (2, '"7.2"', "7.2", "Eq. 7.2: a test is marked with it, but no notebook has it"),
        (2, '"7.2"', '"7.2", "8.1"', "Eq. '8.1': a test is marked with it, but no notebook has it"),
    ],
)
def test_what_is_missing_is_noticed_and_named(part, old, new, expected):
    texts = [NOTEBOOK, SOURCE, TESTS]
    assert complaints({"07_tiny": texts[0]}, texts[1:2], texts[2:]) == []
    assert old in texts[part]
    texts[part] = texts[part].replace(old, new)
    assert expected in complaints({"07_tiny": texts[0]}, texts[1:2], texts[2:])


def test_functions_of_a_notebook_come_with_what_they_call_and_what_is_given():
    double, half = functions_of(NOTEBOOK, "double", "half", scale=3.0)
    assert (double(16), half(16)) == (12, 2)
    (double,) = functions_of(NOTEBOOK, "double", scale=3.0, half=lambda a: a)
    assert double(16) == 96
    with pytest.raises(LookupError, match="double uses scale of the notebook"):
        functions_of(NOTEBOOK, "double")
    with pytest.raises(LookupError, match="defines no treble"):
        functions_of(NOTEBOOK, "treble")
