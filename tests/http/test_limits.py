"""The live channel's limits, ends and other pipes, in one event loop (E22, E26 to E29)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from typing import Any

import pytest
from tests.http.test_live import JOB, ME, PATIENCE, asleep, dial, eventually, serving
from tests.joblog import THROUGH
from websockets.exceptions import ConnectionClosed, InvalidStatus

from safelight.errors import ConnectionEnded
from safelight.realtime import revocation
from safelight.realtime.registry import Quota
from safelight.realtime.revocation import Revocation
from safelight.realtime.session import Terms


async def test_e26_a_user_has_so_many_connections_and_the_next_is_told_when_to_come_back() -> None:
    async with serving(quota=Quota(connections=2)) as live, dial(live) as one, dial(live) as two, dial(live) as three:
        await one.sign_in()
        await two.sign_in()
        await three.say("CONNECT", accept_version="1.2", host="h", passcode=ME)
        error = await three.error()
        assert (error.get("code"), error.get("retry-after")) == ("too-many-connections", "30")
        async with dial(live) as other:
            await other.sign_in("usr_other")
        await one.say("DISCONNECT")
        await eventually(lambda: len(live.channel.registry) == 1)
        async with dial(live) as again:
            await again.sign_in()


async def test_e26_subscriptions_are_counted_over_all_connections() -> None:
    async with serving(quota=Quota(subscriptions=2)) as live, dial(live) as one, dial(live) as two:
        await live.log.create(JOB)
        for peer in (one, two):
            await peer.sign_in()
            await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", receipt="r")
            assert (await peer.hear()).command == "RECEIPT"
        await one.say("SUBSCRIBE", id="1", destination=f"/topic/job/{JOB}", receipt="s")
        while (frame := await one.hear()).command == "MESSAGE":
            pass
        assert (frame.command, frame.get("code"), frame.get("receipt-id")) == ("ERROR", "too-many-subscriptions", "s")
        assert live.hub.meters.registry.get_sample_value(
            "safelight_live_errors_total", {"code": "too-many-subscriptions"}
        )


async def test_e26_frames_are_counted_over_all_connections() -> None:
    async with (
        serving(quota=Quota(frames_per_second=1, frames_at_once=10)) as live,
        dial(live) as one,
        dial(live) as two,
    ):
        for peer in (one, two):
            await peer.sign_in()
        for number in range(10):
            await one.say("SEND", "{}", destination="/app/progress", receipt=str(number))
            await one.hear()
        await two.say("SEND", "{}", destination="/app/progress")
        error = await two.error()
        assert error.get("code") == "too-many-frames"
        assert int(error.get("retry-after") or 0) >= 1


async def test_e26_before_connect_the_connection_itself_is_bounded() -> None:
    async with serving(terms=Terms(frames_per_second=1, frames_at_once=1)) as live, dial(live) as peer:
        await peer.socket.send("CONNECT\naccept-version:1.2\npasscode:usr_me\n\n\0SEND\ndestination:/a\n\n\0")
        while (frame := await peer.hear()).command != "ERROR":
            pass
        assert frame.get("code") == "too-many-frames"


async def test_e27_a_sign_in_that_has_ended_ends_its_connections_told_or_found() -> None:
    gone: set[str] = set()
    forgotten: list[str] = []

    async def ended(credentials: Collection[str]) -> set[str]:
        return gone & set(credentials)

    for every in (3600.0, 0.02):
        async with serving() as live, dial(live) as mine, dial(live) as other:
            gone.clear()
            await mine.sign_in()
            await other.sign_in("usr_other")
            credentials = {each.user_id: each.credential for each in live.channel.registry}
            forgotten.clear()
            watch = Revocation(live.channel.registry, live.log.broker, ended, forgotten.append, every)
            watching = asyncio.create_task(watch.run())
            await asyncio.sleep(0)
            gone.add(credentials[ME] or "")
            if every > 1:
                await live.log.broker.publish(revocation.TOPIC, (credentials[ME] or "").encode())
            assert (await mine.error()).get("code") == "unauthenticated"
            assert set(forgotten) == gone, "nor is it good for anything else any more"
            await other.say("SEND", "{}", destination="/app/progress", receipt="r")
            assert (await other.hear()).get("receipt-id") == "r"
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_e28_a_deleted_job_ends_the_connection_that_watches_it() -> None:
    async with serving() as live, dial(live) as peer:
        await live.log.create(JOB)
        await peer.sign_in()
        await peer.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}")
        await peer.events(2)
        del live.log.written[JOB]
        await live.hub.check()
        assert (await peer.error()).get("code") == "not-found"


async def test_e29_clients_leave_one_by_one_and_nobody_new_comes() -> None:
    async with serving() as live:
        peers = [dial(live) for _ in range(5)]
        entered = [await peer.__aenter__() for peer in peers]
        for peer in entered:
            await peer.sign_in()
        loop = asyncio.get_running_loop()
        left: list[float] = []

        async def leaving(peer: Any) -> None:
            with pytest.raises(ConnectionClosed) as closed:
                await peer.hear()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "come back")
            left.append(loop.time())

        draining = asyncio.create_task(live.channel.drain(0.5))
        async with asyncio.TaskGroup() as group:
            for peer in entered:
                group.create_task(leaving(peer))
            with pytest.raises(InvalidStatus) as refused:
                async with dial(live):
                    pass
        await draining
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "5"
        assert json.loads(refused.value.response.body or b"")["code"] == "restarting"
        assert max(left) - min(left) >= 0.3
        for each in peers:
            await each.__aexit__(None, None, None)


async def test_e31_a_connection_is_ended_with_the_reason() -> None:
    async with serving() as live, dial(live) as peer:
        await peer.sign_in()
        (connection,) = live.channel.registry
        connection.end(ConnectionEnded())
        assert (await peer.error()).get("code") == "connection-ended"


async def test_e23_what_a_reader_that_does_not_read_takes_is_a_few_dozen_kilobytes() -> None:
    async with serving() as live:
        ids = await live.log.create(JOB, 500)
        async with asleep(live) as sleeper:
            await sleeper.sign_in()
            await sleeper.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}", after="501", receipt="r")
            await sleeper.hear()
            async with dial(live) as quick:
                await quick.sign_in()
                await quick.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}/batch", after="501")
                for photo in ids:
                    await live.log.change(JOB, photo, *THROUGH)
                    await quick.events(live.log.written[JOB].job.seq)
            (stalled,) = [each.standing() for each in live.channel.registry if each.standing().backlog]
            assert stalled.bytes_sent < 200_000
            assert stalled.lag_ms > 0
            assert [each.destination for each in stalled.subscriptions] == [f"/topic/job/{JOB}"]


class Pair:
    """A pipe in memory, as a SockJS session is one: this side's ends are queues."""

    transport = "xhr-streaming"

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.received: asyncio.Queue[str | None] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None

    async def send(self, text: str) -> None:
        if self.closed:
            raise BrokenPipeError
        await self.sent.put(text)

    async def receive(self) -> str | None:
        return await self.received.get()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.received.put_nowait(None)


