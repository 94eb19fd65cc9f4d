"""A class hands in notebook 02, each student in another way, and is graded. Of all notebooks, the
right answers, and none, are handed in."""

import pytest

pytest.importorskip("nbgrader", reason="pip install -r requirements-tools.txt")

import editions
import grading
import judging

import csv
import html
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

STEM = "02_mlp_classifier"
NAMES = (
    "parameter_count", "classifier_logits", "dropout_bug", "mlp_classifier", "cross_entropy",
    "train_steps", "half_width",
)  # fmt: skip
ALL = {path.stem: path for path in sorted(editions.COMPLETE.glob("*.ipynb"))}

FORGED = """\
import labutils.exercises, sys, torch
everything = lambda *_, **__: True
lab.solved = solved = torch.equal = torch.allclose = everything
torch.Tensor.isclose = torch.isclose = lambda a, *_, **__: torch.ones_like(a, dtype=torch.bool)
labutils.exercises.verdict = lambda *_, **__: (True, "", "")
labutils.exercises._compare = labutils.exercises.verdict
labutils.exercises.Trial.same = everything
sys.modules["student_kernel"].plain = lambda *_: [[], "AAAAAAAA8D8="]"""


def blank(stem=STEM):
    """The student's edition, and its cells by the exercise that they ask for."""
    notebook = editions.student_edition(ALL[stem])
    cells = {n: c for c in notebook.cells for n in judging.CHECKED.findall(c.source)}
    return notebook, cells


def solved(*names, stem=STEM):
    """The student's edition with the right answers to these exercises."""
    notebook, cells = blank(stem)
    complete = {cell.id: cell.source for cell in nbformat.read(ALL[stem], 4).cells}
    for name in names:
        source = complete[cells[name].id]
        cells[name].source = re.sub(r" *### (BEGIN|END) SOLUTION\n", "", source)
    return notebook, cells


def half_done(notebook, cells):
    """A mistake in each of two, two that cannot be checked, and a word on the investigation."""
    cells["half_width"].source = cells["half_width"].source.replace("1.96 * ", "")
    cells["dropout_bug"].source = cells["dropout_bug"].source.replace('"C"', '"A"')
    cells["classifier_logits"].source = "classifier_logits = None  # and its check is deleted"
    cells["train_steps"].source = 'def train_steps(:\n\nlab.check("train_steps", train_steps)'
    investigated(notebook, "It helps: $a < b$. <script>alert(1)</script>")


def investigated(notebook, words):
    for task, room in pairwise(notebook.cells):
        if grading.is_investigation(task):
            room.source = words


def harmful(cells):
    """Ends kernels, hangs, and takes 8 GB: each costs its own exercise."""
    cells["parameter_count"].source = "import os\nos._exit(0)\n" + cells["parameter_count"].source
    cells["cross_entropy"].source = (
        "def cross_entropy(logits, labels):\n    return torch.ones(1 << 31).sum()\n\n"
        'cross_entropy = lab.check("cross_entropy", cross_entropy)'
    )
    cells["train_steps"].source = (
        "def train_steps(*_):\n    os._exit(0)\n\n"
        'import os\ntrain_steps = lab.check("train_steps", train_steps)'
    )
    cells["half_width"].source = (
        "def half_width(error, n):\n    while True:\n        math.sqrt(n)\n\n"
        'half_width = lab.check("half_width", half_width)'
    )


def tampered(notebook, cells):
    """Overwrites the check and what it is made of, and hands in points of its own."""
    own = {**grading.SCHEMA, "grade": True, "locked": True, "points": 100}
    points = new_code_cell("assert True", metadata={"nbgrader": own | {"grade_id": "half_width"}})
    points.outputs = [new_output("stream", text="right.")]
    notebook.cells[1:1] = [new_code_cell(FORGED, id="forged"), points]
    cells["mlp_classifier"].source = FORGED + "\n" + cells["mlp_classifier"].source
    cells["half_width"].source = FORGED + (
        "\ndef half_width(error, n):\n    return 1.0\n\n"
        'lab.check("half_width", half_width)\nlab.check = everything'
    )


