"""What the broker costs: tasks and messages a second, how long a task waits, what is said for it.

The same measurements of the memory broker and of NATS with one node and with three, one after another. Both ends of
NATS (one process that queues, one that takes) run in the bench's process, with a connection each, beside the servers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from tests.servers.nats import Nats

from safelight.adapters.memory import MemoryBroker
from safelight.adapters.nats import NatsBroker, NatsCalls
from safelight.ports import Broker, Delivery, Task
from safelight.ports.calls import Answer

LATENCIES = 300
TASKS = 3_000
JOBS, WAITING = 200, 10_000
SLOTS = 8
MESSAGES = 20_000
PAYLOAD = b"x" * 300
SESSIONS = 300


@dataclass
class Ends:
    """Who queues and publishes, and who takes and listens; the same where that is one process."""

    server: Broker
    worker: Broker
    nats: Nats | None = None


def measure() -> dict[str, Any]:
    """All of it, for each broker."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    return {
        "memory": asyncio.run(_measure(None)),
        "nats_one_node": asyncio.run(_measure(1)),
        "nats_three_nodes": asyncio.run(_measure(3)),
    }


async def _measure(nodes: int | None) -> dict[str, Any]:
    async with _ends(nodes) as ends:
        figures = {
            "idle_task_ms": await _idle(ends),
            "first_task_of_a_job_ms": await _first(ends),
            **await _throughput(ends),
            **await _crowd(ends),
            "messages_per_second": await _fanout(ends, 1),
            "messages_per_second_to_ten": await _fanout(ends, 10),
        }
        if isinstance(ends.server, NatsBroker) and isinstance(ends.worker, NatsBroker):
            figures |= await _sessions(ends.server, ends.worker)
        return figures


@asynccontextmanager
async def _ends(nodes: int | None) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as held:
        if nodes is None:
            broker = MemoryBroker(per_job=SLOTS)
            held.push_async_callback(broker.close)
            yield Ends(broker, broker)
            return
        folder = held.enter_context(TemporaryDirectory())
        nats = held.enter_context(Nats(Path(folder), nodes=nodes))
        ends = [NatsBroker(nats.urls, per_job=SLOTS) for _ in range(2)]
        for each in ends:
            held.push_async_callback(each.close)
            await each.check()
        yield Ends(ends[0], ends[1], nats)


async def _idle(ends: Ends) -> dict[str, float]:
    """From `enqueue` to the delivery, of a job whose tasks were taken before."""
    return await _waits(ends, ["job_idle"] * LATENCIES)


