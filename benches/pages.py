"""The pages that many photos are dropped on: ours, and those that it is measured beside, each on a fresh server."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Page
from tests.e2e.browsing import sign_in
from tests.running import Client, Server, free_port

from benches.rivals import copyparty, running

_UPPY = Path(__file__).parent / "uppy"
_PATIENCE_MS = 900_000.0
# What the page begins to do with a drop of so many photos, it may do for long without an answer.


@dataclass(frozen=True)
class Subject:
    """A page on its server: `stored` counts the photos that the server has whole, `ended` those it is done with."""

    open: Callable[[Page], None]
    begin: Callable[[Page, int], None]
    """Press what has to be pressed once so many photos are dropped."""
    stored: Callable[[], int]
    ended: Callable[[], int]
    list: str
    """CSS selector of what scrolls."""
    at: tuple[int, int] = (180, 400)
    """Where to drop, pixels."""
    client: Client | None = None


@contextmanager
def safelight(folder: Path) -> Iterator[Subject]:
    """`safelight serve` as it comes; stored is what was finalized, ended what is COMPLETED."""
    with Server(folder) as server, server.client() as client:
        database = server.folder / "data" / "safelight.db"

        def count(*statuses: str) -> int:
            marks = ", ".join("?" * len(statuses))
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                query = f"SELECT COUNT(*) FROM photos WHERE status IN ({marks})"  # noqa: S608 - question marks
                found: int = connection.execute(query, statuses).fetchone()[0]
                return found

        yield Subject(
            open=lambda page: _signed_in(page, server.url, client),
            begin=lambda _page, _count: None,
            stored=lambda: count("PROCESSING", "COMPLETED"),
            ended=lambda: count("COMPLETED"),
            list=".rows",
            client=client,
        )


@contextmanager
def uppy(folder: Path) -> Iterator[Subject]:
    """Uppy's Dashboard with tus, to @tus/server with its file store; all as their documentation has it."""
    modules = _UPPY / "node_modules" / ".package-lock.json"
    if not modules.exists() or modules.stat().st_mtime < (_UPPY / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=_UPPY, check=True, stdout=sys.stderr)
    port, files = free_port(), folder / "files"
    files.mkdir(parents=True)
    url = f"http://127.0.0.1:{port}"

    def begin(page: Page, count: int) -> None:
        upload = page.locator(".uppy-StatusBar-actionBtn--upload", has_text=f"Upload {count} file")
        upload.click(timeout=_PATIENCE_MS)

    with running(["node", str(_UPPY / "server.js"), str(port), str(files)], folder, port):
        finished = _finished(url)
        yield Subject(
            open=lambda page: _opened(page, url, "#dashboard .uppy-Dashboard-AddFiles"),
            begin=begin,
            stored=finished,
            ended=finished,
            list=".uppy-Dashboard-files",
        )


@contextmanager
def copyparty_page(folder: Path) -> Iterator[Subject]:
    """copyparty's own page and uploader, without any option but where to listen and what to serve."""
    with copyparty(folder) as rival:
        files = folder / "files"
        stored = lambda: _whole(files)  # noqa: E731
        yield Subject(
            open=lambda page: _opened(page, f"http://127.0.0.1:{rival.port}", "#u2btn"),
            begin=lambda page, _count: page.locator("#modal-ok").click(timeout=_PATIENCE_MS),
            stored=stored,
            ended=stored,
            list="html",
            at=(180, 200),  # the lower half of the page searches
        )


SUBJECTS = {"safelight": safelight, "uppy": uppy, "copyparty": copyparty_page}


def _signed_in(page: Page, url: str, client: Client) -> None:
    sign_in(page, url, client)
    page.locator("[data-state=live]").first.wait_for()


def _opened(page: Page, url: str, ready: str) -> None:
    page.goto(url)
    page.locator(ready).first.wait_for(state="attached")


def _finished(url: str) -> Callable[[], int]:
    return lambda: int(httpx.get(f"{url}/finished", timeout=30).text)


def _whole(folder: Path) -> int:
    """Files that have their own name and bytes; copyparty keeps a folder of its own, and marks what is in part."""
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".hist"]
        partial = {name for name in names if name.endswith(".PARTIAL")}
        count += sum(name not in partial and Path(root, name).stat().st_size > 0 for name in names)
    return count
