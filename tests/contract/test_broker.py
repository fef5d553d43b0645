"""What ports.Broker promises, held against every adapter. A new adapter joins as a parameter of `make`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.servers.nats import Nats

from safelight.adapters.memory import MemoryBroker
from safelight.adapters.nats import NatsBroker
from safelight.ports import Broker, Delivery, Subscription, Task

Make = Callable[..., Awaitable[Broker]]
PATIENCE = 20.0  # seconds after which a test is given up; none waits so long


@pytest.fixture(params=["memory", "nats"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Brokers that share nothing with other tests: `make(per_job=…, redeliver_after=…, …)`, all optional."""
    made: list[Broker] = []

    async def memory(*, redeliver_after: float = PATIENCE, **options: Any) -> Broker:
        made.append(MemoryBroker(redeliver_after=redeliver_after, **options))
        return made[-1]

    async def nats(*, redeliver_after: float = PATIENCE, **options: Any) -> Broker:
        servers: Nats = request.getfixturevalue("nats")
        prefix = f"test-{secrets.token_hex(6)}"
        made.append(NatsBroker(servers.urls, prefix=prefix, redeliver_after=redeliver_after, **options))
        await made[-1].check()
        return made[-1]

    yield {"memory": memory, "nats": nats}[request.param]
    for broker in made:
        await broker.close()


async def message(subscription: Subscription) -> tuple[str, bytes]:
    async with asyncio.timeout(PATIENCE):
        return await anext(aiter(subscription))


async def take(tasks: AsyncIterator[Delivery]) -> Delivery:
    async with asyncio.timeout(PATIENCE):
        return await anext(tasks)


def task(photo: int, job: str = "job_a", attempt: int = 1) -> Task:
    return Task(f"ph_{job}_{photo}", job, attempt)


# --- topics ---


async def test_a_subscriber_gets_its_topics_in_order(make: Make) -> None:
    broker = await make()
    subscription = await broker.subscribe(["job.a", "job.b"])
    for number in range(50):
        await broker.publish("job.a" if number % 3 else "job.b", b"%d" % number)
        await broker.publish("job.c", b"not subscribed")
    got = [await message(subscription) for _ in range(50)]
    assert got == [("job.a" if number % 3 else "job.b", b"%d" % number) for number in range(50)]


async def test_every_subscriber_gets_every_message(make: Make) -> None:
    broker = await make()
    first, second = await broker.subscribe(["job.a"]), await broker.subscribe(["job.a"])
    await broker.publish("job.a", b"1")
    assert await message(first) == await message(second) == ("job.a", b"1")


async def test_what_was_published_before_is_not_delivered(make: Make) -> None:
    broker = await make()
    await broker.publish("job.a", b"early")
    subscription = await broker.subscribe(["job.a"])
    await broker.publish("job.a", b"late")
    assert await message(subscription) == ("job.a", b"late")


async def test_topics_come_and_go(make: Make) -> None:
    broker = await make()
    subscription = await broker.subscribe()
    await subscription.add("job.a")
    await subscription.add("job.a")
    await subscription.add("job.b")
    await broker.publish("job.a", b"once")
    assert await message(subscription) == ("job.a", b"once")
    await subscription.remove("job.a")
    await subscription.remove("job.never")
    await broker.publish("job.a", b"gone")
    await broker.publish("job.b", b"still")
    assert await message(subscription) == ("job.b", b"still")
    await subscription.add("job.a")
    await broker.publish("job.a", b"back")
    assert await message(subscription) == ("job.a", b"back")


async def test_a_subscriber_that_does_not_read_holds_up_nobody(make: Make) -> None:
    broker = await make()
    asleep, awake = await broker.subscribe(["job.a"]), await broker.subscribe(["job.a"])
    async with asyncio.timeout(PATIENCE):
        for number in range(30_000):
            await broker.publish("job.a", b"%d" % number)
            if number % 100 == 0:  # the one awake keeps up
                while (await anext(aiter(awake)))[1] != b"%d" % number:
                    pass
    await broker.publish("job.a", b"end")
    async with asyncio.timeout(PATIENCE):
        kept = [payload async for _, payload in until_end(asleep)]
    numbers = [int(payload) for payload in kept[:-1]]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 30_000


async def until_end(subscription: Subscription) -> AsyncIterator[tuple[str, bytes]]:
    async for topic, payload in subscription:
        yield topic, payload
        if payload == b"end":
            return


