"""What the guides and the README say of the notebooks is so."""

import re
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
    stated = int(row(README, number)[-1].removesuffix(" min"))
    assert abs(int(total) - stated) <= 0.2 * stated


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
