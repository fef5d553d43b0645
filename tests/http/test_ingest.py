"""The connection under a signed PUT: what it does to bodies, and that it leaves every other request alone."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httptools
import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from safelight.http.ingest import EXTENSION, DirectBody, IngestProtocol

BLOCK = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class App:
    """Answers with the number of body bytes, and keeps them.

    `/storage/refuse` answers before it reads anything, `/storage/give-up` after the first piece that it reads;
    `/storage/halves` receives the rest behind its first piece, `/storage/plain` reads as under any other server.
    """

    bodies: list[bytes] = field(default_factory=list)
    direct: int = 0
    pieces: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/storage/refuse":
            await self._answer(send, b"refused")
            return
        if scope["path"] == "/storage/hold":
            await self.hold.wait()
        try:
            body = await self._read(scope, receive)
        except ConnectionError:
            self.gone.set()
            return
        self.bodies.append(body)
        await self._answer(send, b"%d" % len(body))

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        body = bytearray()
        direct: DirectBody | None = scope.get("extensions", {}).get(EXTENSION)
        if direct is not None and direct.awaited and scope["path"] != "/storage/plain":
            with direct.taken() as first:
                direct.call()
                body += first
                self._note(len(first))
                while direct.awaited:
                    block = bytearray(BLOCK)
                    count = await asyncio.to_thread(direct.read, memoryview(block))
                    body += block[:count]
                    self._note(count)
                    if direct.dry:
                        await direct.readable()
                    elif scope["path"] == "/storage/give-up":
                        return bytes(body)
                    elif scope["path"] == "/storage/halves":
                        break
            self.direct += 1
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            body += message["body"]
            self._note(len(message["body"]))
            more = message["more_body"]
        return bytes(body)

    def _note(self, count: int) -> None:
        if count:
            self.pieces.append(count)
            self.news.set()

    async def _answer(self, send: Send, text: bytes) -> None:
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


class Answers(asyncio.Protocol):
    """A client's end of a connection: sends what it is told to and reads answers one by one."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.raw = b""
        self.changed = asyncio.Event()
        self._text = b""
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self.changed.set()
        self._parser.feed_data(data.replace(CONTINUE, b""))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.changed.set()

    def on_message_begin(self) -> None:
        self._text = b""

    def on_body(self, body: bytes) -> None:
        self._text += body

    def on_message_complete(self) -> None:
        self.answers.put_nowait(self._text)


def put(path: str, length: int, *headers: str) -> bytes:
    return "\r\n".join([f"PUT {path} HTTP/1.1", "host: x", f"content-length: {length}", *headers, "", ""]).encode()


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(size % 251)


@dataclass
class Listening:
    """A server in this very loop, and its connections."""

    port: int
    state: ServerState

    async def connect(self) -> tuple[asyncio.Transport, Answers]:
        return await asyncio.get_running_loop().create_connection(Answers, "127.0.0.1", self.port)


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[Listening]:
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(
        lambda: IngestProtocol(config, state, {}), "127.0.0.1", 0
    )
    yield Listening(listening.sockets[0].getsockname()[1], state)
    listening.close()
    for connection in list(state.connections):
        connection.transport.abort()
    while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody when they end
        await asyncio.sleep(0)


