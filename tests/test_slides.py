"""The decks keep their limits, and quote what stands in the notebooks."""

import quoting
import slides

import html
import re
from functools import cache
from itertools import chain

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

TEXTS = sorted(slides.TEXTS.glob("[0-9]*.md"))
NOTEBOOKS = sorted(slides.NOTEBOOKS.glob("*.ipynb"))
read = cache(slides.read_deck)
every_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
SLIDES, MINUTES = 25, 90
HEDGES = r"\b(?:about|almost|hardly|nearly|roughly|by little|if it)\b"
# a number, what may stand between, and what makes it one that was measured or counted
MEASURED = re.compile(
    r"(?<![\w.])(-?\d[\d,]*(?:\.\d+)?)(?= ?(?:%|nats|bits|digits|images|pixels|draws|epochs))"
)


def decks(number):
    """The slides of each text of a notebook ("01")."""
    return {path.stem: read(path)[0] for path in TEXTS if path.stem.startswith(number)}


# ---- the decks


@every_notebook
def test_each_notebook_has_a_deck(path):
    assert path.name[:2] in decks(path.name[:2])


@every_text
def test_a_deck_is_short_and_has_little_code(path):
    deck, _ = read(path)
    assert len(deck) <= SLIDES
    code = [slide for slide in deck if "code" in slide.used]
    assert 5 * len(code) <= len(deck)
    for text in re.findall(r"^```.*?^```", path.read_text("utf-8"), re.M | re.S):
        pytest.fail(f"code is quoted by code(): {text}")


@every_notebook
def test_a_deck_and_its_warm_up_fit_a_lesson(path):
    deck = list(chain(*decks(path.name[:2]).values()))
    assert all(slide.minutes > 0 for slide in deck)
    assert sum(slide.minutes for slide in deck) <= MINUTES


@every_text
def test_it_begins_with_the_goals_and_ends_with_the_summary(path):
    deck, _ = read(path)
    if not path.stem.endswith("-warm-up"):
        assert deck[0].used == ["opening"]
        assert deck[-1].used == ["summary"]
        assert len(re.findall(r"^\d\. ", deck[-1].text, re.M)) in (4, 5)  # 06 has four


@every_text
def test_a_vote_is_followed_by_its_answer_and_no_answer_stands_before_it(path):
    deck, _ = read(path)
    votes = [index for index, slide in enumerate(deck) if slide.names]
    assert votes
    for index in votes:
        assert "answer" in deck[index + 1].used, deck[index].names
        assert "answer" not in deck[index].used, deck[index].names


@every_text
def test_the_right_letter_cannot_be_guessed(path):
    letters = [slide.right[0] for slide in read(path)[0] if slide.names]
    assert max(map(letters.count, letters)) <= 0.5 * len(letters), letters


@every_text
def test_no_option_stands_out_by_its_form(path):
    """All have a reason after a colon or none has; the right one is not the only one to hedge."""
    for slide in read(path)[0]:
        texts = [text for _, text, _ in slide.options]
        assert len({": " in text for text in texts}) < 2, texts
        hedging = [right for right, text, _ in slide.options if re.search(HEDGES, text, re.I)]
        assert hedging != [True], texts


@pytest.mark.parametrize("extreme", [max, min])
def test_the_right_option_is_the_longest_or_the_shortest_as_often_as_chance_has_it(extreme):
    chances, right = [], 0
    for slide in chain.from_iterable(read(path)[0] for path in TEXTS):
        lengths = [len(text) for _, text, _ in slide.options]
        if slide.names and lengths.count(extreme(lengths)) == 1:
            chances.append(1 / len(lengths))
            right += lengths["ABCDE".index(slide.right[0])] == extreme(lengths)
    scatter = sum(p * (1 - p) for p in chances) ** 0.5
    assert abs(right - sum(chances)) < 2 * scatter


