"""What stands between a client and a server, and does wrong what such things do wrong."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

_CHUNK: Final = 64 * 1024
_LENGTH: Final = re.compile(r"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
Rewrite = Callable[[str], str]


def unchanged(head: str) -> str:
    return head


def without(*names: str) -> Rewrite:
    """Drop headers, by patterns of their names."""
    pattern = re.compile(rf"(?im)^(?:{'|'.join(names)}):.*\r\n")
    return lambda head: pattern.sub("", head)


def replacing(pattern: str, text: str) -> Rewrite:
    """Replace what matches in a head, whatever its case."""
    found = re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    return lambda head: found.sub(text, head)


Lead = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
"""Serves one connection, on the way to the server at a port."""


@dataclass
class Way:
    """Listens on a free port of loopback while it is entered, on the way to the server at `port`. With `tls` it is
    spoken to by TLS, and speaks plainly onwards.
    """

    port: int
    lead: Lead
    tls: ssl.SSLContext | None = None
    listening: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.listening}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK, ssl=self.tls)
        self.listening = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0)  # who came just now has begun
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self.lead(reader, writer, self.port)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side hung up
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            with suppress(OSError):
                writer.close()


def relay(port: int, *, seconds: float = 0.0, down: Callable[[bytes], bytes] = bytes) -> Way:
    """Of any protocol: what the server says comes so many `seconds` late, and rewritten by `down`."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", to)

        async def answer() -> None:
            while data := await from_server.read(_CHUNK):
                await asyncio.sleep(seconds)
                writer.write(down(data))
                await writer.drain()

        await _both(_pump(reader, to_server), answer(), to_server)

    return Way(port, lead)


def spoiling(
    port: int,
    *,
    request: Rewrite = unchanged,
    response: Rewrite = unchanged,
    largest: int | None = None,
    gathers: bool = False,
    answered: Mapping[str, bytes] = MappingProxyType({}),
    tls: ssl.SSLContext | None = None,
) -> Way:
    """A proxy that speaks HTTP, one request a connection. `request` and `response` rewrite heads; bodies larger than
    `largest` bytes are refused; with `gathers` nothing of a response is passed on before its end. A request whose
    head matches a pattern of `answered` is answered by the bytes beside it.
    """

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        said = [answer for pattern, answer in answered.items() if re.search(pattern, head, re.IGNORECASE | re.DOTALL)]
        if largest is not None and length > largest:
            said = [plain("413 Request Entity Too Large", "<h1>413</h1>", "text/html")]
        if said:
            headers, end, body = said[0].partition(b"\r\n\r\n")
            await _answer(reader, writer, headers + end + (b"" if head.startswith("HEAD ") else body))
            return
        head = request(head)
        if "upgrade: websocket" not in head.lower():
            head = without("connection")(head).removesuffix("\r\n") + "connection: close\r\n\r\n"
        from_server, to_server = await asyncio.open_connection("127.0.0.1", to)
        to_server.write(head.encode("latin-1"))
        await _both(_pump(reader, to_server), give(from_server, writer), to_server)

    async def give(from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = response((await from_server.readuntil(b"\r\n\r\n")).decode("latin-1")).encode("latin-1")
        if gathers:
            writer.write(head + await from_server.read())
            return
        writer.write(head)
        await _pump(from_server, writer)

    return Way(port, lead, tls)


async def _both(up: Awaitable[None], down: Awaitable[None], to_server: asyncio.StreamWriter) -> None:
    """Until the answer has ended."""
    sending = asyncio.ensure_future(up)
    try:
        await down
    finally:
        to_server.transport.abort()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Answer, then read on for a moment: to close on unread bytes would reset the connection, answer and all."""
    writer.write(answer)
    await writer.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while await reader.read(_CHUNK):
                pass


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


def plain(status: str, body: str, kind: str = "application/xml") -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body.encode())}\r\n"
    return f"{head}connection: close\r\n\r\n{body}".encode()


def s3_error(status: str, code: str, message: str = "") -> bytes:
    """An answer of an S3 store that refuses."""
    return plain(status, f"<Error><Code>{code}</Code><Message>{message or code}</Message></Error>")
