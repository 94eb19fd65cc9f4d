"""Make the site, build/site/index.html, from the notebooks' stored outputs.

    python tools/website.py [--into FOLDER]

Nothing is executed, and a page that is opened fetches nothing. Sphinx and MyST-NB do the work:
here the notebooks become what these read, with solutions and claims folded, and the pages that
come out get what they lack: anchors of equations, links to them, alt text of figures. The other
pages are in docs/site. (The name `site` is taken by a module of Python.)
"""

import argparse
import base64
import hashlib
import html
import json
import re
import shutil
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

try:
    from editions import SOLUTION, student_edition
    from placing import placed
    from run import COSTS, WIDGET_VIEW
    from sprites import fragment, places

    import jinja2
    import nbformat
    import yaml
    from bs4 import BeautifulSoup
    from nbformat.v4 import new_code_cell
    from sphinx.cmd.build import build_main

    MATHJAX = Path(import_module("sphinx-mathjax-offline").__file__).parent / "static" / "mathjax"
except ImportError as error:
    tools = f"{sys.executable} -m pip install -r requirements-tools.txt"
    sys.exit(f"{error}. The site needs what `{tools}` installs.")

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, PAGES, BUILT = ROOT / "notebooks", ROOT / "docs" / "site", ROOT / "build" / "site"

MARKS = re.compile(r"# NBVAL_CHECK_OUTPUT\n| *### (BEGIN|END) SOLUTION\n?")
# what follows an outcome and tells it: not a heading, nor what leads on to the next picture
EXPLANATION = re.compile(r"\A(?!#)(.+?[^:])(?=\n\n|\Z)", re.S)
FOLDED = r"<details><summary>Explanation</summary>\n\n\1\n\n</details>"
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5}|\d{4}\.\d{4})")
TAG = re.compile(r"\\tag\{([\d.]+)\}")
# a number that may be an equation's, with what stands before it and says so
NUMBER = re.compile(
    r"(\bEq\.\s+|\b[Ee]quations?\s+)?(\(|\bof\s|\bin\s)?(?<![\d.])(?<!xercise\s)(\d\.\d+)"
    r"(?![\d.]*\d|\s*%|\s(?:GiB|million|nats|times|to)\b)"
)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=BUILT, metavar="FOLDER")
    into = parser.parse_args(words).into
    with placed(into, "_static/site.css") as new:
        alts = prepare(source := new.with_name("source"))
        options = ["-q", "-W", "--keep-going", "-d", str(new.with_name("doctrees"))]
        if build_main([*options, str(source), str(new)]):
            sys.exit("Sphinx complains, above: no site was made.")
        finish(new, alts)
        (new / ".buildinfo").unlink()  # it differs from build to build
    print(f"{into / 'index.html'}: open it in a browser")


# ---- what Sphinx reads


def prepare(folder):
    """Write all sources of the site; returns the alt text of each picture, by its digest."""
    shutil.copytree(PAGES, folder)
    shutil.copy(MATHJAX / "tex-svg.js", folder / "_static")  # one file, without fonts
    given = {
        "entries": yaml.safe_load((PAGES / "glossary.yml").read_text(encoding="utf-8")),
        "costs": json.loads(COSTS.read_text(encoding="utf-8")),
        "notebooks": {path.name[:2]: path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))},
    }
    for path in folder.glob("*.md"):
        template = jinja2.Template(path.read_text(encoding="utf-8"), trim_blocks=True)
        path.write_text(template.render(given), encoding="utf-8")
    alts = {}
    for name in given["notebooks"].values():
        path = NOTEBOOKS / f"{name}.ipynb"
        nbformat.write(folded(path, alts), folder / path.name)
    return alts


