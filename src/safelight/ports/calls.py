"""Calls between processes: who holds a name, and asking the one who does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Answer = Callable[[bytes], Awaitable[None]]
Serve = Callable[[bytes, Answer], Awaitable[None]]


class CallLost(ConnectionError):
    """Whoever was called, or the way there, fell silent before all was answered."""


class Calls(Protocol):
    """Names, each held by one process at most, and calls to the holder. Names are unique by their entropy."""

    async def hold(self, name: str, serve: Serve) -> bool:
        """Hold a name: once this returns True, calls that others make come to `serve`.

        False, and nothing changes, where somebody holds it, and where that cannot be found out; of two that would hold
        it at once exactly one does. What a process held that has died is free.
        """

    async def release(self, name: str) -> None:
        """Hold it no more. What is being served is served to its end. Nothing happens where it was not held by this."""

    async def call(self, name: str, request: bytes, answer: Answer) -> bool:
        """Have the holder serve a request. False at once, and nothing answered, where nobody holds the name.

        `answer` is awaited for each part of the answer, in order, here; the holder's own `await` lasts until then, so
        that one who takes slowly is slow for the holder. Cancelling this cancels `serve`. What `answer` raises, the
        holder's `await` raises as OSError. CallLost where the holder, or the way there, is lost: within seconds.
        """

    async def close(self) -> None:
        """Hold nothing any more, and end what is being served and called."""
