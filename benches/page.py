"""Ten thousand photos dropped on the page as one folder, in a real Chromium; a hundred of 2 MB; a file of 2 GB; and ten
jobs one after another in one tab. The first two beside Uppy's Dashboard (tus, to @tus/server) and copyparty's page.

PAGE names cases and ONLY subjects, by how they begin: the figures of what was left out stay as they were. PHOTOS is
how many are dropped where not ten thousand. What a peer has not stored in 15 minutes is reported as it stands then.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from tests.e2e.browsing import drop, launch

from benches.pages import SUBJECTS, Subject
from benches.photos import folder_of, large_file
from benches.vitals import Vitals

PHOTOS = int(os.environ.get("PHOTOS", "10000"))
PICTURE = (320, 240)
"""Pixels of the ten thousand: small, since decoding is measured elsewhere (thumbnails.py)."""
ROUNDS = 3
JOBS = 10
LARGE = 2_000_000_000
PATIENCE = 900.0
"""Seconds in which all must be stored."""
PROCESSING = 2_700.0
"""Seconds in which all must have ended after that."""
SCROLL_SECONDS = 5.0
GOALS = {"longest_ms_at_the_drop": 200, "longest_ms_while_uploading": 50, "peak_heap_mb": 150}
RESULTS = Path(__file__).parent / "results" / "page.json"
CASES = tuple(os.environ.get("PAGE", "").split(","))
ONLY = tuple(os.environ.get("ONLY", "").split(","))
MB = 1e6


def measure() -> dict[str, Any]:
    """The account of each case; and by how much the peers' figures are ours."""
    cases: dict[str, Callable[[Playwright, dict[str, Any]], dict[str, Any]]] = {
        "ten_thousand": ten_thousand,
        "hundred_of_2_mb": hundred,
        "one_of_2_gb": large,
        "ten_jobs_of_1000": ten_jobs,
    }
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with sync_playwright() as playwright:
        for name, run in cases.items():
            if name.startswith(CASES):
                _say(f"{name} …")
                found[name] = run(playwright, found.get(name, {}))
    found["goals"] = GOALS
    return {name: found[name] for name in (*cases, "goals") if name in found}


# --- the cases ---


def ten_thousand(playwright: Playwright, kept: dict[str, Any]) -> dict[str, Any]:
    """One folder of many photos of 100 to 300 kB, each subject in its turn."""
    found = {**kept, "photos": PHOTOS}
    with TemporaryDirectory() as home:
        photos = folder_of(Path(home, "photos"), PHOTOS, 100_000, 300_000, *PICTURE)
        for name in _chosen():
            _say(f"  {name}")
            with _subject(playwright, name) as (subject, browser, page):
                found[name] = _many(subject, browser, page, photos)
            found[name]["when"] = _now()
    return {**found, "ratios": _ratios(found, ("seconds_until_stored", "peak_heap_mb"), ("photos_a_second",))}


def hundred(playwright: Playwright, kept: dict[str, Any]) -> dict[str, Any]:
    """A hundred photos of 2 MB, three rounds in which the subjects take turns."""
    found: dict[str, Any] = dict(kept)
    rounds: dict[str, list[Course]] = {name: [] for name in _chosen()}
    with TemporaryDirectory() as home:
        photos = folder_of(Path(home, "photos"), 100, 2_000_000, 2_000_000, 3000, 2000)
        for name in [*rounds] * ROUNDS:
            with _subject(playwright, name) as (subject, _, page):
                rounds[name].append(_course(subject, page, photos, 100))
    for name, courses in rounds.items():
        found[name] = {"seconds_until_stored": _median(course.until_stored for course in courses), "when": _now()}
        if name == "safelight":
            found[name]["seconds_until_completed"] = _median(course.until_ended for course in courses)
    return {**found, "ratios": _ratios(found, ("seconds_until_stored",))}