@every_notebook
def test_each_prediction_and_each_warm_up_is_voted_on_once(path):
    number, notebook = path.name[:2], slides.Notebook(path)
    voted = {
        name: [vote for slide in deck for vote in slide.names]
        for name, deck in decks(number).items()
    }
    for text, names in notebook.predictions():
        found = [vote for vote in voted[number] if vote in names or (not names and vote in text)]
        assert len(found) == max(1, len(names)), text
    asked = [f"warm-up {n}" for n, *_ in notebook.warm_ups()]
    assert voted.get(f"{number}-warm-up", []) == asked


@every_text
def test_what_explains_says_which_mistake_to_expect(path):
    for slide in read(path)[0][1:]:
        if not slide.names and "summary" not in slide.used and "warm-up" not in path.stem:
            assert re.search(r"\bExpect\b", slide.notes), slide.text


@every_text
def test_pictures_come_from_the_notebook_with_their_alt_text(path):
    assert not re.search(r"<img|!\[|https?:", path.read_text("utf-8"))
    deck, notebook = read(path)
    alts = re.findall(r'alt="([^"]*)"', "".join(slide.text for slide in deck))
    assert len(alts) == sum(slide.used.count("figure") for slide in deck)
    assert all(map(str.strip, alts))
    assert all(picture.startswith(b"\x89PNG") for picture in notebook.pictures.values())


@every_text
def test_numbers_stand_in_the_notebook(path):
    """Those that have a unit. Wrong options, and what is said of them, are free."""
    deck, notebook = read(path)
    known = numbers("\n".join([*notebook.texts(), *notebook.codes(), *notebook.all_printed()]))
    known |= numbers("".join(data for *_, data in notebook.outputs("text/html")))
    for slide in deck[1:]:  # the first says what a vote is good for
        wrong = [option for right, option, _ in slide.options if not right]
        said = [line for line in slide.text.splitlines() if line[3:] not in wrong]
        if not slide.names:
            said.append(slide.notes)
        stated = numbers(" ".join(MEASURED.findall("\n".join(said))))
        assert not stated - known, slide.text


def numbers(text):
    found = re.findall(r"\d[\d,_]*(?:\.\d+)?", text)
    return {number.translate({ord(","): None, ord("_"): None}) for number in found}


# ---- a text, a notebook


TABLE = "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td></tr></table>"
CELLS = (
    new_markdown_cell("# 01 Small\n\n**After this notebook you will be able to**\n\n- do\n\n**T**"),
    new_markdown_cell(
        "**Warm-up 1,** on notebook 00. Why?\n<details><summary>Answer</summary>So.</details>"
    ),
    new_markdown_cell("$$a = b \\tag{1.1}$$ **Predict, then run.** How many?"),
    new_code_cell('lab.predict("how_many", ...)'),
    new_code_cell(
        'def twice(x):\n    """Twice."""\n    ### BEGIN SOLUTION\n    return 2 * x\n'
        "    ### END SOLUTION\n",
        outputs=[
            new_output("stream", text="head\nrow 1\nrow 2\nhow_many: no prediction; it is 3.\n"),
            new_output(
                "display_data",
                {"image/png": "iVBORw=="},
                metadata={"image/png": {"alt": 'A "picture" of it.'}},
            ),
            new_output(
                "display_data",
                {"image/png": "iVBORwAA"},
                metadata={"image/png": {"alt": 'A "picture" of me.'}},
            ),
            new_output("display_data", {"text/html": TABLE}),
        ],
    ),
    new_markdown_cell("## Summary\n\n1. One.\n\n## Errata"),
)
VOTE = """## How many?

{{ vote("how_many") }}

- [ ] 2
  Too few.
- [x] 3
- [ ] 4
  Too many
  of them.

Note: 3 minutes.
"""


