"""The readers of the fan-out bench: one process with a socket for each, an epoll loop, and no WebSocket library.

`python -m benches.readers CONTROL` takes commands as JSON lines on its standard input and answers each by one. It
writes the events, a line each, to the descriptor CONTROL, where the server under test reads them. An event bears the
time at which it was due, by the monotonic clock that all processes of a machine share, so that the time an overloaded
server takes to notice it counts too. Readers look for these times alone; all else in a frame is skipped.
"""

from __future__ import annotations

import array
import json
import os
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

BODY: Final = 200
MARK: Final = b'"at '
_WHOLE: Final = len(MARK) + 19
_CONNECTED_AT_ONCE: Final = 64
_WAITING_SECONDS: Final = 30
# How a text frame of 126 bytes to 64 KiB begins; no other two bytes of a frame are these.
_FRAME: Final = b"\x81~"
# A WebSocket ping of four bytes, which uvicorn and websockets send, and Engine.IO's, a text of one character.
_PING: Final = b"\x89\x04"
_EIO_PING: Final = b"\x81\x012"
_EIO_PONG: Final = b"\x81\x81\0\0\0\x003"


@dataclass(frozen=True)
class Speech:
    """How a reader of one server begins: what it says (`{n}` is its number) and what it then waits for, in turn."""

    path: str
    turns: tuple[tuple[str, str], ...] = ()


def event(seq: int, due: int) -> bytes:
    """A ProgressUpdate of 200 bytes, with the nanosecond at which it was due."""
    body = (
        f'{{"jobId":"job_bench","photoId":"ph_{seq % 100:02}","status":"PROCESSING",'
        f'"progressPercent":70.0,"seq":{seq},"timestamp":"2026-01-01T00:00:00.000Z","message":"at {due:019}'
    )
    assert len(body) <= BODY - 2, len(body)
    return f'{body}{" " * (BODY - 2 - len(body))}"}}'.encode()


