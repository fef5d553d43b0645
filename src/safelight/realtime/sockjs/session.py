"""What a handler holds: one session, whatever carries it. The thin asyncio shell around SessionState."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.datastructures import Headers

from safelight.realtime.sockjs.state import GO_AWAY, SessionState

log = structlog.get_logger()

Handler = Callable[["SockJSSession"], Awaitable[None]]
FAILED: Final = (1011, "Internal error")
RESTART: Final = (1012, "Service restart")


class SessionEnded(ConnectionError):
    """The session has ended: nothing can be sent any more."""


class Interrupted(ConnectionError):
    """The client of this receiver hung up."""


class Receiver:
    """One connection's turn at receiving."""

    __slots__ = ("lost",)

    def __init__(self) -> None:
        self.lost = False


class SockJSSession:
    """One session. The handler uses `receive`, `send` and `close`; the transports use the rest."""

    def __init__(
        self,
        state: SessionState,
        transport: str,
        headers: Headers,
        *,
        subprotocol: str | None = None,
        clock: Callable[[], float],
        rescheduled: Callable[[SockJSSession], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        """Ours, for logs: the client's name for the session is its secret, and "must be protected from the app"."""
        self.transport = transport
        """`websocket`, `raw-websocket`, `xhr-streaming`, `xhr`, `eventsource`, `htmlfile` or `jsonp`."""
        self.headers = headers
        """Of the first request."""
        self.subprotocol = subprotocol
        self.state = state
        self.options = state.options
        self.sending = asyncio.Lock()
        """Held while a message of the client is taken in: one at a time, in order."""
        self._clock = clock
        self._rescheduled = rescheduled
        self._receiver: Receiver | None = None
        self.task: asyncio.Task[None] | None = None
        # Each is set at every change of what it stands for, and cleared by who then waits for it.
        self._mail = asyncio.Event()  # for the handler
        self._news = asyncio.Event()  # for the receiver
        self._room = asyncio.Event()  # for either side's sender

    # --- for the handler ---

    @property
    def bytes_sent(self) -> int:
        """How much went out to the client, framing included."""
        return self.state.bytes_sent

    async def receive(self) -> str | None:
        """The client's next message; None once the session has ended and all that came before was taken."""
        while (text := self.state.take()) is None:
            if self.state.ended:
                return None
            self._mail.clear()
            await self._mail.wait()
        self._room.set()
        return text

    async def send(self, text: str) -> None:
        """Send a message. Waits while as much as the options' `outbox` is queued. SessionEnded after the end."""
        while self.state.crowded and not self.state.ended:
            self._room.clear()
            await self._room.wait()
        if self.state.ended:
            raise SessionEnded
        self.state.put(text)
        self._news.set()

    async def close(self, code: int = GO_AWAY[0], reason: str = GO_AWAY[1]) -> None:
        """End the session once what was sent before has gone out. Does not wait; only the first call counts."""
        self.end(code, reason)

    # --- for the transports ---

    def attach(self) -> Receiver | str:
        """Become the receiver; where that is refused, the only frame to send instead."""
        refusal = self.state.attach(self._clock())
        if refusal is not None:
            return refusal
        self._receiver = Receiver()
        self._rescheduled(self)
        return self._receiver

    async def frame(self, receiver: Receiver) -> str:
        """The next frame to write. Interrupted where the client of this receiver hung up."""
        while True:
            if receiver.lost or self.state.gone:
                raise Interrupted
            if (frame := self.state.next_frame(self._clock())) is not None:
                self._room.set()
                return frame
            await self._next()

    async def message(self, receiver: Receiver) -> str | None:
        """The next message for a raw receiver, None where the session has ended and all has gone out."""
        while True:
            if receiver.lost or self.state.gone:
                raise Interrupted
            if (message := self.state.next_message()) is not None:
                self._room.set()
                return message
            if self.state.ended:
                return None
            await self._next()

    def wrote(self, size: int) -> None:
        """The receiver wrote so many bytes."""
        self.state.wrote(size, self._clock())
        self._rescheduled(self)

    def detach(self, receiver: Receiver) -> None:
        """The receiver finishes in order; another may come."""
        if self._receiver is receiver:
            self._receiver = None
            self.state.detach(self._clock())
            self._rescheduled(self)

    def hang_up(self, receiver: Receiver) -> None:
        """The receiver's client hung up. Behind its last frame that is nothing but the end of the response."""
        if self._receiver is receiver:
            self.interrupt(receiver)

    def interrupt(self, receiver: Receiver) -> None:
        """The receiver lost its client, at whatever point: its last frame may not have arrived."""
        receiver.lost = True
        if self._receiver in (receiver, None):
            self._receiver = None
            self.state.interrupt(self._clock())
            self._changed()

    def end(self, code: int, reason: str) -> None:
        """As `close`."""
        self.state.close(code, reason)
        self._changed()

    def drop(self) -> None:
        """Nothing is left of it, at once."""
        self.state.drop()
        self._changed()

    def accept(self, messages: list[str]) -> None:
        """Messages of the client, for the handler."""
        self.state.accept(messages)
        self._mail.set()

    async def room(self) -> None:
        """Return once the handler has caught up with the client, or the session has ended."""
        while self.state.full:
            self._room.clear()
            await self._room.wait()

    # --- for the service ---

    def start(self, handler: Handler) -> asyncio.Task[None]:
        """Run the handler for as long as it will."""
        self.task = asyncio.create_task(self._run(handler), name=f"sockjs {self.id}")
        return self.task

    @property
    def running(self) -> bool:
        """Whether the handler has not returned yet."""
        return self.task is not None and not self.task.done()

    def cut(self) -> None:
        """The handler does not come to an end by itself."""
        if self.task is not None:
            log.warning("sockjs handler outlived its session: cancelled", session=self.id, transport=self.transport)
            self.task.cancel()

    def tick(self, now: float) -> None:
        """Its deadline may have come."""
        if self.state.deadline() <= now:
            self.state.tick(now)
            self._wake()
        # A heartbeat that is due waits for its receiver, who may be busy writing: `wrote` sets the next deadline.
        if self.state.deadline() > now:
            self._rescheduled(self)

    async def _run(self, handler: Handler) -> None:
        try:
            await handler(self)
        except SessionEnded:
            pass
        except Exception:
            log.exception("sockjs handler failed", session=self.id, transport=self.transport)
            await self.close(*FAILED)
        else:
            await self.close()

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _changed(self) -> None:
        self._wake()
        self._rescheduled(self)

    def _wake(self) -> None:
        for waiting in (self._mail, self._news, self._room):
            waiting.set()
