"""The sessions of one service: how they begin, who is looked after when, and how all of them end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.datastructures import Headers

from safelight.realtime.sockjs.options import Options
from safelight.realtime.sockjs.session import Handler, SockJSSession
from safelight.realtime.sockjs.state import SessionState
from safelight.realtime.sockjs.timer import Timer


class Registry:
    """`clock` counts seconds, steadily; `forgotten` is awaited with a client's name for a session once that is free."""

    def __init__(
        self,
        handler: Handler,
        options: Options,
        clock: Callable[[], float],
        forgotten: Callable[[str], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._handler = handler
        self._options = options
        self._clock = clock
        self._forgotten = forgotten
        # Each with the name that clients have for it, None for a WebSocket's.
        self._sessions: dict[SockJSSession, str | None] = {}
        self._named: dict[str, SockJSSession] = {}
        self._timer: Timer[SockJSSession] = Timer(clock, self._ring)
        self._busy: set[asyncio.Task[Any]] = set()
        self._releasing: dict[str, asyncio.Future[None]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, name: str) -> SockJSSession | None:
        """The session that a client means by this name."""
        return self._named.get(name)

    async def freed(self, name: str) -> None:
        """Return once the others know that a session of this name, which has just gone, is not here any more."""
        if (releasing := self._releasing.get(name)) is not None:
            await asyncio.wait([releasing])

    def open(
        self, transport: str, headers: Headers, *, name: str | None = None, subprotocol: str | None = None
    ) -> SockJSSession | None:
        """A new session, its handler not yet started; None where there is no room, or no more sessions at all."""
        if self._closed or len(self._sessions) >= self._options.max_sessions:
            return None
        session = SockJSSession(
            SessionState(self._options, self._clock(), framed=transport != "raw-websocket"),
            transport,
            headers,
            subprotocol=subprotocol,
            clock=self._clock,
            rescheduled=self._look_after,
        )
        self._sessions[session] = name
        if name is not None:
            self._named[name] = session
        self._look_after(session)
        return session

    def disown(self, session: SockJSSession) -> None:
        """Drop a session that has not begun: its name is another process's."""
        name, self._sessions[session] = self._sessions[session], None
        if name is not None:
            del self._named[name]
        session.drop()

    def start(self, session: SockJSSession) -> None:
        """Run the handler, whose end is the session's."""
        session.start(self._handler).add_done_callback(lambda _: self._look_after(session))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The current task carries a session's frames: closing waits for it."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("sessions live in tasks")
        self._busy.add(task)
        try:
            yield
        finally:
            self._busy.discard(task)

    async def close(self, code: int, reason: str) -> None:
        """End all with a `c` frame; wait for handlers and carriers, at most the grace; cancel handlers that go on."""
        self._closed = True
        sessions = list(self._sessions)
        for session in sessions:
            session.end(code, reason)
        handlers = {session.task for session in sessions if session.task is not None}
        if waiting := handlers | self._busy:
            await asyncio.wait(waiting, timeout=self._options.handler_grace)
        for session in sessions:
            session.drop()
            if session.running:
                session.cut()
        if left := handlers | set(self._releasing.values()):
            await asyncio.wait(left, timeout=self._options.handler_grace)
        self._timer.close()

    def _look_after(self, session: SockJSSession) -> None:
        """Called at every change that may matter."""
        if not session.state.gone:
            self._timer.by(session, session.state.deadline())
        elif session in self._sessions:
            self._bury(session)

    def _bury(self, session: SockJSSession) -> None:
        name = self._sessions[session]
        if name is not None and self._named.get(name) is session:
            del self._named[name]
            if self._forgotten is not None:
                releasing = self._releasing[name] = asyncio.ensure_future(self._forgotten(name))
                releasing.add_done_callback(lambda _: self._releasing.pop(name))
        self._timer.forget(session)
        if session.running:
            self._timer.by(session, self._clock() + self._options.handler_grace)
        else:
            del self._sessions[session]

    def _ring(self, session: SockJSSession) -> None:
        if not session.state.gone:
            session.tick(self._clock())
        elif session.running:
            session.cut()
