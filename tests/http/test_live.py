"""The live channel over a real server and real sockets. The rules are those of docs/protocol.md, Live channel."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from tests.joblog import MB, THROUGH, JobLog, receive
from tests.pictures import big_jpeg
from tests.running import Server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from safelight.adapters.memory import MemoryBroker
from safelight.cli.serving import MAX_FRAME
from safelight.domain.identity import Identity
from safelight.errors import NotFound, Unauthenticated
from safelight.realtime.endpoints import LiveChannel, LiveContext
from safelight.realtime.hub import Hub, Pace
from safelight.realtime.session import Terms
from safelight.realtime.stomp import Frame, Limits, Parser
from safelight.realtime.websocket import LINGER

PATIENCE = 20.0
JOB = "job_a"
ME = "usr_me"
NARROW = 16 * 1024  # bytes of a socket's buffer, so that a client that does not read is noticed soon


@dataclass
class Live:
    """A running live channel, and the jobs behind it."""

    log: JobLog
    hub: Hub
    port: int = 0
    channel: LiveChannel = field(init=False)
    now: int = 1_000
    reported: list[tuple[str, Any]] = field(default_factory=list)

    async def authenticate(self, token: str) -> Identity:
        """Tokens of the tests read `user` or `user:expires_at`."""
        user_id, _, expires_at = token.partition(":")
        if not user_id.startswith("usr_"):
            raise Unauthenticated
        return Identity(user_id, f"{user_id}@example.org", int(expires_at) if expires_at else None, None)

    async def owns_job(self, user_id: str, job_id: str) -> bool:
        written = self.log.written.get(job_id)
        return written is not None and written.job.user_id == user_id

    async def report(self, user_id: str, payload: Any) -> None:
        if payload == {"photoId": "ph_foreign"}:
            raise NotFound
        self.reported.append((user_id, payload))


class Peer:
    """A client that says what it is told to, and reads frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._parser = Parser(Limits(body=10 * MB), "1.2")

    async def say(self, command: str, body: str = "", /, **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
        await self.socket.send(f"{command}\n{lines}\n{body}\0")

    async def hear(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            while (frame := self._parser.pop()) is None:
                data = await self.socket.recv()
                self._parser.push(data.encode() if isinstance(data, str) else data)
            return frame

    async def sign_in(self, token: str = ME) -> Frame:
        await self.say("CONNECT", accept_version="1.2", host="h", Authorization=f"Bearer {token}")
        connected = await self.hear()
        assert connected.command == "CONNECTED", connected
        return connected

    async def error(self) -> Frame:
        """The ERROR that comes, and the close that must follow it."""
        frame = await self.hear()
        assert frame.command == "ERROR", frame
        with pytest.raises(ConnectionClosed) as closed:
            await self.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        return frame

    async def events(self, seq: int) -> list[dict[str, Any]]:
        """The bodies of MESSAGE frames up to the event of that number."""
        found: list[dict[str, Any]] = []
        while not any(body.get("seq") == seq for body in found):
            frame = await self.hear()
            assert frame.command == "MESSAGE", frame
            body = json.loads(frame.body)
            found += body if isinstance(body, list) else [body]
        return found


@asynccontextmanager
async def serving(**context: Any) -> AsyncIterator[Live]:
    """A live channel on a free port, in this event loop; keywords are fields of LiveContext, `ws` is uvicorn's."""
    broker = MemoryBroker()
    log = JobLog(broker)
    pace = context.pop("pace", Pace(patience=0))
    ws = context.pop("ws", "safelight.realtime.websocket:LiveProtocol")
    live = Live(log, Hub(broker, log, pace))
    await live.hub.start()
    live.channel = LiveChannel(
        LiveContext(
            hub=live.hub,
            authenticate=live.authenticate,
            owns_job=live.owns_job,
            report_progress=live.report,
            clock=lambda: live.now,
            tick_every=0.02,
            **context,
        )
    )
    app = Starlette(routes=[WebSocketRoute(path, live.channel) for path in ("/ws", "/ws/websocket")])
    listening = socket.create_server(("127.0.0.1", 0))
    live.port = listening.getsockname()[1]
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        ws=ws,
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listening]))
    try:
        yield live
    finally:
        await live.channel.close()
        await live.hub.close()
        await broker.close()
        server.should_exit = True
        await running


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    async with serving() as running:
        yield running


