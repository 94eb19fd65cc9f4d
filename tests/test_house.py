"""The house is in order: what the project's files say of each other holds."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-tools.txt")
SLOW_TO_IMPORT = {"ipywidgets", "matplotlib", "sklearn", "torchvision"}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def lines(name):
    stripped = (line.split("#")[0].strip() for line in read(name).splitlines())
    return [line for line in stripped if line]


def requirements(name):
    return [Requirement(line) for line in lines(name) if not line.startswith("-")]


def pins(name):
    """Package name to version."""
    return {r.name: str(r.specifier).removeprefix("==") for r in requirements(name)}


def project():
    return tomllib.loads(read("pyproject.toml"))["project"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_under_the_constraints(name):
    assert all(re.fullmatch(r"[\d.]+", version) for version in pins(name).values())
    assert lines(name)[0] == "-c constraints.txt"


def test_the_requirements_end_with_labutils_itself():
    assert lines("requirements.txt")[-1] == "-e ."


def test_conda_installs_the_same():
    packages = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert packages == ["python=3.12", "pip", {"pip": ["-r requirements.txt"]}]


def constraints(python, system):
    """Package name to version, as pip reads the file there."""
    os_name = "nt" if system == "win32" else "posix"
    there = {"python_full_version": python, "sys_platform": system, "os_name": os_name}
    return {
        r.name: str(r.specifier).removeprefix("==")
        for r in requirements("constraints.txt")
        if r.marker is None or r.marker.evaluate(there)
    }


PYTHONS = ("3.11.7", "3.12.1", "3.14.0")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_satisfy_what_labutils_depends_on(python):
    versions = constraints(python, "linux")
    for dependency in map(Requirement, project()["dependencies"]):
        assert dependency.name in versions
        assert dependency.specifier.contains(versions[dependency.name])


def test_labutils_depends_on_what_it_imports():
    """Or on what brings it along, whatever its version."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "labutils").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:from|import) (\w+)", source, re.MULTILINE))
    imported -= {*sys.stdlib_module_names, "labutils"}
    brought = {"IPython": "ipywidgets", "PIL": "matplotlib", "numpy": "scikit-learn",
               "joblib": "scikit-learn", "threadpoolctl": "scikit-learn",
               "traitlets": "ipywidgets"}  # fmt: skip
    needed = {brought.get(name, name).replace("sklearn", "scikit-learn") for name in imported}
    assert needed == {Requirement(each).name for each in project()["dependencies"]}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_constraints_hold_the_requirements(name, system, python):
    assert pins(name).items() <= constraints(python, system).items(), "run `make pins`"


def test_the_constraints_hold_what_the_requirements_pull_in():
    pinned = constraints("3.11.7", "linux")
    assert {"numpy", "scipy", "joblib", "ipython", "nbconvert"} <= pinned.keys()


def test_the_constraints_name_packages_only():
    for line in read("constraints.txt").splitlines():
        assert line.startswith("#") or Requirement(line).url is None


def test_every_place_names_the_same_oldest_python():
    oldest = project()["requires-python"].removeprefix(">=")
    assert f"Python {oldest} or newer" in read("README.md")
    assert f"Python {oldest} or newer" in read("tools/venv.mk")
    for name in ("tools/venv.mk", "tools/doctor.py"):
        assert f"({oldest.replace('.', ', ')})" in read(name)
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert f'"{oldest}"' in path.read_text(encoding="utf-8"), path.name


def test_colab_installs_labutils_from_the_branch_that_it_opens():
    readme = read("README.md")
    (released,) = re.findall(r"editions\.py --branch (\w+)`", readme)
    ((opened, notebook),) = re.findall(r"colab\S+/blob/(\w+)/(\w+\.ipynb)", readme)
    (installed,) = re.findall(r"%pip install .*--no-deps \S+/archive/(\w+)\.zip", readme)
    assert released == opened == installed
    assert (ROOT / "notebooks" / notebook).exists()


def targets():
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_texts_name_targets_that_exist(name):
    code = re.findall(r"```.*?```|`[^`\n]+`", read(name), re.DOTALL)
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(code)))
    assert named, f"{name} names no target of make"
    assert named <= targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "LICENSE-text.md"])
def test_links_between_files_lead_somewhere(name):
    folder = (ROOT / name).parent
    links = re.findall(r"\]\(([^)#:]+)\)", read(name))
    assert links
    assert not [link for link in links if not (folder / link).exists()]


def test_the_first_two_screens_of_the_readme_lead_to_no_solution():
    screens = "\n".join(read("README.md").splitlines()[:80])
    assert "python tools/editions.py --open" in screens
    assert not re.search(
        r"notebooks/|jupyter lab|\(notebooks", screens.partition("## Contributing")[0]
    )


def test_contributing_has_a_sentence_for_each_module():
    modules = {path.stem for path in (ROOT / "labutils").glob("[!_]*.py")}
    modules |= {path.stem for path in (ROOT / "tools").glob("*.py")} - {"limits"}
    assert not [name for name in modules if f"`{name}`" not in read("CONTRIBUTING.md")]


def test_all_targets_are_listed_and_phony():
    (phony,) = re.findall(r"^\.PHONY: (help .*)", read("Makefile"), re.MULTILINE)
    assert set(phony.split()) == targets()
    assert set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE)) == targets()


def test_pytest_waits_longer_than_nbval():
    (nbval,) = re.findall(r"--nbval-cell-timeout=(\d+)", read("Makefile"))
    assert f"--nbval-cell-timeout={nbval}" in read("CONTRIBUTING.md")
    options = tomllib.loads(read("pyproject.toml"))["tool"]["pytest"]["ini_options"]
    assert options["timeout"] > int(nbval)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only git knows which files are ours")
def test_no_file_holds_a_path_of_somebodys_machine():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    private = re.compile(rb"(?<![\w+.~-])/(home|Users|root|work)/\w|\b[A-Z]:[\\/]+Users[\\/]")
    files = [path for name in names.splitlines() if (path := ROOT / name).is_file()]
    assert ROOT / "Makefile" in files
    assert not [path.name for path in files if private.search(path.read_bytes())]


def python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_importing_labutils_imports_nothing_slow():
    imported = python("import labutils, sys; print(*sys.modules)").split()
    assert "labutils" in imported
    assert not SLOW_TO_IMPORT & set(imported)
