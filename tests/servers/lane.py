"""Ways to servers that can be cut like a network: nothing arrives any more, and neither side is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Self

from tests.servers.beside import Beside

_CHUNK: Final = 64 * 1024


class Lane:
    """Listens on a free port of loopback, on the way to the server at another; of any protocol over TCP."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._through = asyncio.Event()
        self._through.set()
        self._server: asyncio.Server
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def let(self, *, through: bool) -> None:
        """Hold everything from now on, or let it go on: what was held arrives then, as TCP sends it again."""
        if through:
            self._through.set()
        else:
            self._through.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._through.wait()
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._pump(reader, to_server), self._pump(from_server, writer))
        except OSError:
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the lane is taken down

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._through.wait()
                sink.write(data)
                await sink.drain()
        finally:
            with suppress(OSError):
                sink.close()


class Lanes:
    """Lanes on a thread of their own, for whoever waits for processes."""

    def __init__(self) -> None:
        self._beside = Beside()

    def to(self, port: int) -> Lane:
        """A new lane to the server at this port."""
        lane = Lane(port)
        self._beside.do(lane.open())
        return lane

    def cut(self, *lanes: Lane) -> None:
        """Nothing goes through these any more."""
        for lane in lanes:
            self._beside.do(lane.let(through=False))

    def mend(self, *lanes: Lane) -> None:
        """All goes through again."""
        for lane in lanes:
            self._beside.do(lane.let(through=True))

    def __enter__(self) -> Self:
        self._beside.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.stop()