@asynccontextmanager
async def dial(live: Live, path: str = "/ws", **options: Any) -> AsyncIterator[Peer]:
    async with connect(f"ws://127.0.0.1:{live.port}{path}", compression=None, **options) as socket:
        yield Peer(socket)


# --- who may connect ---


@pytest.mark.parametrize("path", ["/ws", "/ws/websocket"])
@pytest.mark.parametrize("version", ["v12.stomp", "v11.stomp", "v10.stomp"])
async def test_e1_the_subprotocol_is_taken_up(live: Live, path: str, version: str) -> None:
    offered = [Subprotocol("other"), Subprotocol(version)]
    async with dial(live, path, subprotocols=offered) as peer:
        assert peer.socket.subprotocol == version
        await peer.sign_in()


async def test_e2_pages_of_other_hosts_are_refused_before_the_upgrade() -> None:
    async with serving(allowed_origins=["https://photos.example"]) as live:
        for origin in ("https://evil.example", "null", f"http://127.0.0.1:{live.port + 1}"):
            with pytest.raises(InvalidStatus) as refused:
                async with dial(live, origin=origin):
                    pass
            assert refused.value.response.status_code == 403
            assert json.loads(refused.value.response.body or b"")["code"] == "origin-refused"
        for own in ("https://photos.example", f"http://127.0.0.1:{live.port}", None):
            async with dial(live, origin=own) as peer:
                await peer.sign_in()


@pytest.mark.parametrize("header", ["Authorization:Bearer usr_me", "passcode:usr_me"])
async def test_e3_the_token_comes_with_connect(live: Live, header: str) -> None:
    async with dial(live) as peer:
        await peer.socket.send(f"STOMP\naccept-version:1.1,1.2\nhost:h\n{header}\n\n\0")
        assert (await peer.hear()).get("version") == "1.2"


@pytest.mark.parametrize("token", ["", "forged"])
async def test_e3_without_a_good_token_nothing_is_carried_out(live: Live, token: str) -> None:
    async with dial(live) as peer:
        await peer.socket.send(
            f"CONNECT\naccept-version:1.2\npasscode:{token}\n\n\0SEND\ndestination:/app/progress\n\n{{}}\0"
        )
        assert (await peer.error()).get("code") == "unauthenticated"
    assert live.reported == []


async def test_e3_who_does_not_sign_in_is_cut() -> None:
    async with serving(terms=Terms(connect_within=50)) as live, dial(live) as peer:
        assert (await peer.error()).get("code") == "unauthenticated"


async def test_e4_delivery_ends_with_the_token_for_a_silent_reader_too(live: Live) -> None:
    await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in("usr_me:2000")
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", receipt="r")
        assert (await peer.hear()).command == "RECEIPT"
        await peer.events(2)
        live.now = 2_000
        assert (await peer.error()).get("code") == "token-expired"


async def test_e4_a_token_is_renewed_in_place(live: Live) -> None:
    (photo,) = await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in("usr_me:2000")
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}")
        await peer.events(2)
        await peer.say("SEND", '{"token":"usr_me:9000"}', destination="/app/token", receipt="renewed")
        assert (await peer.hear()).get("receipt-id") == "renewed"
        live.now = 8_000
        await live.log.change(JOB, photo, receive())
        await peer.events(3)


async def test_e4_nothing_is_delivered_once_the_token_has_expired(live: Live) -> None:
    (photo,) = await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in("usr_me:2000")
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}")
        await peer.events(2)
        await live.log.change(JOB, photo, receive())
        await peer.events(3)
        live.now = 2_000
        await live.log.change(JOB, photo, *THROUGH[1:])
        frame = await peer.hear()
        while frame.command == "MESSAGE" and json.loads(frame.body)["seq"] <= 4:
            frame = await peer.hear()
        assert (frame.command, frame.get("code")) == ("ERROR", "token-expired")


