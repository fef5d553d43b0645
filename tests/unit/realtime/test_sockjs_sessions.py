"""What a handler sees of its session, and what the service does to keep both sides bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.sockjs_asgi import PATIENCE, Call, ask, call, dial, no_task_left, post

from safelight.realtime.sockjs import AnyOrigin, Handler, Options, SessionEnded, SockJS, SockJSSession

OPTIONS = Options(origins=AnyOrigin(), outbox=10, inbox=100, handler_grace=0.1)
CLOSED = 'c[3000,"Go away!"]\n'
INTERRUPTED = 'c[1002,"Connection interrupted"]\n'
RESTART = 'c[1012,"Service restart"]\n'


class Held:
    """A handler whose sessions the test takes over: each lasts until `let_go`."""

    def __init__(self) -> None:
        self._sessions: asyncio.Queue[SockJSSession] = asyncio.Queue()
        self.let_go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, session: SockJSSession) -> None:
        self._sessions.put_nowait(session)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def session(self) -> SockJSSession:
        async with asyncio.timeout(PATIENCE):
            return await self._sessions.get()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def app(held: Held) -> AsyncIterator[SockJS]:
    async with no_task_left():
        service = SockJS(held, options=OPTIONS)
        yield service
        held.let_go.set()
        await service.close()
        assert len(service) == 0


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


async def streaming(app: SockJS, path: str = "/0/a") -> Call:
    """A stream of a new session, its open frame read."""
    stream = call(app, "POST", f"{path}/xhr_streaming")
    assert await stream.status() == 200
    assert len(await stream.piece()) == 2049
    assert await stream.piece() == "o\n"
    return stream


# --- what a session says of itself ---


@pytest.mark.parametrize(
    ("method", "suffix", "name"),
    [
        ("POST", "xhr", "xhr"),
        ("POST", "xhr_streaming", "xhr-streaming"),
        ("GET", "eventsource", "eventsource"),
        ("GET", "htmlfile", "htmlfile"),
        ("GET", "jsonp", "jsonp"),
    ],
)
async def test_a_session_knows_its_transport_and_first_request(
    app: SockJS, held: Held, method: str, suffix: str, name: str
) -> None:
    asked = call(app, method, f"/0/secret/{suffix}", query="c=x", headers={"user-agent": "one"})
    assert await asked.status() == 200
    session = await held.session()
    assert session.transport == name
    assert session.headers["user-agent"] == "one"
    assert "secret" not in session.id
    asked.hang_up()
    await asked.done()


@pytest.mark.parametrize(("path", "name"), [("/0/a/websocket", "websocket"), ("/websocket", "raw-websocket")])
async def test_a_websocket_is_a_transport_too(app: SockJS, held: Held, path: str, name: str) -> None:
    socket = dial(app, path)
    assert (await socket.next())["type"] == "websocket.accept"
    session = await held.session()
    assert session.transport == name
    socket.give({"type": "websocket.disconnect", "code": 1001})
    await socket.done()
    assert await session.receive() is None


async def test_what_went_out_is_counted_with_its_framing(app: SockJS, held: Held) -> None:
    stream = await streaming(app)
    session = await held.session()
    await session.send("é")
    assert await stream.piece() == 'a["é"]\n'
    assert session.bytes_sent == len("o\n") + len('a["é"]\n'.encode())
    stream.hang_up()
    await stream.done()


# --- how it ends ---


async def test_a_session_ends_with_its_handler(app: SockJS, held: Held) -> None:
    stream = await streaming(app)
    session = await held.session()
    held.let_go.set()
    assert await stream.piece() == CLOSED
    await stream.done()
    assert await session.receive() is None
    with pytest.raises(SessionEnded):
        await session.send("late")


async def test_a_handler_that_fails_ends_its_session_with_1011() -> None:
    async def failing(_session: SockJSSession) -> None:
        raise ValueError("as the test wants")

    async with no_task_left():
        app = SockJS(failing, options=OPTIONS)
        stream = await streaming(app)
        assert await stream.piece() == 'c[1011,"Internal error"]\n'
        await stream.done()
        await app.close()


async def test_a_handler_may_close_and_go_on(app: SockJS, held: Held) -> None:
    stream = await streaming(app)
    session = await held.session()
    await session.send("last words")
    await session.close(4001, "Enough")
    await session.close(4002, "More than enough")
    assert await stream.piece() == 'a["last words"]\n'
    assert await stream.piece() == 'c[4001,"Enough"]\n'
    await stream.done()
    assert (await post(app, "/0/a/xhr")) == (200, 'c[4001,"Enough"]\n')


async def test_messages_that_came_before_the_end_are_not_lost(app: SockJS, held: Held) -> None:
    stream = await streaming(app)
    session = await held.session()
    assert (await post(app, "/0/a/xhr_send", '["1","2"]'))[0] == 204
    stream.hang_up()
    await stream.done()
    assert [await session.receive() for _ in range(4)] == ["1", "2", None, None]


async def test_what_is_sent_to_a_session_that_closes_is_taken_and_ignored(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    await session.close()
    assert (await post(app, "/0/a/xhr_send", '["late"]'))[0] == 204
    assert await session.receive() is None


async def test_a_handler_that_outlives_its_session_is_cancelled(held: Held) -> None:
    async with no_task_left():
        app = SockJS(held, options=replace(OPTIONS, disconnect_delay=0.01))
        assert await post(app, "/0/a/xhr") == (200, "o\n")
        await until(held.cancelled)
        await app.close()
        assert len(app) == 0


async def test_the_end_of_a_response_is_no_hanging_up(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    for _ in range(3):
        await session.send("on")
        assert await post(app, "/0/a/xhr") == (200, 'a["on"]\n')
    assert not session.state.ended


@pytest.mark.parametrize("leave", ["hang up", "cancel"])
async def test_a_client_that_leaves_is_noticed_at_once(app: SockJS, held: Held, leave: str) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    poll = call(app, "POST", "/0/a/xhr")
    if leave == "hang up":
        poll.hang_up()
        await poll.done()
    else:
        while not poll.taken:  # noqa: ASYNC110 - until it waits for more
            await asyncio.sleep(0)
        poll.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll.task
    assert await session.receive() is None
    assert await post(app, "/0/a/xhr") == (200, INTERRUPTED)


async def test_a_client_that_does_not_read_is_given_up(held: Held) -> None:
    async with no_task_left():
        app = SockJS(held, options=replace(OPTIONS, send_within=0.01))
        stream, socket = await streaming(app), dial(app, "/0/b/websocket")
        first = await held.session()
        assert (await socket.next())["type"] == "websocket.accept"
        second = await held.session()
        for each, session in ((stream, first), (socket, second)):
            each.pass_on.clear()
            await session.send("unread")
            await each.done()
            assert await session.receive() is None
        held.let_go.set()
        await app.close()


# --- bounds ---


async def test_a_handler_waits_for_a_poll_once_a_flush_is_full(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    await session.send("12345678")
    waiting = asyncio.create_task(session.send("on"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await post(app, "/0/a/xhr") == (200, 'a["12345678"]\n')
    await waiting
    assert await post(app, "/0/a/xhr") == (200, 'a["on"]\n')


async def test_a_handler_waits_for_a_slow_stream(app: SockJS, held: Held) -> None:
    stream = await streaming(app)
    session = await held.session()
    stream.pass_on.clear()
    await session.send("in the socket")
    await until(stream.blocked)
    await session.send("12345678")
    waiting = asyncio.create_task(session.send("on"))
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.pass_on.set()
    assert [await stream.piece() for _ in range(2)] == ['a["in the socket"]\n', 'a["12345678"]\n']
    await waiting
    stream.hang_up()
    await stream.done()


async def test_a_handler_that_waits_is_told_of_the_end(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    await session.send("12345678")
    waiting = asyncio.create_task(session.send("on"))
    await asyncio.sleep(0)
    await session.close()
    with pytest.raises(SessionEnded):
        await waiting


async def test_a_client_waits_for_the_handler_before_its_body_is_read(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    assert (await post(app, "/0/a/xhr_send", f'["{"x" * 100}"]'))[0] == 204
    waiting = [call(app, "POST", "/0/a/xhr_send", '["on"]') for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(each.taken for each in waiting)
    assert await session.receive() == "x" * 100
    for each in waiting:
        assert await each.status() == 204
    assert [await session.receive() for _ in waiting] == ["on", "on"]


async def test_a_client_that_waits_to_send_is_let_go_when_the_session_ends(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    assert (await post(app, "/0/a/xhr_send", f'["{"x" * 100}"]'))[0] == 204
    waiting = call(app, "POST", "/0/a/xhr_send", '["on"]')
    await asyncio.sleep(0)
    await session.close()
    assert await waiting.status() == 204


async def test_a_websocket_is_not_read_while_its_handler_is_behind(app: SockJS, held: Held) -> None:
    socket = dial(app, "/websocket")
    assert (await socket.next())["type"] == "websocket.accept"
    session = await held.session()
    for text in ("x" * 100, "on"):
        socket.give({"type": "websocket.receive", "text": text})
    for _ in range(5):
        await asyncio.sleep(0)
    assert not socket.taken
    assert [await session.receive() for _ in range(2)] == ["x" * 100, "on"]
    socket.give({"type": "websocket.disconnect", "code": 1000})
    await socket.done()


async def test_half_a_body_is_no_message(app: SockJS, held: Held) -> None:
    assert await post(app, "/0/a/xhr") == (200, "o\n")
    session = await held.session()
    broken = call(app, "POST", "/0/a/xhr_send", None)
    broken.give({"type": "http.request", "body": b'["a"]', "more_body": True})
    broken.hang_up()
    await broken.done()
    assert (await post(app, "/0/a/xhr_send", '["b"]'))[0] == 204
    assert await session.receive() == "b"


# --- the end of the service ---


async def test_closing_tells_everybody_and_leaves_nothing(held: Held) -> None:
    async with no_task_left():
        app = SockJS(held, options=OPTIONS)
        stream = await streaming(app, "/0/stream")
        assert await post(app, "/0/poll/xhr") == (200, "o\n")
        poll = call(app, "POST", "/0/poll/xhr")
        assert await post(app, "/0/away/xhr") == (200, "o\n")
        framed, raw = dial(app, "/0/0/websocket"), dial(app, "/websocket")
        assert [(await each.next())["type"] for each in (framed, raw)] == ["websocket.accept"] * 2
        assert (await framed.next())["text"] == "o"
        closing = asyncio.create_task(app.close())
        assert await stream.piece() == RESTART
        assert await poll.status() == 200
        assert await poll.piece() == RESTART
        assert (await framed.next())["text"] == RESTART.strip()
        assert (await framed.next())["type"] == "websocket.close"
        assert (await raw.next())["code"] == 1012
        held.let_go.set()
        await closing
        assert len(app) == 0
        assert (await post(app, "/0/new/xhr"))[0] == 503
        refused = dial(app, "/websocket", extensions=("websocket.http.response",))
        assert (await refused.next())["status"] == 503
        for each in (stream, poll, framed, raw, refused):
            await each.done()


async def test_closing_cancels_handlers_that_go_on(held: Held) -> None:
    async with no_task_left():
        app = SockJS(held, options=OPTIONS)
        assert await post(app, "/0/a/xhr") == (200, "o\n")
        await app.close(4000, "Bye")
        assert held.cancelled.is_set()
        assert len(app) == 0


# --- mounting ---


async def test_it_answers_below_a_root_path_and_a_prefix(held: Held) -> None:
    app = SockJS(held, prefix="/ws")
    for root, path in (("", "/ws"), ("/a", "/a/ws"), ("/a", "/ws")):
        assert await ask(app, "GET", path, root=root) == (200, "Welcome to SockJS!\n")
    for root, path in (("", "/wsx"), ("/a", "/ax/ws"), ("", "/")):
        assert (await ask(app, "GET", path, root=root))[0] == 404
        assert not app.owns({"type": "http", "path": path, "root_path": root})
    assert app.owns({"type": "websocket", "path": "/ws/websocket"})
    assert not app.owns({"type": "lifespan"})


async def test_it_speaks_no_other_protocol(held: Held) -> None:
    with pytest.raises(ValueError, match="lifespan"):
        await SockJS(held)({"type": "lifespan", "path": ""}, asyncio.Queue[dict[str, str]]().get, _nothing)


async def _nothing(_message: object) -> None:
    """Takes what nobody sends."""


async def test_a_server_without_responses_to_upgrades_gets_a_close(held: Held) -> None:
    handler: Handler = held
    refused = dial(SockJS(handler), "/nothing/here")
    assert (await refused.next())["type"] == "websocket.close"
