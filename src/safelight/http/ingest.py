"""uvicorn's HTTP protocol, except that the thread that writes the body of a signed PUT may read it from the socket.

Through uvicorn a body comes in pieces of 64 KiB, each copied four times and handed from the loop to a thread. Here the
thread reads and writes by turns for as long as bytes come, and the loop is asked only where there are none: see
docs/decisions/0005-ingest-path.md. The request line, the headers, the response and every other request are uvicorn's
own. Under another server, and behind TLS, the body comes by ASGI's `receive` as ever.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from safelight.realtime.sockjs.server import SockJSHttp

# Where an application finds the DirectBody: scope["extensions"][EXTENSION].
EXTENSION: Final = "safelight.body"
PATHS: Final = "/storage/"
# A sender that just filled this much is expected to go on at once, so that its thread waits a moment for it.
_FLOWING: Final = 32 * 1024
_PATIENCE_MS: Final = 5
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class IngestProtocol(SockJSHttp):
    """A connection that offers the bodies of PUTs under PATHS to be read directly."""

    _body: DirectBody | None = None

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._body = None
        # Behind another request (pipelining) a body waits in uvicorn's own buffer, as ever.
        if self.scope["method"] != "PUT" or not self.scope["path"].startswith(PATHS) or self.pipeline:
            return
        length = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
        if length and self.scheme == "http":
            self._body = DirectBody(self, self.cycle, length)
            extensions: dict[str, Any] = {EXTENSION: self._body}
            self.scope["extensions"] = extensions
            # The rest stays in the kernel until somebody asks for it: `receive` resumes reading, too.
            self.flow.pause_reading()

    def data_received(self, data: bytes) -> None:
        body = self._body
        if body is None or not body.parted:
            super().data_received(data)
            return
        # What a direct reader left of its body goes the usual way, past the parser, which has not seen the rest.
        self._unset_keepalive_if_required()
        left, behind = data[: body.awaited], data[body.awaited :]
        body.awaited -= len(left)
        super().on_body(left)
        if not body.awaited:
            self.body_ended()
            if behind:
                super().data_received(behind)

    def on_body(self, body: bytes) -> None:
        if self._body is not None:
            self._body.awaited -= len(body)
        super().on_body(body)

    def body_ended(self) -> None:
        """The last byte of a body was read past the parser: a fresh one takes the next request."""
        self._body = None
        self.on_message_complete()
        self.parser = httptools.HttpRequestParser(self)


class DirectBody:
    """The body of one request, to be read without the loop between `taken` and its end. `awaited` bytes are to come."""

    def __init__(self, connection: IngestProtocol, cycle: RequestResponseCycle, length: int) -> None:
        self.awaited = length
        self.parted = False
        self.dry = False
        self._connection = connection
        self._cycle = cycle
        self._descriptor = -1
        self._flowing = False
        self._ended = False

    @contextmanager
    def taken(self) -> Iterator[bytes]:
        """Read directly from here on; gives the bytes that came already. What is left in the end is uvicorn's again."""
        first, self._cycle.body = bytes(self._cycle.body), bytearray()
        transport = self._connection.transport
        # A descriptor of its own: whatever becomes of the connection, no thread ever reads from another one.
        self._descriptor = os.dup(transport.get_extra_info("socket").fileno())
        self._connection.flow.pause_reading()
        self.parted = True
        try:
            yield first
        finally:
            os.close(self._descriptor)
            if self._ended:
                self._cycle.disconnected = True
                transport.close()
            elif not self.awaited:
                self._connection.body_ended()
            self._connection.flow.resume_reading()

    def call(self) -> None:
        """Ask a client for the body that waits to be asked (RFC 9110, 10.1.1)."""
        if self._cycle.waiting_for_100_continue:
            self._cycle.waiting_for_100_continue = False
            self._connection.transport.write(_CONTINUE)

    def read(self, into: memoryview) -> int:
        """In a thread: how many bytes came, 0 where there are none now. ConnectionError where the client has gone."""
        room = into[: self.awaited]
        count = self._read(room)
        if count is None and self._flowing:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if poll.poll(_PATIENCE_MS):
                count = self._read(room)
        if count == 0:
            self._ended = True
            raise ConnectionResetError("the client hung up")
        self.dry = count is None
        self.awaited -= count or 0
        self._flowing = (count or 0) >= min(_FLOWING, len(room))
        return count or 0

    async def readable(self) -> None:
        """Return once there is something to read, if only the end."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        loop.add_reader(self._descriptor, news.set)
        try:
            await news.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def _read(self, room: memoryview) -> int | None:
        try:
            return os.readv(self._descriptor, [room])
        except BlockingIOError:
            return None
        except ConnectionError:
            self._ended = True
            raise