@pytest.fixture
def deck(tmp_path, monkeypatch):
    """Reads a text beside a small notebook; returns its slides."""
    nbformat.write(nbformat.v4.new_notebook(cells=CELLS), tmp_path / "01_small.ipynb")
    monkeypatch.setattr(slides, "NOTEBOOKS", tmp_path)

    def call(text):
        path = tmp_path / "01.md"
        path.write_text(text, encoding="utf-8")
        return slides.read_deck(path)

    return call


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("opening()", "# 01 Small\n\n**After this notebook you will be able to**\n\n- do"),
        ("summary()", "## Summary\n\n1. One."),
        ('equation("1.1")', "$$a = b \\tag{1.1}$$"),
        ('code("twice")', "```\ndef twice(x):\n    return 2 * x\n```"),
        ('printed("head", rows=2)', "```\nhead\nrow 1\n```"),
        ('printed("row 2", "row 1")', "```\nrow 2\nrow 1\n```"),
        ('table("table")', "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td></tr></table>"),
        ('table("table", columns=1)', "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"),
    ],
)
def test_what_a_text_quotes(quote, shown, deck):
    (slide,), _ = deck("{{ " + quote + " }}\n\nNote: 1 minute.")
    assert slide.text.strip() == shown
    assert slide.used == [quote.split("(")[0]]


def test_a_figure_brings_its_picture_and_its_alt_text(deck):
    (slide,), notebook = deck('{{ figure("of it") }}\n\nNote: 1 minute.')
    ((name, data),) = notebook.pictures.items()
    assert data == b"\x89PNG"
    assert f'src="figures/{name}"' in slide.text
    assert html.escape('A "picture" of it.') in slide.text


def test_two_pictures_of_a_cell_are_two_files(deck):
    _, notebook = deck('{{ figure("of it") }}{{ figure("of me") }}\n\nNote: 1 minute.')
    assert list(notebook.pictures.values()) == [b"\x89PNG", b"\x89PNG\0\0"]


def test_a_vote_its_notes_and_its_answer(deck):
    (vote, answer), _ = deck(VOTE + "---\n\n{{ answer() }}\n\nNote: 2 minutes.")
    assert "[" not in vote.text
    assert vote.right == ("B", "3")
    for said in ("**B is right.**", "**A:** Too few.", "**C:** Too many of them.", "is 3."):
        assert said in vote.notes
    assert answer.text.strip() == "> **B** 3"


def test_a_warm_up_has_the_words_of_the_notebook(deck):
    text = VOTE.replace("## How many?", "").replace('vote("how_many")', "warm_up(1)")
    (vote, answer), _ = deck(text + "---\n\n{{ answer() }}\n\nNote: 2 minutes.")
    assert vote.text.strip().startswith("## Why?")
    assert answer.text.strip() == "Why?\n\n> **B** So."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ figure('none') }}\n\nNote: 1 minute.", "slide 1: no figure whose alt text has 'none'"),
        ("{{ printed('row') }}\n\nNote: 1 minute.", "more than one printed line with 'row'"),
        ("{{ equation('1.2') }}\n\nNote: 1 minute.", r"no equation with \\tag{1.2}"),
        ("{{ code('thrice') }}\n\nNote: 1 minute.", "no function or class 'thrice'"),
        ("{{ table('none') }}\n\nNote: 1 minute.", "no table with 'none'"),
        ("{{ warm_up(2) }}\n\nNote: 1 minute.", "no warm-up 2"),
        ("{{ nothing() }}\n\nNote: 1 minute.", "'nothing' is undefined"),
        ("{{ figure() }}\n\nNote: 1 minute.", "missing 1 required positional argument"),
        ("## Hm\n\nNote: a minute.", "notes begin with `Note: 2 minutes.`"),
        ("{{ answer() }}\n\nNote: 1 minute.", "on the slide after its vote"),
        (VOTE.replace("how_many", "else"), "no prediction 'else'"),
        (VOTE.replace('{{ vote("how_many") }}', ""), "a vote has a name and options"),
        (VOTE.replace("  Too few.\n", ""), "only a wrong option has a reason"),
        (VOTE.replace("[x] 3", "[x] 3\n  Yes."), "only a wrong option has a reason"),
        (VOTE.replace("[x] 3", "[ ] 3\n  No."), "one option of a vote is right"),
        (VOTE.replace("- [ ] 2\n  Too few.\n", ""), "three to five options"),
    ],
)
def test_a_faulty_text_is_named(text, said, deck):
    with pytest.raises(quoting.Fault, match=said):
        deck(text)


