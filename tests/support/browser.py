"""A real Chromium, driven by Playwright: the system's own, which Debian's package `chromium` is."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Its path; on a Debian of our own it is installed first. Raises `RuntimeError` that names the remedy."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"check": False, "capture_output": True}
        subprocess.run(["apt-get", "update", "-q"], **quiet)  # type: ignore[call-overload]  # plain keywords
        subprocess.run(["apt-get", "install", "-y", "-q", "chromium"], **quiet)  # type: ignore[call-overload]  # as above
        found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError("the console is tested in Chromium; install it (Debian: apt-get install chromium)")
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """It has no window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
