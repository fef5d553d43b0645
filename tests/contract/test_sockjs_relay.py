"""What sockjs.Relay promises, held against every adapter, and what services do with it. An adapter joins in `make`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.servers.nats import Nats
from tests.sockjs_asgi import PATIENCE, Call, ask, call, no_task_left, post

from safelight.adapters.nats import NatsCalls
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.servers import parse
from safelight.realtime.sockjs import AnyOrigin, HomeLost, MemoryRelay, Options, Relay, SockJS, SockJSSession
from safelight.realtime.sockjs.delivery import SHUTDOWN
from safelight.realtime.sockjs.relay import Answer, Head, Piece, Request, Serve
from safelight.realtime.sockjs.remote import RemoteRelay

REQUEST = Request("s", "POST", "/0/s/xhr", b"c=x", ((b"host", b"h"), (b"x", b"\xff")), b'["a"]\x00')
PARTS: list[Head | Piece] = [Head(200, ((b"a", b"b"),)), Piece(b"o\n", more=True), Piece(b"", more=False)]
PROCESSES = 8  # at most, in one test
OPTIONS = Options(origins=AnyOrigin(), handler_grace=0.1)
INTERRUPTED = 'c[1002,"Connection interrupted"]\n'
OCCUPIED = 'c[2010,"Another connection still open"]\n'


# Each call gives a process of its own its relay; all of them reach each other.
Make = Callable[[], Relay]


@pytest.fixture(params=["memory", "nats"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    if request.param == "memory":
        yield MemoryRelay().another
        return
    nats: Nats = request.getfixturevalue("nats")
    prefix = f"test-{secrets.token_hex(6)}"
    connections = [Connection(parse(nats.urls)) for _ in range(PROCESSES)]
    calls = [NatsCalls(connection, prefix=prefix) for connection in connections]
    for each in calls:  # what they begin when they are first used goes on until they are closed
        assert not await each.call("nobody", b"", unheard)
    relays = [RemoteRelay(each) for each in calls]
    yield relays.pop
    for each in calls:
        await each.close()
    for connection in connections:
        await connection.close()


class Collected:
    """An answer as it arrives. `take` cleared, the client does not take any more of it."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[Head | Piece] = asyncio.Queue()
        self.take = asyncio.Event()
        self.take.set()

    async def __call__(self, part: Head | Piece) -> None:
        self.parts.put_nowait(part)
        await self.take.wait()

    async def next(self) -> Head | Piece:
        async with asyncio.timeout(PATIENCE):
            return await self.parts.get()


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


async def unheard(_part: bytes) -> None:
    raise AssertionError("not meant")


async def nothing(_request: Request, _answer: Answer) -> None:
    raise AssertionError("not meant")


# --- the contract ---


async def test_what_nobody_holds_is_answered_by_nobody(make: Make) -> None:
    collected = Collected()
    assert not await make().forward(REQUEST, collected)
    assert collected.parts.empty()


async def test_a_request_reaches_the_holder_as_it_was_and_the_answer_comes_in_order(make: Make) -> None:
    home, edge, collected = make(), make(), Collected()
    requests = []

    async def serve(request: Request, answer: Answer) -> None:
        requests.append(request)
        for part in PARTS:
            await answer(part)

    assert await home.claim("s", serve)
    assert await edge.forward(REQUEST, collected)
    assert await home.forward(REQUEST, collected)
    assert requests == [REQUEST, REQUEST]
    assert [collected.parts.get_nowait() for _ in range(6)] == PARTS * 2
    assert not await edge.forward(replace(REQUEST, session_id="t"), collected)


async def test_of_those_that_claim_a_session_one_holds_it(make: Make) -> None:
    served = []

    def server(name: int) -> Callable[[Request, Answer], asyncio.Future[None]]:
        def serve(_request: Request, _answer: Answer) -> asyncio.Future[None]:
            served.append(name)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

        return serve

    relays = [make() for _ in range(5)]
    won = await asyncio.gather(*(relay.claim("s", server(n)) for n, relay in enumerate(relays)))
    assert won.count(True) == 1
    assert await make().forward(REQUEST, Collected())
    assert served == [won.index(True)]