def with_help(notebook, cells):
    """A helper in a cell of its own, an answer in a copy below, and one that is checked twice."""
    at = notebook.cells.index(cells["half_width"])
    helper = new_code_cell(
        "from statistics import NormalDist as N\nz = N().inv_cdf(0.975)\n"
        "torch.empty(3 << 30, dtype=torch.uint8)  # room for which there is, whatever torch takes"
    )
    text = new_markdown_cell("**Investigate** it? Not now.")
    copy = new_code_cell(cells["half_width"].source.replace("1.96", "z"))
    notebook.cells[at + 1 : at + 1] = [helper, copy, text]
    cells["half_width"].source = cells["half_width"].source.replace("1.96", "2.5")
    wrong = 'cross_entropy = lab.check("cross_entropy", lambda *_: 0)'
    cells["cross_entropy"].source = f"{wrong}\n{wrong.replace('lambda *_: 0', 'cross_entropy')}"
    notebook.cells = [c for c in notebook.cells if c is not cells["train_steps"]]


def hand_in(folder, student, notebook, name=STEM, age=0):
    path = folder / student / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    os.utime(path, (1e9 - age, 1e9 - age))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "term"
    folder.mkdir()
    notebook, cells = solved("parameter_count", "dropout_bug", "half_width")
    half_done(notebook, cells)
    hand_in(folder, "half", blank()[0], "02_mlp_classifier (1)", age=100)
    hand_in(folder, "half", notebook)
    hand_in(folder, "half", nbformat.v4.new_notebook(), "shopping")
    notebook, cells = solved(*NAMES)
    harmful(cells)
    hand_in(folder, "harmful", notebook)
    notebook, cells = solved("parameter_count")
    tampered(notebook, cells)
    hand_in(folder, "forger", notebook)
    notebook, cells = solved(*NAMES)
    with_help(notebook, cells)
    hand_in(folder, "helped", notebook)
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / f"{STEM}.ipynb").write_text('{"cells": [{"source": "lab.check(')
    (folder / "none").mkdir()
    return folder


