"""What the guides and the README say of the notebooks is so."""

import re
from itertools import chain
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "instructors.md"
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
each = pytest.mark.parametrize("number", NOTEBOOKS)


def read(path):
    return path.read_text(encoding="utf-8")


def text(number):
    return read(NOTEBOOKS[number].with_suffix(".py"))


def sections(number):
    return re.findall(r"^# ## (\d+) ", text(number), re.MULTILINE)


def row(path, number):
    """The cells of the table's row that begins with this notebook."""
    (line,) = re.findall(rf"^\| {number}\b.*", read(path), re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


@each
def test_the_guide_has_the_minutes_of_each_section_and_they_add_up(number):
    *minutes, total = row(GUIDE, number)[1:]
    by_section = {str(i): int(cell) for i, cell in enumerate(minutes) if cell}
    assert list(by_section) == ["0", *sections(number)]
    assert sum(by_section.values()) == int(total)
    investigation = re.search(r"\*\*Investigate\*\* .* (\d+) minutes", text(number))
    all_minutes = int(total) + int(investigation[1] if investigation else 0)
    assert row(README, number)[-1] == f"{round(all_minutes, -1)} min"
    assert f"**Time needed:** about {round(all_minutes, -1)} minutes" in text(number)


def test_the_plans_name_sections_and_exercises_that_exist():
    plans = read(GUIDE).partition("## Plans")[2].partition("**The minutes")[0]
    named = [
        (number, section)
        for number, listed in re.findall(r"\b(0\d): ((?:\d+(?:, | to )?)+)", plans)
        for section in re.findall(r"\d+", listed)
    ]
    assert len(named) > 30
    assert not [(number, section) for number, section in named if section not in sections(number)]
    exercises = re.findall(r"\b[1-6]\.\d+\b", plans)
    assert exercises
    for name in exercises:
        assert f"**Exercise {name}**" in text(f"0{name[0]}"), name


@each
def test_the_guide_knows_in_which_section_each_slide_is_needed(number):
    slides = re.split("^---$", read(ROOT / "docs" / "slides" / f"{number}.md"), flags=re.MULTILINE)
    _, *cells = row(GUIDE, f"deck {number}")
    of_section = [expanded(cell.replace("-", " to ")) for cell in cells]
    assert [*chain.from_iterable(of_section)] == [str(i) for i in range(2, len(slides))]
    _, *parts = re.split(r"^# ## \d+ ", text(number), flags=re.MULTILINE)
    for place, slide in enumerate(slides, 1):
        for name in re.findall(r'vote\("(\w+)"', slide):
            (section,) = (i for i, part in enumerate(parts) if f'predict("{name}", ...' in part)
            assert str(place) in of_section[section], name


def expanded(listed):
    """ "1, 4 to 6" as 1, 4, 5, 6."""
    spans = re.findall(r"(\d+)(?: to (\d+))?", listed)
    return [str(i) for a, b in spans for i in range(int(a), int(b or a) + 1)]


def in_class(listed, left_out=""):
    """Minutes of the sections that a plan lists, by the guide's table; a vote is one more."""
    minutes = 30 * listed.count("twenty questions")
    for number, places in re.findall(r"\b(0\d): ((?:\d+(?:, | to )?)+)", listed):
        _, *parts = re.split(r"^# ## \d+ ", text(number), flags=re.MULTILINE)
        for section in expanded(places):
            votes = parts[int(section) - 1].count("**Predict, then run")
            minutes += int(row(GUIDE, number)[1 + int(section)]) + votes
    for number, first, last in re.findall(r"\b(\d)\.(\d+)(?: to \d\.(\d+))?", listed + left_out):
        for exercise in range(int(first), int(last or first) + 1):
            name = rf"\*\*Exercise {number}\.{exercise}\*\* \(difficulty \d of 3, (\d+) minutes"
            minutes -= int(re.search(name, text(f"0{number}"))[1])
    return minutes


def test_each_class_of_the_plans_fits_into_90_minutes_with_its_votes():
    short, _, plans = read(GUIDE).partition("**A day**")
    assert sum(map(int, re.findall(r"^\| (\d+) \|", short, re.M))) == 90
    plans, *_ = plans.partition("**The minutes")
    rows = [line.strip("|").split("|") for line in re.findall(r"^\|.*\b0\d: .*", plans, re.M)]
    day, weeks = rows[:4], rows[4:]
    assert len(weeks) == 6
    taken = [in_class(sections, left_out) for _, sections, _, left_out in day]
    warm_ups = [0, *[13.5] * 5]
    taken += [in_class(row[1]) + extra for row, extra in zip(weeks, warm_ups, strict=True)]
    assert 70 <= min(taken) <= max(taken) <= 90


@each
def test_each_number_among_the_results_stands_in_an_output(number):
    result = row(README, number)[2].replace(" %", "%")
    numbers = re.findall(r"-?\d[\d,.]*\d%?(?: ± [\d.]+%?)?", result)
    assert numbers
    stored = nbformat.read(NOTEBOOKS[number], as_version=4)
    outputs = " ".join(
        str(o.get("text", "")) + str(o.get("data", {}).get("text/html", ""))
        for cell in stored.cells
        for o in cell.get("outputs", [])
    )
    outputs = re.sub(r" +", " ", outputs)
    assert not [n for n in numbers if n not in outputs]


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_of_the_guides_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)\)", read(path))
    assert not [link for link in links if not (path.parent / link).exists()]
