"""Make a deck of slides from each text in docs/slides: build/slides/01.html, ...

    python tools/slides.py [--into FOLDER]

A text is Markdown: slides are separated by `---`, and a slide's notes stand after `Note:`. Figures,
equations, code, printed lines and questions are quoted from the notebook of the same number (see
docs/slides/README.md). reveal.js and MathJax come from npm, in the versions of tools/web; a deck
that is opened fetches nothing.
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

try:
    from placing import placed
    from quoting import Fault, Notebook, the_only

    import jinja2
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
except ImportError as error:
    sys.exit(f"{error}. {sys.executable} tools/doctor.py says what is missing, and what to do.")

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, TEXTS, WEB = ROOT / "notebooks", ROOT / "docs" / "slides", ROOT / "tools" / "web"
BUILT, PACKAGES = ROOT / "build" / "slides", ROOT / "build" / "npm"
FROM_NPM = (
    "reveal.js/dist/reset.css", "reveal.js/dist/reveal.css", "reveal.js/dist/reveal.js",
    "reveal.js/dist/plugin/notes.js", "mathjax/es5/tex-svg-full.js",
)  # fmt: skip
OPTION = re.compile(r"^- \[([ x])\] (.+)\n?((?:  .+\n?)*)", re.M)
MINUTES = re.compile(r"\s*([\d.]+) minutes?\.")


@dataclass
class Slide:
    """A slide as Markdown; of a vote, also its names and options (right or not, text, reason)."""

    text: str
    notes: str
    minutes: float
    used: list[str]  # the functions that its text calls, in order
    names: list[str] = field(default_factory=list)
    options: list[tuple[bool, str, str]] = field(default_factory=list)

    @property
    def right(self):
        """The letter of the right option, and the option."""
        place = [right for right, *_ in self.options].index(True)
        return "ABCDE"[place], self.options[place][1]


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=BUILT, metavar="FOLDER")
    into = parser.parse_args(words).into
    decks = {path.stem: read_deck(path) for path in sorted(TEXTS.glob("[0-9]*.md"))}
    install(PACKAGES)
    write(decks, into)
    for name, (slides, _) in decks.items():
        minutes = sum(slide.minutes for slide in slides)
        print(f"{into / name}.html: {len(slides)} slides, {minutes:g} minutes")


# ---- from a text to slides


def read_deck(path):
    """The slides of a text, and the notebook that they quote."""
    number = path.name[:2]
    found = NOTEBOOKS.glob(f"{number}_*.ipynb")
    notebook = Notebook(the_only(found, f"notebook {number}, which {path.name} quotes"))
    slides = []
    for part in re.split(r"^---$", path.read_text(encoding="utf-8"), flags=re.M):
        try:
            slides.append(read_slide(part, notebook, slides[-1] if slides else None))
        except (Fault, jinja2.TemplateError, TypeError) as fault:
            raise Fault(f"{path.name}, slide {len(slides) + 1}: {fault}") from None
    return slides, notebook


def read_slide(part, notebook, before):
    text, found, notes = part.partition("\nNote:")
    slide = Slide(text, notes, 0, [])
    if not found or not (minutes := MINUTES.match(notes)):
        raise Fault("its notes begin with `Note: 2 minutes.`")
    slide.minutes = float(minutes[1])
    slide.text = fill(text, notebook, slide, before)
    slide.options = [
        (mark == "x", option, " ".join(reason.split()))
        for mark, option, reason in OPTION.findall(slide.text)
    ]
    if bool(slide.names) != bool(slide.options):
        raise Fault("a vote has a name and options")
    if slide.names:
        check_options(slide)
        slide.text = OPTION.sub(r"1. \2\n", slide.text)
        slide.notes += "\n\n" + about_options(slide, notebook)
    return slide


def fill(text, notebook, slide, before):
    """The text with what it quotes in place."""

    def vote(*names):
        slide.names = list(names)
        for name in names:
            notebook.outcome(name)  # which is a Fault where there is no such prediction
        return ""

    def warm_up(number):
        slide.names = [f"warm-up {number}"]
        return f"## {notebook.warm_up(number)[0]}"

    def answer():
        if before is None or not before.names:
            raise Fault("answer() stands on the slide after its vote")
        letter, option = before.right
        kind, _, number = before.names[0].partition(" ")
        if kind == "warm-up":
            question, answer = notebook.warm_up(number)
            return f"{question}\n\n> **{letter}** {answer}"
        return f"> **{letter}** {option}"

    def noted(function):
        def call(*args, **options):
            slide.used.append(function.__name__)
            return function(*args, **options)

        return call

    quotes = [getattr(notebook, name) for name in
              ("opening", "summary", "figure", "equation", "code", "printed", "table")]  # fmt: skip
    functions = {f.__name__: noted(f) for f in (*quotes, vote, warm_up, answer)}
    template = jinja2.Template(text, undefined=jinja2.StrictUndefined)
    return template.render(functions)


def check_options(slide):
    if not 3 <= len(slide.options) <= 5:
        raise Fault("a vote has three to five options")
    if [right for right, *_ in slide.options].count(True) != 1:
        raise Fault("one option of a vote is right: `- [x]`")
    for right, option, reason in slide.options:
        if right == bool(reason):
            raise Fault(f"only a wrong option has a reason below it, indented: {option}")


def about_options(slide, notebook):
    """What the presenter knows: which one is right, and what each other one reveals."""
    lines = [f"**{slide.right[0]} is right.**"]
    for letter, (right, _, reason) in zip("ABCDE", slide.options, strict=False):
        if not right:
            lines.append(f"**{letter}:** {reason}")
    for name in slide.names:
        if not name.startswith("warm-up") and (outcome := notebook.outcome(name)):
            lines.append(f"In the notebook, `{name}` is {outcome}.")
    return "\n\n".join(lines)


# ---- from slides to pages


def write(decks, into):
    """All decks beside the folder, then in its place."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(WEB))
    environment.filters["html"] = as_html
    page = environment.get_template("deck.html")
    with placed(into, "deck.css") as new:
        (new / "figures").mkdir(parents=True)
        for source in [*(PACKAGES / "node_modules" / name for name in FROM_NPM), WEB / "deck.css"]:
            shutil.copy(source, new)
        for name, (slides, notebook) in decks.items():
            (new / f"{name}.html").write_text(
                page.render(slides=slides, title=title(name, slides)), encoding="utf-8"
            )
            for picture, data in notebook.pictures.items():
                (new / "figures" / picture).write_bytes(data)


def title(name, slides):
    if not (found := re.search(r"^# (.*)", slides[0].text, re.M)):
        raise Fault(f"{name}.md, slide 1: no title, a line that begins with `# `")
    return found[1]


def as_html(markdown):
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(markdown)


def install(folder):
    """reveal.js and MathJax, as package-lock.json pins them; nothing if they are there."""
    wanted = (WEB / "package-lock.json").read_bytes()
    done = folder / "installed"
    if done.exists() and done.read_bytes() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Fault("npm is missing, which brings reveal.js and MathJax: install Node.js")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WEB / name, folder)
    command = [
        npm, "ci", "--prefer-offline", "--fetch-retries=1", "--ignore-scripts", "--no-audit",
        "--no-fund", "--fetch-timeout=60000",
    ]  # fmt: skip
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace"
    )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines()
        why = next((line for line in lines if "reason: " in line), lines[0] if lines else "")
        raise Fault(f"npm could not bring reveal.js and MathJax, which it does once: {why}")
    done.write_bytes(wanted)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    except Fault as fault:
        sys.exit(str(fault))
    except OSError as error:
        sys.exit(f"{error}\nIf you may not write there, say where: --into FOLDER.")