async def test_the_channel_converses_over_any_pipe() -> None:
    async with serving() as live, asyncio.timeout(PATIENCE):
        await live.log.create(JOB)
        pipe = Pair()
        running = asyncio.create_task(live.channel.serve(pipe))
        await pipe.received.put(f"CONNECT\naccept-version:1.2\nhost:h\npasscode:{ME}\n\n\0")
        assert (await pipe.sent.get()).startswith("CONNECTED\n")
        await pipe.received.put(f"SUBSCRIBE\nid:0\ndestination:/topic/job/{JOB}\n\n\0")
        assert "recovered:snapshot" in await pipe.sent.get()
        (connection,) = live.channel.registry
        assert connection.standing().transport == "xhr-streaming"
        labels = {"transport": "xhr-streaming"}
        assert live.hub.meters.registry.get_sample_value("safelight_live_connections", labels) == 1
        await pipe.received.put("DISCONNECT\n\n\0")
        await running
        assert pipe.closed == (1000, "")
        assert live.hub.meters.registry.get_sample_value("safelight_live_connections", labels) == 0
        assert len(live.channel.registry) == 0


async def test_e2_the_origin_of_a_pipe_is_looked_at_too() -> None:
    async with serving() as live:
        pipe = Pair(origin="https://evil.example", host="safelight.example")
        await live.channel.serve(pipe)
        assert pipe.closed == (1008, "origin-refused")
        await live.channel.drain(0)
        late = Pair()
        await live.channel.serve(late)
        assert late.closed == (1012, "come back")