def large(playwright: Playwright, _kept: dict[str, Any]) -> dict[str, Any]:
    """A file of 2 GB: memory before and at most, and how many of its parts go at once."""
    with TemporaryDirectory() as home, _subject(playwright, "safelight") as (subject, browser, page):
        photo = large_file(Path(home, "large.jpg"), LARGE)
        flight = _Flight(page)
        with Vitals(browser, page) as vitals:
            vitals.sample(time.monotonic())
            course = _course(subject, page, photo, 1, vitals.sample)
        return {
            "seconds_until_stored": round(course.until_stored, 1),
            "seconds_until_completed": round(course.until_ended, 1),
            "parts_at_once": {"most": max(flight.counts), "median": statistics.median(flight.counts)},
            "heap_mb": {"before": _mb(vitals.heap[0][1]), "peak": _mb(max(size for _, size in vitals.heap))},
            "renderer_mb": {"before": _mb(vitals.resident[0]), "peak": _mb(max(vitals.resident))},
            "when": _now(),
        }


def ten_jobs(playwright: Playwright, _kept: dict[str, Any]) -> dict[str, Any]:
    """Ten jobs of a thousand small photos in one tab, each cleared before the next; what is left after each."""
    left: dict[str, list[float]] = {"heap_mb": [], "event_listeners": [], "nodes": []}
    with TemporaryDirectory() as home, _subject(playwright, "safelight") as (subject, browser, page):
        assert subject.client
        with Vitals(browser, page) as vitals:
            for number in range(JOBS):
                photos = folder_of(Path(home, f"job-{number}"), 1_000, 5_000, 20_000, 96, 64, seed=number)
                _course(subject, page, photos, 1_000 * (number + 1))
                page.get_by_role("button", name="Clear").last.click()
                page.locator(".panel").wait_for(state="detached")
                page.wait_for_timeout(3_000)  # timers of what has ended run out
                metrics = vitals.collected()
                left["heap_mb"].append(_mb(metrics["JSHeapUsedSize"]))
                left["event_listeners"].append(metrics["JSEventListeners"])
                left["nodes"].append(metrics["Nodes"])
                _say(f"  job {number + 1}: { {name: values[-1] for name, values in left.items()} }")
    return {**left, "when": _now()}


# --- what they have in common ---


@dataclass
class Course:
    """How an upload went, in seconds of `time.monotonic()`; 0 for what did not come."""

    dropped: float
    first: float = 0.0
    stored: float = 0.0
    ended: float = 0.0
    count: int = 0
    _over: Event = field(default_factory=Event)

    @property
    def until_stored(self) -> float:
        return self.stored - self.dropped

    @property
    def until_ended(self) -> float:
        return self.ended - self.dropped

    def watch(self, subject: Subject, photos: int, every: float) -> None:
        """Ask the server, in a thread of its own: the page may be busy for minutes."""
        before = subject.stored()
        while not self.ended and not self._over.wait(every):
            self.count = subject.stored()
            now = time.monotonic()
            if self.count > before and not self.first:
                self.first = now
            if self.count >= photos and not self.stored:
                self.stored = now
            if self.stored and subject.ended() >= photos:
                self.ended = time.monotonic()

    def give_up(self) -> None:
        self._over.set()


def _course(
    subject: Subject, page: Page, dropped: Path, photos: int, sample: Callable[[float], None] | None = None
) -> Course:
    """Drop it and wait until the server is done with so many photos, or patience is at its end."""
    course = Course(time.monotonic())
    watcher = Thread(target=course.watch, args=(subject, photos, 0.02 if photos <= 100 else 0.25))
    watcher.start()
    try:
        drop(page, dropped, at=subject.at)
        subject.begin(page, photos)
        while not course.ended:
            page.wait_for_timeout(500)
            if sample:
                sample(time.monotonic())
            if time.monotonic() > course.dropped + PATIENCE + (PROCESSING if course.stored else 0):
                break
    finally:
        course.give_up()
        watcher.join()
    return course


