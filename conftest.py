"""In a notebook that pytest executes, `show` refuses a figure with a fault."""

from pathlib import Path

import pytest

TESTS = str(Path(__file__).parent / "tests")
WATCH = f"import sys; sys.path.append({TESTS!r}); import pictures; pictures.watch()"


@pytest.hookimpl(trylast=True)  # the kernel has been started
def pytest_runtest_setup(item):
    kernel = getattr(item.parent, "kernel", None)
    if kernel and not hasattr(kernel, "watched"):
        reply = kernel.kc.execute_interactive(
            f"exec({WATCH!r}, {{}})", store_history=False, timeout=120
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        kernel.watched = True