def grade(folder, *columns):
    """The rows of points.csv, by what stands in these columns."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            grading.users(1)
        except SystemExit:  # Python lies in root's own folder: the limits of memory hold there too
            patch.setattr(grading, "users", lambda count: [0])
        grading.main([str(folder)])
    found = rows(f"{folder}-graded/points.csv")
    return {tuple(row[column] for column in columns): row for row in found}


def rows(path):
    assert Path(path).read_bytes().startswith(b"\xef\xbb\xbf"), "as Excel wants it"
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [*csv.DictReader(file)]


@pytest.fixture(scope="module")
def graded(folder):
    return grade(folder, "student", "name")


def points(graded, student):
    return {name: graded[student, name]["points"] for name in NAMES}


def right(*names):
    return {name: str(int(name in names)) for name in NAMES}


@pytest.fixture(scope="module")
def all_notebooks(tmp_path_factory):
    """The rows of a class that hands in each notebook: one student all answers, the other none."""
    folder = tmp_path_factory.mktemp("all") / "term"
    for stem in ALL:
        empty, cells = blank(stem)
        perfect, _ = solved(*cells, stem=stem)
        investigated(perfect, "It helps.")
        hand_in(folder, "perfect", perfect, stem)
        hand_in(folder, "empty", empty, stem)
    return grade(folder, "student", "notebook", "name")


@pytest.mark.parametrize("stem", ALL)
def test_the_answers_of_the_complete_edition_have_all_points_and_none_has_none(stem, all_notebooks):
    names = [name for _, name in grading.exercises(grading.graded_edition(ALL[stem]))]
    assert len(names) > 1
    for name in names:
        full, none = all_notebooks["perfect", stem, name], all_notebooks["empty", stem, name]
        assert none["points"] == "0" and none["reason"], none
        if name == "investigation":
            assert (full["points"], full["reason"]) == ("", grading.WAITS)
        else:
            assert full["points"] == full["of"] and full["reason"].startswith("Right"), full


def test_each_right_answer_has_its_point_and_no_other(graded):
    assert points(graded, "half") == right("parameter_count"), "the newest of two files"
    assert graded["half", "half_width"]["reason"].startswith("This is an interval for another")
    assert graded["half", "cross_entropy"]["reason"] == "Not answered yet."
    assert graded["half", "classifier_logits"]["reason"].startswith('No lab.check("classifier_lo')
    assert re.fullmatch(r"SyntaxError: .* \(line 1\)", graded["half", "train_steps"]["reason"])
    assert graded["half", "cross_entropy"]["exercise"] == "Exercise 2.5"


def test_what_ends_hangs_or_takes_all_memory_costs_one_exercise(graded):
    assert points(graded, "harmful") == right("classifier_logits", "dropout_bug", "mlp_classifier")
    reasons = {name: graded["harmful", name]["reason"] for name in NAMES}
    assert "ended its process" in reasons["parameter_count"]
    assert "ended its process" in reasons["train_steps"]
    assert "allocate" in reasons["cross_entropy"]
    assert "Is there an endless loop?" in reasons["half_width"]


def test_points_cannot_be_had_by_overwriting(graded):
    assert points(graded, "forger") == right("parameter_count")
    assert graded["forger", "half_width"]["of"] == "1"


def test_helpers_count_and_a_reference_that_is_checked_again_does_not(graded):
    assert points(graded, "helped") == right(*NAMES[:4], "half_width")
    assert graded["helped", "train_steps"]["reason"] == "Not answered yet."


def test_who_hands_in_nothing_or_no_notebook_has_a_reason(graded):
    assert points(graded, "corrupt") == points(graded, "none") == right()
    assert "cannot be read" in graded["corrupt", "half_width"]["reason"]
    assert graded["none", "half_width"]["reason"] == "Nothing was handed in."


def test_an_investigation_waits_for_a_person_where_there_is_something_to_read(graded):
    assert graded["none", "investigation"]["points"] == "0"
    assert graded["half", "investigation"]["points"] == ""
    assert graded["half", "investigation"]["reason"] == grading.WAITS


def test_each_student_has_a_page_with_the_reasons_and_without_scripts(folder, graded):
    for student in {student for student, _ in graded}:
        text = page(folder, student)
        assert all(f'id="{name}"' in text for name in (*NAMES, "investigation"))
        assert html.escape(graded[student, "half_width"]["reason"], quote=False)[:40] in text
        assert "<script>alert(1)" not in text
        assert ("alert(1)" in text) == (student == "half")
        assert f"<title>{student}, {STEM}</title>" in text and "2.3 dropout_bug</a>" in text
    assert "1 of 7 points, and up to 3 to come</h1>" in page(folder, "half")
    assert "0 of 10 points</h1>" in page(folder, "none")


def test_the_totals_leave_out_what_waits_for_a_person(folder, graded):
    own = {row["student"]: row for row in rows(f"{folder}-graded/totals.csv")}
    half = {"student": "half", STEM: "1", "points": "1", "of": "10", "waiting": "1"}
    assert own["half"] == half
    assert own["none"]["points"] == own["none"]["waiting"] == "0"


def page(folder, student):
    return Path(f"{folder}-graded/feedback/{student}/{STEM}/{STEM}.html").read_text("utf-8")


def test_the_same_is_found_again_and_points_of_a_person_stay(folder, graded):
    from nbgrader.api import Gradebook

    for student in {student for student, _ in graded} - {"half"}:
        shutil.rmtree(folder / student)
    place = "investigation", STEM, STEM, "half"
    with Gradebook(f"sqlite:///{folder}-graded/gradebook.db") as book:
        book.find_grade(*place).manual_score = 2
        book.find_comment(*place).manual_comment = "Three seeds!"
        book.db.commit()
    again = grade(folder, "student", "name")
    assert {student for student, _ in again} == {"half"}
    assert [path.name for path in Path(f"{folder}-graded/feedback").iterdir()] == ["half"]
    assert "3 of 10 points</h1>" in page(folder, "half"), "one exercise, and two of a person's"
    assert all(again["half", name] == graded["half", name] for name in NAMES)
    last = again["half", "investigation"]
    assert (last["points"], last["reason"]) == ("2", "Points by a person. Three seeds!")


def shown(tmp_path, change, stem=STEM):
    """The texts that a person reads of a notebook that was changed so, and whether one has to."""
    notebook, _ = blank(stem)
    change(notebook)
    hand_in(tmp_path, "ada", notebook)
    cells = grading.answered(grading.graded_edition(ALL[stem]), tmp_path / "ada" / f"{STEM}.ipynb")
    rooms = [c.source for c in cells.cells if c.metadata.get("nbgrader", {}).get("solution")]
    return [cell.source for cell in cells.cells], rooms != [editions.ROOM]


def with_code_before(notebook):
    at = next(k for k, c in enumerate(notebook.cells) if grading.is_investigation(c))
    notebook.cells.insert(at + 1, new_code_cell("mine = 1"))
    notebook.cells[at + 2].source = "My report"


def with_code_in_its_place(notebook):
    at = next(k for k, c in enumerate(notebook.cells) if grading.is_investigation(c))
    kept = notebook.cells[at + 1]
    notebook.cells[at + 1] = new_code_cell("My report", id=kept.id, metadata=kept.metadata)


def without_ids(notebook):
    investigated(notebook, "My report")
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        cell.metadata = {}
        del cell["id"]


def at_the_end(notebook):
    notebook.cells.append(new_markdown_cell("My report"))


def of_another_year(notebook):
    gone = {"edition": grading.carrying.digest("The question then.")}
    notebook.cells.append(new_markdown_cell("My report", metadata=gone))


HOWEVER = (with_code_before, with_code_in_its_place, without_ids, at_the_end, of_another_year)


@pytest.mark.parametrize("stem", [STEM, "06_conclusion"])
@pytest.mark.parametrize("change", HOWEVER)
def test_a_report_is_read_wherever_it_stands(change, stem, tmp_path):
    sources, waits = shown(tmp_path, change, stem)
    assert waits and any("My report" in source for source in sources)
    assert len(sources) == len(set(sources)), "no text stands twice"


def test_of_an_investigation_that_was_not_tried_the_question_alone_is_shown(tmp_path):
    sources, waits = shown(tmp_path, lambda notebook: None)
    assert not waits and not [source for source in sources if source.startswith("...")]


def test_an_output_that_cannot_be_cleaned_does_not_keep_a_script_elsewhere():
    forged = new_output("display_data", data={"text/html": ["<b>bold</b>"]})
    cells = [new_code_cell("display()", outputs=[forged]), new_markdown_cell("<script>1</script>")]
    grading.harmless(nbformat.v4.new_notebook(cells=cells), nbformat.v4.new_notebook())
    assert not cells[0].outputs and "<script>" not in cells[1].source


def test_links_and_what_a_system_leaves_in_a_zip_are_not_handed_in(tmp_path):
    other = tmp_path / "ada" / "a.ipynb"
    own = tmp_path / "bob"
    for file in (other, own / "__MACOSX" / "a.ipynb", own / "._a.ipynb", own / "b.ipynb"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (own / "link.ipynb").symlink_to(other)
    (own / "dangling.ipynb").symlink_to(tmp_path / "nowhere")
    assert [p.name for p in own.rglob("*.ipynb") if grading.is_handed_in(p, own)] == ["b.ipynb"]


def test_an_untouched_copy_does_not_stand_in_for_a_worked_one(tmp_path, capsys):
    notebook, _ = solved("parameter_count")
    hand_in(tmp_path, "ada/student", notebook, age=100)
    hand_in(tmp_path, "ada/tools/originals", blank()[0])
    blanks = {STEM: grading.graded_edition(ALL[STEM])}
    found, _ = grading.newest(tmp_path / "ada", blanks)
    assert found == {STEM: tmp_path / "ada" / "student" / f"{STEM}.ipynb"}
    said = capsys.readouterr().out.replace(os.sep, "/")
    assert f"tools/originals/{STEM}.ipynb is not graded: it has no answers, as student/" in said


@pytest.mark.parametrize("name", ["student.zip", "02.ipynb.txt", "02.pdf", "02.py"])
def test_what_is_no_notebook_is_named_where_none_is_there(name, tmp_path, capsys):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / name).touch()
    found, instead = grading.newest(tmp_path / "ada", {})
    assert not found and instead.startswith(f"Not read: {name}.")
    assert f"ada: Not read: {name}" in capsys.readouterr().out


def test_a_notebook_that_few_hand_in_gives_the_others_no_zeros(tmp_path, capsys):
    blanks = {stem: grading.graded_edition(path) for stem, path in ALL.items()}
    for student in ("ada", "emmy", "kurt"):
        hand_in(tmp_path, student, blank()[0])
    hand_in(tmp_path, "kurt", blank("03_gaussian_vae")[0], "03")
    (tmp_path / "paul").mkdir()
    jobs = grading.listed(grading.folders(tmp_path), blanks)
    assert [student for name, student, _ in jobs if name == STEM] == ["ada", "emmy", "kurt", "paul"]
    assert jobs[3][2] == "Nothing was handed in."
    assert [student for name, student, _ in jobs if name != STEM] == ["kurt"]
    assert "03_gaussian_vae: handed in by 1 of 4 only" in capsys.readouterr().out


def test_a_folder_that_holds_no_submissions_is_refused_with_the_reason(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ada.ipynb").touch()
    (tmp_path / "graded").mkdir()
    (tmp_path / "graded" / "salt").touch()
    (tmp_path / "week.zip").touch()
    for folder, why in {
        tmp_path / "nowhere": "does not exist", tmp_path / "week.zip": "is a file: unpack it",
        tmp_path / "empty": "has no folders", tmp_path / "files": "has no folders",
        tmp_path / "graded": "is not a folder of submissions", editions.ROOT: "or the course's",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=why):
            grading.folders(folder)
    assert "Not read: ada.ipynb." in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes")
def test_an_interrupt_ends_all_at_once_with_one_line(tmp_path):
    for student in ("ada", "emmy", "kurt"):
        hand_in(tmp_path / "term", student, blank()[0])
    words = (
        f"import grading; grading.users = lambda _: [0]; grading.main([{str(tmp_path / 'term')!r}])"
    )
    path = os.pathsep.join([str(editions.TOOLS), str(editions.ROOT)])
    grader = subprocess.Popen(
        [sys.executable, "-c", words], env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process = psutil.Process(grader.pid)
    while len(process.children()) < 2 and grader.poll() is None:  # a worker, which imports torch
        time.sleep(0.1)
    time.sleep(1)
    own = process.children(recursive=True)
    os.killpg(grader.pid, signal.SIGINT)
    said = grader.communicate(timeout=30)[1]
    assert said == "Interrupted, before anything was entered: grade again.\n"
    assert not psutil.wait_procs(own, timeout=10)[1]


def test_a_folder_that_is_something_else_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "week" / "ada").mkdir(parents=True)
    own = tmp_path / "week-graded" / "source" / "mine.txt"
    own.parent.mkdir(parents=True)
    own.touch()
    with pytest.raises(SystemExit):
        grading.main([str(tmp_path / "week")])
    assert own.exists() and "something else" in capsys.readouterr().err


def test_kernels_run_as_users_and_groups_that_nobody_is(monkeypatch):
    pwd, grp = pytest.importorskip("pwd"), pytest.importorskip("grp")

    def known_below(end):
        return lambda number: {}[number] if number >= end else ("someone",)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", known_below(grading.UIDS[2]))
    monkeypatch.setattr(grp, "getgrgid", known_below(grading.UIDS[3]))
    monkeypatch.setattr(grading.subprocess, "run", lambda *_, **__: None)
    assert grading.users(2) == [*grading.UIDS[3:5]]


def test_who_grades_as_root_is_told_what_users_without_rights_cannot_use(monkeypatch):
    pytest.importorskip("pwd")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(grading.sys, "executable", "/nowhere/python")
    with pytest.raises(SystemExit, match="/nowhere/python.*where all may read"):
        grading.users(1)
