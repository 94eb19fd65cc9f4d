"""Grade what students hand in: points with a reason each, and a page for each student.

    python tools/grading.py SUBMISSIONS

In the folder is a folder for each student, by the student's name, with the notebooks in it. Beside
it a folder SUBMISSIONS-graded is made, a course of nbgrader's: two tables, the pages in feedback/,
and the gradebook, in which formgrader gives points for investigations. Grade again at any time, for
example after a late submission: points that a person gave stay.
"""

import argparse
import csv
import html
import io
import json
import logging
import multiprocessing
import os
import secrets
import shutil
import signal
import subprocess
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

try:
    import carrying
    import editions
    import judging

    import nbformat
    import psutil
    from joblib import cpu_count
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbconvert.preprocessors.sanitize import SanitizeHTML
    from nbformat.v4 import new_code_cell, new_markdown_cell
    from nbgrader.api import Gradebook
    from nbgrader.converters import (
        Autograde,
        GenerateAssignment,
        GenerateFeedback,
        NbGraderException,
    )
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import GetGrades
    from traitlets.config import PyFileConfigLoader
except ImportError as error:
    sys.exit(f"{error}. Install it: {sys.executable} -m pip install -r requirements-tools.txt")

UIDS = range(60_706, 61_184)  # by systemd's table of users, for neither people nor services
BYTES = 50 << 20  # of a notebook
NOTHING, WAITS = "Nothing was written here.", "Waits for a person."
INVESTIGATION = 3  # points, as its difficulty says; a check is worth one
SCHEMA = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
CONFIG = """\
# Written by tools/grading.py. The students' code was run by it and is not run again.
c = get_config()
c.CourseDirectory.course_id = "deep-generative-models"
c.Execute.enabled = False
c.ClearOutput.enabled = False
c.ClearSolutions.enabled = False  # there are none
c.Exchange.root = {course!r}  # nothing is exchanged, and nothing has to be there
c.GenerateFeedback.HTMLExporter.template_name = "points"
c.GenerateFeedback.HTMLExporter.extra_template_basedirs = [{templates!r}]
c.GenerateFeedback.HTMLExporter.exclude_input_prompt = True
c.GenerateFeedback.HTMLExporter.exclude_output_prompt = True
"""


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    folder = parser.parse_args(words).submissions.resolve()
    try:
        handed_in = folders(folder)
    except ValueError as error:
        parser.error(str(error))
    course = folder.with_name(f"{folder.name}-graded")
    if course.exists() and any(course.iterdir()) and not (course / "salt").exists():
        parser.error(f"{course} is something else, and is left as it is: move it away")
    blanks = {path.stem: graded_edition(path) for path in sorted(editions.COMPLETE.glob("*.ipynb"))}
    jobs = listed(handed_in, blanks)
    if not jobs:
        parser.error(f"{folder} holds no notebook of the course")
    uids = users(len(jobs))
    course.mkdir(exist_ok=True)
    course.chmod(0o700)
    own = salt(course)  # first, since a folder is known by it
    places = {"course": str(course), "templates": str(editions.TOOLS / "templates")}
    carrying.write(course / "nbgrader_config.py", CONFIG.format(**places))
    try:
        results = dict(zip(jobs, judged(jobs, blanks, own, uids), strict=True))
    except RuntimeError as error:
        sys.exit(str(error))
    enter(course, blanks, results)
    rows = table(course, blanks, results)
    carrying.write(course / "points.csv", sheet(rows))
    carrying.write(course / "totals.csv", sheet(totals(rows)))
    print(f"{course}: points.csv, totals.csv, and a page for each student in feedback/")
    if waiting := sum(row["reason"] == WAITS for row in rows):
        print(f"Investigations that wait for a person: {waiting} (docs/grading.md, step 4)")


