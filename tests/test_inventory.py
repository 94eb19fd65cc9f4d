"""The twenty questions and their answers: complete, even, and found nowhere else in the course."""

from editions import HANDED_OUT

import math
import re
from collections import Counter
from pathlib import Path
from statistics import stdev

import pytest
import torch
from scipy.stats import binomtest
from torch.distributions import Bernoulli, Normal, kl_divergence

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
QUESTIONS, ANSWERS = DOCS / "inventory.md", DOCS / "inventory_answers.md"
LETTERS = "ABCD"


def read(path):
    return path.read_text(encoding="utf-8")


def parts(path, heading):
    """What stands under each heading of the third level, by the groups of its pattern."""
    _, *pieces = re.split(r"^### ", read(path), flags=re.MULTILINE)
    split = [piece.partition("\n")[::2] for piece in pieces]
    return [(*re.fullmatch(heading, title).groups(), text) for title, text in split]


def lettered(text):
    """The stem, and the text of each item "- A. ..." or "- A: ..." by its letter."""
    stem, *items = re.split(r"^- (?=[A-Z][.:] )", text, flags=re.MULTILINE)
    return stem, [(item[0], " ".join(item[2:].partition("\n\n")[0].split())) for item in items]


ASKED = parts(QUESTIONS, r"(\d+)")
ANSWERED = parts(ANSWERS, r"(\d+): ([A-D]), notebook (\d\d), section (\d+)")
each = pytest.mark.parametrize("number", range(1, 21))


def right(number):
    return ANSWERED[number - 1][1]


def test_there_are_twenty_questions_and_an_answer_to_each():
    numbers = [str(n) for n in range(1, 21)]
    assert [question[0] for question in ASKED] == numbers
    assert [answer[0] for answer in ANSWERED] == numbers


@each
def test_a_question_has_four_options_none_of_which_stands_out(number):
    stem, options = lettered(ASKED[number - 1][1])
    assert "?" in stem
    assert [letter for letter, _ in options] == list(LETTERS)
    texts = [text for _, text in options]
    assert len(set(texts)) == 4
    assert max(map(len, texts)) <= 1.8 * min(map(len, texts))
    assert not re.search(r"\b(all|none|both) of (the above|these|them)\b", " ".join(texts).lower())


@each
def test_each_wrong_option_is_explained_and_the_right_one_too(number):
    why, wrong = lettered(ANSWERED[number - 1][-1])
    assert len(why.split()) >= 10
    assert [letter for letter, _ in wrong] == [x for x in LETTERS if x != right(number)]
    assert all(len(text.split()) >= 5 for _, text in wrong)


def test_the_right_letter_and_the_longest_option_give_nothing_away():
    assert Counter(map(right, range(1, 21))) == dict.fromkeys(LETTERS, 5)
    longest = [
        max(lettered(text)[1], key=lambda option: len(option[1]))[0] == right(int(number))
        for number, text in ASKED
    ]
    assert 3 <= sum(longest) <= 7, "chance makes it 5 of 20"


def test_they_cover_all_notebooks_evenly_and_name_sections_that_exist():
    for _, _, notebook, section, _ in ANSWERED:
        (path,) = (ROOT / "notebooks").glob(f"{notebook}_*.py")
        assert re.search(rf"^# ## {section} ", read(path), re.MULTILINE), (notebook, section)
    counts = Counter(notebook for _, _, notebook, *_ in ANSWERED)
    assert set(counts) == {f"0{n}" for n in range(1, 7)}
    assert min(counts.values()) >= 2
    assert max(counts.values()) <= 5


def test_the_answers_are_not_handed_out():
    assert not [name for name in HANDED_OUT if name.startswith("docs")]


def divergence(q, steps=40_001):
    """KL in nats from the Gaussian q to question 10's posterior, by quadrature."""
    x = torch.linspace(-20, 20, steps, dtype=torch.float64)
    peaks = Normal(torch.tensor([-3.0, 3.0], dtype=torch.float64), 0.3)
    log_p = peaks.log_prob(x[:, None]).logsumexp(-1) - math.log(2)
    return torch.trapezoid(q.log_prob(x).exp() * (q.log_prob(x) - log_p), x).item()


PAIRED = [1] * 25 + [-1] * 5 + [0] * 1970
SEEDS = [-95.0, -94.2, -95.9, -94.6, -95.3]


@pytest.mark.parametrize(
    "number, computed, decimals",
    [
        (3, 100 * math.log(2), 1),
        (4, (1 - 1e-6) ** 1000, 3),
        (7, 196 * stdev(PAIRED) / math.sqrt(2000), 1),
        (7, binomtest(5, 30).pvalue, 4),
        (10, divergence(Normal(3.0, 0.3)), 2),
        (10, divergence(Normal(0.0, 3.01)), 0),
        (12, kl_divergence(Bernoulli(0.99), Bernoulli(0.5)).item(), 2),
        (14, math.hypot(1, 0.5), 1),
        (19, -sum(0.25 * math.log2(p) for p in (1 / 2, 1 / 4, 1 / 8, 1 / 8)), 2),
        (20, stdev(SEEDS), 2),
    ],
)
def test_the_numbers_of_the_answers(number, computed, decimals):
    assert re.search(rf"\b{computed:.{decimals}f}\b", ANSWERED[number - 1][-1])


def runs(text, length=9):
    """All runs of so many words, in lower case and without signs."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + length]) for i in range(len(words) - length + 1)}


def test_no_question_stands_elsewhere_in_the_course():
    asked = set().union(*(runs(text) for _, text in ASKED))
    for folder, pattern in (("notebooks", "*.py"), ("labutils", "*.py"), ("docs/slides", "*.md")):
        for path in (ROOT / folder).rglob(pattern):
            assert not asked & runs(read(path)), path
