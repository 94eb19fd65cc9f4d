"""JupyterLab on loopback and Chromium, one of each."""

import editions

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
JUPYTERS_OWN = (
    "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR",
)  # fmt: skip
AIMS = (100, 250)  # milliseconds from key to picture: the median, the 95th percentile


@cache
def chromium():
    """Where it is. Without it, or without Playwright, the tests are skipped; in CI they fail."""
    if not find_spec("playwright"):
        without(f"No playwright ({sys.executable} -m pip install -r requirements-tools.txt)")
    from playwright.sync_api import sync_playwright

    if not (found := next(filter(None, map(shutil.which, CHROMIUMS)), None)):
        with sync_playwright() as playwright:  # its own, if that was installed
            found = shutil.which(playwright.chromium.executable_path)
    return found or without("No Chromium (apt-get install chromium; playwright install chromium)")


def without(reason):
    reason += ": no notebook is opened in a browser"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, which the variable CI demands", pytrace=False)
    told = f"{reason}; `make test` executes the student's edition without one"
    pytest.skip(told, allow_module_level=True)


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium()) as browser,
    ):
        yield browser


@pytest.fixture(scope="session")
def server(browser):
    """JupyterLab's folder and what it says of itself. It ends when pytest is terminated, too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.environ.get("EDITION") == "complete":
            copy_without_outputs(editions.COMPLETE, folder / "notebooks")
        else:
            editions.main(["--into", str(folder / "notebooks")])
        settings = folder / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "notebook-extension"
        settings.mkdir(parents=True)
        all_rendered = json.dumps({"windowingMode": "none"})
        (settings / "tracker.jupyterlab-settings").write_text(all_rendered, encoding="utf-8")
        process = start(folder)
        try:
            yield folder, announced(folder, process)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def copy_without_outputs(source, target):
    target.mkdir()
    for path in source.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, target / path.name)


def start(folder):
    """On a port that is free. Not in this terminal's group: there Ctrl-C makes Jupyter ask."""
    environment = {
        **os.environ,
        **{name: str(folder / name) for name in (*JUPYTERS_OWN, "LABUTILS_PROGRESS")},
        "JUPYTER_CONFIG_PATH": str(editions.TOOLS / "jupyter"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        "--ServerApp.port=0", f"--ServerApp.root_dir={folder / 'notebooks'}",
    ]  # fmt: skip
    with open(folder / "log", "w", encoding="utf-8") as log:
        return subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def announced(folder, process):
    """The server's address and token, once it listens."""
    path = folder / "JUPYTER_RUNTIME_DIR" / f"jpserver-{process.pid}.json"
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and (text := path.read_text(encoding="utf-8")):
            return json.loads(text)
        time.sleep(0.1)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace")
    pytest.fail(f"JupyterLab did not start:\n{log[-2000:]}", pytrace=False)


@pytest.fixture(scope="session")
def opened(browser, server):
    """Opens notebooks in a new window: `with opened(name, name) as (first, second)`."""
    from .driving import opened

    folder, told = server
    with browser.new_context(
        base_url=told["url"],
        extra_http_headers={"Authorization": f"token {told['token']}"},
        viewport={"width": 1400, "height": 1000},
    ) as context:
        context.set_default_timeout(120_000)  # milliseconds: a busy machine is slow to open it
        yield partial(opened, context, folder)


def pytest_terminal_summary(terminalreporter):
    """How long the pictures took: printed, never a failure."""
    times = [
        (name, delays)
        for report in terminalreporter.getreports("passed")
        for name, delays in report.user_properties
        if report.when == "call" and "test_browser" in report.nodeid
    ]
    if times:
        terminalreporter.section("from key press to changed picture, in milliseconds")
        terminalreporter.line(f"{'':<40} {'median':>6} {'95 %':>6}")
        terminalreporter.line(f"{'(aim: at most)':<40} {AIMS[0]:>6} {AIMS[1]:>6}")
    for name, delays in times:
        high = statistics.quantiles(delays, n=20, method="inclusive")[-1]
        terminalreporter.line(f"{name:<40} {statistics.median(delays):>6.0f} {high:>6.0f}")
