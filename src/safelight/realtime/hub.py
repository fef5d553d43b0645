"""The hub: one broker subscription per topic and process, shared by all who read it here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from safelight.errors import NotFound
from safelight.ports import Broker, Subscription
from safelight.realtime.feed import Event, Feed
from safelight.realtime.meters import Meters
from safelight.realtime.reader import Reader
from safelight.realtime.topics import History, JobTopic, UserTopic

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is kept and how often is looked; times are seconds."""

    backlog: int = 1_000
    """Durable events held per topic: a reader further behind gets a snapshot."""
    hertz: float = 60.0
    chunk: int = 256
    """Events of one batch at most."""
    check_every: float = 3.0
    patience: float = 0.02
    """How long a gap waits for its message before the table is read."""


class Hub:
    """Readers of topics `job.<jobId>` and `user.<userId>`, each brought to the present and kept there."""

    def __init__(
        self, broker: Broker, history: History, pace: Pace | None = None, meters: Meters | None = None
    ) -> None:
        self.meters = meters or Meters()
        self._broker = broker
        self._history = history
        self._pace = pace or Pace()
        self._topics: dict[str, JobTopic | UserTopic] = {}
        self._subscription: Subscription | None = None
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to receive. To be called once, in the event loop that the readers run in."""
        self._subscription = await self._broker.subscribe()
        self._spawn(self._pump(self._subscription))
        self._spawn(self._check_regularly())

    async def close(self) -> None:
        """End every reader and stop receiving. Closing twice is not an error."""
        for topic in self._topics.values():
            topic.close()
        self._topics.clear()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def watch_job(self, job_id: str, after: int | None = None) -> Reader:
        """A reader of one job, from the event after `after` or from a snapshot. `release` it when done.

        Live events are received before this returns. Its first batch raises NotFound for a job that is not there.
        """
        return await self._watch(f"job.{job_id}", after)

    async def watch_user(self, user_id: str) -> Reader:
        """A reader of the status of all jobs of one user. `release` it when done."""
        return await self._watch(f"user.{user_id}", None)

    def release(self, reader: Reader) -> None:
        """End a reader; its topic goes with the last one."""
        reader.close()
        name = reader.topic
        topic = self._topics.get(name)
        if topic is not None and not topic.feed.readers:
            del self._topics[name]
            topic.close()
            self._spawn(self._leave(name))

    async def check(self) -> None:
        """Read from the table what the broker should have brought; done every few seconds in any case."""
        for name, topic in list(self._topics.items()):
            try:
                await topic.check()
            except NotFound:
                topic.feed.close()  # deleted meanwhile: its readers find their end
            except Exception:
                log.exception("topic not checked; the next round will", topic=name)

    @property
    def topics(self) -> list[str]:
        """The topics that somebody reads here."""
        return list(self._topics)

    @property
    def jobs(self) -> list[JobTopic]:
        """The jobs that somebody watches here."""
        return [topic for topic in self._topics.values() if isinstance(topic, JobTopic)]

    async def _watch(self, name: str, after: int | None) -> Reader:
        if self._subscription is None:
            raise RuntimeError("the hub was not started")
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = self._make(name)
        reader = Reader(topic, after, self._pace.chunk, self.meters)
        try:
            async with self._changing:
                await self._subscription.add(name)
        except BaseException:
            self.release(reader)
            raise
        return reader

    def _make(self, name: str) -> JobTopic | UserTopic:
        kind, _, id_ = name.partition(".")
        feed = Feed(name, self._pace.backlog, self._pace.hertz, self.meters.flushes)
        if kind == "job":
            return JobTopic(id_, self._history, feed, self._pace.patience)
        return UserTopic(id_, self._history, feed)

    async def _leave(self, name: str) -> None:
        # Under the lock that joining takes, and looking again: somebody may have come in the meantime.
        async with self._changing:
            if name not in self._topics and self._subscription is not None:
                await self._subscription.remove(name)

    async def _pump(self, subscription: Subscription) -> None:
        async for name, payload in subscription:
            topic = self._topics.get(name)
            if topic is None:
                continue
            self.meters.flushes.events_in += 1
            try:
                topic.receive(Event.parse(payload))
            except ValueError as error:
                log.warning("message ignored", topic=name, error=str(error))

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._pace.check_every)
            await self.check()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the hub lost a task; only the regular check is left", exc_info=error)
