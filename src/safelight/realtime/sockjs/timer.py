"""One timer for all sessions: thousands of them must not mean thousands of timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from safelight.realtime.sockjs.deadlines import Deadlines

T = TypeVar("T")


class Timer(Generic[T]):
    """Calls `fire` with each item once its time has come. `clock` counts seconds, steadily."""

    def __init__(self, clock: Callable[[], float], fire: Callable[[T], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._deadlines: Deadlines[T] = Deadlines()
        self._handle: asyncio.TimerHandle | None = None
        self._set_to = 0.0

    def by(self, item: T, when: float) -> None:
        """Fire for `item` at `when` or before: an item whose deadline was put off is found early, and set again."""
        if self._deadlines.by(item, when):
            self._arm()

    def forget(self, item: T) -> None:
        """Do not fire for it any more."""
        self._deadlines.forget(item)

    def close(self) -> None:
        """Fire no more."""
        self._deadlines = Deadlines()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        soonest = self._deadlines.next()
        if soonest is None or (self._handle is not None and self._set_to <= soonest):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._set_to = soonest
        self._handle = asyncio.get_running_loop().call_later(max(0.0, soonest - self._clock()), self._ring)

    def _ring(self) -> None:
        self._handle = None
        for item in self._deadlines.due(self._clock()):
            self._fire(item)
        self._arm()
