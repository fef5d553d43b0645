"""The short way of a flush to its readers: what it brings is what the iteration brings, in the same order, once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from tests.joblog import THROUGH, JobLog, receive

from safelight.domain.identity import Identity
from safelight.realtime.endpoints import LiveChannel, LiveContext
from safelight.realtime.feed import Batch, Event, Flush
from safelight.realtime.hub import Hub, Pace
from safelight.realtime.messages import encoded
from safelight.realtime.reader import Reader
from safelight.realtime.stomp import Frame, Limits, Parser
from safelight.realtime.subscription import Subscription

JOB = "job_a"
PATIENCE = 20.0


@pytest.fixture
async def hub(log: JobLog) -> AsyncIterator[Hub]:
    hub = Hub(log.broker, log, Pace(backlog=50, check_every=3600, patience=0))
    await hub.start()
    yield hub
    await hub.close()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


@dataclass
class Way:
    """A direct way that takes what it has room for, and remembers whence each event came."""

    room: bool = True
    got: list[tuple[str, Event]] = field(default_factory=list)
    broken: bool = False

    def write(self, flush: Flush) -> bool:
        if self.broken:
            raise RuntimeError("broken")
        if self.room and flush.batch is not None:
            self.got += [("direct", event) for event in flush.batch.events]
            flush.written += 1
        return self.room

    async def read(self, reader: Reader) -> None:
        """Iterate, and let the way be used once the recovery is over."""
        async for batch in reader:
            if not batch.recovered:
                self.got += [("iterated", event) for event in batch.events]
            reader.direct = self

    @property
    def seqs(self) -> list[int]:
        return [event.seq for _, event in self.got if event.seq is not None]

    @property
    def ways(self) -> set[str]:
        return {way for way, _ in self.got}

    async def until(self, seq: int) -> None:
        await eventually(lambda: bool(self.seqs) and self.seqs[-1] >= seq)


async def test_e16_both_ways_together_bring_every_event_once_and_in_order(log: JobLog, hub: Hub) -> None:
    ids = await log.create(JOB, 60)
    start = log.written[JOB].job.seq
    ways = [Way() for _ in range(5)]
    tasks = [asyncio.create_task(way.read(await hub.watch_job(JOB))) for way in ways]
    await asyncio.sleep(0.05)
    chance = random.Random(7)
    for photo in ids:
        for way in ways:
            way.room = chance.random() < 0.5
        await log.change(JOB, photo, *THROUGH)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
    end = log.written[JOB].job.seq
    for way in ways:
        way.room = True
        await way.until(end)
        assert way.seqs == list(range(start + 1, end + 1))
        assert way.ways == {"direct", "iterated"}
    for task in tasks:
        task.cancel()


async def test_e16_more_readers_than_one_turn_takes_all_get_what_comes_meanwhile(log: JobLog, hub: Hub) -> None:
    ids = await log.create(JOB, 4)
    start = log.written[JOB].job.seq
    ways = [Way() for _ in range(700)]
    tasks = [asyncio.create_task(way.read(await hub.watch_job(JOB))) for way in ways]
    await asyncio.sleep(0.1)
    for photo in ids:
        await log.change(JOB, photo, *THROUGH)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    end = log.written[JOB].job.seq
    for way in ways:
        await way.until(end)
    assert all(way.seqs == list(range(start + 1, end + 1)) for way in ways)
    assert all(way.ways == {"direct"} for way in ways)
    assert hub.meters.flushes.events_out == len(ways) * (end - start)
    for task in tasks:
        task.cancel()


async def test_e17_byte_progress_is_conflated_and_counted_on_the_short_way_too(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    way = Way()
    task = asyncio.create_task(way.read(await hub.watch_job(JOB)))
    await asyncio.sleep(0.05)
    await log.change(JOB, photo, receive(0))
    await log.progress(JOB, photo, 1_000)
    await asyncio.sleep(0.1)
    for sent in range(2_000, 100_000, 1_000):
        await log.progress(JOB, photo, sent)
    await asyncio.sleep(0.2)
    thin = [json.loads(event.body)["bytesSent"] for _, event in way.got if event.seq is None]
    assert thin[-1] == 99_000
    assert thin == sorted(set(thin))
    assert len(thin) + hub.meters.flushes.conflated == 99
    assert way.ways == {"direct"}
    task.cancel()


async def test_a_way_that_breaks_costs_the_others_nothing_and_its_reader_no_event(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    start = log.written[JOB].job.seq
    ways = [Way(), Way(broken=True), Way()]
    tasks = [asyncio.create_task(way.read(await hub.watch_job(JOB))) for way in ways]
    await asyncio.sleep(0.05)
    await log.change(JOB, photo, *THROUGH)
    end = log.written[JOB].job.seq
    for way in ways:
        await way.until(end)
        assert way.seqs == list(range(start + 1, end + 1))
    assert [way.ways for way in ways] == [{"direct"}, {"iterated"}, {"direct"}]
    for task in tasks:
        task.cancel()


async def test_a_closed_reader_is_written_nothing(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    way = Way()
    reader = await hub.watch_job(JOB)
    task = asyncio.create_task(way.read(reader))
    await asyncio.sleep(0.05)
    await log.change(JOB, photo, *THROUGH)
    reader.close()
    await asyncio.sleep(0.05)
    assert way.got == []
    assert task.done()


# --- one encoding ---


class Pipe:
    """A client without a network, whose short way has room when it is told so."""

    transport = "test"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    form = "test"

    def __init__(self) -> None:
        self.room = True
        self.sent: list[str] = []
        self.written: list[bytes] = []
        self.all: list[str] = []
        self.incoming: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, text: str) -> None:
        self.sent.append(text)
        self.all.append(text)

    async def receive(self) -> str | bytes | None:
        return await self.incoming.get()

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002
        self.incoming.put_nowait(None)

    def encode(self, text: bytes) -> bytes:
        return text

    def write(self, data: bytes) -> bool:
        if self.room:
            self.written.append(data)
            self.all.append(data.decode())
        return self.room

    def say(self, command: str, **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
        self.incoming.put_nowait(f"{command}\n{lines}\n\0")


def frames(texts: list[str]) -> list[Frame]:
    parser = Parser(Limits(), "1.2")
    parser.push("".join(texts).encode())
    return list(iter(parser.pop, None))


async def settled() -> None:
    await asyncio.sleep(0.05)


@pytest.fixture
async def channel(log: JobLog, hub: Hub) -> AsyncIterator[LiveChannel]:
    async def authenticate(token: str) -> Identity:
        return Identity(token, "me@example.org", None, None)

    async def owns_job(user_id: str, job_id: str) -> bool:
        return job_id in log.written

    async def report(user_id: str, body: object) -> None:
        raise AssertionError

    channel = LiveChannel(LiveContext(hub, authenticate, owns_job, report, lambda: 1))
    yield channel
    await channel.close()


async def test_live_messages_are_the_same_bytes_for_all_and_wait_where_there_is_no_room(
    log: JobLog, channel: LiveChannel
) -> None:
    (photo,) = await log.create(JOB)
    pipes = [Pipe() for _ in range(3)]
    served = [asyncio.create_task(channel.serve(pipe)) for pipe in pipes]
    for number, pipe in enumerate(pipes):
        pipe.say("CONNECT", accept_version="1.2", passcode=f"usr_{number}")
        pipe.say("SUBSCRIBE", id="sub-0", destination=f"/topic/job/{JOB}")
    await settled()
    pipes[2].room = False
    await log.change(JOB, photo, *THROUGH)
    await settled()
    assert pipes[0].written
    assert all(one is other for one, other in zip(pipes[0].written, pipes[1].written, strict=True))
    assert not pipes[2].written
    everything = [frames(pipe.all)[1:] for pipe in pipes]
    end = log.written[JOB].job.seq
    for messages in everything:
        found = [json.loads(frame.body).get("seq") for frame in messages]
        assert found == [None, 2, *range(3, end + 1)]
        names = [frame.get("message-id") for frame in messages]
        assert len(set(names)) == len(names)
    for pipe in pipes:
        pipe.incoming.put_nowait(None)
    await asyncio.gather(*served)


async def test_who_acknowledges_counts_messages_of_its_own(log: JobLog, channel: LiveChannel) -> None:
    (photo,) = await log.create(JOB)
    pipe = Pipe()
    served = asyncio.create_task(channel.serve(pipe))
    pipe.say("CONNECT", accept_version="1.2", passcode="usr_me")
    pipe.say("SUBSCRIBE", id="s", destination=f"/topic/job/{JOB}", ack="client")
    await settled()
    await log.change(JOB, photo, *THROUGH)
    await settled()
    assert not pipe.written
    acks = [frame.get("ack") for frame in frames(pipe.sent)[1:]]
    assert acks == [f"{number}@s" for number in range(1, log.written[JOB].job.seq + 1)]
    pipe.incoming.put_nowait(None)
    await served


async def test_nothing_follows_the_receipt_of_an_unsubscribe(log: JobLog, channel: LiveChannel) -> None:
    (photo,) = await log.create(JOB)
    pipe = Pipe()
    served = asyncio.create_task(channel.serve(pipe))
    pipe.say("CONNECT", accept_version="1.2", passcode="usr_me")
    pipe.say("SUBSCRIBE", id="s", destination=f"/topic/job/{JOB}")
    await settled()
    await log.change(JOB, photo, receive())  # its flush and the RECEIPT fall into the same turn of the loop
    pipe.say("UNSUBSCRIBE", id="s", receipt="gone")
    await settled()
    assert frames(pipe.all)[-1].get("receipt-id") == "gone"
    pipe.incoming.put_nowait(None)
    await served


@pytest.mark.parametrize("after", ["UNSUBSCRIBE", "DISCONNECT"])
async def test_a_subscription_that_ends_before_it_began_leaves_nothing(
    log: JobLog, hub: Hub, channel: LiveChannel, after: str
) -> None:
    await log.create(JOB)
    pipe = Pipe()
    served = asyncio.create_task(channel.serve(pipe))
    pipe.say("CONNECT", accept_version="1.2", passcode="usr_me")
    pipe.incoming.put_nowait(f"SUBSCRIBE\nid:s\ndestination:/topic/job/{JOB}\n\n\0{after}\nid:s\n\n\0")
    await eventually(lambda: len(frames(pipe.all)) == 1)
    await settled()
    assert hub.topics == []
    pipe.incoming.put_nowait(None)
    await served


def test_readers_who_all_use_another_id_do_not_fill_the_memory() -> None:
    batch = Batch([Event('{"a":1}', 1, "ph_a", False, "QUEUED", 1, 0.0)])
    pipe = Pipe()
    for number in range(1_000):
        frame = Frame("SUBSCRIBE", (("id", str(number)), ("destination", "/topic/job/job_a")))
        subscription = Subscription(str(number), frame, "auto", "1.2", 0)
        data = encoded(subscription, batch, pipe, subscription.form).data
        assert data is not None
        assert f"subscription:{number}\n".encode() in data
    assert len(batch.encoded) < 100


def test_what_is_too_large_for_one_write_is_not_kept() -> None:
    batch = Batch([Event(f'"{"x" * 1_000}"', 1, "ph_a", False, "QUEUED", 1, 0.0) for _ in range(200)])
    frame = Frame("SUBSCRIBE", (("id", "0"), ("destination", "/topic/job/job_a")))
    found = encoded(Subscription("0", frame, "auto", "1.2", 0), batch, Pipe(), "form")
    assert found.data is None
    assert found.size > 200_000
