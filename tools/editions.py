"""Make the student's edition of the notebooks, and open it.

    python tools/editions.py [--open] [--complete] [--zip] [--into FOLDER]
    python tools/editions.py --branch NAME

Solutions, outputs and the cells tagged `claim` go; what is left is written to student/, which git
ignores. What was typed there stays: it is carried over into a new version of a notebook, by the
name of the exercise or the id of the cell, and what has no place any more goes into a file beside
the notebook. --zip also makes student.zip, to be handed out: there, this script builds student/
from the notebooks in tools/originals/, which never had a solution. --branch commits the notebooks,
and the labutils that they import, to a branch from which students pull.
"""

import argparse
import ast
import io
import os
import re
import symtable
import sys
import textwrap
import zipfile
from pathlib import Path

try:
    from carrying import build, digest, upgraded, write

    import nbformat
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_client.kernelspec import KernelSpecManager
    from nbformat.v4 import new_markdown_cell
except ImportError as error:
    sys.exit(f"{error}. {sys.executable} tools/doctor.py says what is missing, and what to do.")

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
COMPLETE, ORIGINALS = ROOT / "notebooks", TOOLS / "originals"  # the latter in a student's zip
STUDENT = ROOT / "student"
ZIP = ROOT / "student.zip"
HANDED_OUT = (  # beside the notebooks, and what is in tools/student
    "labutils", "requirements.txt", "constraints.txt", "environment.yml", "pyproject.toml",
    "LICENSE", "LICENSE-text.md", "tools/editions.py", "tools/carrying.py", "tools/doctor.py",
    "tools/venv.mk", "tools/jupyter",
)  # fmt: skip
RELEASED = (  # beside the notebooks: where students pull, somebody else has installed the rest
    "labutils", "requirements.txt", "constraints.txt", "pyproject.toml",
    "LICENSE", "LICENSE-text.md", "tools/doctor.py",
)  # fmt: skip

SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION *\n(.*?)^ *### END SOLUTION *$", re.M | re.S)
OPEN_QUESTION = re.compile(r"\*\*(Predict|Question|Investigat)", re.IGNORECASE)
EXERCISE = re.compile(r"\*\*(Exercise [\d.]*\d|Investigate)")
ROOM = "*Your answer:*"
KEPT = ("tags", "slideshow", "jupyter")  # of a cell's metadata


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", action="store_true", help="open JupyterLab at the first notebook")
    parser.add_argument("--complete", action="store_true", help="open the one with solutions")
    parser.add_argument("--zip", action="store_true", help=f"also make {ZIP.name}, to hand out")
    parser.add_argument("--branch", metavar="NAME", help="commit what students pull to this branch")
    parser.add_argument("--into", type=Path, default=STUDENT, metavar="FOLDER")
    options = parser.parse_args(words)
    sources = sorted((COMPLETE if COMPLETE.is_dir() else ORIGINALS).glob("*.ipynb"))
    if not sources:
        parser.error(f"there are no notebooks in {COMPLETE} or {ORIGINALS}")
    if (options.complete or options.branch) and not COMPLETE.is_dir():
        parser.error("this copy of the course has no complete edition")
    if options.branch:
        from releasing import release  # which a student's zip lacks

        print(release(ROOT, options.branch, released(sources)))
        return
    if not options.complete:
        editions = {path.name: student_edition(path) for path in sources}
        build(editions, options.into)
        if options.zip:
            write(ZIP, packed(editions))
            print(f"{ZIP.name}: the student's edition and what it needs, to hand out")
    if options.open:
        folder = ROOT if options.complete else options.into
        open_lab(folder, sources[0] if options.complete else options.into / sources[0].name)


# ---- from the complete edition to the student's


def student_edition(path):
    """The notebook without solutions, outputs and claims, as JupyterLab would save it."""
    notebook = upgraded(nbformat.read(path, as_version=4))
    cells, exercise = [], None
    for cell in notebook.cells:
        if "claim" in cell.metadata.get("tags", []):
            continue
        answered_here = cell.get("id", "").endswith("-answer")
        if cells and asks(cells[-1]) and not answered_here and "lab.predict(" not in cell.source:
            cells.append(new_markdown_cell(ROOM, id=f"{cells[-1].id}-answer"))
        cells.append(cell)
        if cell.cell_type == "markdown":
            if asked := EXERCISE.findall(cell.source):
                exercise = asked[-1].replace("Investigate", "the investigation")
        else:
            if SOLUTION.search(cell.source):
                cell.metadata.pop("jupyter", None)  # which may fold the solution away
            cell.source = without_solution(cell.source, exercise, path.name)
            cell.outputs, cell.execution_count = [], None
    for cell in cells:
        kept = {key: cell.metadata[key] for key in KEPT if key in cell.metadata}
        cell.metadata = nbformat.from_dict({**kept, "edition": digest(cell.source)})
    notebook.cells = cells
    edition = digest("".join(cell.id + cell.source for cell in cells))
    notebook.metadata = nbformat.from_dict({**kernel_metadata(), "edition": edition})
    return notebook


