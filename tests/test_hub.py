"""The files for the engines that serve a class agree with each other and with the guide."""

import labutils.recipes as recipes
import limits
import runs

import ast
import json
import math
import re
import warnings
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEPLOY, GUIDE = ROOT / "deploy", ROOT / "docs" / "hub.md"
KERNEL, SERVER = (
    limits.MIB,
    150,
)  # MiB at most, of a kernel and of the server beside it
GIB = 2**30


def read(path):
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def spawner():
    """As JupyterHub makes it from the configuration for one machine."""
    jupyterhub = pytest.importorskip("jupyterhub.app", reason="JupyterHub is not installed")
    from jupyterhub.spawner import LocalProcessSpawner

    app = jupyterhub.JupyterHub(config_file=str(DEPLOY / "tljh" / "course.py"))
    app.load_config_file(app.config_file)
    return LocalProcessSpawner(config=app.config)


@pytest.fixture(scope="module")
def singleuser():
    return yaml.safe_load(read(DEPLOY / "kubernetes" / "values.yaml"))["singleuser"]


def test_data_and_runs_are_where_the_image_has_them(singleuser):
    image = read(ROOT / "Dockerfile")
    for name in ("LABUTILS_DATA", "LABUTILS_RUNS"):
        assert f"{name}={singleuser['extraEnv'][name]}" in image


def gib(text):
    assert text.endswith("G"), "powers of 1,024, for JupyterHub"
    return float(text[:-1])


def test_jupyterhub_takes_the_configuration_for_one_machine(spawner):
    assert spawner.mem_limit == 2 * GIB
    assert spawner.environment["OMP_NUM_THREADS"] == str(int(spawner.cpu_limit))
    assert spawner.environment["LABUTILS_RUNS"].split(":")[0].startswith("~/")


def test_both_engines_give_a_student_the_same(spawner, singleuser):
    assert gib(singleuser["memory"]["limit"]) * GIB == spawner.mem_limit
    assert singleuser["cpu"]["limit"] == spawner.cpu_limit
    assert singleuser["extraEnv"].keys() == spawner.environment.keys()
    assert singleuser["extraEnv"]["OMP_NUM_THREADS"] == spawner.environment["OMP_NUM_THREADS"]
    assert singleuser["cmd"][1:] == spawner.args
    assert singleuser["startTimeout"] == spawner.start_timeout


def test_a_kernel_of_the_course_has_room(singleuser):
    """The limit of MiB that `make run` holds the notebooks to, and the server beside the kernel."""
    memory = {key: 1024 * gib(text) for key, text in singleuser["memory"].items()}
    assert limits.MIB + SERVER < memory["guarantee"] < memory["limit"]


def test_what_was_measured_is_no_more():
    measured = json.loads(read(ROOT / "benchmarks" / "hub.json"))["classes"]
    assert max(row["MiB"]["server"] for row in measured) <= SERVER
    assert max(row["MiB"]["kernel"] for row in measured) <= KERNEL
    assert not any(row["failures"] for row in measured)
    for row in measured:
        assert f"| {row['MiB']['all']:,} | {row['MiB']['server']}, " in read(GUIDE)


def table():
    rows = re.findall(r"^\| ([\d,]+) \|(.*)\|$", read(GUIDE), re.MULTILINE)
    cells = [
        [int(cell.replace(",", "")) for cell in [head, *rest.split("|")]] for head, rest in rows
    ]
    assert len(cells) == 4
    return cells


def test_the_guides_table_of_sizes_follows_its_formula(singleuser):
    (peak,) = map(float, re.findall(r"peak of a student, ([\d.]+) GiB", read(GUIDE)))
    assert 0 <= peak * 1024 - (KERNEL + SERVER) < 10
    guarantee = gib(singleuser["memory"]["guarantee"])
    for students, at_once, memory, nodes in table():
        assert at_once == 0.6 * students
        assert memory == math.ceil(at_once * peak * 1.3 + 0.125)
        assert nodes == math.ceil(at_once / min(110, 60 // guarantee))


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "kubernetes").glob("*.yaml")), ids=lambda p: p.name
)
def test_a_file_that_no_engine_has_loaded_says_so_in_its_first_line(path):
    assert re.fullmatch(
        r"# Checked against the schema of chart [\d.]+.*; not yet deployed\.",
        read(path).partition("\n")[0],
    )
    assert yaml.safe_load(read(path))


def calls_of_trained():
    """Each recipe's name and choices in the notebooks, as far as they are written out."""
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "trained":
                choices = {word.arg: word.value for word in node.keywords}
                if all(isinstance(value, ast.Constant) for value in choices.values()):
                    yield node.args[0].value, {name: v.value for name, v in choices.items()}


def test_make_runs_trains_all_that_the_notebooks_take_up():
    called = list(calls_of_trained())
    assert len(called) > 10
    assert not [call for call in called if call not in runs.RUNS]
    assert {name for name, _ in runs.RUNS} == {*recipes.RECIPES}
    for name, choices in runs.RUNS:
        recipes.RECIPES[name](**choices)  # or a choice is refused


def test_who_interrupts_it_is_told_once_what_to_type(monkeypatch, tmp_path):
    class History(list):
        epochs = 10

    def interrupted(*_, **__):
        warnings.warn("Training was interrupted: run the cell again.", stacklevel=2)
        return None, History()

    monkeypatch.setenv("LABUTILS_RUNS", "")  # and back afterwards
    monkeypatch.setattr(runs.lab, "load", lambda source: None)
    monkeypatch.setattr(runs.lab, "trained", interrupted)
    with (
        warnings.catch_warnings(record=True) as told,
        pytest.raises(SystemExit, match="Interrupted: the same command goes on from there"),
    ):
        runs.main([str(tmp_path)])
    assert not told
