"""A line between client and server that can be cut, stalled and slowed: a TCP proxy of our own."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Final, Self

# Bytes that the line itself takes in: what a stalled one swallows before the server notices.
NARROW: Final = 8 * 1024
_RESET: Final = struct.pack("ii", 1, 0)


class Line:
    """Forwards connections to `port` of this machine. Use it as a context; `line.port` is where it listens."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that every piece waits before it goes on."""
        self.cuts = 0
        """Connections that were cut."""
        self._to = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0, limit=NARROW)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> None:
        """Nothing goes through any more, and nobody is told."""
        self._flows.clear()

    def flow(self) -> None:
        """What was stalled goes on."""
        self._flows.set()

    def cut(self) -> None:
        """End every connection by a reset, in both directions."""
        self.cuts += len(self._writers) // 2
        for writer in list(self._writers):
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._to))
            back, forth = await asyncio.open_connection(sock=raw, limit=NARROW)
        except OSError:  # the server is away: so is the line
            raw.close()
            writer.transport.abort()
            return
        self._writers |= {writer, forth}
        for source, sink in ((reader, forth), (back, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: StreamReader, sink: StreamWriter) -> None:
        try:
            while True:
                await self._flows.wait()
                data = await source.read(NARROW)
                if not data:
                    break
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        except OSError:  # cut
            pass
        finally:
            self._writers.discard(sink)
            sink.close()
