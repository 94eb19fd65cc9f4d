"""The site: whole, the same each time, with anchors, links and alt text; its glossary holds."""

import filecmp
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path

import nbformat
import pytest
from equations.reading import NOTEBOOKS, ROOT, functions_source

pytest.importorskip("myst_nb", reason="the site needs requirements-tools.txt")
import website

import yaml
from bs4 import BeautifulSoup

ENTRIES = yaml.safe_load((website.PAGES / "glossary.yml").read_text(encoding="utf-8"))
TEXTS = {path.name[:2]: path.read_text(encoding="utf-8") for path in NOTEBOOKS}
NO_TOKENS = {r"\,", r"\;", r"\!", r"\ ", r"\big", r"\Big", r"\left", r"\right"}


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in site.glob("*.html")
    }


# ---- the pages


def test_every_equation_has_its_anchor_on_the_page_of_its_notebook(pages):
    for path in NOTEBOOKS:
        numbers = re.findall(r"\\tag\{(.+?)\}", path.read_text(encoding="utf-8"))
        found = [each["id"] for each in pages[f"{path.stem}.html"].select("div.math[id]")]
        assert found == [f"eq-{number}" for number in numbers]


def test_every_link_within_the_site_leads_somewhere(pages, site):
    for name, page in pages.items():
        for link in page.select("a[href]"):
            file, _, anchor = link["href"].partition("#")
            if "?" not in file and "://" not in file:
                assert not file or (site / file).exists(), (name, link)
                target = pages.get(file or name)
                assert not anchor or target.find(id=anchor), (name, link)


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("by Eq. 3.5 and", ["Eq. 3.5"]),
        ("equation 1.2 of it", ["equation 1.2"]),
        ("of 1.7, and (1.9)", ["1.7", "1.9"]),
        ("the KL of 3.5 < 1", ["3.5"]),
        ("Exercise 3.5, exercise\n3.6", []),
        ("up to 1.2 GiB, 1.8 times, 3.7 nats, 3.1 %, 3.12.1", []),
        ("10 = 2.3, and a rate 1.5", []),
        ("Eq. 9.9", []),
    ],
)
def test_an_equation_is_linked_where_its_number_means_it(text, linked):
    page = BeautifulSoup("<article><p></p></article>", "html.parser")
    page.p.string = text
    targets = {f"{a}.{b}": f"x.html#eq-{a}.{b}" for a in range(1, 7) for b in range(1, 15)}
    website.refer(page, "03_gaussian_vae.html", targets)
    assert [each.text for each in page.select("a")] == linked
    assert page.p.text == text


def test_docstrings_link_equations_that_they_name(pages):
    docstring = pages["03_gaussian_vae.html"].select_one('pre a[href$="#eq-3.7"]')
    assert docstring.text == "Eq. 3.7"


def test_every_figure_has_the_alt_text_that_is_stored(pages):
    for path in NOTEBOOKS:
        outputs = [
            output
            for cell in nbformat.read(path.with_suffix(".ipynb"), as_version=4).cells
            for output in cell.get("outputs", [])
        ]
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        stored = [output.metadata["image/png"]["alt"] for output in pictures]
        shown = [
            each["alt"]
            for each in pages[f"{path.stem}.html"].select(".cell_output img")
            if not each.find_parent("figure", "sprite")
        ]
        assert stored == shown
    assert not any("No description" in str(page) for page in pages.values())


def test_every_widget_is_there_in_a_form_that_needs_no_kernel(pages):
    for path in NOTEBOOKS:
        page = pages[f"{path.stem}.html"]
        calls = path.read_text(encoding="utf-8").count("\nlab.widgets.")
        assert len(page.select(".cell_output figure.sprite")) == calls


def test_solutions_and_claims_are_folded_and_stubs_are_not(pages):
    for page in pages.values():
        for marked in page.select("pre"):
            folded = marked.find_parent("details")
            assert folded or not re.search(r"^assert ", marked.text, re.MULTILINE)
            assert "### BEGIN SOLUTION" not in marked.text
        assert not page.select("details[open]")
    vae = pages["03_gaussian_vae.html"]
    (solution,) = [e for e in vae.select("pre") if "kl_of_each(mean, log_var).sum(-1)" in e.text]
    assert solution.find_parent("details").summary.text.split()[0] == "Solution"
    (stub,) = [e for e in vae.select("pre") if 'NotImplementedError("Write Eq. 3.7.")' in e.text]
    assert not stub.find_parent("details")


def test_predictions_are_not_given_away(pages):
    for page in pages.values():
        assert "no prediction" not in page.text
    told = pages["03_gaussian_vae.html"].find(string=re.compile("gap_of_a_wide_q: 0.8"))
    assert told.find_parent("details").summary.text.split()[0] == "Outcome"
    why = pages["05_ae_gmm.html"].find("p", string=re.compile("^Where the density is low"))
    assert why.find_parent("details").summary.text == "Explanation"


def test_no_page_names_a_file_on_the_network(pages, site):
    for page in pages.values():
        for each in page.select("script[src], link[href], img[src], iframe[src]"):
            address = each.get("src") or each["href"]
            assert not re.match(r"(https?:)?//", address), each
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", path.read_text("utf-8")), path


def test_the_page_of_costs_has_what_the_last_run_kept(pages):
    kept = json.loads(website.COSTS.read_text(encoding="utf-8"))["notebooks"]
    rows = [[cell.text for cell in row.select("td")] for row in pages["costs.html"].select("tr")]
    expected = [[name[:2], str(c["seconds"]), f"{c['MiB']:,}"] for name, c in kept.items()]
    assert rows[1:-1] == expected
    assert list(kept) == [path.stem for path in NOTEBOOKS]


