"""What a student typed is never lost, whatever becomes of the edition around it."""

import carrying
import editions

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NAME = "09_small.ipynb"
F = """def f(x):
    \"\"\"Eq. 9.1.\"\"\"
    ### BEGIN SOLUTION
    return x
    ### END SOLUTION


f = lab.check("f", f)"""
MINE = 'def f(x):\n    return 2 * x\n\n\nf = lab.check("f", f)'
TEXT, QUESTION, CODE = "Some text.", "**Predict, then run.** What comes?", "width = 3"


def cells(text=TEXT, exercise=F, code=CODE, question=QUESTION):
    """A complete edition. Its cells keep their ids from one version to the next."""
    return [
        new_markdown_cell(text, id="text"),
        new_code_cell(exercise, id="exercise"),
        new_markdown_cell(question, id="question"),
        new_code_cell(code, id="code"),
    ]


@pytest.fixture
def course(tmp_path, monkeypatch, capsys):
    """A course with one notebook, to build, to change and to type into."""

    class Course:
        path = tmp_path / "student" / NAME

        def build(self, *complete):
            """Make the student's edition; returns what was said."""
            (tmp_path / "notebooks").mkdir(exist_ok=True)
            nbformat.write(new_notebook(cells=list(complete)), tmp_path / "notebooks" / NAME)
            capsys.readouterr()
            editions.main(["--into", str(self.path.parent)])
            return capsys.readouterr().out

        def type(self, **sources):
            """Write the sources into the cells with these ids (question-answer: answer)."""
            notebook = self.read()
            for cell in notebook.cells:
                cell.source = sources.get(cell.id.removeprefix("question-"), cell.source)
            nbformat.write(notebook, self.path)

        def read(self):
            return nbformat.read(self.path, as_version=4)

        def sources(self):
            return [cell.source for cell in self.read().cells]

        def beside(self):
            """The text of the files beside the notebook."""
            others = sorted(set(self.path.parent.iterdir()) - {self.path})
            return [path.read_text(encoding="utf-8") for path in others]

    monkeypatch.setattr(editions, "COMPLETE", tmp_path / "notebooks")
    return Course()


def test_a_notebook_of_the_same_edition_is_not_touched(course):
    assert course.build(*cells()) == f"student/{NAME}: new\n"
    course.type(exercise=MINE)
    course.path.write_bytes(course.path.read_bytes() + b"\n")
    before = course.path.read_bytes()
    assert "up to date" in course.build(*cells())
    assert course.path.read_bytes() == before


def test_answers_text_and_code_move_into_a_new_edition(course):
    course.build(*cells())
    course.type(exercise=MINE, answer="Three.", code="width = 30")
    said = course.build(*cells(text="A better text."))
    assert course.sources() == ["A better text.", MINE, QUESTION, "Three.", "width = 30"]
    assert not course.beside()
    assert "a new version, with what you typed" in said


