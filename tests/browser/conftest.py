"""Chromium, which Playwright drives. Where one is missing the tests are skipped, or fail in CI."""

import os
import shutil

import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def without(reason):
    """Skip, with the reason; in CI, where all of it has to be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI is set, where that is a failure", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without("No playwright (pip install -r requirements-tools.txt)")
    with sync_playwright() as playwright:
        names = (*CHROMIUMS, playwright.chromium.executable_path)  # the last is Playwright's own
        path = next(filter(None, map(shutil.which, names)), None)
        if path is None:
            without("No Chromium (apt-get install chromium, or playwright install chromium)")
        with playwright.chromium.launch(executable_path=path) as chromium:
            yield chromium
