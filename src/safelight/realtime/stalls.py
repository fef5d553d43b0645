"""Says, to those who watch, that a photo rests: no bytes come, or its worker has fallen silent.

Such a ProgressUpdate bears a `message` and no `seq`, since neither status nor stage has changed, and it goes to the
readers of this process alone: every process finds out for its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from safelight.realtime.feed import Event
from safelight.realtime.hub import Hub

log = structlog.get_logger()

# Photos of one job that are looked up in one round; the rest have their turn in the next.
_AT_ONCE: Final = 200


class StallWatch:
    """Looks for photos of watched jobs that were silent for `seconds`. `resting` gives the ProgressUpdate, with its
    `message`, of those of the photos that rest.
    """

    def __init__(self, hub: Hub, resting: Callable[[Sequence[str]], Awaitable[list[bytes]]], seconds: float) -> None:
        self._hub = hub
        self._resting = resting
        self._seconds = seconds

    async def run(self) -> None:
        """Look several times within the time that a photo may be silent, until cancelled."""
        while True:
            await asyncio.sleep(min(2.0, self._seconds / 4))
            try:
                await self.look()
            except Exception:
                log.exception("stalls not looked for; the next round will")

    async def look(self) -> None:
        """Tell once of each photo that rests."""
        for topic in self._hub.jobs:
            silent = topic.silent(self._seconds, _AT_ONCE)
            if not silent:
                continue
            for body in await self._resting(silent):
                topic.tell(Event.parse(body))
