"""The server's end of the socket to a decoding child: whole messages in, whole messages out.

asyncio's streams would take three waits for a message; a photo's way has six of them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, Self, cast

from safelight.processing import wire

# A child that talks without being asked is not read further.
_UNASKED: Final = 64 * 1024


class Line(asyncio.Protocol):
    """One conversation, of which one message at a time is awaited. Made by `open`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._got = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False
        self._paused = False

    @classmethod
    async def open(cls, ours: socket.socket) -> Self:
        """The line over a connected socket, which it owns from now on."""
        _, line = await asyncio.get_running_loop().create_connection(cls, sock=ours)
        return line

    def send(self, message: bytes) -> None:
        """Pass on what wire.pack made."""
        self._transport.write(message)

    async def receive(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The next message. TimeoutError, EOFError where the child has closed, Garbled where it is no message."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        while (message := self._take()) is None:
            if self._lost:
                raise EOFError
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._waiter = waiter = loop.create_future()
            timer = loop.call_at(due, _late, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                timer.cancel()
        return message

    def close(self) -> None:
        """Hang up. Closing twice is not an error."""
        self._transport.close()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._waiter is None:
            if len(self._got) > _UNASKED and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        elif not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> tuple[dict[str, Any], bytes] | None:
        got = self._got
        if len(got) < wire.HEADER.size:
            return None
        text, payload = wire.lengths(got[: wire.HEADER.size])
        start, end = wire.HEADER.size + text, wire.HEADER.size + text + payload
        if len(got) < end:
            return None
        message = wire.parse(got[wire.HEADER.size : start]), bytes(got[start:end])
        del got[:end]
        return message


def _late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