def scenario(test: Callable[[App, Listening], Awaitable[None]]) -> Callable[[Callable[[], AbstractEventLoop]], None]:
    """A test that runs on each event loop: their transports treat buffers each in their own way."""

    async def main() -> None:
        app = App()
        async with asyncio.timeout(20), serving(app) as listening:
            await test(app, listening)

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(new_loop: Callable[[], AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())

    return run


@scenario
async def test_a_body_arrives_as_it_was_sent_however_it_is_cut(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    sizes = [1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]
    for size in sizes:
        for cut in (1 << 30, 65_536, 1 + size // 3):
            data = put("/storage/a", size) + content(size)
            for start in range(0, len(data), cut):
                transport.write(data[start : start + cut])
                await asyncio.sleep(0)
            assert await client.answers.get() == b"%d" % size
            assert app.bodies.pop() == content(size)
    assert app.direct


@scenario
async def test_who_does_not_ask_for_more_is_served_as_ever(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    for size in (1, 3 * BLOCK + 7):
        transport.write(put("/storage/plain", size) + content(size))
        assert await client.answers.get() == b"%d" % size
        assert app.bodies.pop() == content(size)
    assert not app.direct


@scenario
async def test_the_next_request_may_come_right_behind_a_body(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    sizes = [5, 2 * BLOCK + 3, 70_000, 1]
    paths = ["/storage/a", "/storage/b", "/elsewhere", "/storage/c"]
    transport.write(b"".join(put(path, size) + content(size) for path, size in zip(paths, sizes, strict=True)))
    assert [await client.answers.get() for _ in sizes] == [b"%d" % size for size in sizes]
    assert app.bodies == [content(size) for size in sizes]


@scenario
async def test_bodies_cut_at_the_boundary_leave_the_next_request_whole(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    first = put("/storage/a", BLOCK + 10)
    transport.write(first + content(BLOCK + 10)[:7])
    await app.news.wait()
    transport.write(content(BLOCK + 10)[7:] + b"PUT /stor")
    assert await client.answers.get() == b"%d" % (BLOCK + 10)
    transport.write(put("/storage/b", 3)[len("PUT /stor") :] + b"abc")
    assert await client.answers.get() == b"3"
    assert app.bodies == [content(BLOCK + 10), b"abc"]


@scenario
async def test_a_body_is_called_for_once_where_the_client_waits(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    transport.write(put("/storage/a", 2 * BLOCK, "expect: 100-continue"))
    await client.changed.wait()
    assert client.raw == CONTINUE
    transport.write(content(2 * BLOCK))
    assert await client.answers.get() == b"%d" % (2 * BLOCK)
    assert client.raw.count(CONTINUE) == 1
    assert app.bodies == [content(2 * BLOCK)]


@scenario
async def test_a_refused_body_is_thrown_away_and_the_connection_serves_on(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    size = 5 * BLOCK + 11
    transport.write(put("/storage/refuse", size) + content(size)[:100])
    assert await client.answers.get() == b"refused"
    transport.write(content(size)[100:] + put("/storage/a", 4) + b"abcd")
    assert await client.answers.get() == b"4"
    assert app.bodies == [b"abcd"]


@scenario
async def test_a_body_given_up_midway_does_not_run_into_the_next_request(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    size = 5 * BLOCK + 11
    transport.write(put("/storage/give-up", size))
    transport.write(content(size) + put("/storage/a", 4) + b"abcd")
    given_up = int(await client.answers.get())
    assert 0 < given_up < size
    assert await client.answers.get() == b"4"
    assert app.bodies == [content(size)[:given_up], b"abcd"]


@scenario
async def test_what_was_given_up_can_still_be_received(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    size = 5 * BLOCK + 11
    transport.write(put("/storage/halves", size))
    transport.write(content(size) + put("/storage/a", 4) + b"abcd")
    assert await client.answers.get() == b"%d" % size
    assert await client.answers.get() == b"4"
    assert app.bodies == [content(size), b"abcd"]


@scenario
async def test_a_client_that_leaves_midway_is_reported(app: App, listening: Listening) -> None:
    transport, _ = await listening.connect()
    transport.write(put("/storage/a", 3 * BLOCK) + content(3 * BLOCK)[: BLOCK + 5])
    await app.news.wait()
    transport.abort()
    await app.gone.wait()
    assert app.bodies == []


@scenario
async def test_what_a_slow_sender_sent_does_not_wait_for_a_full_block(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    transport.write(put("/storage/a", 1000))
    for start in range(0, 1000, 500):
        app.news.clear()
        transport.write(content(1000)[start : start + 500])
        await app.news.wait()
    assert await client.answers.get() == b"1000"
    assert app.pieces == [500, 500]


@scenario
async def test_a_sender_waits_while_the_application_does(app: App, listening: Listening) -> None:
    transport, client = await listening.connect()
    size = 60 * BLOCK
    transport.write(put("/storage/hold", size) + content(size))
    while not any(each.flow.read_paused for each in connections(listening)):  # noqa: ASYNC110 - nor this
        await asyncio.sleep(0)
    assert transport.get_write_buffer_size() > 0
    app.hold.set()
    assert await client.answers.get() == b"%d" % size
    assert app.bodies == [content(size)]
    assert max(app.pieces) <= BLOCK


def connections(listening: Listening) -> list[IngestProtocol]:
    return [connection for connection in listening.state.connections if isinstance(connection, IngestProtocol)]