def users(count):
    """Numbers of users that nobody is, for so many kernels; [0] where this process isn't root's."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return [0]
    import grp  # which Windows lacks
    import pwd

    def is_free(number):
        for known in (pwd.getpwuid, grp.getgrgid):  # one by one: a directory does not list all
            with suppress(KeyError):
                return not known(number)
        return number not in running

    running = {p.info["uids"].real for p in psutil.process_iter(["uids"]) if p.info["uids"]}
    found = list(islice(filter(is_free, UIDS), count))
    if not found:
        sys.exit(f"All users from {UIDS[0]} to {UIDS[-1]} exist: grade as another user than root.")
    drop = {"user": found[0], "group": found[0], "extra_groups": []}
    words = [sys.executable, "-c", f"import ipykernel; open({__file__!r})"]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, cwd="/", **drop)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or str(error)
        sys.exit(
            "As root, this runs what students wrote as users without rights. Those cannot use "
            f"{os.path.realpath(sys.executable)} or read {editions.ROOT}: install both where all "
            "may read, which is not below /root, or grade as another user than root. The problem "
            f"was: {why.strip().splitlines()[-1]}"
        )
    return found


# ---- what is graded


def folders(where):
    """The folder of each student by its name. Raises ValueError with what to do instead."""
    if not where.is_dir():
        is_file = f"{where} is a file: unpack it, and name the folder"
        raise ValueError(is_file if where.exists() else f"{where} does not exist")
    if (where / "salt").exists() or where == editions.ROOT:
        raise ValueError(f"{where} is not a folder of submissions, but grading's or the course's")
    inside = [p for p in sorted(where.glob("[!.]*")) if p.name != "__MACOSX"]
    found = {p.name: p for p in inside if p.is_dir()}
    if alone := [p.name for p in inside if p.is_file()]:
        print(f"Not read: {', '.join(alone)}. Put each file into a folder with the student's name.")
    if not found:
        raise ValueError(f"{where} has no folders: one for each student, with the notebooks in it")
    if odd := [name for name in (str(where), *found) if set(name) & set("[]*?")]:
        raise ValueError(f"nbgrader cannot take the name {odd[0]!r}: rename the folder")
    return found


def listed(handed_in, blanks):
    """What to grade: notebook, student, and the file, or in its place the reason why none is there.

    A notebook that few handed in, beside another that many did, costs nobody else a point.
    """
    files = {student: newest(path, blanks) for student, path in handed_in.items()}
    often, jobs = Counter(name for found, _ in files.values() for name in found), []
    for name, count in sorted(often.items()):
        by_few = 2 * count < max(often.values())
        if by_few:
            print(f"{name}: handed in by {count} of {len(files)} only; the others have no row.")
        jobs += [
            (name, student, found.get(name, instead))
            for student, (found, instead) in files.items()
            if name in found or not by_few
        ]
    return jobs


def graded_edition(path):
    """The student's edition, with nbgrader's marks, and a locked cell for each check.

    It is not handed out. A student's answers are carried over into it, so that no cell of a
    grader's stands in the way of a student, and none that a student deletes or edits is missed.
    """
    edition = editions.student_edition(path)
    cells, exercise = [], ""
    for cell in edition.cells:
        cells.append(cell)
        exercise = (editions.EXERCISE.findall(cell.source) or [exercise])[-1]
        for name in judging.CHECKED.findall(cell.source) if cell.cell_type == "code" else ():
            source = f'assert solved("{name}")  # as the grader has found, outside this kernel'
            cells.append(new_code_cell(source, id=f"grade-{judging.to_id(name)}"))
            cells[-1].metadata.edition = carrying.digest(source)
            cells[-1].metadata.exercise = exercise
            mark(cells[-1], name, grade=True, locked=True, points=1)
        if len(cells) > 1 and is_investigation(cells[-2]) and cell.source == editions.ROOM:
            cell.metadata.exercise = exercise
            mark(cell, "investigation", grade=True, solution=True, points=INVESTIGATION)
    edition.cells = cells
    return edition


def is_investigation(cell):
    return is_text(cell) and "**Investigate**" in cell.source


def is_text(cell):
    return cell.cell_type == "markdown"


def mark(cell, name, **roles):
    cell.metadata.nbgrader = nbformat.from_dict(
        {**SCHEMA, "grade_id": judging.to_id(name), "cell_type": cell.cell_type, **roles}
    )


def newest(folder, blanks):
    """Of each notebook the newest file with an answer; what to say of one that isn't there.

    Prints which files are left out.
    """
    found, files = {}, [p for p in sorted(folder.rglob("*")) if is_handed_in(p, folder)]
    notebooks = {p: (not is_blank(p), p.stat().st_mtime) for p in files if p.suffix == ".ipynb"}
    for path in sorted(notebooks, key=notebooks.get):
        name, why = which(path, blanks), "it is no notebook of the course"
        older = found.get(name) if name else path
        if name:
            why = f"{path.relative_to(folder)} is newer"
            if older and notebooks[older][0] < notebooks[path][0]:
                why = f"it has no answers, as {path.relative_to(folder)} has"
            found[name] = path
        if older:
            print(f"{folder.name}: {older.relative_to(folder)} is not graded: {why}")
    unread = [p for p in files if p not in notebooks and (not found or is_packed(p))]
    instead = "Nothing was handed in."
    if unread:
        more = f" and {len(unread) - 3} more" if len(unread) > 3 else ""
        names = ", ".join(str(p.relative_to(folder)) for p in unread[:3])
        instead = f"Not read: {names}{more}. A notebook, unpacked, ends in .ipynb."
        print(f"{folder.name}: {instead}")
    return found, instead


def is_blank(path):
    """Whether nothing was typed into a notebook of the student's edition."""
    try:
        cells = json.loads(read(path))["cells"]
        return all(carrying.digest("".join(c["source"])) == c["metadata"]["edition"] for c in cells)
    except Exception:  # whatever is wrong with it
        return False