async def _first(ends: Ends) -> dict[str, float]:
    """The same for the first task of a job."""
    return await _waits(ends, [f"job_first_{number}" for number in range(LATENCIES // 10)])


async def _waits(ends: Ends, jobs: list[str]) -> dict[str, float]:
    taken: asyncio.Queue[float] = asyncio.Queue()

    async def done(delivery: Delivery) -> None:
        taken.put_nowait(time.perf_counter())
        await delivery.ack()

    waits = []
    async with _working(ends.worker, 1, done):
        for number, job in enumerate(["job_idle", *jobs]):
            began = time.perf_counter()
            await ends.server.enqueue(Task(f"ph_{job}_{number}", job, 1))
            waits.append((await taken.get() - began) * 1000)
            await asyncio.sleep(0.002)  # the taker waits again
    return _spread(waits[1:])


async def _throughput(ends: Ends) -> dict[str, Any]:
    """Tasks of ten jobs queued by 32 requests at once, then taken and acknowledged by so many slots."""
    tasks = [Task(f"ph_{number}", f"job_{number % 10}", 1) for number in range(TASKS)]
    said = _said(ends)
    queueing = await _timed(_each(tasks, 32, ends.server.enqueue))
    taking = await _timed(_take(ends, TASKS))
    figures: dict[str, Any] = {
        "enqueued_per_second": round(TASKS / queueing),
        "taken_and_done_per_second": round(TASKS / taking),
    }
    if ends.nats is not None:
        figures["broker_messages_per_task"] = round((_said(ends) - said) / TASKS, 1)
    return figures


async def _crowd(ends: Ends) -> dict[str, Any]:
    """So many tasks of 200 jobs wait; then one task of another job is queued while they are worked off."""
    tasks = [Task(f"ph_{number}", f"job_crowd_{number % JOBS}", 1) for number in range(WAITING)]
    await _each(tasks, 64, ends.server.enqueue)
    late: list[float] = []
    began = time.perf_counter()
    left = WAITING + 1
    finished = asyncio.Event()

    async def done(delivery: Delivery) -> None:
        nonlocal left
        if delivery.task.job_id == "job_late":
            late.append(time.perf_counter())
        await delivery.ack()
        left -= 1
        if not left:
            finished.set()

    async with _working(ends.worker, SLOTS, done):
        await asyncio.sleep(0.5)
        queued = time.perf_counter()
        await ends.server.enqueue(Task("ph_late", "job_late", 1))
        await finished.wait()
    return {
        "done_per_second_of_200_jobs_10000_tasks": round(WAITING / (time.perf_counter() - began)),
        "late_job_ms_while_10000_wait": round((late[0] - queued) * 1000, 1),
    }


async def _take(ends: Ends, count: int) -> None:
    finished = asyncio.Event()

    async def done(delivery: Delivery) -> None:
        nonlocal count
        await delivery.ack()
        count -= 1
        if not count:
            finished.set()

    async with _working(ends.worker, SLOTS, done):
        await finished.wait()


@asynccontextmanager
async def _working(broker: Broker, slots: int, done: Callable[[Delivery], Awaitable[None]]) -> AsyncIterator[None]:
    async def work() -> None:
        async for delivery in broker.tasks():
            await done(delivery)

    working = [asyncio.create_task(work()) for _ in range(slots)]
    await asyncio.sleep(0.05)
    yield
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)


async def _fanout(ends: Ends, subscribers: int) -> int:
    """Events of 300 bytes, a hundred a commit, that reach every subscriber."""
    readers = [await ends.worker.subscribe(["job.a"]) for _ in range(subscribers)]
    count = MESSAGES // subscribers

    async def read(number: int) -> None:
        stream = aiter(readers[number])
        for _ in range(count):
            await anext(stream)

    began = time.perf_counter()
    async with asyncio.timeout(60):
        reading = [asyncio.create_task(read(number)) for number in range(subscribers)]
        for number in range(count):
            await ends.server.publish("job.a", PAYLOAD)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*reading)
    for reader in readers:
        await reader.close()
    return round(count * subscribers / (time.perf_counter() - began))


async def _sessions(here: NatsBroker, there: NatsBroker) -> dict[str, Any]:
    """A SockJS session held and released, and a request of 300 bytes forwarded to another process and answered."""
    home, away = NatsCalls(here.connection, prefix="bench"), NatsCalls(there.connection, prefix="bench")

    async def echo(request: bytes, answer: Answer) -> None:
        await answer(request)

    async def unheard(_part: bytes) -> None:
        return

    await home.hold("first", echo)
    claims, calls = [], []
    for number in range(SESSIONS):
        began = time.perf_counter()
        await home.hold(f"s{number}", echo)
        claims.append((time.perf_counter() - began) * 1000)
        for _ in range(2):
            began = time.perf_counter()
            assert await away.call(f"s{number}", PAYLOAD, unheard)
        calls.append((time.perf_counter() - began) * 1000)
        await home.release(f"s{number}")
    await home.close()
    await away.close()
    return {"session_claimed_ms": _spread(claims), "request_forwarded_ms": _spread(calls)}


async def _each(tasks: list[Task], at_once: int, queue: Callable[[Task], Awaitable[None]]) -> None:
    left = iter(tasks)

    async def some() -> None:
        for task in left:
            await queue(task)

    await asyncio.gather(*(some() for _ in range(at_once)))


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _said(ends: Ends) -> int:
    """Messages of clients that the servers have taken and given so far."""
    if ends.nats is None:
        return 0
    pages = [member.look("connz?limit=100") for member in ends.nats.members]
    return sum(each["in_msgs"] + each["out_msgs"] for page in pages for each in page["connections"])


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
    }


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
