"""Watchers of jobs that cost next to nothing: STOMP over a raw WebSocket, thousands of them in one event loop.

`python -m tests.watching PORT TOKEN JOB` watches until the job has ended and prints its tally as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Final, cast

from tests.tally import Tally, Told, read

ABNORMAL: Final = 1006
"""RFC 6455, 7.4.1: the connection ended without a close frame."""
_UPGRADE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: v12.stomp\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA


class Wire(asyncio.Protocol):
    """One WebSocket, and the STOMP frames that come by it: `heard(command, headers, body)`."""

    def __init__(self, port: int, heard: Callable[[str, dict[str, str], bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[int] = loop.create_future()
        self._port = port
        self._heard = heard
        self._code = ABNORMAL
        self._upgraded = False
        self._raw = bytearray()
        self._text = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self.transport.write(_UPGRADE % self._port)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"not upgraded: {error}"))
            self.opened.exception()  # whoever still waits raises it; nobody has to
        if not self.closed.done():
            self.closed.set_result(self._code)

    def say(self, command: str, body: str = "", **headers: str) -> None:
        """Send a frame; `_` in a header's name stands for `-`."""
        lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
        self._send(_TEXT, f"{command}\n{lines}\n{body}\0".encode())

    def cut(self) -> None:
        """Hang up without a word."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self._upgraded and not self._upgrade():
            return
        while (taken := self._frame()) is not None:
            opcode, payload = taken
            if opcode == _CLOSE:
                self._code = int.from_bytes(payload[:2]) if payload else 1005
                self._send(_CLOSE, payload[:2])
                self.transport.close()
            elif opcode == _PING:
                self._send(_PONG, payload)
            else:
                self._text += payload
        self._read_text()

    def _upgrade(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._raw[9:12])
        if status != b"101":
            self.opened.set_exception(ConnectionError(f"refused with {status.decode()}"))
            self.transport.abort()
            return False
        del self._raw[: end + 4]
        self._upgraded = True
        self.opened.set_result(None)
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        raw = self._raw
        if len(raw) < 2:
            return None
        length, start = raw[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(raw) < start:
                return None
            length = int.from_bytes(raw[2:start])
        if len(raw) < start + length:
            return None
        opcode, payload = raw[0] & 0xF, bytes(raw[start : start + length])
        del raw[: start + length]
        return opcode, payload

    def _read_text(self) -> None:
        *frames, rest = bytes(self._text).split(b"\0")
        self._text = bytearray(rest)
        for each in frames:
            head, _, body = each.lstrip(b"\n").partition(b"\n\n")
            command, *lines = head.decode().split("\n")
            self._heard(command, dict(line.split(":", 1) for line in reversed(lines)), body)

    def _send(self, opcode: int, payload: bytes) -> None:
        # A client must mask (RFC 6455, 5.3); a mask of zeros is one that costs nothing.
        size = len(payload)
        extended = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0xFE, size)
        self.transport.write(bytes([0x80 | opcode]) + extended + bytes(4) + payload)


@dataclass
class Watcher:
    """Watches a job, comes back after every end of the connection, and keeps account. `run` it as a task."""

    port: int
    token: Callable[[], str]
    job_id: str
    after: int | None = None
    batch: bool = False
    receive_buffer: int | None = None
    """Bytes of the socket's own buffer; small ones make a reader that stops noticed soon."""
    returns: bool = True
    """Whether to come back."""
    tally: Tally = field(default_factory=Tally)
    codes: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    connects: int = 0
    placed_at: float | None = None
    """When the first MESSAGE of the present connection came, of the monotonic clock."""
    left_at: float | None = None
    on_event: Callable[[Told], None] | None = None
    wire: Wire | None = None

    def __post_init__(self) -> None:
        self.tally.seq = self.after
        self.tally.since = self.after or 0
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled, or, for one that does not return, until the connection ends."""
        pause = 0.02
        while True:
            try:
                await self._watch()
                pause = 0.02
            except OSError:
                pause = min(pause * 2, 0.5)
            if not self.returns:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def until(self, holds: Callable[[Tally], bool]) -> None:
        """Wait until this holds of the tally."""
        while not holds(self.tally):
            self._news.clear()
            await self._news.wait()

    async def placed(self) -> None:
        """Wait until the present connection has its place in the topic."""
        while self.placed_at is None:
            self._news.clear()
            await self._news.wait()

    def renew(self, token: str) -> None:
        """Send a new token over the connection that there is."""
        assert self.wire
        self.wire.say("SEND", json.dumps({"token": token}), destination="/app/token", receipt="renewed")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        raw = socket.socket()
        if self.receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        raw.setblocking(False)
        wire: Wire | None = None
        try:
            await loop.sock_connect(raw, ("127.0.0.1", self.port))
            _, wire = await loop.create_connection(lambda: Wire(self.port, self._heard), sock=raw)
            await wire.opened
            self.wire = wire
            wire.say("CONNECT", accept_version="1.2", host="h", passcode=self.token(), heart_beat="0,0")
            after = {} if self.tally.seq is None else {"after": str(self.tally.seq)}
            destination = f"/topic/job/{self.job_id}{'/batch' if self.batch else ''}"
            wire.say("SUBSCRIBE", id="0", destination=destination, receipt="placed", **after)
            self.connects += 1
            self.codes.append(await wire.closed)
            self.left_at = time.monotonic()
        finally:
            if wire is None:
                raw.close()
            else:
                wire.cut()
            self.tally.cut()
            self.placed_at = self.wire = None
            self._news.set()

    def _heard(self, command: str, headers: dict[str, str], body: bytes) -> None:
        if command == "MESSAGE":
            recovered = headers.get("recovered")
            if recovered is not None:
                self.tally.begin(recovered, int(headers["seq"]))
            for told in read(body):
                self.tally.take(told)
                if self.on_event is not None:
                    self.on_event(told)
        elif command == "RECEIPT" and headers["receipt-id"] == "placed":
            self.placed_at = time.monotonic()
        elif command == "ERROR":
            self.errors.append(headers["code"])
        self._news.set()


@asynccontextmanager
async def watching(watchers: Sequence[Watcher], patience: float = 60.0) -> AsyncIterator[None]:
    """All of them run, and have their places when the block begins; TimeoutError after so many seconds."""
    async with asyncio.timeout(patience):
        running = [asyncio.create_task(watcher.run()) for watcher in watchers]
        try:
            for watcher in watchers:
                await watcher.placed()
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _alone(port: int, token: str, job_id: str) -> None:
    watcher = Watcher(port, lambda: token, job_id, receive_buffer=4096)
    running = asyncio.create_task(watcher.run())
    await watcher.until(lambda tally: tally.seq is not None)
    print("watching", flush=True)  # noqa: T201
    await watcher.until(lambda tally: tally.ended)
    running.cancel()
    print(json.dumps({**asdict(watcher.tally), "connects": watcher.connects}), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_alone(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
