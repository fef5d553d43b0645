"""The whole conversation by clients that others wrote, unmodified: stompjs (under Node), stomp.py and stompman."""

from __future__ import annotations

import asyncio
import json
import queue
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stomp  # type: ignore[import-untyped]
import stompman
from stompman.connection_ws import WebSocketConnection
from tests.http.test_live import JOB, ME, PATIENCE, Live, dial, eventually, serving
from tests.joblog import THROUGH

from safelight.realtime.session import Terms

STOMPJS = Path(__file__).parent / "stompjs_conversation.mjs"
# Heart-beats every 200 ms at most; who does not send what it promised is cut off soon.
LIVELY = Terms(heart_beat=200, grace=1_000)


@asynccontextmanager
async def talking(version: str, live: Live) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        "node", str(STOMPJS), f"ws://127.0.0.1:{live.port}/ws", version, JOB, stdin=PIPE, stdout=PIPE, stderr=sys.stderr
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("version", ["1.2", "1.1", "1.0"])
async def test_stompjs_converses_unmodified(version: str) -> None:
    async with serving(terms=LIVELY) as live, talking(version, live) as process:
        assert process.stdin
        assert process.stdout
        one, two = await live.log.create(JOB, 2)
        said: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in process.stdout:
                told = json.loads(line)
                said[told["step"]] = told
                match told["step"]:
                    case "subscribed":
                        await live.log.change(JOB, one, *THROUGH)
                    case "renewed":
                        live.now = 8_000  # past the end of the first token
                        process.stdin.write(b"go on\n")
                    case "left":
                        await live.log.change(JOB, two, *THROUGH)
                        process.stdin.write(b"go on\n")
            assert await process.wait() == 0
    assert list(said) == [
        *("connected", "subscribed", "ended", "renewed", "left", "after", "refused", "disconnected"),
    ]
    assert (said["connected"]["version"], said["connected"]["server"]) == (version, "safelight")
    placed = said["subscribed"]["headers"]
    assert (placed["receipt-id"], placed["recovered"], placed["seq"]) == ("placed", "replay", "3")
    events = said["ended"]["events"]
    assert [event["seq"] for event in events] == list(range(2, events[-1]["seq"] + 1))
    assert {event["headers"]["subscription"] for event in events} == {"a:b" if version == "1.2" else "a-b"}
    assert all(("ack" in event["headers"]) == (version == "1.2") for event in events)
    assert said["ended"]["acknowledged"] == len(events)
    assert live.reported == [(ME, body) for body in ({"n": 0, "é": "☃"}, {"n": 1}, {"n": 2}, {"n": 3})]
    assert said["after"]["more"] == 0
    assert all(count >= 2 for count in said["after"]["beats"].values()) == (version != "1.0")
    refused = said["refused"]
    assert (refused["headers"]["code"], refused["headers"]["receipt-id"]) == ("not-found", "mine")
    assert (refused["body"]["detail"], refused["closed"]) == (refused["headers"]["message"], 1008)
    assert (said["disconnected"]["receipt"], said["disconnected"]["clean"]) == ("RECEIPT", 1000)


class Listening(stomp.ConnectionListener):  # type: ignore[misc]
    """Frames that stomp.py was given, out of its own thread."""

    def __init__(self) -> None:
        self.frames: queue.Queue[tuple[str, dict[str, str], str]] = queue.Queue()
        self.beats = 0

    def on_message(self, frame: Any) -> None:
        self.frames.put(("MESSAGE", frame.headers, frame.body))

    def on_receipt(self, frame: Any) -> None:
        self.frames.put(("RECEIPT", frame.headers, frame.body))

    def on_error(self, frame: Any) -> None:
        self.frames.put(("ERROR", frame.headers, frame.body))

    def on_heartbeat(self) -> None:
        self.beats += 1

    async def next(self, command: str) -> tuple[dict[str, str], Any]:
        """The headers and the JSON of the next frame, which must be this command's."""
        got, headers, body = await asyncio.to_thread(self.frames.get, timeout=PATIENCE)
        assert got == command, (got, headers)
        return headers, json.loads(body) if body else None

    async def until(self, status: str) -> list[dict[str, Any]]:
        """The bodies of the MESSAGEs up to a JobStatusUpdate of that status."""
        seen: list[dict[str, Any]] = []
        while not seen or "photoId" in seen[-1] or seen[-1]["status"] != status:
            seen.append((await self.next("MESSAGE"))[1])
        return seen


@asynccontextmanager
async def stomp_py(live: Live, token: str) -> AsyncIterator[tuple[Any, Listening]]:
    listening = Listening()
    connection = stomp.WSConnection([("127.0.0.1", live.port)], ws_path="/ws", heartbeats=(200, 200))
    connection.set_listener("", listening)
    await asyncio.to_thread(connection.connect, passcode=token, username="", wait=True)
    try:
        yield connection, listening
    finally:
        await asyncio.to_thread(connection.disconnect)


