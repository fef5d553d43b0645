"""Backpressure: nothing new is taken on while too much waits already, or while database or store are slow.

It is looked at every few seconds, not once a request. What was begun is always finished: only declaring and signing
are refused.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from safelight.errors import ServerBusy
from safelight.ports import Ports

log = structlog.get_logger()

LOOK_SECONDS: Final = 3.0
# A single slow answer says little: the middle one of the last three is what counts.
_LAST: Final = 3
# How far back the pace is taken at which the queue drains.
_PACE_SECONDS: Final = 30
# What to tell clients to wait (seconds) where no pace is known yet, and at most.
_WAIT: Final = 15.0
_LONGEST: Final = 60


class Pressure:
    """How much there is to do. `run` looks until cancelled; `admit` says whether more may come."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._depths: deque[tuple[int, int]] = deque(maxlen=int(_PACE_SECONDS / LOOK_SECONDS))
        self._seconds = {part: deque([0.0] * _LAST, maxlen=_LAST) for part in ("database", "store")}
        self._reason = ""
        self.registry = CollectorRegistry()
        self._waiting = Gauge(
            "safelight_waiting_photos",
            "Photos stored that no worker has taken yet; twice SAFELIGHT_MAX_WAITING where they are more.",
            registry=self.registry,
        )
        self._taken = Gauge(
            "safelight_answer_seconds", "How long it took to answer just now.", ["part"], registry=self.registry
        )
        self._refused = Counter("safelight_busy_refusals", "Calls refused with server-busy.", registry=self.registry)

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Count what waits, and time the answers. Whoever does not answer at all has taken as long as we waited."""
        settings, now = self._ports.settings, self._ports.clock()

        async def count() -> None:
            depth = await self._ports.db.read(lambda tx: tx.waiting(now, 2 * settings.max_waiting))
            self._depths.append((now, depth))
            self._waiting.set(depth)

        await asyncio.gather(self._time("database", count), self._time("store", self._ports.store.check))
        reason = self._too_much()
        if reason and not self._reason:
            log.warning("busy: declaring and signing wait", reason=reason)
        elif self._reason and not reason:
            log.info("no longer busy")
        self._reason = reason

    def admit(self) -> None:
        """ServerBusy, and when to come back, where nothing new is to begin."""
        if self._reason:
            self._refused.inc()
            raise ServerBusy(
                f"The server is busy: {self._reason}. Wait as long as Retry-After says.", retry_after=self._wait()
            )

    async def _time(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(_LONGEST / 4):
                await work()
        except Exception as error:  # noqa: BLE001 - each adapter has errors of its own; readiness tells them
            log.debug("no answer", part=part, reason=str(error))
            taken = max(loop.time() - began, self._ports.settings.slow_seconds * 2)
        else:
            taken = loop.time() - began
        self._seconds[part].append(taken)
        self._taken.labels(part).set(taken)

    def _too_much(self) -> str:
        settings = self._ports.settings
        if self._depths and self._depths[-1][1] >= settings.max_waiting:
            return f"{self._depths[-1][1]:,} photos wait to be processed"
        for part, seconds in self._seconds.items():
            if sorted(seconds)[len(seconds) // 2] > settings.slow_seconds:
                return f"its {part} is slow"
        return ""

    def _wait(self) -> int:
        """Whole seconds until there is room, at the pace of late; spread, so that not all come back at once."""
        wait = _WAIT
        if len(self._depths) > 1:
            (then, before), (now, depth) = self._depths[0], self._depths[-1]
            excess = depth - self._ports.settings.max_waiting
            if excess >= 0 and before > depth:
                wait = (excess + 1) * (now - then) / 1000 / (before - depth)
        spread = random.uniform(0.5, 1.5)  # noqa: S311 - nothing secret
        return round(min(max(wait * spread, 1), _LONGEST))
