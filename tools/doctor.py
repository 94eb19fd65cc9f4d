"""Say what this computer has of what the course needs: where there is trouble, with its fix.

    python tools/doctor.py

Runs wherever Python does: beside the standard library, nothing has to be installed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

TOOLS = Path(__file__).resolve().parent  # to ask from: in the folder above, labutils is found
ROOT = TOOLS.parent
if (ROOT / ".venv").is_dir() and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
    INSTALL = f"use the course's own Python, {ROOT / '.venv'}: `make lab`, or activate it (README)"
elif sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir():
    INSTALL = f'"{sys.executable}" -m pip install -r "{ROOT / "requirements.txt"}"'
else:  # the system's Python, where pip may refuse to install
    INSTALL = "set the course up: `make lab`, or without make what README says under Start"
FOUND = reversed(list(distributions()))  # the first one is imported
INSTALLED = {each.metadata["Name"]: each.version.split("+")[0] for each in FOUND}
MIB, DISK_MIB = 2048, 500  # what a system with a notebook needs; what data and runs need
KERNEL = "from jupyter_client import kernelspec as k; answer = k.get_kernel_spec('python3').argv[0]"
FOLDERS = """from labutils import runtime as here
answer = [here.__file__, str(here.cache_folder()), str(here.runs_folders()[0])]"""


def main():
    found, problem = ask(FOLDERS)
    path, cache, runs = found or (None, None, None)
    lines = [python(), kernel(), packages(), torch(found), cores(), memory()]
    lines += [labutils(path, problem), mnist(cache), writable("notebooks", ROOT / "student")]
    if found:
        lines += [writable("data", Path(cache)), writable("runs", Path(runs))]
    for name, state, fix in lines:
        print(f"{'!!' if fix else 'ok'} {name:<10} {state}" + (f"\n   fix: {fix}" if fix else ""))
    troubles = sum(fix is not None for _, _, fix in lines)
    print(f"\n{troubles} in trouble." if troubles else "\nAll is well.")
    sys.exit(troubles > 0)


def python():
    state = f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"
    fix = None if sys.version_info >= (3, 11) else "set the course up with Python 3.11 or newer"
    return "Python", state, fix


def kernel():
    """Whether notebooks run in this Python: what users most often have wrong."""
    program, problem = ask(KERNEL)
    if problem:
        return "kernel", problem, INSTALL
    if program == "python" or Path(program).parent == Path(sys.executable).parent:
        return "kernel", "this Python", None
    fix = f'remove that kernel: "{sys.executable}" -m jupyter kernelspec remove python3'
    return "kernel", f"another Python, {program}", fix


def packages():
    """Those of requirements.txt. Other versions may work: they are named, and are no trouble."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("#")[0].partition(";") for line in lines if "==" in line]
    pins = dict(pin.strip().split("==") for pin, _, _ in pinned)
    everywhere = {pin.split("==")[0] for pin, _, system in pinned if not system}
    if missing := everywhere - INSTALLED.keys():
        return "packages", f"missing: {', '.join(sorted(missing))}", INSTALL
    found = pins.keys() & INSTALLED.keys()
    other = [f"{name} {INSTALLED[name]}" for name in sorted(found) if INSTALLED[name] != pins[name]]
    state = f"others than were tested: {', '.join(other)}" if other else "as in requirements.txt"
    if absent := pins.keys() - found:  # not for every system: the course goes on without them
        state += f", without {', '.join(sorted(absent))}"
    return "packages", state, None


def torch(labutils_loads):
    """Whether it loads, with its torchvision: 0.28 goes with 2.13, 0.29 with 2.14."""
    ours, vision = (INSTALLED.get(name, "missing") for name in ("torch", "torchvision"))
    state = f"{ours}, torchvision {vision}"
    if "missing" in (ours, vision):
        return "torch", state, INSTALL
    if int(vision.split(".")[1]) != int(ours.split(".")[1]) + 15:
        return "torch", f"{state}: these two do not go together", INSTALL
    problem = None if labutils_loads else ask("import torch; answer = 1")[1]
    return "torch", f"{state}: {problem}" if problem else state, INSTALL if problem else None


def cores():
    machine = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    limit, period = cgroup("cpu.max")
    quota = usable if limit == "max" else min(usable, int(limit) / int(period))
    fix = "none but patience: the course is made for two cores" if quota < 2 else None
    return "cores", f"{quota:g} of {machine} may be used", fix


def memory():
    limits = [cgroup("memory.max")[0]]
    if hasattr(os, "sysconf"):  # not on Windows
        limits.append(str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    mib = min((int(limit) // 2**20 for limit in limits if limit.isdigit()), default=None)
    fix = "shut down kernels that you do not use: each takes up to 1 GiB"
    return "memory", f"{mib:,} MiB" if mib else "unknown", fix if mib and mib < MIB else None


def cgroup(name):
    path = Path("/sys/fs/cgroup", name)
    return path.read_text(encoding="utf-8").split() if path.exists() else ["max", "1"]


def labutils(path, problem):
    folder = path and Path(path).resolve().parent
    return "labutils", problem or folder, None if folder == ROOT / "labutils" else INSTALL


def mnist(cache):
    """Whether the four files are there; labutils looks at their contents."""
    files = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    named = os.environ.get("LABUTILS_DATA", "").strip("\"' ")
    folders = [Path(folder).expanduser() for folder in (named, cache) if folder]
    for folder in folders:
        if all(any(folder.glob(f"{name}[-.]idx?-ubyte*")) for name in files):
            return "MNIST", str(folder), None
    fix = None if not named or folders[0].is_dir() else "LABUTILS_DATA names no folder: unset it"
    return "MNIST", "not here: the first notebook downloads it, or goes on with fewer digits", fix


def writable(name, folder):
    """Whether files can be written there, the folder being made if need be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    set_it = {"data": "set LABUTILS_DATA to", "runs": "set LABUTILS_RUNS to"}
    fix = f"{set_it.get(name, 'move the course to')} a folder that you may write to"
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free // 2**20
    except OSError as error:
        return name, f"{folder}: {error.strerror}", fix
    return name, f"{folder}: {free:,} MiB free", None if free > DISK_MIB else "make room there"


def ask(code):
    """The `answer` that the code finds in a Python that starts anew, or what went wrong there."""
    words = [sys.executable, "-c", f"{code}\nimport json; print(json.dumps(answer))"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=TOOLS)
        return json.loads(done.stdout.splitlines()[-1]), None
    except subprocess.TimeoutExpired:
        return None, "no answer within two minutes"
    except (IndexError, json.JSONDecodeError):
        return None, (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]


if __name__ == "__main__":
    main()