async def test_stomp_py_converses_unmodified() -> None:
    async with serving(terms=LIVELY) as live:
        (photo,) = await live.log.create(JOB)
        async with stomp_py(live, "usr_me:2000") as (connection, heard):
            headers = {"receipt": "placed", "after": "1"}
            connection.subscribe(f"/topic/job/{JOB}", id="a:b", ack="client-individual", headers=headers)
            placed, _ = await heard.next("RECEIPT")
            assert (placed["receipt-id"], placed["recovered"], placed["seq"]) == ("placed", "replay", "2")
            await live.log.change(JOB, photo, *THROUGH[:3])
            first, body = await heard.next("MESSAGE")
            assert (first["subscription"], first["recovered"], body["seq"]) == ("a:b", "replay", 2)
            connection.ack(first["ack"], receipt="acked")
            second, body = await heard.next("MESSAGE")
            assert body["seq"] == 3
            connection.nack(second["ack"])
            connection.begin("t")
            connection.send("/app/progress", '{"a":1}', transaction="t")
            connection.begin("u")
            connection.send("/app/progress", '{"a":"never"}', transaction="u")
            connection.abort("u")
            connection.commit("t", headers={"receipt": "committed"})
            connection.send("/app/token", '{"token":"usr_me:9000"}', headers={"receipt": "renewed"})
            receipts: list[str] = []
            while len(receipts) < 3:
                got, headers, _ = await asyncio.to_thread(heard.frames.get, timeout=PATIENCE)
                receipts += [headers["receipt-id"]] if got == "RECEIPT" else []
            assert receipts == ["acked", "committed", "renewed"]
            assert live.reported == [(ME, {"a": 1})]
            live.now = 8_000
            await live.log.change(JOB, photo, *THROUGH[3:])
            seen = await heard.until("COMPLETED")
            assert seen[-1]["seq"] == live.log.written[JOB].job.seq
            await eventually(lambda: heard.beats >= 2)
            connection.unsubscribe("a:b", headers={"receipt": "left"})
            assert (await heard.next("RECEIPT"))[0]["receipt-id"] == "left"
            await eventually(lambda: not live.hub.topics)
        async with stomp_py(live, "usr_other") as (connection, heard):
            connection.subscribe(f"/topic/job/{JOB}", id="0", headers={"receipt": "mine"})
            refused, body = await heard.next("ERROR")
            assert (refused["code"], refused["receipt-id"]) == ("not-found", "mine")
            assert body["detail"] == refused["message"]
        await eventually(lambda: not len(live.channel.registry))


class Undone(Exception):
    """What rolls a transaction back."""


async def _give_up(client: stompman.Client) -> None:
    async with client.begin() as transaction:
        await transaction.send(b'{"a":"never"}', destination="/app/progress")
        raise Undone


async def test_stompman_converses_unmodified() -> None:
    errors: asyncio.Queue[stompman.ErrorFrame] = asyncio.Queue()

    def client(live: Live, token: str) -> stompman.Client:
        server = stompman.ConnectionParameters("127.0.0.1", live.port, "", token, ws_uri_path="ws")
        return stompman.Client(
            [server],
            connection_class=WebSocketConnection,
            heartbeat=stompman.Heartbeat(200, 200),
            on_error_frame=errors.put_nowait,
        )

    async with serving(terms=LIVELY) as live, asyncio.timeout(PATIENCE):
        (photo,) = await live.log.create(JOB)
        events: asyncio.Queue[stompman.AckableMessageFrame] = asyncio.Queue()

        async def note(frame: stompman.AckableMessageFrame) -> None:
            events.put_nowait(frame)

        async with client(live, "usr_me:2000") as mine:
            subscription = await mine.subscribe_with_manual_ack(
                f"/topic/job/{JOB}", note, ack="client-individual", headers={"after": "0"}, receipt_timeout=PATIENCE
            )
            await mine.send(b'{"token":"usr_me:9000"}', "/app/token", receipt_timeout=PATIENCE)
            live.now = 8_000
            await live.log.change(JOB, photo, *THROUGH)
            bodies: list[dict[str, Any]] = []
            while not bodies or bodies[-1]["seq"] < live.log.written[JOB].job.seq:
                frame = await events.get()
                bodies.append(json.loads(frame.body))
                await (frame.nack() if len(bodies) % 3 == 0 else frame.ack())
            assert [body["seq"] for body in bodies] == list(range(1, len(bodies) + 1))
            async with mine.begin() as transaction:
                await transaction.send(b'{"a":1}', destination="/app/progress")
                await transaction.send(b'{"a":2}', destination="/app/progress")
            with pytest.raises(Undone):
                await _give_up(mine)
            await mine.send(b'{"a":3}', "/app/progress", receipt_timeout=PATIENCE)
            await subscription.unsubscribe()
            await eventually(lambda: not live.hub.topics)
        assert live.reported == [(ME, {"a": number}) for number in (1, 2, 3)]
        async with client(live, "usr_other") as other:
            with pytest.raises(stompman.SubscriptionError):
                await other.subscribe_with_manual_ack(f"/topic/job/{JOB}", note, receipt_timeout=PATIENCE)
        refused = await errors.get()
        assert refused.headers["message"].startswith("There is no job")


# --- what only a socket shows ---


async def test_what_was_received_is_processed_though_its_client_has_gone() -> None:
    """STOMP 1.2, RECEIPT: "If the client disconnects, previously received frames SHOULD continue to get processed"."""
    async with serving() as live, dial(live) as peer:
        await peer.sign_in()
        send = 'SEND\ndestination:/app/progress\nreceipt:{0}\n\n{{"n":{0}}}\0'
        await peer.socket.send("".join(send.format(number) for number in range(500)))
        peer.socket.transport.abort()
        await eventually(lambda: len(live.reported) == 500)