async def test_what_was_released_is_free(make: Make) -> None:
    home, other = make(), make()
    assert await home.claim("s", nothing)
    assert not await other.claim("s", nothing)
    assert not await home.claim("s", nothing)
    await home.release("s")
    await home.release("s")
    await home.release("never held")
    assert await other.claim("t", nothing)
    await home.release("t")
    assert not await home.claim("t", nothing)
    assert not await other.forward(REQUEST, Collected())
    assert await other.claim("s", nothing)


async def test_what_is_being_served_when_it_is_released_is_served_to_its_end(make: Make) -> None:
    home, collected = make(), Collected()
    go_on = asyncio.Event()

    async def serve(_request: Request, answer: Answer) -> None:
        await answer(PARTS[0])
        await go_on.wait()
        await answer(PARTS[2])

    await home.claim("s", serve)
    forwarding = asyncio.create_task(make().forward(REQUEST, collected))
    assert await collected.next() == PARTS[0]
    await home.release("s")
    go_on.set()
    assert await forwarding
    assert await collected.next() == PARTS[2]


async def test_a_reader_that_is_slow_is_slow_for_the_holder(make: Make) -> None:
    home, collected = make(), Collected()
    written: list[int] = []

    async def serve(_request: Request, answer: Answer) -> None:
        for number, part in enumerate(PARTS):
            await answer(part)
            written.append(number)

    await home.claim("s", serve)
    collected.take.clear()
    forwarding = asyncio.create_task(make().forward(REQUEST, collected))
    assert await collected.next() == PARTS[0]
    for _ in range(20):
        await asyncio.sleep(0)
    assert written == []
    assert collected.parts.empty()
    collected.take.set()
    assert await forwarding
    assert written == [0, 1, 2]


async def test_who_hangs_up_is_known_to_the_holder(make: Make) -> None:
    home, collected = make(), Collected()
    cancelled = asyncio.Event()

    async def serve(_request: Request, answer: Answer) -> None:
        try:
            await answer(PARTS[0])
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await home.claim("s", serve)
    forwarding = asyncio.create_task(make().forward(REQUEST, collected))
    await collected.next()
    forwarding.cancel()
    await until(cancelled)
    with pytest.raises(asyncio.CancelledError):
        await forwarding


async def test_an_answer_that_cannot_be_passed_on_is_an_os_error_for_the_holder(make: Make) -> None:
    home = make()
    raised: list[BaseException] = []

    async def serve(_request: Request, answer: Answer) -> None:
        try:
            await answer(PARTS[0])
        except OSError as error:
            raised.append(error)

    async def refuse(_part: Head | Piece) -> None:
        raise RuntimeError("gone")

    await home.claim("s", serve)
    assert await make().forward(REQUEST, refuse)
    assert len(raised) == 1


# --- two processes, one service ---


async def echo(session: SockJSSession) -> None:
    while (text := await session.receive()) is not None:
        await session.send(text)


@pytest.fixture
async def pair(make: Make) -> AsyncIterator[tuple[SockJS, SockJS]]:
    """Two processes behind a load balancer that is not sticky."""
    async with no_task_left():
        both = SockJS(echo, options=OPTIONS, relay=make()), SockJS(echo, options=OPTIONS, relay=make())
        yield both
        for each in both:
            await each.close()


async def streaming(app: SockJS, path: str) -> Call:
    stream = call(app, "POST", f"{path}/xhr_streaming")
    assert await stream.status() == 200
    assert len(await stream.piece()) == 2049
    return stream


async def test_a_session_goes_on_at_whichever_process_its_requests_reach(pair: tuple[SockJS, SockJS]) -> None:
    here, there = pair
    assert await post(here, "/0/s/xhr") == (200, "o\n")
    assert await post(there, "/0/s/xhr_send", '["a"]') == (204, "")
    assert await post(there, "/0/s/xhr") == (200, 'a["a"]\n')
    assert await post(here, "/0/s/xhr_send", '["b"]') == (204, "")
    assert await ask(there, "GET", "/0/s/jsonp", query="c=x") == (200, 'x("a[\\"b\\"]");\r\n')
    assert (len(here), len(there)) == (1, 0)


