"""What a page costs its browser: tasks of the main thread by the performance trace, heap, memory, frames."""

from __future__ import annotations

import base64
import gzip
import json
import statistics
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

from playwright.sync_api import Browser, CDPSession, Page

# Of all that a trace may hold, the tasks alone: its own weight must not be what is measured. What is included comes on
# top of the defaults unless these are excluded, and they are a hundred thousand events a second.
_CATEGORIES = {"includedCategories": ["disabled-by-default-devtools.timeline"], "excludedCategories": ["*"]}
_TRACE_KB = 400_000
LONG = 0.05
# What browsers themselves call long, as the cross-check.
_WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.longTasks.push([startTime, duration]);
}).observe({ type: 'longtask', buffered: true });
"""
_FRAMES = """
(ms) => new Promise((resolve) => {
  const frames = [];
  const began = performance.now();
  const frame = (now) => {
    frames.push(now);
    if (performance.now() - began < ms) requestAnimationFrame(frame);
    else resolve(frames);
  };
  requestAnimationFrame(frame);
})
"""


class Task(NamedTuple):
    """When a task began, how long it took, and how much of a processor it had, in seconds."""

    begin: float
    seconds: float
    cpu: float


@dataclass
class Vitals:
    """Watches a page from the block's beginning to its end. Times are seconds of `time.monotonic()`, which Chromium's
    own clock is on Linux.
    """

    browser: Browser
    page: Page
    traced: bool = False
    heap: list[tuple[float, int]] = field(default_factory=list)
    workers: dict[str, int] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    """What the page's main thread did, for as long as the trace's buffer lasted."""
    observed: list[Task] = field(default_factory=list)
    """What PerformanceObserver calls long tasks, of the whole time; of these nobody says the processor's share."""

    def __enter__(self) -> Self:
        self._page = self.page.context.new_cdp_session(self.page)
        self._browser = self.browser.new_browser_cdp_session()
        self._page.send("Performance.enable")
        self.page.evaluate(_WATCH)
        self._pid = self._renderer()
        if self.traced:
            trace = {"recordMode": "recordUntilFull", "traceBufferSizeInKb": _TRACE_KB, **_CATEGORIES}
            how = {"traceConfig": trace, "transferMode": "ReturnAsStream", "streamCompression": "gzip"}
            self._browser.send("Tracing.start", how)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.tasks = _tasks(self._trace(), self._pid) if self.traced else []
            zero = time.monotonic() - self.page.evaluate("performance.now()") / 1e3
            found = self.page.evaluate("window.longTasks")
            self.observed = [Task(zero + begin / 1e3, length / 1e3, 0.0) for begin, length in found]

    def sample(self, at: float) -> None:
        """Note the heap and the memory of the renderer, now. What of the heap is garbage by then is in it."""
        self.heap.append((at, self.metrics()["JSHeapUsedSize"]))
        self.resident.append(own_bytes(self._pid))

    def metrics(self) -> dict[str, int]:
        """The page's counts: JSHeapUsedSize in bytes, JSEventListeners, Nodes and others."""
        found = self._page.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: int(metric["value"]) for metric in found}

    def collected(self) -> dict[str, int]:
        """The same, without garbage."""
        for _ in range(2):  # what the first one finds may hold more
            self._page.send("HeapProfiler.collectGarbage")
        return self.metrics()

    def scrolled(self, selector: str, seconds: float) -> dict[str, float]:
        """Frames a second while somebody turns the wheel over what scrolls, and the longest wait for a frame, ms."""
        box = self.page.locator(selector).first.bounding_box()
        assert box, f"{selector} is not in sight"
        size = self.page.viewport_size or {"width": 0, "height": 0}
        self.page.mouse.move(
            min(box["x"] + box["width"] / 2, size["width"] - 40), min(box["y"] + box["height"] / 2, size["height"] - 40)
        )
        self.page.evaluate(f"window.frames = ({_FRAMES})({seconds * 1000}); 0")
        for turn in range(int(seconds * 12)):
            self._page.send(
                "Input.dispatchMouseEvent",
                {"type": "mouseWheel", "x": 0, "y": 0, "deltaX": 0, "deltaY": 240}
                | {"x": box["x"] + box["width"] / 2, "y": box["y"] + min(box["height"] / 2, size["height"] / 2)},
            )
            self.page.wait_for_timeout(60 if turn % 2 else 80)
        frames: list[float] = self.page.evaluate("window.frames")
        gaps = [later - before for before, later in pairwise(frames)]
        return {
            "frames_a_second": round(len(gaps) / (frames[-1] - frames[0]) * 1e3, 1),
            "median_ms": round(statistics.median(gaps), 1),
            "longest_ms": round(max(gaps), 1),
        }

    def longest(self, since: float, until: float) -> dict[str, float]:
        """Of the tasks that began between these times, by PerformanceObserver and by the trace: milliseconds of the
        longest, the most that one had of a processor (on a busy machine tasks also wait for theirs), and how many took
        longer than 50 ms.
        """
        those = [task for task in self.tasks if since <= task.begin < until]
        observed = [task.seconds for task in self.observed if since <= task.begin < until]
        return {
            "observed_longest_ms": round(max(observed, default=0.0) * 1e3, 1),
            "observed_over_50_ms": len(observed),
            "traced_seconds": round(_span(those), 1),
            "longest_ms": round(max((task.seconds for task in those), default=0.0) * 1e3, 1),
            "longest_cpu_ms": round(max((task.cpu for task in those), default=0.0) * 1e3, 1),
            "over_50_ms": sum(task.seconds > LONG for task in those),
            "over_50_ms_of_cpu": sum(task.cpu > LONG for task in those),
        }

    def _renderer(self) -> int:
        """The page's own process: of all renderers that which does the work just now."""
        before = self._renderers()
        # A second: while a page settles, another renderer may be busy for a good part of one.
        self.page.evaluate("for (const end = performance.now() + 1000; performance.now() < end; );")
        after = self._renderers()
        return max(after, key=lambda pid: after[pid] - before.get(pid, after[pid]))

    def _renderers(self) -> dict[int, int]:
        found = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return {each["id"]: _cpu_ticks(each["id"]) for each in found if each["type"] == "renderer"}

    def _trace(self) -> list[dict[str, Any]]:
        done: list[dict[str, Any]] = []
        self._browser.once("Tracing.tracingComplete", lambda told: done.append(told))
        self._browser.send("Tracing.end")
        while not done:
            self.page.wait_for_timeout(100)
        trace = json.loads(gzip.decompress(_streamed(self._browser, done[0]["stream"])))
        events: list[dict[str, Any]] = trace["traceEvents"]
        return events


