"""JupyterLab on loopback and Chromium, one of each."""

import os
import shutil
from functools import cache
from importlib.util import find_spec

import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@cache
def chromium():
    """Where it is. Without it, or without Playwright, the tests are skipped; in CI they fail."""
    if not find_spec("playwright"):
        without("No playwright (pip install -r requirements-tools.txt)")
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