class Crowd:
    """All readers of one server."""

    def __init__(self, control: int) -> None:
        self._control = control
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._seq = 0
        self._delivered = 0
        self._frames = 0
        self._lost = 0
        self._latencies: array.array[int] | None = None
        self._between: Callable[[], None] = lambda: None

    def connect(self, port: int, speech: Speech, count: int) -> None:
        """Open so many connections, and wait until every one has been answered to its last word."""
        for start in range(0, count, _CONNECTED_AT_ONCE):
            numbers = range(start, min(count, start + _CONNECTED_AT_ONCE))
            opened = [socket.create_connection(("127.0.0.1", port), _WAITING_SECONDS) for _ in numbers]
            for each in opened:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.sendall(_upgrade(speech.path, port))
            # What a server says may come together with what it says next.
            heard = [_expect(each, b"", "\r\n\r\n") for each in opened]
            for words, answer in speech.turns:
                for number, each in zip(numbers, opened, strict=True):
                    if words:
                        each.sendall(_text(words.replace("{n}", str(number))))
                heard = [_expect(each, data, answer) for each, data in zip(opened, heard, strict=True)]
            for each in opened:
                each.setblocking(False)
                self._sockets[each.fileno()] = each
                self._rest[each.fileno()] = b""
                self._epoll.register(each, select.EPOLLIN)
            self._look(0)  # the earlier ones may have been asked for a sign of life

    def saturate(self, seconds: float, ahead: int) -> dict[str, float]:
        """Deliveries per second with `ahead` events always on their way, as fast as they are delivered."""
        first, readers = self._seq, len(self._sockets)
        base, frames = self._delivered, self._frames

        def publish() -> None:
            while self._seq - first < ahead + (self._delivered - base) // readers:
                self._publish(time.monotonic_ns())

        self._between = publish
        self._look(time.monotonic() + seconds / 4)
        before, start = self._delivered, time.monotonic()
        self._look(start + seconds)
        speed = (self._delivered - before) / (time.monotonic() - start)
        self._between = lambda: None
        self._settle(base, self._seq - first)
        delivered = self._delivered - base
        return {"per_second": speed, "delivered": delivered, "per_frame": delivered / (self._frames - frames)}

    def paced(self, seconds: float, per_second: float) -> dict[str, float]:
        """Latencies in milliseconds at a fixed rate of events, and the share of deliveries that came."""
        first, base, start = self._seq, self._delivered, time.monotonic_ns()
        count, interval = max(1, round(seconds * per_second)), 1e9 / per_second
        dues = [start + int(interval * number) for number in range(1, count + 1)]

        def publish() -> None:
            while self._seq - first < count and time.monotonic_ns() >= dues[self._seq - first]:
                self._publish(dues[self._seq - first])

        self._latencies = array.array("q")
        self._between = publish
        while self._seq - first < count:
            self._look(min(dues[self._seq - first] / 1e9, time.monotonic() + 1))
        self._between = lambda: None
        self._settle(base, count)
        found, self._latencies = sorted(self._latencies), None
        expected = count * len(self._sockets)
        return {
            "p50_ms": _quantile(found, 0.5) / 1e6,
            "p99_ms": _quantile(found, 0.99) / 1e6,
            "reach": (self._delivered - base) / expected,
            "delivered": self._delivered - base,
        }

    def idle(self, descriptor: int) -> None:
        """Answer pings until there is something to read on the descriptor."""
        while descriptor not in select.select([descriptor, self._epoll.fileno()], [], [])[0]:
            self._look(0)

    @property
    def lost(self) -> int:
        """Connections that the server has closed."""
        return self._lost

    def _settle(self, base: int, events: int, patience: float = 10.0) -> None:
        """Until everything published has come, or nothing has for a while."""
        deadline = time.monotonic() + patience
        while self._delivered - base < events * len(self._sockets) and time.monotonic() < deadline:
            self._look(time.monotonic() + 0.02)

    def _publish(self, due: int) -> None:
        self._seq += 1
        os.write(self._control, event(self._seq, due) + b"\n")

    def _look(self, until: float) -> None:
        self._between()
        while True:
            left = until - time.monotonic()
            # Timeouts are rounded up to whole milliseconds: the last one is spent looking.
            for number, _ in self._epoll.poll(max(0.0, left - 0.001), 256):
                self._read(number)
                self._between()
            self._between()
            if left <= 0:
                return

    def _read(self, number: int) -> None:
        try:
            data = self._sockets[number].recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._epoll.unregister(number)
            self._lost += 1
            return
        now = time.monotonic_ns()
        self._frames += data.count(_FRAME)
        data = self._rest[number] + data
        position, latencies = 0, self._latencies
        while (at := data.find(MARK, position)) >= 0 and at + _WHOLE <= len(data):
            position = at + _WHOLE
            self._delivered += 1
            if latencies is not None:
                latencies.append(now - int(data[at + len(MARK) : position]))
        if _PING in data or _EIO_PING in data:
            position = max(position, self._answer(number, data))
        self._rest[number] = data[max(position, len(data) - _WHOLE + 1) :]

    def _answer(self, number: int, data: bytes) -> int:
        """Answer the pings in `data`; the place after the last of them."""
        end = 0
        if (at := data.find(_PING)) >= 0:
            self._sockets[number].send(b"\x8a\x84\0\0\0\0" + data[at + 2 : at + 6])
            end = at + 6
        if (at := data.find(_EIO_PING)) >= 0:
            self._sockets[number].send(_EIO_PONG)
            end = max(end, at + len(_EIO_PING))
        return end


def _upgrade(path: str, port: int) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""]
    return "\r\n".join(lines).encode()


def _text(words: str) -> bytes:
    """A masked text frame (RFC 6455, 5.3); a mask of zeros changes nothing."""
    data = words.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x81" + length + b"\0\0\0\0" + data


def _expect(peer: socket.socket, data: bytes, words: str) -> bytes:
    """Read on from `data` until the words have come; what follows them."""
    while (at := data.find(words.encode())) < 0:
        more = peer.recv(65536)
        if not more:
            raise ConnectionError(f"the server closed after {data[-500:]!r}")
        data += more
    return data[at + len(words) :]


def _quantile(values: list[int], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def _commands(crowd: Crowd) -> Iterator[dict[str, Any]]:
    """JSON lines of standard input, while the readers go on answering pings."""
    waiting = b""
    while True:
        crowd.idle(0)
        data = os.read(0, 65536)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        yield from map(json.loads, lines)


def main() -> None:
    """Commands `connect`, `saturate` and `paced` with the arguments of the methods of those names, until the end."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd = Crowd(int(sys.argv[1]))
    for command in _commands(crowd):
        match command.pop("do"):
            case "connect":
                turns = tuple((words, answer) for words, answer in command["turns"])
                crowd.connect(command["port"], Speech(command["path"], turns), command["count"])
                answer: dict[str, float] = {}
            case "saturate":
                answer = crowd.saturate(**command)
            case _:
                answer = crowd.paced(**command)
        print(json.dumps({**answer, "lost": crowd.lost}), flush=True)


if __name__ == "__main__":
    main()