def folded(path, alts):
    """The notebook with stubs before its solutions, and what is not for all folded away."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for index, name in places(notebook, path.name[:2]):
        revive(notebook.cells[index], name)
    stubs = {cell.id: cell.source for cell in student_edition(path).cells}
    cells, settled = [], False
    for cell in notebook.cells:
        tags = cell.metadata.pop("tags", [])
        if outputs := cell.get("outputs"):
            note_alts(outputs, alts)
            cell.outputs = [output for output in outputs if without_predictions(output)]
        if SOLUTION.search(cell.source):
            cells.append(new_code_cell(stubs[cell.id]))
            fold(cell, "cell", "Solution")
        elif "claim" in tags:
            fold(cell, "input", "Assertions")
        elif "figure" in tags:
            fold(cell, "input", "Code of the figure")
        elif re.search(r"lab\.predict\(.*outcome=", cell.source):
            fold(cell, "output", "Outcome")
            settled = True
        elif settled and cell.cell_type == "markdown":
            cell.source, settled = EXPLANATION.sub(FOLDED, cell.source), False
        cell.source = ARXIV.sub(r"[\g<0>](https://arxiv.org/abs/\1)", MARKS.sub("", cell.source))
        cells.append(cell)
    notebook.cells = cells
    return notebook


def fold(cell, part, words):
    prompts = {"code_prompt_show": words, "code_prompt_hide": words}
    cell.metadata.update(tags=[f"hide-{part}"], mystnb=prompts)


def revive(cell, name):
    """Put its recording, which moves without a kernel, in the place of a widget."""
    for output in cell.outputs:
        if WIDGET_VIEW in output.get("data", {}):
            output.data = nbformat.from_dict({"text/html": fragment(name)})


def note_alts(outputs, alts):
    """The alt texts of pictures, under the names that MyST-NB gives the files."""
    for output in outputs:
        if picture := output.get("data", {}).get("image/png"):
            digest = hashlib.sha256(base64.b64decode(picture)).hexdigest()
            alts[digest] = output.metadata["image/png"]["alt"]


def without_predictions(output):
    """Drops from a printed output that nobody has predicted; returns whether something is left."""
    if output.output_type == "stream":
        output.text = re.sub(r"^\w+: no prediction\.\n", "", output.text, flags=re.M)
        output.text = output.text.replace(": no prediction; it is ", ": ")
    return output.get("text") != ""


# ---- what Sphinx has written


def finish(folder, alts):
    paths = sorted(folder.glob("*.html"))
    pages = {path.name: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in paths}
    targets = {
        number: f"{name}#eq-{number}" for name, page in pages.items() for number in anchored(page)
    }
    search = folder / "_static" / "search.js"
    found = [section for name, page in pages.items() for section in sections(name, page)]
    search.write_text(search.read_text("utf-8").replace("[]", json.dumps(found), 1), "utf-8")
    pages["search.html"].head.append(
        pages["search.html"].new_tag("script", src="_static/search.js")
    )
    for name, page in pages.items():
        refer(page, name, targets)
        for image in page.select(".cell_output img[src^=_images]"):
            image["alt"] = alts[Path(image["src"]).stem]
            image.wrap(page.new_tag("a", href=image["src"]))  # to its full size, on a phone
        for summary in page.select("summary[aria-label]"):
            del summary["aria-label"]  # it hides from screen readers what is written there
        (folder / name).write_text(str(page), encoding="utf-8")


def sections(name, page):
    """What a search finds: of each section the page, its titles, its anchor, and its own words."""
    for section in page.select("article section[id]"):
        heading, *parts = section.find_all(True, recursive=False)
        heads = [head.find(string=True) for head in (page.h1, heading)]
        parts.sort(key=lambda part: "cell" in part.get("class", []))  # excerpts are of prose first
        own = (part.get_text() for part in parts if part.name != "section")
        text = re.sub(r"\\[()[\]]|#|\s+", " ", " ".join(own))
        yield Path(name).stem, " > ".join(dict.fromkeys(heads)), f"#{section['id']}", text.strip()


def anchored(page):
    """Give each numbered equation an id and a link to itself; the numbers."""
    for equation in page.select("div.math"):
        if found := TAG.search(equation.text):
            number = found[1]
            equation["id"] = f"eq-{number}"
            # Sphinx puts it around lines of their own; no \tag may stand in it
            equation.string = re.sub(r"\\(begin|end)\{split\}", "", equation.text)
            link = page.new_tag("a", href=f"#eq-{number}", attrs={"class": "headerlink"})
            link["aria-label"] = link["title"] = f"Link to equation {number}"
            link.string = "#"
            equation.append(link)
            yield number


def refer(page, name, targets):
    """Make the equations' numbers in text and docstrings links."""
    for text in [text for part in page.select("article") for text in part.find_all(string=NUMBER)]:
        around = {each.name for each in text.parents}
        classes = {c for each in text.parents for c in each.get("class", [])}
        if not around & {"a", "h1", "h2", "h3", "script"} and not classes & {"math", "cell_output"}:
            own = None if "pre" in around else name[:2]
            linked = NUMBER.sub(partial(as_link, own, targets), html.escape(text, quote=False))
            text.replace_with(BeautifulSoup(linked, "html.parser"))


def as_link(own, targets, found):
    """An equation's number as a link: where it is called one, or in the text of notebook `own`."""
    called, near, number = (part or "" for part in found.groups())
    in_text = own and (near or own == f"0{number[0]}")
    if number not in targets or not (called or in_text):
        return found[0]
    return f'{near}<a href="{targets[number]}">{called}{number}</a>'


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    except OSError as error:
        sys.exit(f"{error}\nIf you may not write there, say where: --into FOLDER.")