@pytest.mark.parametrize("ws", ["websockets-sansio", "safelight.realtime.websocket:LiveProtocol"])
async def test_e16_any_server_that_speaks_asgi_will_do(ws: str) -> None:
    async with serving(ws=ws) as live, dial(live) as peer:
        (photo,) = await live.log.create(JOB)
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}")
        await peer.events(2)
        for change in THROUGH:
            await live.log.change(JOB, photo, change)
            await asyncio.sleep(0.01)
        end = live.log.written[JOB].job.seq
        assert [body["seq"] for body in await peer.events(end)] == list(range(3, end + 1))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"token":"usr_other"}', "unauthenticated"),
        ('{"token":"forged"}', "unauthenticated"),
        ("{}", "invalid-request"),
        ("[]", "invalid-request"),
        ("{", "malformed-json"),
    ],
)
async def test_e4_a_bad_renewal_is_an_error(live: Live, body: str, code: str) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("SEND", body, destination="/app/token", receipt="r")
        error = await peer.error()
        assert (error.get("code"), error.get("receipt-id")) == (code, "r")


async def test_e5_heart_beats_come_and_their_absence_ends_the_connection() -> None:
    async with serving(terms=Terms(heart_beat=50, grace=100)) as live, dial(live) as peer:
        await peer.say("CONNECT", accept_version="1.2", passcode="usr_me", heart_beat="50,50")
        assert (await peer.hear()).get("heart-beat") == "50,50"
        async with asyncio.timeout(PATIENCE):
            assert await peer.socket.recv() == "\n"
        assert (await peer.error()).get("code") == "peer-silent"


# --- subscriptions ---


async def test_e12_a_foreign_and_an_unknown_job_are_told_alike(live: Live) -> None:
    await live.log.create("job_foreign", user_id="usr_other")
    sentences = set()
    for job_id in ("job_foreign", "job_never"):
        async with dial(live) as peer:
            await peer.sign_in()
            await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{job_id}", receipt="sub")
            error = await peer.error()
            assert (error.get("code"), error.get("receipt-id")) == ("not-found", "sub")
            sentences.add((error.get("message") or "").replace(job_id, ""))
    assert len(sentences) == 1


@pytest.mark.parametrize("destination", ["/topic", "/topic/job/", f"/topic/job/{JOB}/x", "/topic/job/a b", "/queue/a"])
async def test_e12_an_unknown_destination_is_an_error(live: Live, destination: str) -> None:
    await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="0", destination=destination)
        assert (await peer.error()).get("code") == "not-found"


async def test_e14_snapshot_then_live_and_both_say_where_they_are(live: Live) -> None:
    (photo,) = await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="s", destination=f"/topic/job/{JOB}", receipt="r")
        receipt, first, last = [await peer.hear() for _ in range(3)]
        assert receipt.headers == (("receipt-id", "r"), ("recovered", "snapshot"), ("seq", "2"))
        assert (first.get("recovered"), first.get("seq")) == ("snapshot", "2")
        assert last.get("recovered") is None
        assert json.loads(last.body)["seq"] == 2
        await live.log.change(JOB, photo, *THROUGH)
        end = live.log.written[JOB].job.seq
        assert [body["seq"] for body in await peer.events(end)] == list(range(3, end + 1))


async def test_e14_replay_says_so_and_an_empty_one_on_its_next_event(live: Live) -> None:
    (photo,) = await live.log.create(JOB)
    await live.log.change(JOB, photo, receive())
    seq = live.log.written[JOB].job.seq
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="a", destination=f"/topic/job/{JOB}", after="2")
        first = await peer.hear()
        assert (first.get("recovered"), first.get("seq")) == ("replay", str(seq))
        assert [body["seq"] for body in await peer.events(seq)] == list(range(4, seq + 1))
        await peer.say("SUBSCRIBE", id="b", destination=f"/topic/job/{JOB}", after=str(seq), receipt="r")
        assert (await peer.hear()).get("recovered") == "replay"
        await peer.say("UNSUBSCRIBE", id="a", receipt="gone")
        assert (await peer.hear()).get("receipt-id") == "gone"
        await live.log.change(JOB, photo, *THROUGH[1:])
        message = await peer.hear()
        assert (message.get("subscription"), message.get("recovered")) == ("b", "replay")
        assert json.loads(message.body)["seq"] == seq + 1


