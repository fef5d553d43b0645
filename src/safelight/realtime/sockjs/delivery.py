"""A receiving HTTP transport at work: frames out of a session, one by one, into a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from safelight.realtime.sockjs.answers import Answer, Headers
from safelight.realtime.sockjs.session import RESTART, Interrupted, Receiver, SockJSSession
from safelight.realtime.sockjs.transports import Receiving

# A server that can tell offers this in scope["extensions"]: called with a function, it calls that when it begins to
# shut down; what it returns takes that back. Without it, long responses hold a server up for its grace period.
SHUTDOWN: Final = "sockjs.shutdown"
# And this: called, it lets little wait in the connection from now on, so that a handler soon waits for a slow reader.
NARROW: Final = "sockjs.narrow"
Watch = Callable[[Callable[[], object]], Callable[[], None]]


class BodyTooLarge(Exception):
    """The body of a request is larger than the service takes."""


async def respond(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    length: Headers = () if answer.status in (204, 304) else (("content-length", str(len(answer.body))),)
    await send(start(answer.status, answer.headers + length))
    await send(body(answer.body, more=False))


def start(status: int, headers: Headers) -> dict[str, Any]:
    """The ASGI message that begins a response."""
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": raw}


def body(data: bytes, *, more: bool) -> dict[str, Any]:
    """The ASGI message of a piece of a response's body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def read(receive: Receive, limit: int) -> bytes:
    """The body of a request. BodyTooLarge beyond `limit` bytes, ConnectionResetError where the client hangs up."""
    whole = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client hung up")
        whole += message.get("body", b"")
        if len(whole) > limit:
            raise BodyTooLarge
        more = message.get("more_body", False)
    return bytes(whole)


async def hung_up(receive: Receive) -> None:
    """Return once the client has hung up; what else it sends is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def deliver(
    session: SockJSSession,
    transport: Receiving,
    callback: str,
    head: Headers,
    *,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Be a session's receiver for one response, to its end or the client's."""
    response = _Response(session, transport, callback, head, send)
    if transport.streaming and (narrow := scope.get("extensions", {}).get(NARROW)) is not None:
        narrow()
    got = session.attach()
    if isinstance(got, str):
        with suppress(OSError, TimeoutError):
            await response.begin()
            await response.write(response.wrap(got), last=True)
        return
    try:
        restart = partial(session.end, *RESTART)
        async with _watched(session, got, receive), told_of_shutdown(scope, restart):
            await response.begin()
            await response.run(got)
    except (Interrupted, OSError, TimeoutError):
        session.interrupt(got)
    except BaseException:  # cancelled: the server stops, or the client hung up at another process
        session.interrupt(got)
        raise


class _Response:
    """Its head, and a chunk for each frame."""

    def __init__(self, session: SockJSSession, transport: Receiving, callback: str, head: Headers, send: Send) -> None:
        self._session = session
        self._transport = transport
        self._callback = callback
        self._head = head
        self._send = send

    def wrap(self, frame: str) -> bytes:
        return self._transport.wrap(frame, self._callback)

    async def begin(self) -> None:
        """Head and prelude, without waiting for a frame. A poll's head waits, for then its length is known."""
        if self._transport.streaming:
            await self._within(start(200, self._head))
            if self._transport.prelude is not None:
                await self._within(body(self._transport.prelude(self._callback), more=True))

    async def run(self, receiver: Receiver) -> None:
        """Write frames while they come and fit."""
        room = self._session.options.response_limit
        last = False
        while not last:
            frame = await self._session.frame(receiver)
            data = self.wrap(frame)
            room -= len(data)
            last = not self._transport.streaming or frame.startswith("c") or room <= 0
            if last:
                # Before the write: the next request may arrive, at another process even, before the write returns.
                self._session.detach(receiver)
            await self.write(data, last=last)
            self._session.wrote(len(data))

    async def write(self, data: bytes, *, last: bool) -> None:
        """One frame, as one chunk."""
        if not self._transport.streaming:
            await self._within(start(200, (*self._head, ("content-length", str(len(data))))))
        await self._within(body(data, more=not last))

    async def _within(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._session.options.send_within):
            await self._send(message)


@asynccontextmanager
async def _watched(session: SockJSSession, receiver: Receiver, receive: Receive) -> AsyncIterator[None]:
    """Have the session interrupted as soon as the receiver's client hangs up."""

    def noticed(watch: asyncio.Task[None]) -> None:
        if not watch.cancelled():
            session.hang_up(receiver)

    watch = asyncio.create_task(hung_up(receive))
    watch.add_done_callback(noticed)
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])


@asynccontextmanager
async def told_of_shutdown(scope: Scope, called: Callable[[], object]) -> AsyncIterator[None]:
    """Have something called when the server begins to shut down, if it is one that can tell."""
    watch: Watch | None = scope.get("extensions", {}).get(SHUTDOWN)
    if watch is None:
        yield
        return
    unwatch = watch(called)
    try:
        yield
    finally:
        unwatch()
