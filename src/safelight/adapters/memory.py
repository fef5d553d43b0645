"""The broker of a single process: topics and tasks in memory. What a restart forgets, the reconciler finds."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog

from safelight.adapters.mailbox import Mailbox
from safelight.ports import Delivery, Subscription, Task

log = structlog.get_logger()


class MemoryBroker:
    """The Broker port. `per_job` tasks of one job are in hand at most; one not heard of for `redeliver_after`
    seconds is delivered again, and after so many `deliveries` it is dead for `dead_for` seconds.
    """

    def __init__(
        self, *, per_job: int = 8, redeliver_after: float = 120.0, deliveries: int = 10, dead_for: float = 3600.0
    ) -> None:
        self._subscribers: defaultdict[str, set[Mailbox]] = defaultdict(set)
        self._subscriptions: set[_Topics] = set()
        self._queue = _Queue(per_job, redeliver_after, deliveries, dead_for)

    async def publish(self, topic: str, payload: bytes) -> None:
        for mailbox in self._subscribers.get(topic, ()):
            mailbox.put(topic, payload)

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        subscription = _Topics(self._subscribers, self._subscriptions)
        for topic in topics:
            await subscription.add(topic)
        return subscription

    async def enqueue(self, task: Task) -> None:
        self._queue.put(task)

    def tasks(self) -> AsyncIterator[Delivery]:
        return _Taker(self._queue)

    async def dead(self) -> list[Task]:
        return self._queue.dead()

    async def revive(self, task: Task) -> None:
        self._queue.revive(task)

    async def check(self) -> None:
        """There is nothing between us and memory that could be down."""

    async def close(self) -> None:
        for subscription in list(self._subscriptions):
            await subscription.close()
        self._queue.close()


class _Topics:
    """The Subscription port."""

    def __init__(self, subscribers: defaultdict[str, set[Mailbox]], present: set[_Topics]) -> None:
        self._subscribers = subscribers
        self._present = present
        self._topics: set[str] = set()
        self._messages = Mailbox()
        present.add(self)

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        return self._messages

    async def add(self, topic: str) -> None:
        if not self._messages.ended:
            self._topics.add(topic)
            self._subscribers[topic].add(self._messages)

    async def remove(self, topic: str) -> None:
        self._topics.discard(topic)
        present = self._subscribers.get(topic)
        if present is not None:
            present.discard(self._messages)
            if not present:
                del self._subscribers[topic]

    async def close(self) -> None:
        for topic in list(self._topics):
            await self.remove(topic)
        self._present.discard(self)
        self._messages.end()


@dataclass(slots=True, eq=False)
class _Entry:
    """A task from `enqueue` to `ack`: waiting, resting or dead (`timer` queues it) or in hand (`timer` revokes it)."""

    task: Task
    holder: _InHand | None = None
    timer: asyncio.TimerHandle | None = None
    deliveries: int = 0
    dead: bool = False


class _Queue:
    """Tasks by job, the jobs in turn."""

    def __init__(self, per_job: int, redeliver_after: float, deliveries: int, dead_for: float) -> None:
        self._per_job = per_job
        self._redeliver_after = redeliver_after
        self._deliveries = deliveries
        self._dead_for = dead_for
        self._closed = False
        self._entries: dict[tuple[str, int], _Entry] = {}
        # A job is listed while something of it waits; the one served goes to the end.
        self._waiting: OrderedDict[str, deque[_Entry]] = OrderedDict()
        self._in_hand: Counter[str] = Counter()
        self._takers: deque[asyncio.Future[None]] = deque()

    def put(self, task: Task) -> None:
        key = (task.photo_id, task.attempt)
        if not self._closed and key not in self._entries:
            self._entries[key] = entry = _Entry(task)
            self._wait(entry)

    async def get(self) -> _InHand:
        while not self._closed:
            delivery = self._take()
            if delivery is not None:
                self._wake_one()  # there may be more, for another taker
                return delivery
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker in self._takers:
                    self._takers.remove(taker)
                else:
                    self._wake_one()  # the news that this one can no longer take
                raise
        raise StopAsyncIteration

    def close(self) -> None:
        self._closed = True
        for entry in self._entries.values():
            _stop(entry)
        self._entries.clear()
        self._waiting.clear()
        while self._takers:
            self._wake_one()

    def finish(self, delivery: _InHand) -> None:
        entry = delivery.entry
        if not self._knows(entry):
            return
        if entry.holder is delivery:
            self._let_go(entry)
        elif entry.holder is None:
            self._withdraw(entry)  # revoked, but finished before anybody else began
        else:
            return
        del self._entries[entry.task.photo_id, entry.task.attempt]

    def give_back(self, delivery: _InHand, delay: float) -> None:
        entry = delivery.entry
        if self._knows(entry) and entry.holder is delivery:
            self._let_go(entry)
            self._rest(entry, delay)

    def dead(self) -> list[Task]:
        return [entry.task for entry in self._entries.values() if entry.dead]

    def revive(self, task: Task) -> None:
        entry = self._entries.get((task.photo_id, task.attempt))
        if entry is not None and entry.dead:
            self._wait(entry)

    def renew(self, delivery: _InHand) -> None:
        entry = delivery.entry
        if self._knows(entry) and entry.holder is delivery:
            self._watch(entry)

    def _knows(self, entry: _Entry) -> bool:
        return self._entries.get((entry.task.photo_id, entry.task.attempt)) is entry

    def _rest(self, entry: _Entry, seconds: float) -> None:
        entry.deliveries = 0
        entry.timer = asyncio.get_running_loop().call_later(seconds, self._wait, entry)

    def _wait(self, entry: _Entry) -> None:
        _stop(entry)
        entry.dead = False
        self._waiting.setdefault(entry.task.job_id, deque()).append(entry)
        self._wake_one()

    def _take(self) -> _InHand | None:
        for job_id, entries in self._waiting.items():
            if self._in_hand[job_id] < self._per_job:
                entry = entries.popleft()
                self._waiting.move_to_end(job_id)
                if not entries:
                    del self._waiting[job_id]
                self._in_hand[job_id] += 1
                entry.deliveries += 1
                entry.holder = _InHand(self, entry)
                self._watch(entry)
                return entry.holder
        return None

    def _watch(self, entry: _Entry) -> None:
        _stop(entry)
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(self._redeliver_after, self._revoke, entry)

    def _revoke(self, entry: _Entry) -> None:
        self._let_go(entry)
        if entry.deliveries < self._deliveries:
            self._wait(entry)
        else:
            log.error("task is dead: delivered too often without an end", photo=entry.task.photo_id)
            entry.dead = True
            self._rest(entry, self._dead_for)

    def _let_go(self, entry: _Entry) -> None:
        _stop(entry)
        entry.holder = None
        self._in_hand[entry.task.job_id] -= 1
        if not self._in_hand[entry.task.job_id]:
            del self._in_hand[entry.task.job_id]
        self._wake_one()

    def _withdraw(self, entry: _Entry) -> None:
        _stop(entry)
        entries = self._waiting.get(entry.task.job_id)
        if entries is not None and entry in entries:
            entries.remove(entry)
            if not entries:
                del self._waiting[entry.task.job_id]

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return


def _stop(entry: _Entry) -> None:
    if entry.timer is not None:
        entry.timer.cancel()
        entry.timer = None


class _InHand:
    """The Delivery port. What comes after the task was revoked or settled changes nothing."""

    def __init__(self, queue: _Queue, entry: _Entry) -> None:
        self.task = entry.task
        self.entry = entry
        self._queue = queue

    async def ack(self) -> None:
        self._queue.finish(self)

    async def retry(self, delay: float) -> None:
        self._queue.give_back(self, delay)

    async def in_progress(self) -> None:
        self._queue.renew(self)


class _Taker:
    def __init__(self, queue: _Queue) -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        return await self._queue.get()