# ---- building


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """reveal.js and MathJax, as far as a build looks at them."""
    for name in slides.FROM_NPM:
        path = tmp_path / "npm" / "node_modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(slides, "PACKAGES", tmp_path / "npm")


def test_a_page_asks_for_nothing_that_is_not_beside_it(deck, packages, tmp_path):
    slides.write(
        {"01": deck('{{ opening() }}\n\n{{ figure("of it") }}\n\nNote: 1 minute.')}, tmp_path / "to"
    )
    page = (tmp_path / "to" / "01.html").read_text(encoding="utf-8")
    wanted = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(wanted) == 7
    assert all((tmp_path / "to" / name).is_file() for name in wanted)
    assert "<title>01 Small</title>" in page


def test_a_deck_without_a_title_is_named(deck, packages, tmp_path):
    with pytest.raises(quoting.Fault, match="01.md, slide 1: no title"):
        slides.write({"01": deck("## Hm\n\nNote: 1 minute.")}, tmp_path / "to")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("broken", ["shutil.copy", "title", "rename"])
def test_a_build_that_fails_leaves_the_decks_that_are_there(
    broken, error, deck, packages, tmp_path, monkeypatch
):
    made, into = {"01": deck("# 01\n\nNote: 1 minute.")}, tmp_path / "to"
    slides.write(made, into)
    (into / "mark").touch()

    def fail(*_):
        raise error("broken")

    if broken == "rename":
        real = slides.Path.rename
        monkeypatch.setattr(
            slides.Path, "rename", lambda self, to: fail() if self.name == "new" else real(self, to)
        )
    else:
        monkeypatch.setattr(f"slides.{broken}", fail)
    with pytest.raises(error):
        slides.write(made, into)
    assert (into / "mark").exists()
    assert not list(tmp_path.glob(".to-*")), "nothing half-made stays"
    monkeypatch.undo()


def test_a_new_build_takes_the_place_of_the_old_one(deck, packages, tmp_path):
    for name in ("01", "02"):
        slides.write({name: deck("# 01\n\nNote: 1 minute.")}, tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").glob("*.html")] == ["02.html"]


def test_a_folder_of_something_else_is_not_replaced(deck, packages, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "thesis").touch()
    with pytest.raises(OSError, match="to holds other files, which would be lost"):
        slides.write({"01": deck("# 01\n\nNote: 1 minute.")}, tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["thesis"]


def test_a_text_without_a_notebook_is_named(deck, tmp_path):
    (tmp_path / "07.md").touch()
    with pytest.raises(quoting.Fault, match="no notebook 07, which 07.md quotes"):
        slides.read_deck(tmp_path / "07.md")


def test_without_npm_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(slides.shutil, "which", lambda name: None)
    with pytest.raises(quoting.Fault, match="npm is missing"):
        slides.install(tmp_path)


def test_what_npm_complains_of_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(slides.shutil, "which", lambda name: name)
    complaint = "npm error code X\nnpm error FetchError: request failed, reason: no network\n"
    failed = slides.subprocess.CompletedProcess([], 1, "", complaint)
    monkeypatch.setattr(slides.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(quoting.Fault, match="once: npm error FetchError.*no network$"):
        slides.install(tmp_path)
    done = slides.subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(slides.subprocess, "run", lambda *_, **__: done)
    slides.install(tmp_path)
    monkeypatch.setattr(slides.shutil, "which", lambda name: None)
    slides.install(tmp_path)  # which needs npm no more
