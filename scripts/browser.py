"""Make sure that the end-to-end tests have a Chromium: an installed one, Playwright's, or Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DOWNLOAD_SECONDS = 300


def installed() -> str | None:
    """A Chromium that is there already: SAFELIGHT_BROWSER, one on PATH, or Playwright's own."""
    named = os.environ.get("SAFELIGHT_BROWSER")
    if named:
        return named
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return playwrights()


def playwrights() -> str | None:
    """The Chromium that Playwright has downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> str | None:
    """Playwright's download; where that does not work and we may, Debian's package."""
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    environment = {**os.environ, "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "15000"}
    try:
        subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS, env=environment)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"Playwright's download did not work ({error}).", file=sys.stderr)
    else:
        return playwrights()
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
        return shutil.which("chromium")
    return None


if __name__ == "__main__":
    browser = installed() or install()
    if browser is None:
        sys.exit("No Chromium for the end-to-end tests. Install one, or name it in SAFELIGHT_BROWSER.")
    print(f"browser: {browser}")