async def test_e20_the_batch_has_the_same_events_in_arrays(live: Live) -> None:
    ids = await live.log.create(JOB, 20)
    async with dial(live) as single, dial(live) as batched:
        await single.sign_in()
        await batched.sign_in()
        await single.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", after="0")
        await batched.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}/batch", after="0")
        for photo in ids:
            await live.log.change(JOB, photo, *THROUGH)
        end = live.log.written[JOB].job.seq
        durable = [body for body in await single.events(end) if "seq" in body]
        assert [body["seq"] for body in durable] == list(range(1, end + 1))
        assert [body for body in await batched.events(end) if "seq" in body] == durable


async def test_e21_all_jobs_of_the_caller_and_no_others(live: Live) -> None:
    (photo,) = await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="0", destination="/topic/jobs", receipt="r")
        assert (await peer.hear()).headers == (("receipt-id", "r"), ("recovered", "snapshot"))
        assert json.loads((await peer.hear()).body)["jobId"] == JOB
        await live.log.create("job_foreign", user_id="usr_other")
        await live.log.change(JOB, photo, *THROUGH)
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["status"] != "COMPLETED":
            seen.append(json.loads((await peer.hear()).body))
        assert {body["jobId"] for body in seen} == {JOB}


async def test_e6_two_subscriptions_of_one_connection_are_told_apart(live: Live) -> None:
    await live.log.create(JOB)
    await live.log.create("job_b", 2)
    async with dial(live) as peer:
        await peer.sign_in()
        for job_id in (JOB, "job_b"):
            await peer.say("SUBSCRIBE", id=job_id, destination=f"/topic/job/{job_id}")
        for _ in range(5):
            message = await peer.hear()
            assert json.loads(message.body)["jobId"] == message.get("subscription")


async def test_e22_progress_is_passed_on(live: Live) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        body = '{"photoId":"ph_1","bytesSent":1,"bytesTotal":2}'
        await peer.say("SEND", body, destination="/app/progress", receipt="r")
        assert (await peer.hear()).get("receipt-id") == "r"
        assert live.reported == [("usr_me", json.loads(body))]
        # Of a photo that is gone it is as of one that was never there: best effort, and no reason to hang up.
        await peer.say("SEND", '{"photoId":"ph_foreign"}', destination="/app/progress", receipt="s")
        assert (await peer.hear()).headers == (("receipt-id", "s"),)
        await peer.say("SEND", body, destination="/app/progress", receipt="t")
        assert (await peer.hear()).get("receipt-id") == "t"


# --- faults ---


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        ("GARBAGE\n\n\0", "protocol-violation"),
        ("SEND\ndestination:/app/nowhere\n\n\0", "not-found"),
        ("SEND\ncontent-length:10000000\ndestination:/a\n\n", "frame-too-large"),
        ("SEND\n" + "a:b\n" * 100 + "\n\0", "frame-too-large"),
        (b"SEND\n\xff\n\n\0", "protocol-violation"),
    ],
)
async def test_e7_garbage_ends_the_connection_with_a_reason(live: Live, wire: str | bytes, code: str) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.socket.send(wire)
        assert (await peer.error()).get("code") == code


