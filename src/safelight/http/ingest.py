"""uvicorn's HTTP protocol, except that the body of a signed PUT is received into the very blocks it is written from.

uvicorn hands a body over in pieces of 64 KiB, each copied three times on its way. Here the kernel writes it into large
blocks, which go to the disk as they are: see docs/decisions/0005-ingest-path.md. The request line, the headers, the
response and every other request are uvicorn's own, and under another server the application works as well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import httptools
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PATHS: Final = "/storage/"
# Large blocks cost least, as each is a hop to a thread; with many bodies at once they shrink, to share ROOM.
BLOCK: Final = 1024 * 1024
SMALLEST_BLOCK: Final = 256 * 1024
ROOM: Final = 32 * 1024 * 1024
# How many full ones may wait for the application before the sender has to.
READY: Final = 1
# What a slow sender has sent is handed on after this time, though the block is not full.
LINGER_SECONDS: Final = 0.2
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class IngestProtocol(HttpToolsProtocol):
    """A connection; while the body of a PUT under PATHS arrives, its transport belongs to a DirectBody."""

    _body: DirectBody | None = None

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._body = None
        # Behind another request (pipelining) a body waits in uvicorn's own buffer, as ever.
        if self.scope["method"] == "PUT" and self.scope["path"].startswith(PATHS) and not self.pipeline:
            length = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
            if length:
                self._body = DirectBody(self, self.cycle, length)
                # The application, which starts after this, receives from the body instead of from uvicorn's buffer.
                self.cycle.receive = self._body.receive  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._body is not None and self._body.awaited and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.transport.set_protocol(self._body)

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body.take(body)

    def on_response_complete(self) -> None:
        if self._body is not None:
            self._body.discard()
        super().on_response_complete()

    def body_arrived(self) -> None:
        """The last byte of the body is here: what comes next on this connection is a new request.

        The parser has not seen the body, so a fresh one takes its place.
        """
        self.on_message_complete()
        self.parser = httptools.HttpRequestParser(self)
        self.transport.set_protocol(self)


class DirectBody(asyncio.BufferedProtocol):
    """The body of one request: filled by the transport, received by the application."""

    def __init__(self, connection: IngestProtocol, cycle: RequestResponseCycle, length: int) -> None:
        self.awaited = length
        self._connection = connection
        self._cycle = cycle
        self._ready: deque[memoryview] = deque()
        self._filling: memoryview | None = None
        self._filled = 0
        self._linger: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False
        self._discarding = False
        # Of each body two blocks are here and two on their way to the disk.
        share = ROOM // (4 * max(1, len(connection.server_state.tasks)))
        self._size = max(SMALLEST_BLOCK, min(BLOCK, share, length))

    # --- the transport's side ---

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the room in the block decides
        return self._block()[self._filled : self._filled + self.awaited]

    def buffer_updated(self, nbytes: int) -> None:
        self.awaited -= nbytes
        self._added(nbytes)
        if self.awaited == 0:
            self._connection.body_arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._stop_lingering()
        self._wake()
        self._connection.connection_lost(exc)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # --- the connection's side ---

    def take(self, data: bytes) -> None:
        """The first bytes, which came in one piece with the headers."""
        view = memoryview(data)
        while view:
            count = min(len(view), self._size - self._filled)
            self._block()[self._filled : self._filled + count] = view[:count]
            view = view[count:]
            self.awaited -= count
            self._added(count)

    def discard(self) -> None:
        """The request was answered: whatever still comes of its body is thrown away."""
        self._discarding = True
        self._stop_lingering()
        self._ready.clear()
        self._filled = 0

    # --- the application's side ---

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI's receive; `body` is a memoryview of a block, which belongs to the application from now on."""
        if self._cycle.waiting_for_100_continue:
            self._cycle.waiting_for_100_continue = False
            self._connection.transport.write(_CONTINUE)
        while not self._ready:
            if not self.awaited:
                return await RequestResponseCycle.receive(self._cycle)
            if self._lost:
                return {"type": "http.disconnect"}
            self._connection.flow.resume_reading()
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        block = self._ready.popleft()
        more = bool(self.awaited or self._ready)
        if self.awaited:
            self._connection.flow.resume_reading()
        return {"type": "http.request", "body": block, "more_body": more}  # type: ignore[typeddict-item]

    # --- inside ---

    def _block(self) -> memoryview:
        if self._filling is None:
            self._filling = memoryview(bytearray(self._size))
        return self._filling

    def _added(self, count: int) -> None:
        if self._discarding:
            return
        self._filled += count
        if self._filled == self._size or not self.awaited:
            self._hand_on()
        elif self._linger is None:
            self._linger = self._connection.loop.call_later(LINGER_SECONDS, self._hand_on)

    def _hand_on(self) -> None:
        self._stop_lingering()
        if self._filling is not None and self._filled:
            self._ready.append(self._filling[: self._filled])
            self._filling, self._filled = None, 0
        if self.awaited and len(self._ready) >= READY:
            self._connection.flow.pause_reading()
        self._wake()

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