async def test_what_was_wrong_is_said_by_the_process_that_knows(pair: tuple[SockJS, SockJS]) -> None:
    here, there = pair
    assert (await post(there, "/0/s/xhr_send", '["a"]'))[0] == 404
    assert await post(here, "/0/s/xhr") == (200, "o\n")
    assert await post(there, "/0/s/xhr_send", "") == (500, "Payload expected.\n")
    assert await post(there, "/0/s/xhr_send", '["a') == (500, "Broken JSON encoding.\n")


async def test_a_stream_comes_frame_by_frame_from_another_process(pair: tuple[SockJS, SockJS]) -> None:
    here, there = pair
    first = await streaming(here, "/0/s")
    assert await first.piece() == "o\n"
    second = await streaming(there, "/0/s")
    assert await second.piece() == OCCUPIED
    await second.done()
    first.hang_up()
    await first.done()
    third = await streaming(there, "/0/s")
    assert await third.piece() == INTERRUPTED
    await third.done()
    opened = await streaming(there, "/0/t")
    assert await opened.piece() == "o\n"
    for app in pair:
        assert (await post(app, "/0/t/xhr_send", '["x"]'))[0] == 204
        assert await opened.piece() == 'a["x"]\n'
    opened.hang_up()
    await opened.done()


async def test_a_poll_that_is_given_up_elsewhere_is_noticed_at_once(pair: tuple[SockJS, SockJS]) -> None:
    here, there = pair
    assert await post(here, "/0/s/xhr") == (200, "o\n")
    # Whichever of the two comes first waits; once the other has been answered, that is known.
    polls = [call(there, "POST", "/0/s/xhr") for _ in range(2)]
    done, _ = await asyncio.wait({poll.task for poll in polls}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    poll, refused = sorted(polls, key=lambda each: each.task in done)
    assert (await refused.status(), await refused.piece()) == (200, OCCUPIED)
    poll.hang_up()
    await poll.done()
    async with asyncio.timeout(PATIENCE):
        while (answer := await post(there, "/0/s/xhr")) == (200, OCCUPIED):
            pass
    assert answer == (200, INTERRUPTED)


async def test_a_process_that_stops_keeps_no_stream_of_another(pair: tuple[SockJS, SockJS]) -> None:
    here, there = pair
    assert await post(here, "/0/s/xhr") == (200, "o\n")
    assert await post(here, "/0/t/xhr") == (200, "o\n")
    told: list[Callable[[], object]] = []

    def watch(called: Callable[[], object]) -> Callable[[], None]:
        told.append(called)
        return lambda: told.remove(called)

    stream = call(there, "POST", "/0/s/xhr_streaming", extensions={SHUTDOWN: watch})
    assert await stream.status() == 200
    assert len(await stream.piece()) == 2049
    poll = call(there, "POST", "/0/t/xhr", extensions={SHUTDOWN: watch})
    while not poll.taken:  # noqa: ASYNC110 - until it waits
        await asyncio.sleep(0)
    for called in told:
        called()
    assert await stream.piece() == ""
    assert await poll.status() == 503
    await stream.done()
    await poll.done()
    assert told == []


async def test_a_slow_reader_elsewhere_holds_up_the_handler(make: Make) -> None:
    put: asyncio.Queue[int] = asyncio.Queue()

    async def chatter(session: SockJSSession) -> None:
        for number in range(1000):
            await session.send(f"{number:100}")
            put.put_nowait(number)

    async with no_task_left():
        options = replace(OPTIONS, outbox=1000)
        here, there = SockJS(chatter, options=options, relay=make()), SockJS(chatter, options=options, relay=make())
        assert await post(here, "/0/s/xhr") == (200, "o\n")
        stream = await streaming(there, "/0/s")
        stream.pass_on.clear()
        await until(stream.blocked)
        for _ in range(50):
            await asyncio.sleep(0)
        assert put.qsize() < 100
        stream.pass_on.set()
        stream.hang_up()
        await stream.done()
        await here.close()
        await there.close()


async def test_a_session_that_has_ended_begins_anew_anywhere(make: Make) -> None:
    async with no_task_left():
        brisk = replace(OPTIONS, disconnect_delay=0.01)
        ended = asyncio.Event()

        async def handler(session: SockJSSession) -> None:
            await echo(session)
            ended.set()

        here, there = SockJS(handler, options=brisk, relay=make()), SockJS(handler, options=brisk, relay=make())
        assert await post(here, "/0/s/xhr") == (200, "o\n")
        await until(ended)
        assert await post(there, "/0/s/xhr") == (200, "o\n")
        await here.close()
        await there.close()


async def test_two_processes_that_open_a_session_at_once_open_one(pair: tuple[SockJS, SockJS]) -> None:
    polls = {asyncio.create_task(post(app, "/0/s/xhr")) for app in pair}
    opened, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    assert [poll.result() for poll in opened] == [(200, "o\n")]
    assert await post(pair[0], "/0/s/xhr_send", '["a"]') == (204, "")
    assert [await poll for poll in waiting] == [(200, 'a["a"]\n')]
    assert sum(map(len, pair)) == 1


class Pending(MemoryRelay):
    """A relay that takes its time over a claim."""

    def __init__(self, other: MemoryRelay) -> None:
        super().__init__(other._homes)
        self.claiming = asyncio.Event()
        self.go_on = asyncio.Event()

    async def claim(self, session_id: str, serve: Serve) -> bool:
        self.claiming.set()
        await self.go_on.wait()
        return await super().claim(session_id, serve)


async def test_what_is_sent_while_two_open_a_session_reaches_the_one_that_is_opened() -> None:
    slow = Pending(quick := MemoryRelay())
    here, there = (SockJS(echo, options=OPTIONS, relay=relay) for relay in (slow, quick))
    poll = asyncio.create_task(post(here, "/0/s/xhr"))
    await until(slow.claiming)
    assert await post(there, "/0/s/xhr") == (200, "o\n")
    sent = asyncio.create_task(post(here, "/0/s/xhr_send", '["a"]'))
    await asyncio.sleep(0)
    slow.go_on.set()
    assert await sent == (204, "")
    assert await poll == (200, 'a["a"]\n')
    assert (len(here), len(there)) == (0, 1)
    await here.close()
    await there.close()


async def test_a_session_that_finds_no_room_once_it_is_claimed_is_given_up() -> None:
    slow = Pending(quick := MemoryRelay())
    narrow = replace(OPTIONS, max_sessions=1)
    here, there = SockJS(echo, options=narrow, relay=slow), SockJS(echo, options=OPTIONS, relay=quick)
    polls = [asyncio.create_task(post(here, f"/0/{name}/xhr")) for name in "st"]
    await until(slow.claiming)
    await asyncio.sleep(0)
    slow.go_on.set()
    first, second = [await poll for poll in polls]
    assert first == (200, "o\n")
    assert second[0] == 503
    assert await post(there, "/0/t/xhr") == (200, "o\n")
    await here.close()
    await there.close()


class Severed:
    """A relay whose far end dies after so many parts of an answer."""

    def __init__(self, parts: int) -> None:
        self._parts = parts

    async def claim(self, _session_id: str, _serve: object) -> bool:
        return False

    async def release(self, _session_id: str) -> None:
        """Nothing is held."""

    async def forward(self, _request: Request, answer: Answer) -> bool:
        for part in PARTS[: self._parts]:
            await answer(part)
        raise HomeLost


async def test_when_the_holder_dies_the_client_is_sent_back() -> None:
    app = SockJS(echo, options=OPTIONS, relay=Severed(0))
    assert (await post(app, "/0/s/xhr"))[0] == 503
    app = SockJS(echo, options=OPTIONS, relay=Severed(2))
    asked = call(app, "POST", "/0/s/xhr_streaming")
    assert await asked.status() == 200
    assert [await asked.piece() for _ in range(2)] == ["o\n", ""]
    await asked.done()
