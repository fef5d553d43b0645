"""A bad line between a browser and a server: latency, bandwidth, connections that break, answers of 500 and 503.

It speaks HTTP/1.1 with connections kept alive, as a browser keeps them, and passes WebSockets through. What the server
has answered with 2xx counts as goodput in the moment at which its bytes passed.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.servers.beside import Beside

_LENGTH: Final = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_CHUNKED: Final = re.compile(rb"^transfer-encoding: *chunked", re.IGNORECASE | re.MULTILINE)
# The system behind a socket takes over what fits: little, so that what the sender sees is the line and not its buffers.
_BUFFER: Final = 64 * 1024
_UNDER_WAY: Final = 128
# A busy machine wakes nobody on time: what was slept too long is made up for, and what is not worth a sleep is owed.
_LATE: Final = 0.1
_OWED: Final = 0.005


@dataclass
class Weather:
    """What the line is like; every figure may be changed while it is in use."""

    bytes_per_second: float = 1e12
    """Upwards, of all connections together."""
    latency: float = 0.0
    """Seconds there and back."""
    resets: float = 0.0
    """The share of requests during which the connection breaks."""
    faults: float = 0.0
    """The share of requests that are answered with 500 or 503, once their body has come."""


@dataclass
class Account:
    """What has happened on the line so far."""

    passed: list[tuple[float, int]] = field(default_factory=list)
    """Bytes of bodies of PUTs that the server took, and when they passed (seconds of the monotonic clock)."""
    in_flight: int = 0
    """PUTs under way."""
    answers: Counter[int] = field(default_factory=Counter)
    """Statuses, of the server and in its place; 0: the connection was broken."""


class Line:
    """Listens on a port of its own, before the server at `server_port`. A `raw` one passes whatever bytes come, TLS
    say: it has latency and bandwidth, but knows no requests that could fail.
    """

    def __init__(self, server_port: int, *, raw: bool = False, seed: int = 1) -> None:
        self.weather = Weather()
        self.account = Account()
        self.port = 0
        self._server_port = server_port
        self._raw = raw
        self._chance = random.Random(seed)
        self._free = 0.0
        self._server: asyncio.Server
        self._beside = Beside()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        self._beside.start()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self.port = listening.getsockname()[1]
        self._server = self._beside.do(self._listen(listening))

    def close(self) -> None:
        self._beside.loop.call_soon_threadsafe(self._server.close)
        self._beside.stop()

    async def _listen(self, listening: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._serve, sock=listening, limit=_BUFFER)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        try:
            await asyncio.sleep(self.weather.latency)  # the handshake
            from_server, upstream = await asyncio.open_connection("127.0.0.1", self._server_port)
            if self._raw:
                await self._through(reader, writer, from_server, upstream)
                return
            while await self._exchange(reader, writer, from_server, upstream):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # the line is taken down
        finally:
            if upstream:
                upstream.transport.abort()
            with suppress(OSError):
                writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        put = head.startswith(b"PUT ")
        self.account.in_flight += put
        try:
            return await self._answered(head, put, reader, writer, from_server, upstream)
        finally:
            self.account.in_flight -= put

    async def _answered(
        self,
        head: bytes,
        put: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> bool:
        length = _length(head)
        lot = self._chance.random()
        breaks = lot < self.weather.resets
        refused = not breaks and lot < self.weather.resets + self.weather.faults
        breaks_at = self._chance.randrange(length + 1) if breaks else None
        await asyncio.sleep(self.weather.latency / 2)
        await self._pass(len(head))
        if not refused:
            upstream.write(head)
        passed = []
        left = length
        while left > 0:
            block = await reader.read(min(left, _BUFFER))
            if not block:
                return False
            await self._pass(len(block))
            passed.append((time.monotonic(), len(block)))
            left -= len(block)
            if breaks_at is not None and length - left >= breaks_at:
                break
            if not refused:
                upstream.write(block)
                await upstream.drain()
        if breaks:
            self.account.answers[0] += 1
            _reset(writer)
            return False
        if refused:
            status = self._chance.choice([500, 503])
            await asyncio.sleep(self.weather.latency / 2)
            writer.write(f"HTTP/1.1 {status} Trouble\r\ncontent-length: 0\r\n\r\n".encode())
        else:
            answer = await from_server.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1])
            await asyncio.sleep(self.weather.latency / 2)
            writer.write(answer)
            if status == 101:
                await self._through(reader, writer, from_server, upstream)
                return False
            await _relay_body(head, status, answer, from_server, writer)
        await writer.drain()
        self.account.answers[status] += 1
        if put and status < 300:
            self.account.passed += passed
        return True

    async def _pass(self, size: int) -> None:
        """Wait until so many bytes have had their time on the line, behind all that came before."""
        now = time.monotonic()
        self._free = max(self._free, now - _LATE) + size / self.weather.bytes_per_second
        if self._free - now > _OWED:
            await asyncio.sleep(self._free - now)

    async def _through(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        up = asyncio.create_task(self._pump(reader, upstream, shaped=True))
        try:
            await self._pump(from_server, writer, shaped=False)
        finally:
            up.cancel()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, shaped: bool) -> None:
        """Pass what comes, each block so long on its way as the latency is, as many blocks as there may be."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        arriving = asyncio.create_task(_arrive(under_way, sink))
        try:
            while data := await source.read(_BUFFER):
                if shaped:
                    await self._pass(len(data))
                await under_way.put((time.monotonic() + self.weather.latency / 2, data))
            await under_way.put((0.0, b""))
            await arriving
        finally:
            arriving.cancel()


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, as from a router that has forgotten the connection."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _relay_body(
    head: bytes, status: int, answer: bytes, source: asyncio.StreamReader, sink: asyncio.StreamWriter
) -> None:
    if head.startswith(b"HEAD ") or status in (204, 304):
        return
    if not _CHUNKED.search(answer):
        await _relay(_length(answer), source, sink)
        return
    while True:  # RFC 9112, 7.1, without trailers
        line = await source.readuntil(b"\r\n")
        sink.write(line)
        size = int(line.split(b";")[0], 16)
        await _relay(size + 2, source, sink)
        if size == 0:
            return


async def _relay(size: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while size > 0:
        block = await source.read(min(size, _BUFFER))
        if not block:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(block)
        sink.write(block)
        await sink.drain()


async def _arrive(under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
    while True:
        due, data = await under_way.get()
        if not data:
            return
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        sink.write(data)
        await sink.drain()


@contextmanager
def bad_line(server_port: int, *, raw: bool = False) -> Iterator[Line]:
    """A line before the server at `server_port`, fine until its weather is changed."""
    line = Line(server_port, raw=raw)
    line.open()
    try:
        yield line
    finally:
        line.close()