async def test_e7_a_fault_of_ours_is_said_and_logged(live: Live) -> None:
    await live.log.create(JOB)

    async def broken(job_id: str) -> tuple[int, list[bytes]]:
        raise OSError("the disk is gone")

    async with dial(live) as peer:
        await peer.sign_in()
        live.log.snapshot = broken  # type: ignore[method-assign]
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", receipt="r")
        error = await peer.error()
        assert (error.get("code"), error.get("receipt-id")) == ("internal-error", "r")


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 8 * MAX_FRAME])
async def test_e8_a_message_beyond_the_transports_limit_is_told_before_the_close(live: Live, size: int) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.socket.send("\n" * size)
        error = await peer.hear()
        assert (error.command, error.get("code")) == ("ERROR", "frame-too-large")
        with pytest.raises(ConnectionClosed) as closed:
            await peer.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_e8_a_slow_sender_of_a_message_too_large_is_told_too(live: Live) -> None:
    """Its line needs longer than the server would wait for a silent one; a reset amid it would cost it the ERROR."""
    async with dial(live) as peer:
        await peer.sign_in()
        transport = peer.socket.transport
        transport.write(struct.pack(">BBQI", 0x81, 0x80 | 127, MAX_FRAME + 1, 0))
        for _ in range(13):
            transport.write(b"\n" * 1_000)
            await asyncio.sleep(LINGER / 10)
        assert not transport.is_closing()
        assert (await peer.hear()).get("code") == "frame-too-large"


async def test_e9_frames_come_in_any_pieces(live: Live) -> None:
    async with dial(live) as peer:
        send = "SEND\ndestination:/app/progress\nreceipt:r\n\n[1]\0"
        for character in f"CONNECT\naccept-version:1.2\npasscode:{ME}\n\n\0\n\n{send}":
            await peer.socket.send(character)
        assert (await peer.hear()).command == "CONNECTED"
        assert (await peer.hear()).get("receipt-id") == "r"
        await peer.socket.send(send.replace("receipt:r", "receipt:s").encode() * 3)
        assert [(await peer.hear()).get("receipt-id") for _ in range(3)] == ["s"] * 3


