from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.joblog import MB, JobLog, receive, store

from safelight.domain.events import encode, progress_update
from safelight.realtime.hub import Hub, Pace
from safelight.realtime.reader import Reader
from safelight.realtime.stalls import StallWatch

JOB = "job_a"
PATIENCE = 20.0


@pytest.fixture
async def hub(log: JobLog) -> AsyncIterator[Hub]:
    hub = Hub(log.broker, log, Pace(check_every=3600, patience=0))
    await hub.start()
    yield hub
    await hub.close()


class Table:
    """Says of every photo that it is asked about that it rests."""

    def __init__(self, log: JobLog) -> None:
        self.asked: list[list[str]] = []
        self._log = log

    async def resting(self, photo_ids: Sequence[str]) -> list[bytes]:
        self.asked.append(list(photo_ids))
        rows = [self._log.written[JOB].photos[photo_id] for photo_id in photo_ids]
        return [encode({**progress_update(row, 0), "message": "It rests."}).encode() for row in rows]


async def read(reader: Reader) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        return [json.loads(event.body) for event in (await anext(reader)).events]


async def test_e24_what_is_silent_is_told_once_in_its_time_and_without_seq(log: JobLog, hub: Hub) -> None:
    uploading, _queued, gone = await log.create(JOB, 3)
    await log.change(JOB, uploading, receive(MB // 2))
    await log.change(JOB, gone, receive())
    reader = await hub.watch_job(JOB)
    await read(reader)
    table = Table(log)
    watch = StallWatch(hub, table.resting, seconds=30)
    await watch.look()
    assert [sorted(ids) for ids in table.asked] == [sorted([uploading, gone])]
    told = await read(reader)
    assert {body["photoId"] for body in told} == {uploading, gone}
    assert all(body["message"] == "It rests." and "seq" not in body for body in told)
    await watch.look()
    assert len(table.asked) == 1, "what was told just now is not looked up again"


async def test_e24_of_what_was_heard_nothing_is_said(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await read(reader)
    await log.change(JOB, photo, receive(0))
    await read(reader)
    table = Table(log)
    await StallWatch(hub, table.resting, seconds=30).look()
    assert table.asked == []


async def test_e24_what_moved_on_while_it_was_looked_up_is_not_told(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    await log.change(JOB, photo, receive(0))
    reader = await hub.watch_job(JOB)
    await read(reader)

    async def overtaken(photo_ids: Sequence[str]) -> list[bytes]:
        before = await Table(log).resting(photo_ids)
        await log.change(JOB, photo, receive(), store)
        seq = 0
        while seq < log.written[JOB].job.seq:
            seq = (await read(reader))[-1].get("seq", 0)
        return before

    await StallWatch(hub, overtaken, seconds=30).look()
    await log.create("job_b")
    fence = await hub.watch_job("job_b")
    await read(fence)
    assert hub.jobs[0].feed.waiting(photo) is None


async def test_e24_a_table_that_cannot_be_read_ends_nothing(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    await log.change(JOB, photo, receive(0))
    reader = await hub.watch_job(JOB)
    await read(reader)
    table, failures = Table(log), [OSError("the disk is away for a moment")]

    async def flaky(photo_ids: Sequence[str]) -> list[bytes]:
        if failures:
            raise failures.pop()
        return await table.resting(photo_ids)

    watching = asyncio.create_task(StallWatch(hub, flaky, seconds=0.02).run())
    assert (await read(reader))[0]["message"] == "It rests."
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