def is_packed(path):
    """Whether there may be a notebook in it."""
    return path.suffix in (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar") or ".ipynb" in path.name


def is_handed_in(path, folder):
    """No link, which may lead to another's work, and nothing that a system leaves in a zip."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    return path.is_file() and not path.is_symlink() and not hidden


def which(path, blanks):
    """The notebook that a file is: by the exercises in it, or else by its name."""
    try:
        with path.open("rb") as file:
            text = file.read(BYTES).decode("utf-8", errors="replace")
    except OSError:
        text = ""
    checked = set(judging.CHECKED.findall(text.replace('\\"', '"')))
    own = {name: marks(blank) & checked for name, blank in blanks.items()}
    best = max(own, key=lambda name: len(own[name]))
    if own[best]:
        return best
    return next((name for name in blanks if name in path.name), None)


def read(path):
    if path.stat().st_size > BYTES:
        raise ValueError(f"it has more than {BYTES >> 20} MiB")
    return path.read_text("utf-8-sig")


def marks(notebook):
    return {name for cell in notebook.cells if (name := judging.grades(cell))}


def answered(blank, path):
    """The graded edition with what the student typed, as far as it is graded or shows why."""
    old = carrying.upgraded(nbformat.reads(read(path), as_version=4))
    for cell in old.cells:
        cell.metadata.pop("nbgrader", None)  # the marks are the grader's
    new, homeless = carrying.carried_over(old, blank)
    texts = {cell.id: cell.source for cell in blank.cells}
    for why, words in homeless:  # but an exercise's new text, which is the course's
        if words not in texts.values():
            new.cells.append(new_markdown_cell(f"{why}\n\n~~~~~~\n{words}\n~~~~~~"))
    typed = {k for k, cell in enumerate(new.cells) if cell.source != texts.get(cell.id)}
    open_ended = {k for k in typed if new.cells[k].id not in texts and is_text(new.cells[k])}
    around = investigation(new.cells, texts)
    open_ended |= {k for k in around if k in typed or is_text(new.cells[k])}
    tried = typed & open_ended
    for cell in new.cells:
        if tried and cell.source == editions.ROOM and cell.metadata.get("nbgrader"):
            cell.source += "\n\n(Nothing was written in this place.)"  # but a person has to look
    run = judging.graded(new.cells)
    for k in run:
        new.cells[k].outputs = []  # an investigation's stay as they were handed in
    new.cells = [
        cell
        for k, cell in enumerate(new.cells)
        if k in run or k in open_ended or judging.grades(cell) or "**Exercise" in cell.source
    ]
    nbformat.validate(new)
    return new


def investigation(cells, ours):
    """Which cells are about it: up to the course's next text that comes after code of its own."""
    asked = (k for k, cell in enumerate(cells) if is_investigation(cell) and cell.id in ours)
    start = next(asked, len(cells))
    given = [k for k in range(start, len(cells)) if cells[k].id in ours]
    code = next((k for k in given if not is_text(cells[k])), start)
    return range(start, next((k for k in given if k > code and is_text(cells[k])), len(cells)))


# ---- judging, two or more at a time


def judged(jobs, blanks, salt, uids):
    """For each job the notebook with its verdicts."""
    with ProcessPoolExecutor(cpu_count(), multiprocessing.get_context("spawn")) as pool:
        on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the workers inherit
        waiting = [
            pool.submit(judge, blanks[name], path, f"{salt} {student}", uid)
            for (name, student, path), uid in zip(jobs, cycle(uids))
        ]
        signal.signal(signal.SIGINT, on_interrupt)
        try:
            for (name, student, _), job in zip(jobs, waiting, strict=True):
                notebook = job.result()
                print(f"{name}, {student}: {points(notebook)}", flush=True)
                yield notebook
        except BaseException as error:  # the pool alone would wait for all that is running
            end(multiprocessing.active_children())
            pool.shutdown(cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                sys.exit("Interrupted, before anything was entered: grade again.")
            raise


def end(workers):
    """End them and the kernels that they have started, at once."""
    for worker in workers:
        with suppress(psutil.Error):
            own = psutil.Process(worker.pid)
            for process in (*own.children(recursive=True), own):
                process.kill()


def judge(blank, path, seed, uid):
    """The notebook of one student. What is wrong with it costs this student alone."""
    if isinstance(path, str):
        return refused(blank, path)
    try:
        notebook = answered(blank, path)
    except Exception as error:  # whatever is wrong with it
        problem = str(error).strip().partition("\n")[0][:80]
        return refused(blank, f"{path.name} cannot be read: {problem}")
    try:
        notebook = judging.judged(notebook, seed, uid)
    except OSError as error:  # a disk that a student has filled, for example
        return refused(blank, f"It could not be judged: {error.strerror or error}. Grade again.")
    harmless(notebook, blank)
    return notebook


def harmless(notebook, blank):
    """Take out what a student's text or output might do in the browser of who reads it."""
    ours, clean = {cell.source for cell in blank.cells}, SanitizeHTML()
    for cell in notebook.cells:
        try:
            if cell.cell_type == "code" or cell.source not in ours:
                clean.preprocess_cell(cell, {}, 0)
            for output in cell.get("outputs", ()):
                nbformat.validate(output, ref="output", version=4)
        except Exception:  # a kernel may send anything
            if cell.cell_type == "code":
                cell.outputs = []
            else:
                cell.source = html.escape(cell.source)


def refused(blank, why):
    for cell in blank.cells:
        if judging.grades(cell):
            judging.settle(cell, False, why)
    blank.cells = [c for c in blank.cells if c.metadata.get("nbgrader", {}).get("grade")]
    return blank


def points(notebook):
    outcomes = [
        cell.outputs[0].output_type != "error" for cell in notebook.cells if judging.grades(cell)
    ]
    return f"{sum(outcomes)} of {len(outcomes)}"


def salt(course):
    """What makes the inputs this instructor's own; kept, so that they are the same next time."""
    file = course / "salt"
    if not file.exists():
        carrying.write(file, secrets.token_hex(16))
        file.chmod(0o600)
    return file.read_text().strip()


# ---- nbgrader's part


def enter(course, blanks, results):
    """Enter the results into nbgrader's gradebook, and make a page for each student."""
    for step in ("source", "submitted", "autograded", "feedback"):  # a person's is elsewhere
        shutil.rmtree(course / step, ignore_errors=True)
    for (name, student, _), notebook in results.items():
        write(course / "source" / name / f"{name}.ipynb", blanks[name])
        notebook.metadata.title = f"{student}, {name}"
        write(course / "submitted" / student / name / f"{name}.ipynb", notebook)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.GenerateFeedback.preprocessors = [Grades, CSSHTMLHeaderPreprocessor]
    programs = os.path.dirname(sys.executable)  # nbgrader calls alembic by its name
    os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", "")])
    log = course / "nbgrader.log"
    logging.getLogger("traitlets").addHandler(logging.FileHandler(log, "w", "utf-8"))
    with warnings.catch_warnings(action="ignore"):  # nbgrader's, of SQLAlchemy's newest version
        for name in {name for name, _, _ in results}:
            where = CourseDirectory(config=config, root=str(course), assignment_id=name)
            for step in (GenerateAssignment, Autograde, GenerateFeedback):
                try:
                    step(coursedir=where, config=config, force=True).start()
                except NbGraderException:
                    sys.exit(
                        f"nbgrader stopped; {log} says why. If exercises came or went since the "
                        f"folder was graded first, copy it, and grade the copy."
                    )


class Grades(GetGrades):
    """Says of each grade also whether it is still to come."""

    def _get_score(self, cell, resources):
        super()._get_score(cell, resources)
        own, place = cell.metadata.nbgrader, (self.notebook_id, self.assignment_id, self.student_id)
        own.waits = waits(self.gradebook.find_grade(own.grade_id, *place))


def waits(grade):
    """Whether a person has to look, and has not."""
    return bool(grade.needs_manual_grade and grade.manual_score is None)


def write(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def table(course, blanks, results):
    """What stands in the gradebook, with what a person gave, and the reasons."""
    rows = []
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        for (notebook, student, _), judged in results.items():
            why = {judging.grades(cell): judging.reason(cell) for cell in judged.cells}
            for exercise, name in exercises(blanks[notebook]):
                place = judging.to_id(name), notebook, notebook, student
                grade, reason = book.find_grade(*place), why.get(name)
                if name == "investigation":
                    reason = book.find_comment(*place).comment
                    reason = NOTHING if reason == "No response." else reason
                if grade.manual_score is not None:
                    reason = f"Points by a person. {reason or ''}"
                if waits(grade):
                    reason = WAITS
                row = {"student": student, "notebook": notebook, "exercise": exercise, "name": name}
                row["points"] = "" if waits(grade) else f"{grade.score:g}"
                row["of"] = f"{grade.max_score:g}"
                rows.append(row | {"reason": " ".join((reason or "").split())})
    return rows


def totals(rows):
    """The points of each student by notebook, and in all; without those that wait for a person."""
    notebooks, sums = sorted({row["notebook"] for row in rows}), {}
    for row in rows:
        student = row["student"]
        empty = {"student": student, **dict.fromkeys(notebooks, ""), "points": 0, "of": 0}
        own, given = sums.setdefault(student, {**empty, "waiting": 0}), float(row["points"] or 0)
        own[row["notebook"]] = (own[row["notebook"]] or 0) + given
        own["points"] += given
        own["of"] += float(row["of"])
        own["waiting"] += row["reason"] == WAITS
    return [
        {key: f"{value:g}" if isinstance(value, float) else value for key, value in own.items()}
        for own in sums.values()
    ]


def sheet(rows):
    """Rows as spreadsheets read them, with the mark that tells Excel the encoding."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def exercises(notebook):
    """The exercises and names of what is graded: ("Exercise 2.1", "parameter_count"), ..."""
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            yield cell.metadata.exercise, judging.name_of(cell)


if __name__ == "__main__":
    main()