async def test_topics_are_names_and_no_patterns(make: Make) -> None:
    broker = await make()
    odd = ["job.*", "job.>", "job..a", "", ".", "a b", "a\r\nPUB b", "jöb.a", "=41"]
    everything = await broker.subscribe(odd)
    single = await broker.subscribe(["job.*"])
    for topic in ["job.a", "A", *odd]:
        await broker.publish(topic, topic.encode())
    assert [await message(everything) for _ in odd] == [(topic, topic.encode()) for topic in odd]
    await broker.publish("job.*", b"end")
    assert [await message(single), await message(single)] == [("job.*", b"job.*"), ("job.*", b"end")]


async def test_closing_a_subscription_ends_its_iteration_alone(make: Make) -> None:
    broker = await make()
    ending, staying = await broker.subscribe(["job.a"]), await broker.subscribe(["job.a"])
    reading = asyncio.create_task(until_closed(ending))
    await ending.close()
    await ending.close()
    async with asyncio.timeout(PATIENCE):
        assert await reading == []
    await broker.publish("job.a", b"1")
    assert await message(staying) == ("job.a", b"1")


async def until_closed(subscription: Subscription) -> list[bytes]:
    return [payload async for _, payload in subscription]


# --- tasks ---


async def test_a_task_goes_to_one_taker_and_never_again_once_done(make: Make) -> None:
    broker = await make()
    one, other = broker.tasks(), broker.tasks()
    for number in range(4):
        await broker.enqueue(task(number))
    taken = [await take(one), await take(other), await take(one), await take(other)]
    assert {delivery.task for delivery in taken} == {task(number) for number in range(4)}
    for delivery in taken:
        await delivery.ack()
    await broker.enqueue(task(4))
    assert (await take(one)).task == task(4)


async def test_a_taker_that_waits_is_woken(make: Make) -> None:
    broker = await make()
    waiting = asyncio.create_task(take(broker.tasks()))
    await broker.enqueue(task(1))
    assert (await waiting).task == task(1)


