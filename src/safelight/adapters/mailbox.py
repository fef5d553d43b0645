"""What a subscriber has not read yet. It is bounded, so that one who does not read costs nobody anything."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

# A subscriber that is so far behind loses the oldest messages; it reads the table for them.
BOUND: Final = 10_000


class Mailbox:
    """Messages `(topic, payload)` in the order they came, until `end`."""

    def __init__(self) -> None:
        self._messages: deque[tuple[str, bytes]] = deque(maxlen=BOUND)
        self._news = asyncio.Event()
        self.ended = False

    def put(self, topic: str, payload: bytes) -> None:
        """One more message."""
        self._messages.append((topic, payload))
        self._news.set()

    def end(self) -> None:
        """End the iteration."""
        self.ended = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        while not self.ended:
            if self._messages:
                return self._messages.popleft()
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration
