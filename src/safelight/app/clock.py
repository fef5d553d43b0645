"""The time that all processes share."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from safelight.ports import Database

log = structlog.get_logger()

_EVERY_SECONDS: Final = 30.0
# A machine's clock that is further off than this is told of, so that somebody sets it.
_TOLD_MS: Final = 2_000


def local() -> int:
    """Unix milliseconds by this machine's own clock."""
    return time.time_ns() // 1_000_000


class SharedClock:
    """The database's time in Unix milliseconds: leases and deadlines made on one machine hold on every other, however
    wrong their own clocks are, and a clock that is set while we run changes nothing.

    Until `look` was awaited it is this machine's own.
    """

    def __init__(self) -> None:
        self._ahead = local() - _monotonic()

    def __call__(self) -> int:
        return _monotonic() + self._ahead

    async def look(self, db: Database) -> None:
        """Ask the database once. Within the time that the question took, nothing is known and nothing is changed."""
        asked = _monotonic()
        there = await db.now()
        answered = _monotonic()
        earliest, latest = there - answered, there - asked
        if not earliest <= self._ahead <= latest:
            self._ahead = (earliest + latest) // 2
        wrong = local() - self()
        if abs(wrong) > _TOLD_MS:
            log.warning("this machine's clock is wrong; the database's is used", ahead_ms=wrong)

    async def follow(self, db: Database) -> None:
        """Ask again every half a minute, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.look(db)
            except Exception as error:  # noqa: BLE001 - told; the clock goes on as it did
                log.warning("the database was not asked for the time", reason=str(error))


def _monotonic() -> int:
    return time.monotonic_ns() // 1_000_000