def asks(cell):
    return cell.cell_type == "markdown" and OPEN_QUESTION.search(cell.source)


def without_solution(source, exercise, where):
    """The source with a stub in place of each solution. Raises ValueError for a lonely mark."""
    source = source.removeprefix("# NBVAL_CHECK_OUTPUT\n")
    equation = re.search(r"Eq\. [\d.]*\d", SOLUTION.sub("", source))
    what = equation[0] if equation else f"the answer to {exercise}"
    stripped = SOLUTION.sub(lambda match: stub(match, source, f"Write {what}."), source)
    if re.search("### *(BEGIN|END) SOLUTION", stripped):
        raise ValueError(f"{where}: a solution has only one of its two marks, in:\n{source}")
    return stripped


def stub(solution, source, what):
    """What stands in a solution's place; it must not stop the cells that follow."""
    indent = solution[1]
    if in_function(source, 1 + source.count("\n", 0, solution.start())):
        return f'{indent}raise NotImplementedError("{what}")'
    code = textwrap.dedent(solution[2])
    symbols = symtable.symtable(code, "solution", "exec").get_symbols()
    rest = SOLUTION.sub("", source)
    bound = (s.get_name() for s in symbols if s.is_assigned() or s.is_imported())
    names = [name for name in bound if re.search(rf"\b{name}\b", rest)]
    return (
        "\n".join(f"{indent}{name} = ...  # {what}" for name in names) or f"{indent}...  # {what}"
    )


def in_function(source, line):
    """Whether the line is part of a function, and not of a class in it."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, scopes) and node.lineno < line <= node.end_lineno
    ]
    inner = max(around, key=lambda node: node.lineno, default=None)
    return inner is not None and not isinstance(inner, ast.ClassDef)


def kernel_metadata():
    """What JupyterLab writes once the kernel has started: else it marks the notebook as changed."""
    name = "python3"
    spec = KernelSpecManager().get_kernel_spec(name)
    kernel = {"display_name": spec.display_name, "language": spec.language, "name": name}
    return {"kernelspec": kernel, "language_info": IPythonKernel.language_info}


# ---- handing out, opening


def packed(editions):
    """The bytes of the zip. All files get the present time, so that make installs anew."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name, content):
            archive.writestr(f"deep-generative-models/{name}", content)

        for path in (file for name in HANDED_OUT for file in files(ROOT / name)):
            add(path.relative_to(ROOT).as_posix(), path.read_bytes())
        for path in files(TOOLS / "student"):
            add(path.name, path.read_bytes())
        for name, notebook in editions.items():
            add(
                f"{ORIGINALS.relative_to(ROOT).as_posix()}/{name}", nbformat.writes(notebook) + "\n"
            )
    return stored.getvalue()


def released(sources):
    """By their names, the bytes of all that is committed for students."""
    paths = [file for name in RELEASED for file in files(ROOT / name)]
    notebooks = {path.name: nbformat.writes(student_edition(path)) + "\n" for path in sources}
    return {
        ".gitattributes": b"*.ipynb merge=notebook\n",  # of tools/merging.py, where git knows it
        **{path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths},
        **{name: text.encode() for name, text in notebooks.items()},
    }


def files(path):
    """The file, or all files of the folder but caches and hidden ones."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and not any(p.startswith((".", "__pycache__")) for p in file.relative_to(path).parts)
    )


def open_lab(folder, notebook):
    from jupyterlab.labapp import main as lab  # slow to import, and only needed here

    config = [str(TOOLS / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, config))  # no pop-up
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    sys.exit(lab([f"--ServerApp.root_dir={folder.resolve()}", *as_root, str(notebook.resolve())]))


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{error}\nIf you may not write there, move the course's folder to where you may.")
