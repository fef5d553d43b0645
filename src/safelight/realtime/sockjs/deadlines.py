"""Many deadlines under one timer. Pure: the clock is an argument."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """When each item wants to be looked at.

    Items mostly put their deadline off (every write does): that costs nothing, and they are found too early once.
    """

    def __init__(self) -> None:
        self._entries: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._entries)

    def by(self, item: T, when: float) -> bool:
        """Look at `item` no later than `when`. Whether that is sooner than before."""
        if when >= self._entries.get(item, math.inf):
            return False
        self._entries[item] = when
        heapq.heappush(self._heap, (when, next(self._order), item))
        return True

    def forget(self, item: T) -> None:
        """Nothing more of this item; not an error if there was nothing."""
        self._entries.pop(item, None)

    def due(self, now: float) -> list[T]:
        """The items whose time has come, soonest first. They are out until their next `by`."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            when, _, item = heapq.heappop(self._heap)
            if self._entries.get(item) == when:
                del self._entries[item]
                found.append(item)
        return found

    def next(self) -> float | None:
        """When the next item is due, None where there is none."""
        while self._heap and self._entries.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
