"""Kernels share a machine: torch's threads spin briefly, and are few; memory is given back."""

import labutils as lab

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
NOWHERE = "http://127.0.0.1:9"  # nobody listens: no download
POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
linux = pytest.mark.skipif(sys.platform != "linux", reason="another OpenMP, which is untried")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A student's environment: no policy, an empty cache; and OpenMP says what it reads."""
    for name in POLICIES:
        monkeypatch.delenv(name, raising=False)
    more = {"OMP_DISPLAY_ENV": "verbose", "XDG_CACHE_HOME": str(tmp_path)}
    return {**os.environ, **more, "http_proxy": NOWHERE, "https_proxy": NOWHERE}


def spin_count(text):
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", text)


@linux
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_of_each_notebook_tells_openmp_to_wait_briefly(path, bare, tmp_path):
    first, *_ = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert first.source.splitlines()[0].startswith("import labutils as lab  # fails?")
    kernel = KernelManager(kernel_name="python3")
    with open(tmp_path / "stderr", "w+") as stderr:
        kernel.start_kernel(env=bare, cwd=str(path.parent), stderr=stderr)
        client = kernel.blocking_client()
        try:
            client.wait_for_ready(timeout=60)
            reply = client.execute_interactive(
                first.source, timeout=120, output_hook=lambda _: None
            )
        finally:
            client.stop_channels()
            kernel.shutdown_kernel(now=True)
        assert reply["content"]["status"] == "ok", reply["content"]
        stderr.seek(0)
        assert set(spin_count(stderr.read())) == {"1000"}, "torch's and scikit-learn's"


@linux
def test_without_labutils_openmp_spins_for_long(bare):
    """What the setting is compared with: this test fails when torch no longer needs it."""
    (count,) = spin_count(stderr_of("import torch", bare))
    assert int(count) > 10_000


@linux
@pytest.mark.parametrize("policy", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "77"}])
def test_a_policy_of_the_users_own_stays(policy, bare):
    (count,) = spin_count(stderr_of("import labutils", bare | policy))
    assert int(count) != 1000


HELD = """
import torch
def mib():
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) / 1024
for _ in range(2):  # once glibc has seen a block of this size freed, it keeps the next ones
    blocks, pins = [], []
    before = mib()
    for _ in range(4):
        blocks.append(torch.ones(4_000_000))
        pins.append(torch.ones(10_000))
    del blocks
print(round(mib() - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_large_tensors_are_given_back_to_the_system():
    assert int(stdout_of("import labutils" + HELD)) < 8, "of 61 MiB"
    assert int(stdout_of(HELD)) > 30, "what glibc keeps by itself"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_there_are_no_more_threads_than_the_process_may_use():
    one = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    show = "import labutils, torch; print(torch.get_num_threads())"
    assert stdout_of(one + show) == "1"
    assert stdout_of(show, LOKY_MAX_CPU_COUNT="1") == "1", "joblib counts, quotas included"
    assert stdout_of(show, OMP_NUM_THREADS="1") == "1", "fewer, if the user says so"


def stderr_of(code, env):
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    )
    return done.stderr


def stdout_of(code, **env):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | env
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_is_slow_to_import_is_loaded_at_first_use():
    assert lab.figures.show
    with pytest.raises(AttributeError, match="no attribute 'figure'"):
        lab.figure  # noqa: B018
