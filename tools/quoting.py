"""What slides quote from a notebook: figures, equations, code, printed lines, questions, outcomes.

Each is found by something that is stable and occurs once; whatever isn't found, or is found twice,
is a Fault.
"""

import ast
import base64
import html
import re

import nbformat

WARM_UP = re.compile(
    r"\*\*Warm-up (\d+)(?:\.\*\*|,\*\* on [^.]+\.)\s(.*?)"
    r"<details><summary>Answer</summary>(.*?)</details>",
    re.S,
)
ASKED = re.compile(r"\*\*Predict, then\s+run[.:]\*\*")
NAME = re.compile(r'lab\.predict\("(\w+)", \.\.\.\)')


class Fault(Exception):
    """What is wrong, in one sentence."""


def the_only(found, what):
    found = list(found)
    if len(found) != 1:
        raise Fault(f"{'more than one' if found else 'no'} {what}")
    return found[0]


def fenced(lines):
    return "```\n" + "\n".join(lines) + "\n```"


class Notebook:
    """The complete edition of a notebook, with its stored outputs."""

    def __init__(self, path):
        self.cells = nbformat.read(path, as_version=4).cells
        self.pictures = {}  # those that were quoted, by file name

    def texts(self):
        return [cell.source for cell in self.cells if cell.cell_type == "markdown"]

    def codes(self):
        return [cell.source for cell in self.cells if cell.cell_type == "code"]

    def outputs(self, kind):
        """The cell, the output and its data, of all outputs of a kind ("image/png")."""
        for cell in self.cells:
            for output in cell.get("outputs", []):
                if kind in (data := output.get("data", {})):
                    yield cell, output, data[kind]

    def figure(self, alt):
        """The picture whose alt text has this piece."""
        found = (
            (f"{cell.id}-{number}.png", text, data)  # a cell may show two
            for number, (cell, output, data) in enumerate(self.outputs("image/png"))
            if alt in (text := output.metadata["image/png"]["alt"])
        )
        name, text, data = the_only(found, f"figure whose alt text has {alt!r}")
        self.pictures[name] = base64.b64decode(data)
        return f'<figure><img src="figures/{name}" alt="{html.escape(text)}"></figure>'

    def equation(self, number):
        displays = re.findall(r"\$\$.*?\$\$", "\n".join(self.texts()), re.S)
        tag = rf"\tag{{{number}}}"
        return the_only((d for d in displays if tag in d), f"equation with {tag}")

    def code(self, name):
        """The function or class of this name, without docstring and marks around its solution."""
        found = (
            (source, node)
            for source in self.codes()
            for node in ast.parse(source).body
            if getattr(node, "name", None) == name
        )
        source, node = the_only(found, f"function or class {name!r}")
        lines = ast.get_source_segment(source, node).splitlines()
        if ast.get_docstring(node):
            first = node.body[0]
            del lines[first.lineno - node.lineno : first.end_lineno - node.lineno + 1]
        return fenced(line for line in lines if "### " not in line)

    def printed(self, *pieces, rows=1):
        """The printed lines that have one of these pieces each, and those below up to `rows`."""
        lines, shown = self.all_printed(), []
        for piece in pieces:
            found = (i for i, line in enumerate(lines) if piece in line)
            start = the_only(found, f"printed line with {piece!r}")
            shown += lines[start : start + rows]
        return fenced(shown)

    def all_printed(self):
        return "".join(
            output.text
            for cell in self.cells
            for output in cell.get("outputs", [])
            if output.output_type == "stream"
        ).splitlines()

    def table(self, piece, columns=99):
        """The first columns of the first table that has this piece; later ones have more rows."""
        row = re.compile(rf"(<tr>(?:<t[hd].*?</t[hd]>){{1,{columns}}}).*?</tr>")
        for _, _, data in self.outputs("text/html"):
            if piece in data:
                return row.sub(r"\1</tr>", data.replace("\n", ""))
        raise Fault(f"no table with {piece!r}")

    def warm_up(self, number):
        """The question and its answer."""
        found = {n: (question, answer) for n, question, answer in self.warm_ups()}
        if str(number) not in found:
            raise Fault(f"no warm-up {number}")
        return found[str(number)]

    def warm_ups(self):
        text = "\n\n".join(self.texts())
        return [[" ".join(part.split()) for part in parts] for parts in WARM_UP.findall(text)]

    def predictions(self):
        """Of each "Predict, then run": its text, and the names of its `lab.predict`, if any."""
        asked = []
        for cell in self.cells:
            if cell.cell_type == "markdown" and ASKED.search(cell.source):
                asked.append((" ".join(ASKED.split(cell.source)[1].split()), []))
            elif cell.cell_type == "code" and asked:
                asked[-1][1].extend(NAME.findall(cell.source))
        return asked

    def outcome(self, name):
        """What came out, as it was printed. By a piece of its text: ""."""
        if any(name in text for text, names in self.predictions() if not names):
            return ""
        if not any(name in names for _, names in self.predictions()):
            raise Fault(f"no prediction {name!r}")
        start = f"{name}: no prediction; it is "
        line = the_only(
            (x for x in self.all_printed() if x.startswith(start)), f"outcome of {name}"
        )
        return line.removeprefix(start).rstrip(".")

    def opening(self):
        """The title, and what one will be able to do."""
        text = self.texts()[0]
        title = re.search(r"^# .*", text)[0]
        return f"{title}\n\n" + re.search(r"\*\*After this notebook.*?(?=\n\n\*\*)", text, re.S)[0]

    def summary(self):
        return re.search(r"^## Summary\n.*?(?=\n\n## |\Z)", self.texts()[-1], re.M | re.S)[0]
