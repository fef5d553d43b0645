"""E16 and E18 in every disorder that Hypothesis thinks of: messages lost, doubled, crossed; readers slow or late."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.joblog import THROUGH, JobLog, crash, receive, retry

from safelight.adapters.memory import MemoryBroker
from safelight.domain.photo import PhotoStatus
from safelight.realtime.hub import Hub, Pace
from safelight.realtime.reader import Reader

JOB = "job_a"
PHOTOS = 3


class Mischief(MemoryBroker):
    """A broker that holds messages back until told what to do with them."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, payload: bytes) -> None:
        self.held.append((topic, payload))

    async def deliver(self, which: int, *, again: bool) -> None:
        if self.held:
            at = which % len(self.held)
            topic, payload = self.held[at] if again else self.held.pop(at)
            await super().publish(topic, payload)

    def lose(self, which: int) -> None:
        if self.held:
            self.held.pop(which % len(self.held))


@dataclass
class Watcher:
    """A reader, and what a client would conclude from it."""

    reader: Reader
    seq: int
    standing: dict[str, tuple[int, float, bool]] = field(default_factory=dict)
    reading: asyncio.Task[Any] | None = None

    async def look(self) -> None:
        """Take one batch if there is one within a few turns of the loop."""
        self.reading = self.reading or asyncio.ensure_future(anext(self.reader))
        await asyncio.wait({self.reading}, timeout=0.001)
        if not self.reading.done():
            return
        batch = self.reading.result()
        self.reading = None
        if batch.recovered == "snapshot":
            self.seq = -1
        for event in batch.events:
            self._conclude(json.loads(event.body))

    def _conclude(self, body: dict[str, Any]) -> None:
        if "seq" in body:
            # A snapshot has a seq in its JobStatusUpdate alone; after that, and in a replay, each is the next.
            assert self.seq == -1 or body["seq"] == self.seq + 1, (self.seq, body)
            self.seq = body["seq"]
        if "photoId" not in body:
            return
        attempt, percent, ended = self.standing.get(body["photoId"], (0, 0.0, False))
        if body["attempt"] == attempt:
            assert not ended or self.seq == -1, f"after the end: {body}"
            assert body["progressPercent"] >= percent, (percent, body)
        assert body["attempt"] >= attempt
        ended = body["status"] in {"COMPLETED", "FAILED", "CANCELLED"}
        self.standing[body["photoId"]] = (body["attempt"], body["progressPercent"], ended)


async def step(log: JobLog, photo_id: str, how: int) -> None:
    """The next thing that can happen to a photo."""
    photo = log.written[JOB].photos[photo_id]
    if photo.status is PhotoStatus.FAILED:
        await log.change(JOB, photo_id, retry)
    elif photo.status in {PhotoStatus.QUEUED, PhotoStatus.UPLOADING} and how % 3:
        await log.progress(JOB, photo_id, min(photo.bytes, photo.bytes_sent + how * 50_000))
    elif not photo.terminal and how == 3:
        await log.change(JOB, photo_id, crash)
    elif photo.status is PhotoStatus.QUEUED:
        await log.change(JOB, photo_id, receive())
    elif not photo.terminal:
        stages = ["VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING"]
        stored = 3 + stages.index(photo.stage) if photo.stage else 2
        await log.change(JOB, photo_id, THROUGH[1 if photo.status is PhotoStatus.UPLOADING else stored])


number = st.integers(0, 9)
WEIGHTS = {"step": 4, "deliver": 5, "again": 1, "lose": 1, "look": 5, "join": 1, "trim": 1, "turn": 1}
acts = st.tuples(st.sampled_from([act for act, weight in WEIGHTS.items() for _ in range(weight)]), number, number)


@settings(max_examples=100, deadline=None)
@given(st.lists(acts, min_size=50, max_size=300))
def test_e16_e18_hold_in_any_disorder(script: list[tuple[str, int, int]]) -> None:
    asyncio.run(play(script))


async def play(script: list[tuple[str, int, int]]) -> None:
    broker = Mischief()
    log = JobLog(broker)
    hub = Hub(broker, log, Pace(backlog=8, chunk=3, hertz=10_000, check_every=3600, patience=0))
    await hub.start()
    ids = await log.create(JOB, PHOTOS)
    watchers = [Watcher(await hub.watch_job(JOB), -1)]
    for act, a, b in script:
        match act:
            case "step":
                await step(log, ids[a % PHOTOS], b)
            case "deliver" | "again":
                await broker.deliver(a, again=act == "again")
            case "lose":
                broker.lose(a)
            case "look":
                await watchers[a % len(watchers)].look()
            case "join":
                after = None if b == 0 else max(0, log.written[JOB].job.seq - b)
                watchers.append(Watcher(await hub.watch_job(JOB, after), -1 if after is None else after))
            case "trim":
                log.trim(JOB, log.written[JOB].job.seq - a)
            case _:
                await asyncio.sleep(0)
    # At last one message gets through, and everybody catches up.
    await step(log, ids[0], 1)
    await hub.check()
    last = log.written[JOB].job.seq
    async with asyncio.timeout(20):
        for watcher in watchers:
            while watcher.seq != last:
                await watcher.look()
    for watcher in watchers:
        if watcher.reading:
            watcher.reading.cancel()
    await hub.close()
    await broker.close()