def _many(subject: Subject, browser: Browser, page: Page, photos: Path) -> dict[str, Any]:
    frames: dict[str, float] = {}
    began = time.monotonic()
    with Vitals(browser, page, traced=True) as vitals:

        def sample(at: float) -> None:
            vitals.sample(at)
            if not frames and subject.stored() > PHOTOS / 4:
                frames.update(vitals.scrolled(subject.list, SCROLL_SECONDS))

        course = _course(subject, page, photos, PHOTOS, sample)
    until = course.stored or course.dropped + PATIENCE
    found: dict[str, Any] = {
        "seconds_until_stored": round(course.until_stored, 1) if course.stored else None,
        "stored": course.count,
        "photos_a_second": round(course.count / (until - course.dropped), 1),
        "tasks": {
            "at_the_drop": vitals.longest(began, course.first or until),
            "while_uploading": vitals.longest(course.first or until, until),
        },
        "scrolling": frames,
        "peak_heap_mb": _mb(max(size for _, size in vitals.heap)),
        "peak_renderer_mb": _mb(max(vitals.resident)),
    }
    if subject.client:
        found["seconds_until_completed"] = round(course.until_ended, 1) if course.ended else None
        found["receipt"] = _receipt(subject)
    return found


def _receipt(subject: Subject) -> dict[str, Any]:
    assert subject.client
    job_id = subject.client.get("/queries/upload-jobs").json()["items"][0]["jobId"]
    began = time.monotonic()
    answer = subject.client.get(f"/queries/upload-jobs/{job_id}/receipt.csv")
    seconds = time.monotonic() - began
    answer.raise_for_status()
    rows = answer.text.splitlines()[1:]
    return {"rows": len(rows), "completed": sum("COMPLETED" in row for row in rows), "seconds": round(seconds, 2)}


class _Flight:
    """How many PUTs are under way, at each beginning and end of one."""

    def __init__(self, page: Page) -> None:
        self.counts: list[int] = []
        self._now = 0
        page.on("request", lambda request: self._changed(request.method, 1))
        page.on("requestfinished", lambda request: self._changed(request.method, -1))
        page.on("requestfailed", lambda request: self._changed(request.method, -1))

    def _changed(self, method: str, by: int) -> None:
        if method == "PUT":
            self._now += by
            self.counts.append(self._now)


@contextmanager
def _subject(playwright: Playwright, name: str) -> Iterator[tuple[Subject, Browser, Page]]:
    """The page of a subject on a fresh server, in a browser of its own."""
    with TemporaryDirectory() as folder, SUBJECTS[name](Path(folder, name)) as subject:
        browser = launch(playwright)
        try:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            subject.open(page)
            yield subject, browser, page
        finally:
            browser.close()


def _chosen() -> list[str]:
    return [name for name in SUBJECTS if name.startswith(ONLY)]


def _ratios(found: dict[str, Any], less: tuple[str, ...], more: tuple[str, ...] = ()) -> dict[str, dict[str, float]]:
    """By how much we are ahead of each peer in what had better be less, or more; below 1, we are behind."""
    ours = found.get("safelight", {})
    peers = {name: found[name] for name in SUBJECTS if name != "safelight" and name in found and ours}
    return {
        peer: {
            **{name: _ratio(its[name], ours[name]) for name in less if its[name] and ours[name]},
            **{name: _ratio(ours[name], its[name]) for name in more if its[name] and ours[name]},
        }
        for peer, its in peers.items()
    }


def _ratio(over: Any, under: Any) -> float:
    return round(_figure(over) / _figure(under), 2)


def _figure(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)


def _median(values: Iterator[float]) -> dict[str, float]:
    seconds = [round(value, 2) for value in values]
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


def _mb(size: float) -> float:
    return round(size / MB, 1)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())


def _say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)
