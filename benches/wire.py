"""What goes over the wire to PostgreSQL: a proxy that counts statements and round trips (its protocol, §54.7)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Counter:
    """Statements are executed portals and simple queries; a round trip ends with a Sync or a simple query."""

    def __init__(self) -> None:
        self.statements = 0
        self.round_trips = 0

    def note(self, kind: bytes) -> None:
        self.statements += kind in b"EQ"
        self.round_trips += kind in b"SQ"


@asynccontextmanager
async def counted(url: str, counter: Counter) -> AsyncIterator[str]:
    """The URL of the same database by way of a proxy that counts, from after the start of each connection."""
    target = urlsplit(url)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_connection(target.hostname, target.port)
        back = asyncio.create_task(_pass(answers, writer))
        try:
            start = await reader.readexactly(4)
            to_server.write(start + await reader.readexactly(struct.unpack("!I", start)[0] - 4))
            while True:
                head = await reader.readexactly(5)
                counter.note(head[:1])
                to_server.write(head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4))
        except asyncio.IncompleteReadError:
            to_server.close()
        await back

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://{target.username}@127.0.0.1:{port}{target.path}?sslmode=disable"
    server.close()
    await asyncio.gather(*serving)


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
    sink.close()
