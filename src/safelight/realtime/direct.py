"""The short way of a flush to a client: bytes made once for all, written by whoever has them, without a task's turn."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from safelight.realtime.feed import Batch, Flush
from safelight.realtime.messages import encoded
from safelight.realtime.pipe import Outlet
from safelight.realtime.session import Session
from safelight.realtime.subscription import Subscription


@dataclass(slots=True)
class Line:
    """What all ways out of one connection have in common. `clock` and `expires_at` are Unix milliseconds."""

    session: Session
    clock: Callable[[], int]
    expires_at: float = math.inf
    bytes: int = 0
    """Of frames, written so far."""
    lag: float = 0.0
    """Seconds from the commit of the last flush to its write."""


class DirectWay:
    """Writes flushes of one subscription while there is room and nothing else is to be said first (reader.Direct).

    What it does is done for every reader of every event: what can be known of a flush beforehand stands in the flush.
    """

    __slots__ = ("_form", "_line", "_outlet", "_subscription", "_write")

    def __init__(self, line: Line, subscription: Subscription, outlet: Outlet) -> None:
        self._line = line
        self._subscription = subscription
        self._outlet = outlet
        self._write = outlet.write
        self._form = f"{outlet.form}\n{subscription.form}"

    def write(self, flush: Flush) -> bool:
        batch, line = flush.batch, self._line
        if batch is None:
            return False
        now = flush.now
        if now is None:
            now = self._stamp(flush, batch)
        # An ended session has said its last word, an expired one is about to.
        if now >= line.expires_at or line.session.closed:
            return False
        frames = batch.encoded.get(self._form) or encoded(self._subscription, batch, self._outlet, self._form)
        if frames.data is None or not self._write(frames.data):
            return False
        size = frames.size
        self._subscription.wrote(frames.number)
        line.session.wrote(flush.at)
        line.bytes += size
        if flush.lag is not None:
            line.lag = flush.lag
        flush.bytes += size
        flush.written += 1
        return True

    def _stamp(self, flush: Flush, batch: Batch) -> int:
        flush.now = self._line.clock()
        flush.at = int(asyncio.get_running_loop().time() * 1000)
        flush.lag = lag(batch, flush.now)
        return flush.now


def lag(batch: Batch, now: int) -> float | None:
    """Seconds since the oldest event was committed; `now` in Unix milliseconds. None where that is not known."""
    committed = _seconds(batch.events[0].timestamp)
    return None if committed is None else max(0.0, now / 1000 - committed)


@lru_cache(256)  # the readers of one event ask one after the other
def _seconds(timestamp: str) -> float | None:
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None
