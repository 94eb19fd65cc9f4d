"""The house is in order: what the project's files say of each other holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"torch": "pytorch"}
IMPORT_ALLOWANCE = 0.3  # seconds
SLOW_TO_IMPORT = {"ipywidgets", "matplotlib", "sklearn", "torchvision"}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirement_lines():
    lines = (line.split("#")[0].strip() for line in read("requirements.txt").splitlines())
    return [line for line in lines if line]


def pins(lines):
    """Package name to version."""
    return {r.name: str(r.specifier) for r in map(Requirement, lines)}


def pip_pins():
    return pins(line for line in requirement_lines() if not line.startswith("-"))


def test_requirements_are_pinned_and_end_with_labutils_itself():
    assert all(re.fullmatch(r"==[\d.]+", version) for version in pip_pins().values())
    assert requirement_lines()[-1] == "-e ."


def test_conda_and_pip_install_the_same():
    *packages, pip = yaml.safe_load(read("environment.yml"))["dependencies"]
    conda = pins(line for line in packages if not re.match(r"(python|pip)\b", line))
    assert conda == {CONDA_NAMES.get(name, name): pin for name, pin in pip_pins().items()}
    assert pip == {"pip": ["-e ."]}


def test_the_pins_satisfy_what_labutils_depends_on():
    versions = {name: pin.removeprefix("==") for name, pin in pip_pins().items()}
    for line in tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]:
        dependency = Requirement(line)
        assert dependency.name in versions
        assert dependency.specifier.contains(versions[dependency.name])


def test_the_readme_names_verbs_that_exist():
    code = re.findall(r"```.*?```|`[^`\n]+`", read("README.md"), re.DOTALL)
    named = set(re.findall(r"\bmake ([a-z]+)", "\n".join(code)))
    verbs = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert named, "README.md names no verb of make"
    assert named <= verbs


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


def test_importing_labutils_takes_little_more_than_importing_torch():
    code = (
        "import time, torch; start = time.perf_counter(); import labutils; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(python(code)) for _ in range(3)) <= IMPORT_ALLOWANCE


def test_importing_labutils_imports_nothing_slow():
    imported = python("import labutils, sys; print(*sys.modules)").split()
    assert "labutils" in imported
    assert not SLOW_TO_IMPORT & set(imported)
