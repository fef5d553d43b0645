"""The shared clock: the database's time, whatever this machine's own clock says and however long the answer takes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.app.clock import SharedClock, local


class Elsewhere(SqliteDatabase):
    """A database on a machine whose clock is `ahead` of this one's, in ms, and `far` away, in seconds."""

    ahead = 0
    far = 0.0

    async def now(self) -> int:
        await asyncio.sleep(self.far)
        there = await super().now() + self.ahead
        await asyncio.sleep(self.far)
        return there


async def test_it_is_the_databases_time(tmp_path: Path) -> None:
    db = Elsewhere(tmp_path / "test.db")
    db.ahead = -600_000
    clock = SharedClock()
    await clock.look(db)
    assert abs(clock() - (local() - 600_000)) < 100
    await db.close()


async def test_what_a_slow_answer_leaves_open_changes_nothing(tmp_path: Path) -> None:
    db = Elsewhere(tmp_path / "test.db")
    clock = SharedClock()
    db.ahead = -600_000
    await clock.look(db)
    before = _ahead(clock)
    db.ahead, db.far = -599_950, 0.1
    await clock.look(db)
    assert _ahead(clock) == before
    await db.close()


def _ahead(clock: SharedClock) -> int:
    """What it adds to the machine's monotonic clock, both read within the same millisecond."""
    while True:
        monotonic = time.monotonic_ns() // 1_000_000
        told = clock()
        if time.monotonic_ns() // 1_000_000 == monotonic:
            return told - monotonic
