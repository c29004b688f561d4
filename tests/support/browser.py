"""The real Chromium of this machine, or Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.support.requirements import BROWSER, missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless browser. Skips, or fails where a browser is required, when there is none."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        except Error as error:
            missing(BROWSER, f"No Chromium to run: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@contextmanager
def watched_tab(browser: Browser, **options: object) -> Iterator[Page]:
    """A tab in a profile of its own that fails the test when a script throws or the page breaks its own security policy."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    try:
        yield tab
    finally:
        context.close()
    assert not complaints, complaints