def own_bytes(pid: int) -> int:
    """Memory that a process has for itself alone, by Linux's running count: to go through the pages of half a gigabyte
    (smaps_rollup) would hold up the process that is measured.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _span(tasks: list[Task]) -> float:
    """How long the traces were, pauses of more than a second between two tasks left out."""
    begins = sorted(task.begin for task in tasks)
    return sum(gap for before, after in pairwise(begins) if (gap := after - before) < 1)


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _streamed(session: CDPSession, handle: str) -> bytes:
    found = bytearray()
    while True:
        piece = session.send("IO.read", {"handle": handle, "size": 8 * 1024 * 1024})
        found += base64.b64decode(piece["data"]) if piece.get("base64Encoded") else piece["data"].encode()
        if piece["eof"]:
            return bytes(found)


def _tasks(events: list[dict[str, Any]], pid: int) -> list[Task]:
    """Whatever the main thread did without a pause."""
    mains = {
        event["tid"]
        for event in events
        if event.get("name") == "thread_name" and event["pid"] == pid and event["args"]["name"] == "CrRendererMain"
    }
    return [
        Task(event["ts"] / 1e6, event["dur"] / 1e6, event.get("tdur", 0) / 1e6)
        for event in events
        if event.get("name") == "RunTask" and event["pid"] == pid and event["tid"] in mains and "dur" in event
    ]
