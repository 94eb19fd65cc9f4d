"""Say what this computer has of what the course needs: where there is trouble, with its fix.

    python tools/doctor.py

Runs wherever Python does: beside the standard library, nothing has to be installed.
"""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
HAS_OWN = VENV.is_dir() and Path(sys.prefix).resolve() != VENV.resolve()
INSTALL = (
    f"use the Python that was set up for the course: the one in {VENV}"
    if HAS_OWN
    else f'"{sys.executable}" -m pip install -r "{ROOT / "requirements.txt"}"'
)
MNIST = ("train-images", "train-labels", "t10k-images", "t10k-labels")
NEEDED_MIB, NEEDED_DISK_MIB = 2048, 500

# Asked of labutils in a process of its own, which may fail in any way.
FOLDERS = """
import json, labutils
from labutils import runtime
print(json.dumps([labutils.__file__, str(runtime.cache_folder()), str(runtime.runs_folders()[0])]))
"""


def main():
    labutils, problem = ask(FOLDERS)
    path, cache, runs = labutils or (None, None, None)
    lines = [check() for check in (python, kernel, packages, torch_pair, cores, memory)]
    lines += [whose_labutils(path, problem), mnist(cache)]
    for name, folder in (("notebooks", ROOT / "student"), ("data", cache), ("runs", runs)):
        lines += [writable(name, Path(folder))] if folder else []
    troubles = sum(say(*line) for line in lines)
    print(f"\n{troubles} in trouble." if troubles else "\nAll is well.")
    sys.exit(troubles > 0)


def say(name, found, fix=None):
    """Print a line, and another one if there is trouble; returns whether there is."""
    print(f"{'!!' if fix else 'ok'} {name:<10} {found}")
    if fix:
        print(f"   {'fix':>10} {fix}")
    return fix is not None


def python():
    found = f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"
    fix = "install Python 3.11 or newer, and set the course up with it"
    return "Python", found, fix if sys.version_info < (3, 11) else None


def kernel():
    """Which Python the notebooks' kernel is: what users most often have wrong."""
    found, problem = ask(
        "import json; from jupyter_client.kernelspec import KernelSpecManager as Manager\n"
        "print(json.dumps(Manager().get_kernel_spec('python3').argv[0]))"
    )
    if problem:
        return "kernel", problem, INSTALL
    if found == "python" or Path(found).resolve() == Path(sys.executable).resolve():
        return "kernel", "this Python"
    fix = f'remove that kernel: "{sys.executable}" -m jupyter kernelspec remove python3'
    return "kernel", f"another Python: {found}", fix


def packages():
    """Are the versions those of requirements.txt?"""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("#")[0].strip().split("==") for line in lines if "==" in line]
    have = {name: version_of(name) for name, _ in pins}
    missing = [name for name, _ in pins if not have[name]]
    if missing:
        return "packages", f"missing: {', '.join(missing)}", INSTALL
    other = [f"{name} {have[name]}" for name, pin in pins if have[name].split("+")[0] != pin]
    if other:
        return "packages", f"not the tested version: {', '.join(other)} (that may work)"
    return "packages", "as in requirements.txt"


def torch_pair():
    """torchvision's minor version is torch's plus 15; else its operators cannot be loaded."""
    torch, vision = version_of("torch"), version_of("torchvision")
    found = f"{torch or 'missing'}, torchvision {vision or 'missing'}"
    if not torch or not vision:
        return "torch", found, INSTALL
    if int(vision.split(".")[1]) != int(torch.split(".")[1]) + 15:
        return "torch", f"{found}: these two do not go together", INSTALL
    _, problem = ask("import torch, json; print(json.dumps(torch.zeros(1).item()))")
    if problem:
        return "torch", f"{found}: {problem}", f"{INSTALL} --force-reinstall"
    return "torch", found


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def cores():
    machine = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    limit, period = (first_line("/sys/fs/cgroup/cpu.max") or "max 1").split()
    quota = usable if limit == "max" else min(usable, int(limit) / int(period))
    fix = "be patient: the course is made for two cores" if quota < 2 else None
    return "cores", f"{quota:g} of {machine} may be used", fix


def memory():
    """MiB that may be used, where the system tells without a package."""
    limits = [first_line("/sys/fs/cgroup/memory.max")]
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        limits.append(str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    known = [int(limit) // 2**20 for limit in limits if limit and limit != "max"]
    if not known:
        return "memory", "unknown"
    fix = "close other programs and kernels: a notebook takes up to 1.2 GiB"
    return "memory", f"{min(known):,} MiB", fix if min(known) < NEEDED_MIB else None


def first_line(path):
    try:
        return Path(path).read_text(encoding="utf-8").strip().partition("\n")[0]
    except OSError:
        return None


def whose_labutils(path, problem):
    if problem:
        return "labutils", problem, INSTALL
    folder = Path(path).resolve().parent
    return "labutils", str(folder), None if folder == ROOT / "labutils" else INSTALL


def mnist(cache):
    """Are the four files there? labutils checks their contents."""
    named = os.environ.get("LABUTILS_DATA", "").strip("\"' ")
    folders = [Path(folder).expanduser() for folder in (named, cache) if folder]
    for folder in folders:
        if all(any(folder.glob(f"{name}[-.]idx?-ubyte*")) for name in MNIST):
            return "MNIST", str(folder)
    if named and not folders[0].is_dir():
        fix = "set it to a folder with MNIST's four .gz files, or unset it"
        return "MNIST", f"LABUTILS_DATA is {named}, which is no folder", fix
    return "MNIST", "not here yet: the first notebook downloads it, or goes on without it"


def writable(name, folder):
    """May we write there, or make it?"""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    variable = {"data": "LABUTILS_DATA", "runs": "LABUTILS_RUNS"}.get(name)
    fix = f"set {variable} to" if variable else "move the course to"
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free // 2**20
    except OSError as error:
        return name, f"{folder}: {error.strerror}", f"{fix} a folder that you may write to"
    return name, f"{folder}: {free:,} MiB free", None if free > NEEDED_DISK_MIB else "make room"


def ask(code):
    """What the code prints, as JSON, in a Python that starts anew; or else what went wrong."""
    command = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout), None
    except subprocess.TimeoutExpired:
        return None, "no answer within two minutes"
    except json.JSONDecodeError:
        return None, (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]


if __name__ == "__main__":
    main()
