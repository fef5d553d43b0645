"""What the live channel replays: all of it, or a snapshot that says how far it goes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from safelight.app.opening import open_ports
from safelight.commands import identity, jobs, uploads
from safelight.commands.jobs import File
from safelight.ports import Ports
from safelight.queries import History
from safelight.settings import Settings


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    opened = open_ports(Settings(data_dir=tmp_path))
    yield opened
    await opened.broker.close()
    await opened.store.close()
    await opened.db.close()


async def _job(ports: Ports) -> str:
    user = await identity.add_user(ports, f"{time.time_ns()}@example.org", None)
    files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=10) for n in range(3)]
    declared = await jobs.create_job(ports, user.id, files)
    await uploads.cancel_photo(ports, user.id, declared.photos[0].id)
    return declared.job.id


async def test_e15_the_status_that_ends_a_snapshot_bears_the_seq_reached(ports: Ports) -> None:
    job_id = await _job(ports)
    seq, bodies = await History(ports).snapshot(job_id)
    told = [json.loads(body) for body in bodies]
    assert [("photoId" in event, event.get("seq")) for event in told] == [(True, None)] * 3 + [(False, seq)]
    assert seq == 6


async def test_events_are_told_whole_or_not_at_all(ports: Ports) -> None:
    job_id = await _job(ports)
    history = History(ports)
    told = await history.events_after(job_id, 2)
    assert told is not None
    assert [seq for seq, _ in told] == [3, 4, 5, 6]
    assert await history.events_after(job_id, 6) == []
    assert await history.events_after(job_id, 7) is None
    assert await history.events_after("job_unknown", 0) is None
    assert await history.snapshot("job_unknown") == (0, [])
