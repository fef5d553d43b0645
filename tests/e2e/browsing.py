"""A real Chromium on a real server, and what a person does in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Playwright, WebSocket
from tests.running import Client, Server

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What the page is given, told to whoever listens on it: `window.delivered`, in the order given.
COLLECT = """
window.delivered = [];
window.addEventListener('safelight:events', (event) => window.delivered.push(...event.detail.events));
"""
_BODY = re.compile(r"\n\n(.*?)\x00", re.DOTALL)


def launch(playwright: Playwright) -> Browser:
    """The Chromium that scripts/browser.py found or installed."""
    named = os.environ.get("SAFELIGHT_BROWSER") or next((p for n in NAMES if (p := shutil.which(n))), None)
    return playwright.chromium.launch(executable_path=named, args=FLAGS)


class Tab:
    """One tab: the page, what the live channel told it, and whether it was ever loaded anew."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.loads = 0
        self.page.on("websocket", self._listen)
        self.page.on("load", self._loaded)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("crash", lambda _: self.problems.append("the tab crashed"))

    def sign_in(self, server: Server) -> None:
        """By the one-time link that the server printed."""
        self.page.goto(server.link)
        self.page.get_by_role("button", name="Add photos").first.wait_for()

    def drop(self, *paths: Path) -> None:
        """Drop files and folders onto the page, as the system's file manager does."""
        drop(self.page, *paths)

    def devtools(self) -> CDPSession:
        return self.page.context.new_cdp_session(self.page)

    def throttle(self, bytes_a_second: int) -> CDPSession:
        """A slow line upwards, for as long as the session returned is kept."""
        cdp = self.devtools()
        limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        cdp.send("Network.enable")
        cdp.send("Network.emulateNetworkConditions", limits)
        return cdp

    def counts(self) -> dict[str, int]:
        """The tabs of the upload panel with their counts."""
        found = {}
        for tab in self.page.get_by_role("tab").all():
            if match := re.fullmatch(r"(\w+)\s*([\d,]+)", tab.inner_text().strip()):
                found[match[1]] = int(match[2].replace(",", ""))
        return found

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until something holds, and say what did not."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                shot = Path(os.environ.get("SAFELIGHT_SHOTS", "test-results")) / f"{time.time_ns()}.png"
                shot.parent.mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=shot)
                raise AssertionError(f"not within {seconds} s: {what}; counts {self.counts()}; see {shot}")
            self.page.wait_for_timeout(50)

    def until_counts(self, seconds: float = 60, **expected: int) -> None:
        """Wait until the panel's tabs show these counts."""
        self.until(lambda: expected.items() <= self.counts().items(), f"counts {expected}", seconds)

    def lives(self) -> dict[str, list[str]]:
        """The states and stages of each photo, in the order in which they came."""
        told: dict[str, list[str]] = {}
        seen: set[tuple[str, int]] = set()
        for event in self.events:
            if "photoId" not in event or "seq" not in event or (event["jobId"], event["seq"]) in seen:
                continue
            seen.add((event["jobId"], event["seq"]))
            told.setdefault(event["photoId"], []).append(event.get("stage") or event["status"])
        return told

    def _loaded(self, _: Page) -> None:
        self.loads += 1

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._receive)

    def _receive(self, data: str | bytes) -> None:
        text = data if isinstance(data, str) else data.decode()
        for body in _BODY.findall(text):
            if body:
                told = json.loads(body)
                self.events += told if isinstance(told, list) else [told]


def drop(page: Page, *paths: Path, at: tuple[int, int] = (180, 400)) -> None:
    """Drop files and folders onto any page, `at` pixels from its left upper corner."""
    cdp = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        cdp.send("Input.dispatchDragEvent", {"type": kind, "x": at[0], "y": at[1], "data": data})
    cdp.detach()


def visit(page: Page, url: str, person: Client, forced: str | None = None) -> Page:
    """Open the page, collecting what it is told, and sign in; `forced` names the only transport that it may take."""
    page.add_init_script(COLLECT)
    if forced:
        page.add_init_script(f"localStorage.setItem('safelight.transports', '{forced}')")
    return sign_in(page, url, person)


def sign_in(page: Page, url: str, person: Client) -> Page:
    """Open the page and sign in by password."""
    page.goto(url)
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Add photos").first.wait_for()
    return page


def photos(folder: Path, pictures: Sequence[bytes], name: str = "photo") -> Path:
    """A folder with these photos as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        (folder / f"{name}-{number:04}.jpg").write_bytes(picture)
    return folder
