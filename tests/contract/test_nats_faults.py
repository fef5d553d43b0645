"""What the NATS broker does when NATS is killed, frozen, empty, without a quorum, or not to be trusted."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.nats import Nats

from safelight.adapters.nats import NatsBroker
from safelight.ports import Delivery, Subscription, Task

PATIENCE = 40.0
Make = Callable[..., NatsBroker]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Brokers of the test, closed at its end. Those of one NATS are one deployment."""
    made: list[NatsBroker] = []

    def broker(nats: Nats, **options: Any) -> NatsBroker:
        made.append(NatsBroker(nats.urls, **{"redeliver_after": 5.0, **options}))
        return made[-1]

    yield broker
    for each in made:
        await each.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Nats]:
    """A NATS of the test's own, running."""
    with Nats(tmp_path / "nats") as nats:
        yield nats


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Nats]:
    """Three nodes of the test's own."""
    with Nats(tmp_path / "nats", nodes=3) as nats:
        yield nats


def task(photo: int, job: str = "job_a") -> Task:
    return Task(f"ph_{photo}", job, 1)


async def take(tasks: AsyncIterator[Delivery]) -> Delivery:
    async with asyncio.timeout(PATIENCE):
        return await anext(tasks)


async def message(subscription: Subscription) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return (await anext(aiter(subscription)))[1]


async def heard(broker: NatsBroker, subscription: Subscription) -> None:
    """Publish until it is heard again: what is published while NATS is away is lost."""
    async with asyncio.timeout(PATIENCE):
        hearing = asyncio.create_task(message(subscription))
        while not hearing.done():
            await broker.publish("job.a", b"again")
            await asyncio.wait([hearing], timeout=0.05)


