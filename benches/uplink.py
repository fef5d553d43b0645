"""The page's upload engine on a bad line: a real Chromium, a real server, and between them 200 ms there and back.

1 % of the requests are cut off, 5 % are answered with 500 or 503, and the bandwidth is 100, then 5, then 50 Mbit/s.
Once over HTTP/1.1, with six connections to a server, and once over HTTP/2 (nginx before the server, TLS), where the
person's limit of 100 is the ceiling. Goodput is what the server took of the photos' bytes in the seconds of a step, by
the line's account: what was sent in vain, headers and the rest of the page's traffic are not in it. The curves go to
docs/uplink.svg.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, Playwright, sync_playwright
from tests.e2e.browsing import Tab, launch, visit
from tests.pictures import big_jpeg
from tests.running import Client, Server

from benches.chart import Panel, chart
from benches.rivals import http2
from benches.weather import Line, Weather, bad_line

MBIT = 125_000
STEPS = ((100, 60.0), (5, 60.0), (50, 0.0))
"""Megabits a second, and for how many seconds; the last until all is sent."""
LATENCY = 0.2
RESETS = 0.01
FAULTS = 0.05
LEAST = 0.85
SIZES = (*[5_000_000] * 180, *[300_000] * 100, *[40_000_000] * 5)
PATIENCE = 900.0
PLOT = Path(__file__).parent.parent / "docs" / "uplink.svg"
# What the page allows itself, and what it shows: the percent of the whole batch.
WATCH = """
window.allowed = [];
window.addEventListener('safelight:concurrency', (event) => window.allowed.push([Date.now(), event.detail]));
window.shown = [];
setInterval(() => {
  const bar = document.querySelector('.summary [role=progressbar]');
  if (bar) window.shown.push(Number(bar.getAttribute('aria-valuenow')));
}, 100);
"""


def measure() -> dict[str, Any]:
    """The account of each way, and whether all that is asked of it holds."""
    found: dict[str, Any] = {
        "mbit_steps": [mbit for mbit, _ in STEPS],
        "latency_ms": LATENCY * 1e3,
        "resets": RESETS,
        "faults": FAULTS,
        "photos": len(SIZES),
        "megabytes": round(sum(SIZES) / 1e6),
    }
    panels = []
    with sync_playwright() as playwright:
        for name, way in (("http_1", _plain), ("http_2", _multiplexed)):
            print(f"  {name} …", file=sys.stderr, flush=True)
            with ExitStack() as stack:
                home = Path(stack.enter_context(TemporaryDirectory()))
                server = stack.enter_context(Server(home / "server"))
                client = stack.enter_context(server.client())
                url, shaped, judged = stack.enter_context(way(home, server))
                found[name], samples = _run(playwright, home, client, url, shaped, judged)
            panels += _panels(name, samples)
            found[name]["samples"] = samples
    PLOT.write_text(chart(panels))
    found["least_share"] = LEAST
    found["holds"] = all(_holds(found[name]) for name in ("http_1", "http_2"))
    return found


@contextmanager
def _plain(_folder: Path, server: Server) -> Iterator[tuple[str, Line, Line]]:
    with bad_line(server.port) as line:
        yield line.url, line, line


@contextmanager
def _multiplexed(folder: Path, server: Server) -> Iterator[tuple[str, Line, Line]]:
    """The bandwidth and the latency before nginx, where all is one connection; what fails does so behind it."""
    with (
        bad_line(server.port) as behind,
        http2(folder / "nginx", behind.port) as port,
        bad_line(port, raw=True) as line,
    ):
        yield f"https://127.0.0.1:{line.port}", line, behind


def _run(
    playwright: Playwright, folder: Path, client: Client, url: str, shaped: Line, judged: Line
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    browser = launch(playwright)
    try:
        tab = Tab(browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800}))
        tab.page.add_init_script(WATCH)
        visit(tab.page, url, client)
        tab.page.locator("[data-state=live]").first.wait_for()
        pictures = _pictures(folder / "photos")
        for line in {shaped, judged}:
            line.weather = Weather(latency=LATENCY if line is shaped else 0.0)
        judged.weather.resets, judged.weather.faults = RESETS, FAULTS
        clock = _Clock(shaped, judged, tab.page)
        tab.drop(pictures)
        clock.run(lambda: {"All": len(SIZES), "Active": 0}.items() <= tab.counts().items())
        return _account(tab.page, client, clock, judged), clock.samples
    finally:
        browser.close()


class _Clock:
    """Changes the bandwidth as time goes on, and looks twice a second."""

    def __init__(self, shaped: Line, judged: Line, page: Page) -> None:
        self._shaped, self._judged, self._page = shaped, judged, page
        self.samples: list[dict[str, float]] = []
        self.steps: list[_Step] = []

    def run(self, over: Callable[[], bool]) -> None:
        """Until `over`, or for as long as there is patience."""
        self._step(0)
        began = time.monotonic()
        ends = began + STEPS[0][1]
        while not over():
            now = time.monotonic()
            if now - began > PATIENCE:
                raise AssertionError(f"not all photos came to an end within {PATIENCE} s")
            if now >= ends and len(self.steps) < len(STEPS):
                self._step(len(self.steps))
                ends = now + STEPS[len(self.steps) - 1][1]
            allowed = self._page.evaluate("window.allowed.at(-1)?.[1] ?? 0")
            self.samples.append(
                {
                    "at": round(now - began, 1),
                    "limit_mbit": self.steps[-1].mbit,
                    "allowed": allowed,
                    "in_flight": self._judged.account.in_flight,
                }
            )
            self._page.wait_for_timeout(500)
        self._judge(began)

    def _step(self, number: int) -> None:
        self._shaped.weather.bytes_per_second = STEPS[number][0] * MBIT
        self.steps.append(_Step(STEPS[number][0], time.monotonic()))

    def _judge(self, began: float) -> None:
        passed = sorted(self._judged.account.passed)
        starts = [max(self.steps[0].since, passed[0][0]), *(step.since for step in self.steps[1:])]
        for step, (since, until) in zip(self.steps, pairwise([*starts, passed[-1][0]]), strict=True):
            step.goodput = sum(size for at, size in passed if since <= at < until) / (until - since) / MBIT
            step.seconds = until - since
        for sample, after in pairwise([*self.samples, {"at": self.samples[-1]["at"] + 0.5}]):
            since, until = began + sample["at"], began + after["at"]
            taken = sum(size for at, size in passed if since <= at < until)
            sample["goodput_mbit"] = round(taken / (until - since) / MBIT, 1)


@dataclass
class _Step:
    mbit: int
    since: float
    seconds: float = 0.0
    goodput: float = 0.0


def _account(page: Page, client: Client, clock: _Clock, judged: Line) -> dict[str, Any]:
    job = client.get("/queries/upload-jobs").json()["items"][0]
    job = client.job(job["jobId"])
    return {
        "completed": job["completedCount"],
        "failed": job["failedCount"],
        "percent_fell": _falls(page),
        "answers": {str(status): count for status, count in sorted(judged.account.answers.items())},
        "steps": [
            {
                "mbit": step.mbit,
                "seconds": round(step.seconds, 1),
                "goodput_mbit": round(step.goodput, 1),
                "share": round(step.goodput / step.mbit, 3),
                "in_flight_median": statistics.median(
                    s["in_flight"] for s in clock.samples if s["limit_mbit"] == step.mbit
                ),
            }
            for step in clock.steps
        ],
    }


def _falls(page: Page) -> dict[str, int]:
    """How often a percent fell: of a photo's attempt and of the job, as told, and of the batch, as shown."""
    told: dict[tuple[str, int], list[float]] = {}
    for event in page.evaluate("window.delivered"):
        told.setdefault((event.get("photoId", ""), event.get("attempt", 0)), []).append(event["progressPercent"])
    job = told.pop(("", 0), [])
    return {
        "of_photos": sum(_fallen(percents) for percents in told.values()),
        "of_the_job": _fallen(job),
        "shown": _fallen(page.evaluate("window.shown")),
    }