async def test_a_taker_that_leaves_takes_nothing_with_it(make: Make) -> None:
    broker = await make()
    leaving, staying = (asyncio.create_task(take(broker.tasks())) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await broker.enqueue(task(1))
    assert (await staying).task == task(1)
    assert (await asyncio.gather(leaving, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_the_same_task_waits_once(make: Make) -> None:
    broker = await make()
    for _ in range(3):
        await broker.enqueue(task(1))
    await broker.enqueue(task(1, attempt=2))
    await broker.enqueue(task(2))
    tasks = broker.tasks()
    assert [(await take(tasks)).task for _ in range(3)] == [task(1), task(1, attempt=2), task(2)]


async def test_a_task_in_hand_is_not_queued_again(make: Make) -> None:
    broker = await make()
    await broker.enqueue(task(1))
    tasks = broker.tasks()
    delivery = await take(tasks)
    await broker.enqueue(task(1))
    await broker.enqueue(task(2))
    assert (await take(tasks)).task == task(2)
    await delivery.ack()
    await broker.enqueue(task(1))
    assert (await take(tasks)).task == task(1)


async def test_one_job_has_a_bounded_number_in_hand(make: Make) -> None:
    broker = await make(per_job=2)
    for number in range(5):
        await broker.enqueue(task(number, "job_big"))
    tasks = broker.tasks()
    first, _ = await take(tasks), await take(tasks)
    third = asyncio.create_task(take(tasks))
    await broker.enqueue(task(1, "job_small"))
    assert (await third).task.job_id == "job_small"
    await first.ack()
    assert (await take(tasks)).task.job_id == "job_big"


async def test_jobs_take_turns(make: Make) -> None:
    broker = await make()
    for job in ("job_a", "job_b"):
        for number in range(4):
            await broker.enqueue(task(number, job))
    await broker.enqueue(task(0, "job_c"))
    tasks = broker.tasks()
    order = [(await take(tasks)).task for _ in range(9)]
    assert {each.job_id for each in order[:3]} == {"job_a", "job_b", "job_c"}
    assert [each for each in order if each.job_id == "job_b"] == [task(n, "job_b") for n in range(4)]


async def test_a_task_given_back_comes_again(make: Make) -> None:
    broker = await make(per_job=1)
    await broker.enqueue(task(1))
    tasks = broker.tasks()
    await (await take(tasks)).retry(0.0)
    again = await take(tasks)
    assert again.task == task(1)
    await again.ack()


async def test_a_task_that_rests_makes_room_and_is_not_queued_twice(make: Make) -> None:
    broker = await make(per_job=1)
    await broker.enqueue(task(1))
    await broker.enqueue(task(2))
    tasks = broker.tasks()
    await (await take(tasks)).retry(0.2)
    await broker.enqueue(task(1))
    second = await take(tasks)
    assert second.task == task(2)
    await second.ack()
    assert (await take(tasks)).task == task(1)


async def test_a_task_not_heard_of_is_delivered_again(make: Make) -> None:
    broker = await make(per_job=1, redeliver_after=0.2)
    await broker.enqueue(task(1))
    tasks = broker.tasks()
    dead = await take(tasks)
    again = await take(tasks)
    assert again.task == dead.task == task(1)
    await again.ack()
    await dead.retry(0.0)  # too late, and without effect
    await broker.enqueue(task(2))
    assert (await take(tasks)).task == task(2)


async def test_a_task_in_progress_is_not_delivered_again(make: Make) -> None:
    broker = await make(redeliver_after=1.0)
    await broker.enqueue(task(1))
    tasks = broker.tasks()
    delivery = await take(tasks)
    again = asyncio.create_task(take(tasks))
    for _ in range(15):
        await asyncio.wait({again}, timeout=0.1)
        assert not again.done()
        await delivery.in_progress()
    await delivery.ack()
    await broker.enqueue(task(2))
    assert (await again).task == task(2)


async def test_tasks_are_of_any_name(make: Make) -> None:
    broker = await make()
    odd = [Task("ph *.>", "job.é 1", 2), Task("=41", "*", 1), Task("A", "*", 10), Task("", "", 0)]
    for each in odd:
        await broker.enqueue(each)
        await broker.enqueue(each)
    tasks = broker.tasks()
    taken = [await take(tasks) for _ in odd]
    assert {delivery.task for delivery in taken} == set(odd)
    for delivery in taken:
        await delivery.ack()
    await broker.enqueue(task(1))
    assert (await take(tasks)).task == task(1)


async def dead(broker: Broker, tasks: AsyncIterator[Delivery], which: Task, deliveries: int) -> None:
    """Take a task again and again, and die each time."""
    await broker.enqueue(which)
    for _ in range(deliveries):
        assert (await take(tasks)).task == which


async def test_a_task_that_kills_its_takers_is_dead_until_it_is_revived(make: Make) -> None:
    broker = await make(per_job=1, redeliver_after=0.1, deliveries=2)
    tasks = broker.tasks()
    await dead(broker, tasks, task(1), deliveries=2)
    await broker.enqueue(task(2))
    assert await broker.dead() in ([], [task(1)])  # until somebody looks, it is not known that the last one died
    other = await take(tasks)
    assert other.task == task(2)
    await other.ack()
    assert await broker.dead() == [task(1)]
    await broker.enqueue(task(1))
    await broker.enqueue(task(3))
    third = await take(tasks)
    assert third.task == task(3)
    await third.ack()
    await broker.revive(task(3))
    await broker.revive(task(4))
    await broker.revive(task(1))
    assert await broker.dead() == []
    revived = await take(tasks)
    assert revived.task == task(1)
    await revived.ack()
    await broker.enqueue(task(5))
    assert (await take(tasks)).task == task(5)


async def test_a_dead_task_is_tried_again_after_some_time(make: Make) -> None:
    broker = await make(redeliver_after=0.1, deliveries=1, dead_for=0.3)
    tasks = broker.tasks()
    await dead(broker, tasks, task(1), deliveries=1)
    again = await take(tasks)
    assert again.task == task(1)
    assert await broker.dead() == []
    await again.ack()


async def test_a_task_may_be_given_back_as_often_as_need_be(make: Make) -> None:
    broker = await make(deliveries=2)
    await broker.enqueue(task(1))
    tasks = broker.tasks()
    for _ in range(5):
        await (await take(tasks)).retry(0.0)
    await (await take(tasks)).ack()
    assert await broker.dead() == []


async def test_closing_ends_every_iteration(make: Make) -> None:
    broker = await make()
    subscription = await broker.subscribe(["job.a"])
    reading = asyncio.create_task(until_closed(subscription))
    taking = asyncio.create_task(until_no_more(broker.tasks()))
    await broker.enqueue(task(1))
    await asyncio.sleep(0)
    await broker.close()
    await broker.close()
    async with asyncio.timeout(PATIENCE):
        assert await reading == []
        assert await taking in ([], [task(1)])


async def until_no_more(tasks: AsyncIterator[Delivery]) -> list[Task]:
    return [delivery.task async for delivery in tasks]


async def test_a_broker_that_is_up_says_so(make: Make) -> None:
    await (await make()).check()
