"""The seam between processes: a request that reaches one process is answered by the one that holds its session.

Why, and why not sticky sessions: docs/decisions/0006-sockjs-without-sticky-sessions.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a session that lives elsewhere, with all of its body: everything that is needed to answer it."""

    session_id: str
    method: str
    path: str
    """Below the base URL, unquoted: `/server/session/transport`."""
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case, as in ASGI."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of an answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer's body: one frame, to leave as one HTTP chunk. The one without `more` is the last."""

    data: bytes
    more: bool


Answer = Callable[[Head | Piece], Awaitable[None]]
Serve = Callable[[Request, Answer], Awaitable[None]]


class HomeLost(ConnectionError):
    """The process that held the session fell silent before it had answered."""


class Relay(Protocol):
    """Who holds which session. The names are the clients', unique by their entropy."""

    async def claim(self, session_id: str, serve: Serve) -> bool:
        """Hold a session: once this returns True, requests that others forward come to `serve`.

        False, and nothing changes, where somebody holds it; of two that claim at once exactly one does.
        """
        ...

    async def release(self, session_id: str) -> None:
        """Hold it no more. What is being served is served to its end. Nothing happens where it was not held by this."""
        ...

    async def forward(self, request: Request, answer: Answer) -> bool:
        """Have the holder serve a request. False at once, and nothing answered, where nobody holds its session.

        `answer` is awaited for each part, in order, here; the holder's own `await` lasts until then, so that a reader
        that is slow is slow for the holder. Cancelling this cancels `serve`: a client that hung up is known there at
        once. What `answer` raises, the holder's `await` raises as OSError. HomeLost where the holder is lost.
        """
        ...


class MemoryRelay:
    """The relay of services that share one process: for tests, and the model of others."""

    def __init__(self, homes: dict[str, tuple[MemoryRelay, Serve]] | None = None) -> None:
        self._homes = {} if homes is None else homes

    def another(self) -> MemoryRelay:
        """The relay of another service, that reaches this one and is reached by it."""
        return MemoryRelay(self._homes)

    async def claim(self, session_id: str, serve: Serve) -> bool:
        if session_id in self._homes:
            return False
        self._homes[session_id] = self, serve
        return True

    async def release(self, session_id: str) -> None:
        if self._homes.get(session_id, (None, None))[0] is self:
            del self._homes[session_id]

    async def forward(self, request: Request, answer: Answer) -> bool:
        if request.session_id not in self._homes:
            return False
        _, serve = self._homes[request.session_id]

        async def passed(part: Head | Piece) -> None:
            try:
                await answer(part)
            except Exception as error:
                raise ConnectionResetError("the far end does not take the answer") from error

        await serve(request, passed)
        return True