def _fallen(percents: list[float]) -> int:
    return sum(after < before for before, after in pairwise(percents))


def _holds(account: dict[str, Any]) -> bool:
    return (
        account["completed"] == len(SIZES)
        and not any(account["percent_fell"].values())
        and all(step["share"] >= LEAST for step in account["steps"])
    )


def _panels(name: str, samples: list[dict[str, float]]) -> list[Panel]:
    over = name.replace("http_", "HTTP/").replace("/1", "/1.1")

    def curve(key: str) -> list[tuple[float, float]]:
        return [(sample["at"], sample[key]) for sample in samples]

    speeds = {"goodput": _smooth(curve("goodput_mbit")), "of the line": curve("limit_mbit")}
    return [
        Panel(f"{over}: Mbit/s", speeds),
        Panel(f"{over}: requests", {"in flight": curve("in_flight"), "allowed": curve("allowed")}),
    ]


def _smooth(points: list[tuple[float, float]], width: int = 4) -> list[tuple[float, float]]:
    """Each as the mean of the last two seconds."""
    return [
        (at, statistics.fmean(value for _, value in points[max(0, index - width + 1) : index + 1]))
        for index, (at, _) in enumerate(points)
    ]


def _pictures(folder: Path) -> Path:
    """Photos of these sizes, well mixed. Each is a small JPEG with something behind its end: sending is measured here,
    not decoding.
    """
    folder.mkdir()
    mixed = random.Random(5).sample(SIZES, len(SIZES))
    for number, size in enumerate(mixed):
        (folder / f"photo-{number:04}.jpg").write_bytes(big_jpeg(size, seed=number))
    return folder