async def unreachable(broker: NatsBroker) -> str:
    """Wait until `check` fails; what it says."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await broker.check()
            except ConnectionError as error:
                return str(error)
            await asyncio.sleep(0.05)


async def reachable(broker: NatsBroker) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await broker.check()
            except ConnectionError:
                await asyncio.sleep(0.05)


# --- several processes ---


async def test_a_topic_is_received_from_elsewhere_once_it_is_added(nats: Nats, make: Make) -> None:
    prefix = f"test-{secrets.token_hex(6)}"
    here, there = make(nats, prefix=prefix), make(nats, prefix=prefix)
    await there.check()
    subscription = await here.subscribe()
    for number in range(100):
        await subscription.add(f"job.{number}")
        await there.publish(f"job.{number}", b"%d" % number)
    assert [await message(subscription) for _ in range(100)] == [b"%d" % number for number in range(100)]


async def test_the_bound_of_a_job_holds_over_all_processes(nats: Nats, make: Make) -> None:
    options = {"prefix": f"test-{secrets.token_hex(6)}", "per_job": 2, "redeliver_after": PATIENCE}
    one, other = make(nats, **options), make(nats, **options)
    for number in range(5):
        await one.enqueue(task(number))
    first, _ = await take(one.tasks()), await take(other.tasks())
    third = asyncio.create_task(take(other.tasks()))
    assert not (await asyncio.wait([third], timeout=0.5))[0]
    began = time.monotonic()
    await first.ack()
    await third
    assert time.monotonic() - began < 1.0  # told, not found by looking
    assert {first.task, (await third).task} <= {task(n) for n in range(5)}


async def test_a_process_that_ends_hands_over_at_once(nats: Nats, make: Make) -> None:
    options = {"prefix": f"test-{secrets.token_hex(6)}", "per_job": 2, "redeliver_after": PATIENCE}
    ending, staying = make(nats, **options), make(nats, **options)
    await ending.enqueue(task(1))
    await ending.enqueue(task(2))
    tasks = ending.tasks()
    held = {(await take(tasks)).task, (await take(tasks)).task}
    waiting = asyncio.create_task(take(staying.tasks()))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await ending.close()
    assert {(await waiting).task, (await take(staying.tasks())).task} == held
    assert time.monotonic() - began < 2.0


async def test_what_was_taken_for_a_taker_that_left_goes_to_another(nats: Nats, make: Make) -> None:
    options = {"prefix": f"test-{secrets.token_hex(6)}", "per_job": 1, "redeliver_after": PATIENCE}
    one, other = make(nats, **options), make(nats, **options)
    await one.enqueue(task(1))
    await one.enqueue(task(2))
    first = await take(one.tasks())
    leaving = asyncio.create_task(take(other.tasks()))  # its pull stays with the server: the job has no room
    await asyncio.sleep(0.3)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await first.ack()
    assert (await take(one.tasks())).task == task(2)


# --- one node ---


async def test_all_goes_on_by_itself_when_nats_comes_back(own: Nats, make: Make) -> None:
    broker, worker = make(own, per_job=2, redeliver_after=PATIENCE), make(own, per_job=2, redeliver_after=PATIENCE)
    subscription = await worker.subscribe(["job.a"])
    tasks = worker.tasks()
    for number in range(3):
        await broker.enqueue(task(number))
    held = [await take(tasks), await take(tasks)]
    third = asyncio.create_task(take(tasks))
    own.kill()
    await unreachable(broker)
    settling = asyncio.create_task(held[0].ack())
    own.start()
    await settling
    # Who had what in hand is forgotten when all servers end at once: it may be delivered again, and no task is lost.
    delivery = await third
    await heard(broker, subscription)
    await broker.enqueue(task(3))
    seen = {delivery.task}
    await delivery.ack()
    await held[1].ack()
    while not {task(2), task(3)} <= seen:
        delivery = await take(tasks)
        seen.add(delivery.task)
        await delivery.ack()
    assert seen <= {task(number) for number in range(4)}
    await reachable(broker)


async def test_nats_without_its_data_is_set_up_anew(own: Nats, make: Make) -> None:
    broker, worker = make(own), make(own)
    tasks = worker.tasks()
    await broker.enqueue(task(1))
    taken = await take(tasks)
    waiting = asyncio.create_task(take(tasks))
    own.kill()
    own.forget()
    own.start()
    await reachable(broker)
    await broker.enqueue(task(1))  # as the reconciler does
    assert (await waiting).task == task(1)
    await taken.ack()  # of the one before: too late for anything


async def test_a_process_starts_without_nats(tmp_path: Path, make: Make) -> None:
    nats = Nats(tmp_path / "nats")
    broker = make(nats)
    began = time.monotonic()
    subscription = await broker.subscribe(["job.a"])
    await broker.publish("job.a", b"lost")
    await broker.enqueue(task(1))
    waiting = asyncio.create_task(take(broker.tasks()))
    assert time.monotonic() - began < 1.0
    with pytest.raises(ConnectionError, match=r"NATS at 127\.0\.0\.1:\d+ is not connected: .*Connect call failed"):
        await broker.check()
    with nats:
        assert (await waiting).task == task(1)
        await heard(broker, subscription)
        await reachable(broker)


async def test_what_is_published_while_nats_is_away_is_not_told_later(own: Nats, make: Make) -> None:
    broker, listener = make(own), make(own)
    subscription = await listener.subscribe(["job.a"])
    await broker.check()
    own.kill()
    await unreachable(broker)
    for _ in range(10_000):
        await broker.publish("job.a", b"stale" * 100)
    own.start()
    await reachable(broker)
    await reachable(listener)
    await broker.publish("job.a", b"fresh")
    assert await message(subscription) == b"fresh"


async def test_a_frozen_nats_holds_up_nobody(own: Nats, make: Make) -> None:
    broker = make(own)
    subscription = await broker.subscribe(["job.a"])
    await broker.check()
    own.freeze(0)
    try:
        began = time.monotonic()
        for _ in range(40):
            await broker.publish("job.a", b"x" * 500_000)
        for number in range(100):
            await broker.enqueue(task(number))
        assert time.monotonic() - began < 5.0
        await unreachable(broker)
        assert time.monotonic() - began < 15.0
    finally:
        own.thaw(0)
    await reachable(broker)
    await heard(broker, subscription)
    tasks = broker.tasks()
    await broker.enqueue(task(1000, "job_b"))
    taken: set[Task] = set()
    while task(1000, "job_b") not in taken:
        delivery = await take(tasks)
        taken.add(delivery.task)
        await delivery.ack()


# --- three nodes ---


async def work(broker: NatsBroker, done: dict[Task, int]) -> None:
    async for delivery in broker.tasks():
        await asyncio.sleep(0.01)
        done[delivery.task] = done.get(delivery.task, 0) + 1
        await delivery.ack()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def test_no_task_is_lost_when_the_leader_is_killed(three: Nats, make: Make) -> None:
    producers, workers = [make(three) for _ in range(2)], [make(three) for _ in range(3)]
    done: dict[Task, int] = {}
    working = [asyncio.create_task(work(worker, done)) for worker in workers]
    wanted = {task(number, f"job_{number % 5}") for number in range(200)}
    killed = -1
    for number, each in enumerate(sorted(wanted, key=lambda each: int(each.photo_id[3:]))):
        await producers[number % 2].enqueue(each)
        if number == 60:
            killed = await asyncio.to_thread(three.leader)
            three.kill(killed)
    await until(lambda: wanted <= done.keys())
    three.start_node(killed)
    await asyncio.gather(*(worker.close() for worker in workers))
    await asyncio.gather(*working)


async def test_no_task_is_lost_when_all_nodes_are_killed(three: Nats, make: Make) -> None:
    broker, workers = make(three), [make(three) for _ in range(2)]
    wanted = {task(number, f"job_{number % 5}") for number in range(100)}
    for each in wanted:
        await broker.enqueue(each)
    done: dict[Task, int] = {}
    working = [asyncio.create_task(work(worker, done)) for worker in workers]
    await until(lambda: len(done) >= 20)
    three.kill()
    three.start()
    await until(lambda: wanted <= done.keys())
    await asyncio.gather(*(worker.close() for worker in workers))
    await asyncio.gather(*working)


async def test_without_a_quorum_nobody_is_held_up(three: Nats, make: Make) -> None:
    broker = make(three)
    await broker.check()
    subscription = await broker.subscribe(["job.a"])
    three.kill(0, 1)
    async with asyncio.timeout(PATIENCE):
        while "two must be up" not in await unreachable(broker):
            pass
    await heard(broker, subscription)  # which needs no quorum
    began = time.monotonic()
    for number in range(20):
        await broker.enqueue(task(number))
    assert time.monotonic() - began < 2.0
    three.start_node(0)
    tasks = broker.tasks()
    assert {(await take(tasks)).task for _ in range(8)} <= {task(number) for number in range(20)}
    three.start_node(1)


# --- who may ---


async def test_a_server_without_jetstream_is_told(tmp_path: Path, make: Make) -> None:
    with Nats(tmp_path / "nats", jetstream=False) as nats:
        broker = make(nats)
        with pytest.raises(ConnectionError, match="start nats-server with --jetstream"):
            await broker.check()


@pytest.mark.parametrize(
    ("who", "configured"),
    [("ann:s%40cret@", 'user: ann, password: "s@cret"'), ("t0ken@", "token: t0ken")],
)
async def test_who_we_are_stands_in_the_url(who: str, configured: str, tmp_path: Path) -> None:
    with Nats(tmp_path / "nats", extra=f"authorization {{ {configured} }}") as nats:
        address = nats.urls[0].removeprefix("nats://")
        broker = NatsBroker([f"nats://{who}{address}"])
        await broker.check()
        await broker.close()
        stranger = NatsBroker([f"nats://ann:wr0ng@{address}"])
        with pytest.raises(ConnectionError, match="Authorization Violation") as refused:
            await stranger.check()
        assert "wr0ng" not in str(refused.value)
        await stranger.close()


async def test_tls_is_insisted_on(nats: Nats) -> None:
    address = nats.urls[0].removeprefix("nats://")
    broker = NatsBroker([f"tls://ann:s3cret@{address}"])
    with pytest.raises(ConnectionError, match="does not offer TLS"):
        await broker.check()
    await broker.close()


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ([], "at least one"),
        (["http://a"], "'http://a' is not the address"),
        (["nats://"], "is not the address"),
        (["nats://ann:s3cret@a:port"], "'a:port' is not the address"),
        (["nats://ann:s3cret@a", "nats://bob@b"], "same user"),
    ],
)
def test_addresses_that_are_none_are_told(urls: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        NatsBroker(urls)
    assert "s3cret" not in str(refused.value)


def test_a_prefix_that_is_a_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="prefix"):
        NatsBroker(["nats://a"], prefix="a.*")
