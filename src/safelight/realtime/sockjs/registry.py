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
        self._settling: dict[str, asyncio.Future[None]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def full(self) -> bool:
        """Whether there is no room for another session, or there are to be no more at all."""
        return self._closed or len(self._sessions) >= self._options.max_sessions

    async def find(self, name: str) -> SockJSSession | None:
        """The session that a client means by this name, as soon as that is settled between the processes.

        One that has just gone is still being given up; one that is being opened may turn out to be another process's.
        """
        while (settling := self._settling.get(name)) is not None:
            await asyncio.wait([settling])
        return self._named.get(name)

    @contextmanager
    def settling(self, name: str) -> Iterator[None]:
        """Whose session a name is, is being found out: whoever looks for it waits. `find` must just have returned."""
        settled = self._settling[name] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._settling[name]
            settled.set_result(None)

    def open(
        self, transport: str, headers: Headers, *, name: str | None = None, subprotocol: str | None = None
    ) -> SockJSSession | None:
        """A new session, its handler not yet started; None where there is no room, or no more sessions at all."""
        if self.full:
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
        if left := handlers | set(self._settling.values()):
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
                releasing = self._settling[name] = asyncio.ensure_future(self._forgotten(name))
                releasing.add_done_callback(lambda _: self._settling.pop(name))
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
