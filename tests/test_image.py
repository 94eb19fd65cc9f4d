"""The Dockerfile holds to what the project says, and to what Binder and a hub ask of an image."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}  # of Debian's releases


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def instructions():
    """(instruction, what follows) in order."""
    joined = re.sub(r"\\\n", "", read("Dockerfile"))
    return re.findall(r"^([A-Z]+) +(.+)$", joined, re.MULTILINE)


def arguments(instructions, name):
    return [rest for instruction, rest in instructions if instruction == name]


def test_its_python_is_one_that_labutils_works_with(instructions):
    (release,) = re.findall(r"debian:(\w+)-slim", " ".join(arguments(instructions, "FROM")))
    supported = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"]
    assert SpecifierSet(supported).contains(PYTHON[release])


def test_what_it_copies_exists_and_is_not_ignored(instructions):
    copied = {
        word
        for rest in arguments(instructions, "COPY")
        if "--from=" not in rest
        for word in rest.split()[:-1]
    }
    assert {"labutils", "requirements.txt"} <= copied
    assert not [name for name in copied if not (ROOT / name).exists()]
    kept = set(re.findall(r"^!(.+)$", read(".dockerignore"), re.MULTILINE))
    assert kept == {name.split("/")[0] for name in copied}


def test_it_ends_as_a_user_of_the_number_that_binder_gives(instructions):
    assert instructions[-1][0] == "CMD"
    assert "ENTRYPOINT" not in dict(instructions)
    assert arguments(instructions, "USER")[-1] == "$NB_UID"
    assert {"NB_USER=jovyan", "NB_UID=1000"} <= set(arguments(instructions, "ARG"))


def test_what_starts_it_is_installed_and_pinned(instructions):
    installed = [*" ".join(arguments(instructions, "RUN")).split(), "jupyterlab"]
    pinned = {Requirement(line).name for line in read("constraints.txt").splitlines()[1:]}
    assert {"jupyterhub", "jupyterlab", "nbgitpuller", "notebook"} <= {*installed} & pinned


def test_another_hub_trains_nothing_anew(instructions):
    """Changing an argument builds anew what stands below it."""
    stage = instructions[max(i for i, (word, _) in enumerate(instructions) if word == "FROM") :]
    (training,) = [i for i, (_, rest) in enumerate(stage) if "tools/runs.py /opt/runs" in rest]
    (hub,) = [i for i, (word, rest) in enumerate(stage) if (word, rest[:4]) == ("ARG", "HUB=")]
    assert training < hub
    assert [rest for _, rest in stage[hub:] if rest.startswith('uv pip install "$HUB"')]
