"""The Broker port over NATS."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.errors import APIError

from safelight.adapters.mailbox import Mailbox
from safelight.adapters.nats import servers, subjects
from safelight.adapters.nats.connection import FAILURES, Connection, Listener
from safelight.adapters.nats.queue import TaskQueue
from safelight.adapters.nats.stream import NoLeaderError, State, TaskStream
from safelight.ports.broker import Delivery, Subscription, Task

log = structlog.get_logger()

# A three-node cluster takes up to ten seconds to find out that its leader is gone, and to elect another.
_TRYING_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 0.5
_AT_ONCE: Final = 2_000
_CHECK_SECONDS: Final = 2.0


class NatsBroker:
    """The Broker port. `urls` name servers of one cluster; `prefix` keeps deployments on it apart.

    `per_job` tasks of one job are in hand at most; one not heard of for `redeliver_after` seconds is delivered again,
    and after so many `deliveries` it is dead for `dead_for` seconds. `replicas` is how many servers keep each task; by
    default three in a cluster, else one. `per_job` and `redeliver_after` are kept with each job's consumer: of
    processes that differ in them, the one that came last decides.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        prefix: str = "safelight",
        per_job: int = 8,
        redeliver_after: float = 120.0,
        deliveries: int = 10,
        dead_for: float = 3600.0,
        replicas: int | None = None,
    ) -> None:
        self.connection = Connection(servers.parse(urls))
        self._topics = f"{subjects.prefix(prefix)}.topic."
        self._stream = TaskStream(self.connection, prefix, replicas)
        self._queue = TaskQueue(
            self.connection,
            self._stream,
            per_job=per_job,
            redeliver_after=redeliver_after,
            deliveries=deliveries,
            dead_for=dead_for,
        )
        self._subscriptions: set[_Topics] = set()
        self._sending: dict[Task, asyncio.Task[None]] = {}
        self._taken_at = 0.0
        self._closed = False

    async def publish(self, topic: str, payload: bytes) -> None:
        if not await self.connection.publish(self._topics + subjects.topic(topic), payload):
            log.debug("message dropped", topic=topic)

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        subscription = _Topics(self.connection, self._topics, self._subscriptions)
        for topic in topics:
            await subscription.add(topic)
        return subscription

    async def enqueue(self, task: Task) -> None:
        await self.connection.begun()
        if self._closed or task in self._sending:
            return
        if len(self._sending) >= _AT_ONCE:
            log.debug("task not queued: too many wait for NATS already", photo=task.photo_id)
            return
        now = asyncio.get_running_loop().time()
        if not self._sending:
            self._taken_at = now
        sending = self._sending[task] = asyncio.create_task(self._send(task))
        sending.add_done_callback(lambda _: self._sending.pop(task))
        # Where nothing is taken at all, nobody is held up to see it again.
        if self.connection.up and now - self._taken_at < 2 * _PATIENCE_SECONDS:
            await asyncio.wait([sending], timeout=_PATIENCE_SECONDS)

    def tasks(self) -> AsyncIterator[Delivery]:
        return _Taker(self._queue)

    async def dead(self) -> list[Task]:
        await self._connected()
        return await self._stream.tasks(State.DEAD)

    async def revive(self, task: Task) -> None:
        await self._connected()
        if task in await self._stream.tasks(State.DEAD, task.job_id):
            await self._stream.put_anyway(task)
            await self._stream.drop(State.DEAD, task)

    async def check(self) -> None:
        await self._connected()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._stream.make()
                await self._stream.led()
        except (NoRespondersError, NoLeaderError, APIError) as error:
            self._stream.doubt()
            raise ConnectionError(
                "NATS answers, but JetStream, which keeps the tasks, does not: start nats-server with --jetstream; of"
                f" three nodes two must be up. ({error})"
            ) from error
        except FAILURES as error:
            self._stream.doubt()
            raise ConnectionError(f"NATS is connected, but keeps no tasks: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        self._closed = True
        for subscription in list(self._subscriptions):
            await subscription.close()
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_PATIENCE_SECONDS)
        for sending in list(self._sending.values()):
            sending.cancel()
        await self._queue.close()
        await self.connection.close()

    async def _connected(self) -> None:
        if not await self.connection.wait(_CHECK_SECONDS):
            raise ConnectionError(self.connection.trouble)

    async def _send(self, task: Task) -> None:
        clock = asyncio.get_running_loop().time
        until, pause, once = clock() + _TRYING_SECONDS, 0.05, secrets.token_hex(12)
        while not self._closed:
            try:
                if not await self._stream.put(task, once):
                    # It waits, perhaps because the hint of it was lost.
                    await self._stream.hint(task.job_id)
                self._taken_at = clock()
                return
            except FAILURES as error:
                self._stream.doubt()
                if clock() + pause > until:
                    reason = f"{type(error).__name__}: {error}"
                    log.warning("task not queued; the reconciler will", photo=task.photo_id, reason=reason)
                    return
            if self.connection.up:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(2 * pause, 1.0)
            else:
                await self.connection.wait(until - clock())


class _Taker:
    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        delivery = await self._queue.get()
        if delivery is None:
            raise StopAsyncIteration
        return delivery


class _Topics:
    """The Subscription port: a core subscription a topic."""

    def __init__(self, connection: Connection, prefix: str, present: set[_Topics]) -> None:
        self._connection = connection
        self._prefix = prefix
        self._present = present
        self._messages = Mailbox()
        self._listeners: dict[str, Listener] = {}
        self._changing = asyncio.Lock()
        present.add(self)

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        return self._messages

    async def add(self, topic: str) -> None:
        def arrived(message: Msg) -> None:
            self._messages.put(topic, message.data)

        async with self._changing:
            if topic not in self._listeners and not self._messages.ended:
                subject = self._prefix + subjects.topic(topic)
                self._listeners[topic] = await self._connection.listen(subject, arrived)

    async def remove(self, topic: str) -> None:
        async with self._changing:
            if (listener := self._listeners.pop(topic, None)) is not None:
                await listener.end()

    async def close(self) -> None:
        self._present.discard(self)
        self._messages.end()
        async with self._changing:
            for listener in self._listeners.values():
                await listener.end()
            self._listeners.clear()