def test_memory_that_nobody_could_measure_is_called_unknown(tmp_path, monkeypatch):
    costs = json.loads(website.COSTS.read_text(encoding="utf-8"))
    costs["notebooks"]["02_mlp_classifier"]["MiB"] = None
    (tmp_path / "costs.json").write_text(json.dumps(costs), encoding="utf-8")
    monkeypatch.setattr(website, "COSTS", tmp_path / "costs.json")
    monkeypatch.setattr(website, "folded", lambda *_: nbformat.v4.new_notebook())
    website.prepare(tmp_path / "source")
    page = (tmp_path / "source" / "costs.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\d\d)\].* \| unknown \|$", page, re.MULTILINE) == ["02"]


# ---- the build


def test_building_twice_gives_the_same(site, tmp_path):
    shutil.copytree(site, tmp_path / "again")
    (tmp_path / "again" / "old").touch()
    website.main(["--into", str(tmp_path / "again")])
    assert not (tmp_path / "again" / "old").exists()
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file()]
    assert len(files) > 50
    _, differ, missing = filecmp.cmpfiles(site, tmp_path / "again", files, shallow=False)
    assert not differ and not missing


@pytest.mark.parametrize("failure", [1, KeyboardInterrupt, OSError("No space left on device")])
def test_a_build_that_fails_leaves_the_good_site_and_nothing_else(failure, tmp_path, monkeypatch):
    def build(words):
        Path(words[-1]).mkdir()
        if failure == 1:
            return 1
        raise failure

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("good", encoding="utf-8")
    monkeypatch.setattr(website, "build_main", build)
    with pytest.raises((SystemExit, KeyboardInterrupt, OSError)):
        website.main(["--into", str(tmp_path / "site")])
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def complaint(*command):
    ran = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1
    return ran.stderr


def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path):
    (tmp_path / "file").touch()
    said = complaint("tools/website.py", "--into", str(tmp_path / "file" / "site"))
    assert "Traceback" not in said and "say where: --into FOLDER" in said


@pytest.mark.parametrize("name", ["sphinx", "sphinx-mathjax-offline"])
def test_without_the_tools_a_sentence_says_what_to_install(name):
    code = f"import sys; sys.modules[{name!r}] = None; sys.path[:0] = ['tools']; import website"
    said = complaint("-c", code)
    assert "Traceback" not in said and "pip install -r requirements-tools.txt" in said


# ---- the glossary

SYMBOLS = [entry for entry in ENTRIES if "symbol" in entry]
TERMS = [entry for entry in ENTRIES if "symbol" not in entry]
named = {"ids": lambda entry: entry["name"]}


def test_entries_are_sorted_and_each_is_one_sentence():
    names = [entry["name"].lower().replace("é", "e") for entry in ENTRIES]
    assert names == sorted(set(names)) and len(names) >= 40
    for entry in ENTRIES:
        assert re.fullmatch(r"[^.]*(\.[^.\s][^.]*)*\.", entry["says"]), entry["says"]
        assert entry.keys() <= {"name", "symbol", "code", "where", "shape", "unit", "first",
                                "notebook", "find", "says"}  # fmt: skip


def source_and_docstring(where):
    """Of a part of labutils ("objectives.elbo"), or of a notebook ("03: reparameterise")."""
    if not where[0].isdigit():
        module, *names = where.split(".")
        found = reduce(getattr, names, importlib.import_module(f"labutils.{module}"))
        return inspect.getsource(found), inspect.getdoc(found)
    number, _, name = where.partition(": ")
    return functions_source(TEXTS[number], name) if name else (TEXTS[number], "")


@pytest.mark.parametrize("entry", SYMBOLS, **named)
def test_a_symbol_has_its_name_in_the_code_and_its_shape_in_a_docstring(entry):
    name = entry["code"]
    if name.startswith("lab."):
        reduce(getattr, name.split(".")[1:], importlib.import_module("labutils"))
        name = name.split(".")[-1]
    source, docstring = source_and_docstring(entry["where"])
    assert re.search(rf"\b{name}\b", source)
    shape = entry.get("shape", "")
    if shape != "a number":
        assert " ".join(shape.split()) in " ".join(docstring.split())


def tokens(tex):
    """Commands and characters, without spacing and sizes, each between blanks."""
    found = re.findall(r"\\[a-zA-Z]+|\\.|\S", tex)
    return f" {' '.join(t for t in found if t not in NO_TOKENS)} "


def equations():
    """The displayed equations by their numbers, in order."""
    for text in TEXTS.values():
        for equation in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL):
            (number,) = re.findall(r"\\tag\{(.+?)\}", equation)
            yield number, tokens(equation.replace("\n#", "\n").partition(r"\tag")[0])


@pytest.mark.parametrize("entry", SYMBOLS, **named)
def test_a_symbols_first_equation_is_the_first_that_shows_it(entry):
    wanted = tokens(entry.get("find", entry["symbol"]))
    assert next(n for n, equation in equations() if wanted in equation) == entry["first"]


@pytest.mark.parametrize("entry", TERMS, **named)
def test_a_term_stands_first_in_the_notebook_that_introduces_it(entry):
    wanted = entry.get("find", entry["name"])
    wanted = re.compile(wanted.replace(" ", r"\s+(?:#\s+)?"), re.IGNORECASE)
    prose = {
        number: "\n".join(line for line in text.splitlines() if line.startswith("# "))
        for number, text in TEXTS.items()
    }
    found = [number for number, text in prose.items() if wanted.search(text)]
    assert found[0] == entry["notebook"]