def test_what_was_not_typed_is_that_of_the_new_edition(course):
    course.build(*cells())
    course.build(*cells(text="New.", code="width = 4", question=f"{QUESTION} And then?"))
    assert course.sources()[0] == "New."
    assert course.sources()[2:] == [f"{QUESTION} And then?", editions.ROOM, "width = 4"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_picture_that_was_pasted_into_an_answer_goes_with_it(gone, course):
    """As a derivation on paper, photographed."""
    course.build(*cells())
    notebook = course.read()
    (answer,) = (cell for cell in notebook.cells if cell.id == "question-answer")
    answer.source = "![me](attachment:me.png)"
    answer.attachments = {"me.png": {"image/png": "aGVsbG8="}}
    nbformat.write(notebook, course.path)
    course.build(*(cells()[:2] if gone else cells(text="New.")))
    if gone:
        assert "![me.png](data:image/png;base64,aGVsbG8=)" in course.beside()[0]
    else:
        (answer,) = (cell for cell in course.read().cells if cell.id == "question-answer")
        assert answer.attachments == {"me.png": {"image/png": "aGVsbG8="}}


def test_an_exercise_is_found_by_its_name_wherever_it_has_gone(course):
    course.build(*cells())
    course.type(exercise=MINE)
    text, exercise, *rest = cells()
    exercise.id = "another"
    course.build(text, *rest, exercise)
    assert course.sources()[-1] == MINE


def test_an_answer_to_an_exercise_with_a_new_text_stays_and_the_new_text_is_kept(course):
    course.build(*cells())
    course.type(exercise=MINE)
    said = course.build(*cells(exercise=F.replace("Eq. 9.1", "Eq. 9.2")))
    assert MINE in course.sources()
    (kept,) = course.beside()
    assert 'raise NotImplementedError("Write Eq. 9.2.")' in kept
    assert "The exercise f has a new text" in said
    assert "09_small.kept-1.md" in said


@pytest.mark.parametrize("change", [{"text": "Another."}, {"code": "width = 5"}])
def test_a_cell_that_both_changed_is_kept_beside_the_notebook(change, course):
    course.build(*cells())
    course.type(text="My remark.", code="width = 30")
    said = course.build(*cells(**change))
    mine = "My remark." if "text" in change else "width = 30"
    assert mine not in course.sources()
    assert mine in course.beside()[0]
    assert "A cell you changed has a new text" in said


def test_what_has_no_place_any_more_is_kept_under_a_name_of_its_own(course):
    course.build(*cells())
    course.type(exercise=MINE)
    said = course.build(*cells()[2:])
    assert "The exercise f is gone" in said
    course.type(answer="Three.")
    course.build(*cells()[:1])
    assert [MINE in text for text in course.beside()] == [True, False]
    assert "Three." in course.beside()[1]


def test_an_exercise_with_another_name_in_the_same_cell_is_another_exercise(course):
    course.build(*cells())
    course.type(exercise=MINE)
    course.build(*cells(exercise=F.replace('"f"', '"g"')))
    assert MINE not in course.sources()
    assert MINE in course.beside()[0]


def test_cells_that_the_student_added_stay_where_they_were(course):
    course.build(*cells())
    notebook = course.read()
    note, trial = new_markdown_cell("A note."), new_code_cell("print(width)")
    notebook.cells[1:1] = [note]
    notebook.cells.append(trial)
    notebook.cells.append(new_code_cell(""))
    nbformat.write(notebook, course.path)
    text, exercise, *rest = cells(code="width = 4")
    course.build(new_markdown_cell("A new start.", id="start"), text, exercise, *rest)
    stub = editions.without_solution(F, None, NAME)
    assert course.sources() == [
        "A new start.", TEXT, "A note.", stub, QUESTION, editions.ROOM, "width = 4", "print(width)",
    ]  # fmt: skip


def test_a_second_attempt_in_a_copied_cell_stays_too(course):
    course.build(*cells())
    notebook = course.read()
    copy = nbformat.from_dict({**notebook.cells[1], "id": "copied", "source": MINE + "  # again"})
    notebook.cells[1].source = MINE
    notebook.cells.insert(2, copy)
    nbformat.write(notebook, course.path)
    course.build(*cells(text="New."))
    assert course.sources()[:3] == ["New.", MINE, MINE + "  # again"]
    assert not course.beside()


def test_outputs_stay_with_what_made_them(course):
    course.build(*cells())
    notebook = course.read()
    for cell in (notebook.cells[1], notebook.cells[-1]):
        cell.outputs = [new_output("stream", text="old\n")]
    nbformat.write(notebook, course.path)
    course.build(*cells(code="width = 4"))
    stored = course.read().cells
    assert stored[1].outputs[0].text == "old\n"
    assert not stored[-1].outputs


def test_a_notebook_of_an_old_zip_in_the_folder_of_a_new_one(course):
    course.build(*cells())
    course.type(exercise=MINE, answer="Three.")
    old = course.path.read_bytes()
    course.path.unlink()
    course.build(*cells(text="New."))
    course.path.write_bytes(old)
    course.build(*cells(text="New."))
    assert course.sources() == ["New.", MINE, QUESTION, "Three.", CODE]


def test_a_notebook_that_another_program_stripped_of_ids_and_metadata(course):
    course.build(*cells())
    course.type(exercise=MINE, answer="Three.")
    notebook = course.read()
    for cell in notebook.cells:
        del cell["id"]
        cell.metadata = {}
    notebook.nbformat_minor, notebook.metadata = 4, {}
    nbformat.write(notebook, course.path)
    course.build(*cells(text="New."))
    assert MINE in course.sources()
    assert "Three." in course.sources() + course.beside()


@pytest.mark.parametrize("kept", [False, True])
def test_without_ids_no_text_stands_twice_and_an_answer_follows_its_question(kept, course):
    more = (new_markdown_cell("**Question.** Why?", id="why"), new_markdown_cell("End.", id="end"))
    complete = [*cells(), *more]
    course.build(*complete)
    course.type(exercise=MINE, answer="Three.")
    notebook = course.read()
    for cell in notebook.cells:
        cell.metadata = {"id": cell.id} if kept else {}  # as Colab does, or not at all
        del cell["id"]
    notebook.nbformat_minor, notebook.metadata = 0 if kept else 4, {}
    nbformat.write(notebook, course.path)
    course.build(*complete)
    room = [] if kept else [editions.ROOM]
    rest = [CODE, "**Question.** Why?", editions.ROOM, "End."]
    assert course.sources() == [TEXT, MINE, QUESTION, "Three.", *room, *rest]
    assert not course.beside()


def test_an_answer_in_a_cell_that_became_code_stays_in_its_place(course):
    course.build(*cells())
    notebook = course.read()
    at = [cell.id for cell in notebook.cells].index("question-answer")
    notebook.cells[at] = new_code_cell("3  # mine", id="question-answer")
    notebook.cells[at].metadata.edition = carrying.digest(editions.ROOM)
    nbformat.write(notebook, course.path)
    course.build(*cells(text="New."))
    assert course.sources()[2:5] == [QUESTION, "3  # mine", editions.ROOM]
    assert not course.beside()


@pytest.mark.parametrize("content", ["", "{}", "<<<<<<< HEAD\n", "[1]", '{"cells": 3}'])
def test_a_notebook_that_cannot_be_read_is_put_aside(content, course):
    course.build(*cells())
    course.path.write_text(content, encoding="utf-8")
    said = course.build(*cells())
    assert "09_small.unreadable-1.ipynb" in said
    assert course.beside() == [content]
    assert course.sources()[0] == TEXT


def test_a_notebook_with_a_mark_of_byte_order_is_read(course):
    course.build(*cells())
    course.type(exercise=MINE)
    course.path.write_bytes(b"\xef\xbb\xbf" + course.path.read_bytes())
    course.build(*cells(text="New."))
    assert course.sources()[:2] == ["New.", MINE]
    assert not course.beside()


def test_a_notebook_that_was_open_and_is_saved_over_the_new_one(course):
    """JupyterLab asks, and "Overwrite" brings the old edition back, with what was typed last."""
    course.build(*cells())
    course.type(exercise=MINE)
    opened = course.read()
    course.build(*cells(text="New."))
    opened.cells[-1].source = "width = 30"
    nbformat.write(opened, course.path)
    course.build(*cells(text="New."))
    assert course.sources()[:2] == ["New.", MINE]
    assert course.sources()[-1] == "width = 30"


def test_a_renamed_question_keeps_its_answer(course):
    course.build(*cells())
    course.type(answer="Three.")
    text, exercise, question, code = cells()
    question.id = "renamed"
    course.build(text, exercise, question, code)
    assert "Three." in course.sources() + course.beside()[0].splitlines()


def test_a_notebook_that_may_not_be_written_is_carried_over_or_stays(course):
    course.build(*cells())
    course.type(exercise=MINE)
    course.path.chmod(0o444)
    try:
        course.build(*cells(text="New."))
        assert course.sources()[0] == "New."
    except PermissionError:  # on Windows
        assert course.sources()[0] == TEXT
    assert course.sources()[1] == MINE


@pytest.mark.parametrize("content", [None, "<<<<<<< HEAD\n"])
def test_two_processes_at_once_lose_nothing(content, course, tmp_path):
    """Both read before either writes: the second must not put the first one's work aside."""
    course.build(*cells())
    course.type(exercise=MINE, text="My remark.")
    if content:
        course.path.write_text(content, encoding="utf-8")
    new = new_notebook(cells=cells(text="New."))
    nbformat.write(new, tmp_path / "notebooks" / NAME)
    edition = editions.student_edition(tmp_path / "notebooks" / NAME)
    with ThreadPoolExecutor(2) as pool:
        started = Barrier(2)
        for done in [pool.submit(at_once, started, course.path, edition) for _ in range(2)]:
            done.result()
    assert course.sources()[0] == "New."
    if content:
        assert set(course.beside()) == {content}
    else:
        assert MINE in course.sources()
        assert all("My remark." in kept for kept in course.beside())
        assert course.beside()


def at_once(started, path, edition):
    started.wait(60)
    carrying.build({path.name: edition}, path.parent)


def test_a_file_beside_the_notebook_is_never_written_over(tmp_path):
    path = tmp_path / NAME
    with ThreadPoolExecutor(8) as pool:
        written = [
            pool.submit(carrying.write_beside, path, "kept", ".md", b"%d" % n) for n in range(40)
        ]
    assert {done.result().read_bytes() for done in written} == {b"%d" % n for n in range(40)}


def test_a_notebook_that_is_saved_meanwhile_is_read_again(course, monkeypatch):
    course.build(*cells())
    original = carrying.carried_over

    def slow(old, edition):
        if MINE not in course.sources():
            course.type(exercise=MINE)  # JupyterLab saves while we work
        return original(old, edition)

    monkeypatch.setattr(carrying, "carried_over", slow)
    course.build(*cells(text="New."))
    assert course.sources()[:2] == ["New.", MINE]


def test_a_notebook_that_cannot_be_written_stays_as_it_was(course, monkeypatch):
    course.build(*cells())
    course.type(exercise=MINE)
    before = course.path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(carrying.os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        course.build(*cells(text="New."))
    assert course.path.read_bytes() == before
    assert not course.beside(), "no half-written file stays behind"


def test_other_files_in_the_folder_are_left_alone(course):
    course.build(*cells())
    own = course.path.with_name("mine.ipynb")
    own.write_text("mine", encoding="utf-8")
    course.build(*cells(text="New."))
    assert own.read_text(encoding="utf-8") == "mine"