async def test_disconnect_is_answered_and_obeyed(live: Live) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.say("DISCONNECT", receipt="bye")
        assert (await peer.hear()).get("receipt-id") == "bye"
        with pytest.raises(ConnectionClosed) as closed:
            await peer.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_topics_are_left_when_their_readers_go(live: Live) -> None:
    await live.log.create(JOB)
    for leave in ("close", "cut", "unsubscribe"):
        async with dial(live) as peer:
            await peer.sign_in()
            await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", receipt="r")
            await peer.hear()
            assert live.hub.topics == [f"job.{JOB}"]
            if leave == "cut":
                peer.socket.transport.abort()
            elif leave == "unsubscribe":
                await peer.say("UNSUBSCRIBE", id="0")
                await eventually(lambda: not live.hub.topics)
        await eventually(lambda: not live.hub.topics)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 (the server has no event for it)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def asleep(live: Live) -> AsyncIterator[Peer]:
    """A client that reads only when a test does: its buffers hold a few kilobytes."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
    narrow.connect(("127.0.0.1", live.port))
    async with dial(live, sock=narrow, max_queue=1, close_timeout=0.2) as peer:
        yield peer


async def test_e19_a_reader_that_wakes_up_gets_a_snapshot_and_nobody_waited_for_it() -> None:
    async with serving(pace=Pace(backlog=200, patience=0)) as live:
        ids = await live.log.create(JOB, 500)
        async with dial(live) as quick, asleep(live) as sleeper:
            for peer in (quick, sleeper):
                await peer.sign_in()
                await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}/batch", after="501", receipt="r")
                await peer.hear()
            seen: list[dict[str, Any]] = []
            for photo in ids:
                await live.log.change(JOB, photo, *THROUGH)
                seen += await quick.events(live.log.written[JOB].job.seq)
            last = live.log.written[JOB].job.seq
            assert [body["seq"] for body in seen if "seq" in body] == list(range(502, last + 1))
            recovered: list[str | None] = []
            woken: list[dict[str, Any]] = []
            while not woken or woken[-1].get("seq") != last:
                frame = await sleeper.hear()
                recovered.append(frame.get("recovered"))
                woken += json.loads(frame.body)
            assert recovered[0] == "replay"
            assert "snapshot" in recovered
            assert woken[-1]["status"] == "COMPLETED"
            assert len(woken) < len(seen)


async def test_e23_who_never_reads_is_cut_off_at_last() -> None:
    async with serving(send_within=0.2) as live:
        ids = await live.log.create(JOB, 500)
        async with asleep(live) as sleeper:
            await sleeper.sign_in()
            await sleeper.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", receipt="r")
            await sleeper.hear()
            for photo in ids:
                await live.log.change(JOB, photo, *THROUGH)
            await eventually(lambda: live.hub.topics == [])


async def test_closing_the_channel_tells_clients_to_come_back(live: Live) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await live.channel.close()
        with pytest.raises(ConnectionClosed) as closed:
            await peer.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


# --- a whole Safelight ---


async def test_e16_a_photo_is_watched_from_its_declaration_to_its_end(server: Server) -> None:
    photo = big_jpeg(600_000)
    with server.client() as client:
        created = await asyncio.to_thread(client.declare, ("a.jpg", len(photo)))
        job_id, item = created["jobId"], created["items"][0]
        async with connect(f"{server.url.replace('http', 'ws')}/ws", compression=None) as socket:
            peer = Peer(socket)
            await peer.sign_in(client.token)
            await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{job_id}", after="0")
            await asyncio.to_thread(httpx.put, item["presignedUrl"], content=photo)
            await asyncio.to_thread(client.post, f"/commands/upload/{item['photoId']}/finalize")
            seen: list[dict[str, Any]] = []
            while not seen or seen[-1].get("photoId") or seen[-1]["status"] != "COMPLETED":
                seen.append(json.loads((await peer.hear()).body))
    durable = [body for body in seen if "seq" in body]
    assert [body["seq"] for body in durable] == list(range(1, len(durable) + 1))
    states = [(body["status"], body.get("stage")) for body in durable if body.get("photoId")]
    stages = [("PROCESSING", stage) for stage in ("VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING")]
    assert states == [("QUEUED", None), ("UPLOADING", None), ("PROCESSING", None), *stages, ("COMPLETED", None)]
    percents = [body["progressPercent"] for body in seen if body.get("photoId")]
    assert percents == sorted(percents)
    assert percents[-1] == 100


async def test_e6_a_subscription_that_ends_before_it_has_its_place_still_gets_its_receipt(live: Live) -> None:
    await live.log.create(JOB)
    async with dial(live) as peer:
        await peer.sign_in()
        frames = [
            f"SUBSCRIBE\nid:0\ndestination:/topic/job/{JOB}\nreceipt:a\n\n\0",
            "UNSUBSCRIBE\nid:0\nreceipt:b\n\n\0",
            f"SUBSCRIBE\nid:1\ndestination:/topic/job/{JOB}\nreceipt:c\n\n\0",
            "DISCONNECT\nreceipt:d\n\n\0",
        ]
        await peer.socket.send("".join(frames))
        assert [(await peer.hear()).get("receipt-id") for _ in range(4)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("destination", "body"), [("/app/nowhere", "{}"), ("/app/progress", "{")])
async def test_e11_where_one_of_a_transaction_cannot_be_carried_out_none_is(
    live: Live, destination: str, body: str
) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        first = 'SEND\ndestination:/app/progress\ntransaction:t\n\n{"n":1}\0'
        last = f"SEND\ndestination:{destination}\ntransaction:t\n\n{body}\0"
        await peer.socket.send(f"BEGIN\ntransaction:t\n\n\0{first}{last}COMMIT\ntransaction:t\nreceipt:r\n\n\0")
        error = await peer.error()
        assert error.get("receipt-id") == "r"
        assert live.reported == []


async def test_e7_who_said_goodbye_is_let_go_though_something_before_it_failed(live: Live) -> None:
    async with dial(live) as peer:
        await peer.sign_in()
        await peer.socket.send("SUBSCRIBE\nid:0\ndestination:/topic/job/unknown\n\n\0DISCONNECT\n\n\0")
        async with asyncio.timeout(PATIENCE):
            await peer.socket.wait_closed()
