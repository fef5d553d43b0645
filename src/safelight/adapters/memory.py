"""The broker of a single process: topics and tasks in memory. What a restart forgets, the reconciler finds."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from safelight.ports import Delivery, Subscription, Task

# A subscriber that is so far behind loses the oldest messages; it reads the table for them.
_MAILBOX = 10_000


class MemoryBroker:
    """The Broker port. `per_job` tasks of one job are in hand at most; one not heard of for `redeliver_after`
    seconds is delivered again.
    """

    def __init__(self, *, per_job: int = 8, redeliver_after: float = 120.0) -> None:
        self._subscribers: defaultdict[str, set[_Mailbox]] = defaultdict(set)
        self._mailboxes: set[_Mailbox] = set()
        self._queue = _Queue(per_job, redeliver_after)

    async def publish(self, topic: str, payload: bytes) -> None:
        for mailbox in self._subscribers.get(topic, ()):
            mailbox.put(topic, payload)

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        mailbox = _Mailbox(self._subscribers, self._mailboxes)
        for topic in topics:
            await mailbox.add(topic)
        return mailbox

    async def enqueue(self, task: Task) -> None:
        self._queue.put(task)

    def tasks(self) -> AsyncIterator[Delivery]:
        return _Taker(self._queue)

    async def check(self) -> None:
        """There is nothing between us and memory that could be down."""

    async def close(self) -> None:
        for mailbox in list(self._mailboxes):
            await mailbox.close()
        self._queue.close()


class _Mailbox:
    def __init__(self, subscribers: defaultdict[str, set[_Mailbox]], mailboxes: set[_Mailbox]) -> None:
        self._subscribers = subscribers
        self._mailboxes = mailboxes
        self._topics: set[str] = set()
        self._messages: deque[tuple[str, bytes]] = deque(maxlen=_MAILBOX)
        self._news = asyncio.Event()
        self._closed = False
        mailboxes.add(self)

    def put(self, topic: str, payload: bytes) -> None:
        self._messages.append((topic, payload))
        self._news.set()

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        while not self._closed:
            if self._messages:
                return self._messages.popleft()
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def add(self, topic: str) -> None:
        if not self._closed:
            self._topics.add(topic)
            self._subscribers[topic].add(self)

    async def remove(self, topic: str) -> None:
        self._topics.discard(topic)
        present = self._subscribers.get(topic)
        if present is not None:
            present.discard(self)
            if not present:
                del self._subscribers[topic]

    async def close(self) -> None:
        for topic in list(self._topics):
            await self.remove(topic)
        self._closed = True
        self._mailboxes.discard(self)
        self._news.set()


@dataclass(slots=True, eq=False)
class _Entry:
    """A task from `enqueue` to `ack`: waiting, resting (`timer` queues it) or in hand (`timer` revokes it)."""

    task: Task
    holder: _InHand | None = None
    timer: asyncio.TimerHandle | None = None


class _Queue:
    """Tasks by job, the jobs in turn."""

    def __init__(self, per_job: int, redeliver_after: float) -> None:
        self._per_job = per_job
        self._redeliver_after = redeliver_after
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
            entry.timer = asyncio.get_running_loop().call_later(delay, self._wait, entry)

    def renew(self, delivery: _InHand) -> None:
        entry = delivery.entry
        if self._knows(entry) and entry.holder is delivery:
            self._watch(entry)

    def _knows(self, entry: _Entry) -> bool:
        return self._entries.get((entry.task.photo_id, entry.task.attempt)) is entry

    def _wait(self, entry: _Entry) -> None:
        _stop(entry)
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
        self._wait(entry)

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
