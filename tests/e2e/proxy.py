"""A proxy such as stands in front of some networks: it passes plain HTTP, and of the live channel what it may.

It can also stand for trouble: answer in the server's place, hold requests, and cut answers short.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

from tests.servers.beside import Beside

WEBSOCKET = r"^GET /ws(/\S*)? .*upgrade: *websocket"
SOCKJS = r"^\w+ /ws/"
EVERYTHING_LIVE = rf"{WEBSOCKET}|{SOCKJS}"
_LENGTH = re.compile(r"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CHUNK = 64 * 1024


class Proxy:
    """Listens on a port of its own; every connection carries one request to the server at one of `ports`, which take
    turns. One that does not listen is passed over.
    """

    def __init__(self, *ports: int, host: str = "127.0.0.1") -> None:
        self._ports = deque(ports)
        self._host = host
        self._blocked: re.Pattern[str] | None = None
        self._swallowed: re.Pattern[str] | None = None
        self._answers: list[_Fault] = []
        self._cuts: list[_Fault] = []
        self._held: re.Pattern[str] | None = None
        self._released = asyncio.Event()
        self._open: dict[asyncio.Task[None], str] = {}
        self.most_at_once = 0
        self.heads: list[str] = []
        self.delay = 0.0
        """Seconds that every request waits before it goes on."""
        self.port = 0
        self._server: asyncio.Server
        self._beside = Beside()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def block(self, pattern: str | None) -> None:
        """Refuse requests whose head matches from now on, and cut those under way; None lets all through."""
        self._blocked = pattern and re.compile(pattern, re.IGNORECASE | re.DOTALL)  # type: ignore[assignment]
        if pattern:
            self.cut(pattern)

    def swallow(self, pattern: str | None) -> None:
        """Take requests whose head matches and never answer, as a proxy does that knows no WebSocket."""
        self._swallowed = pattern and re.compile(pattern, re.IGNORECASE | re.DOTALL)  # type: ignore[assignment]

    def answer(self, pattern: str, status: int, body: str = "", *, times: int = sys.maxsize, **headers: str) -> None:
        """Answer requests whose head matches in the server's place, so many times."""
        lines = [f"HTTP/1.1 {status} Trouble", f"content-length: {len(body)}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        response = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
        self._answers.append(_Fault(_pattern(pattern), times, response=response))

    def cut_after(self, pattern: str, size: int | None, *, times: int = sys.maxsize) -> None:
        """Cut the answers to requests whose head matches after so many bytes of their body; None: before the head."""
        self._cuts.append(_Fault(_pattern(pattern), times, size=size))

    def hold(self, pattern: str) -> None:
        """Keep requests whose head matches until `release`."""
        self._held = _pattern(pattern)

    def release(self) -> None:
        """Let those go on that are held, and hold no more."""
        self._held = None
        self._beside.loop.call_soon_threadsafe(self._released.set)

    def heal(self) -> None:
        """No more trouble."""
        self._answers.clear()
        self._cuts.clear()

    def cut(self, pattern: str) -> None:
        """Break the connections whose request's head matches."""
        self._beside.do(self._cut(pattern))

    def count(self, pattern: str) -> int:
        """How many requests came whose head matches."""
        return sum(bool(re.search(pattern, head, re.IGNORECASE | re.DOTALL)) for head in self.heads)

    def alive(self, pattern: str) -> int:
        """How many connections are open whose request's head matches."""
        return sum(bool(re.search(pattern, head, re.IGNORECASE | re.DOTALL)) for head in list(self._open.values()))

    def __enter__(self) -> Self:
        self._beside.start()
        self._server = self._beside.do(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.loop.call_soon_threadsafe(self._server.close)
        self._beside.stop()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self._host, 0, limit=_CHUNK)

    async def _cut(self, pattern: str) -> None:
        tasks = [t for t, head in self._open.items() if re.search(pattern, head, re.IGNORECASE | re.DOTALL)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            await asyncio.sleep(self.delay)
            self._open[task] = head
            self.most_at_once = max(self.most_at_once, len(self._open))
            if self._held and self._held.search(head):
                await self._released.wait()
            if fault := _due(self._answers, head):
                length = _LENGTH.search(head)
                if length and "100-continue" not in head.lower():
                    await reader.readexactly(int(length[1]))
                writer.write(fault.response)
                await writer.drain()
            elif self._swallowed and self._swallowed.search(head):
                await reader.read()
            elif self._blocked and self._blocked.search(head):
                writer.write(_REFUSED)
                await writer.drain()
            else:
                await self._pass(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._open.pop(task, None)
            with suppress(OSError):
                writer.close()

    async def _pass(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "upgrade: websocket" not in head.lower():
            # One request a connection, so that each can be judged by its head.
            head = re.sub(r"(?im)^connection:.*\r\n", "", head).removesuffix("\r\n") + "connection: close\r\n\r\n"
        from_server, to_server = await self._next_server()
        try:
            to_server.write(head.encode("latin-1"))
            up = asyncio.create_task(_pump(reader, to_server))
            try:
                if fault := _due(self._cuts, head):
                    answer = await from_server.readuntil(b"\r\n\r\n")
                    if fault.size is not None:
                        writer.write(answer + await from_server.readexactly(fault.size))
                        await writer.drain()
                else:
                    await _pump(from_server, writer)
            finally:
                up.cancel()
        finally:
            to_server.transport.abort()

    async def _next_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._ports.rotate(-1)
        # An order of its own: others take their turns while this one waits.
        *first, last = self._ports
        for port in first:
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", port)
        return await asyncio.open_connection("127.0.0.1", last)


@dataclass
class _Fault:
    pattern: re.Pattern[str]
    times: int
    response: bytes = b""
    size: int | None = None


def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _due(faults: list[_Fault], head: str) -> _Fault | None:
    """The first fault that is meant for this request and has not happened often enough."""
    for fault in faults:
        if fault.times > 0 and fault.pattern.search(head):
            fault.times -= 1
            return fault
    return None


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


@contextmanager
def proxied(*ports: int, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy on `host` before the servers at `ports`."""
    with Proxy(*ports, host=host) as proxy:
        yield proxy
