"""A reader's place in a topic, and how it comes to its present."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, Self

import structlog

from safelight.realtime.feed import Batch, Event, Feed, Flush, Recovery
from safelight.realtime.meters import Meters
from safelight.realtime.tempo import Tempo

log = structlog.get_logger()


class Topic(Protocol):
    """What a reader reads: a feed, and the way to its present."""

    feed: Feed

    async def recover(self, after: int | None, number: int) -> Recovery:
        """The recovery of a reader that has everything up to `after`, or nothing (None), registered at `number`."""


class Direct(Protocol):
    """The short way to whoever reads."""

    def write(self, flush: Flush) -> bool:
        """Write the batch, which the flush has, at once; False where that cannot be, and nothing was written."""


class Reader:
    """One subscription's place in a topic: an asynchronous iterator of batches that ends when it is closed.

    The first batch always bears `recovered`, even when it has no events; so does the first after an overflow.
    The time from one batch to the call for the next is taken for the time that its socket needed: byte progress
    comes the less often the longer that is (Tempo), durable events at once.

    Who iterates may name a `direct` way: while the iteration waits for a batch, the next ones go there, and no task has
    to take a turn for them. What is refused there is iterated as ever.
    """

    def __init__(self, topic: Topic, after: int | None, chunk: int, meters: Meters) -> None:
        self.ready = asyncio.Event()
        self.closed = False
        self.direct: Direct | None = None
        self._topic = topic
        self._after = after
        self._chunk = chunk
        self._meters = meters
        self._number = topic.feed.head
        self._version = 0
        self._owed: Sequence[Event] = ()
        self._given = 0
        self._placed = False
        self._loop = asyncio.get_running_loop()
        self._tempo = Tempo(topic.feed.interval)
        self._gave: float | None = None
        self._had_progress = False
        self._progress_from = 0.0
        self._resting = False
        topic.feed.readers.add(self)

    @property
    def topic(self) -> str:
        """The name of the topic read."""
        return self._topic.feed.name

    @property
    def backlog(self) -> int:
        """Durable events that this reader has yet to be given."""
        return len(self._owed) - self._given + max(0, self._topic.feed.head - self._number)

    @property
    def pause(self) -> float:
        """Seconds between two flushes of byte progress; 0 for a reader that keeps up."""
        return self._tempo.pause

    def close(self) -> None:
        """End the iteration. Closing twice is not an error."""
        self.closed, self.direct = True, None
        self._topic.feed.readers.discard(self)
        self.ready.set()

    def wake(self) -> None:
        """There may be something to read."""
        direct = self.direct
        if self._resting and direct is not None:
            flush = self._topic.feed.flush
            if flush.number != self._number or flush.version != self._version:
                flush = self._topic.feed.flush_from(self._number, self._version, self._chunk)
            if flush.batch is None or self._written(direct, flush):
                self._number, self._version = flush.reached, flush.seen
                if not flush.more:
                    return
        self.ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        feed = self._topic.feed
        self._ask()
        while not self.closed:
            if not self._placed or (self._given == len(self._owed) and not feed.covers(self._number)):
                return self._give(await self._recover())
            if self._given < len(self._owed):
                # A long recovery to a fast socket never waits: others must get their turn.
                await asyncio.sleep(0)
                return self._give(Batch(self._take_owed()))
            progress = feed.has_progress(self._version)
            due = progress and (not self._progress_from or self._loop.time() >= self._progress_from)
            if self._number < feed.head or due:
                batch = self._collect(progress=due)
                if batch.events:
                    return self._give(batch)
                continue
            self.ready.clear()
            self._resting = not self._tempo.pause
            try:
                if progress:
                    await self._ready_by(self._progress_from)
                else:
                    await self.ready.wait()
            finally:
                self._resting = False
        raise StopAsyncIteration

    def _written(self, direct: Direct, flush: Flush) -> bool:
        try:
            return direct.write(flush)
        except Exception:  # one connection must not cost the others their turn; the iteration will meet it again
            log.exception("not written directly", topic=self.topic)
            self.direct = None
            return False

    def _give(self, batch: Batch) -> Batch:
        self._gave = self._loop.time()
        return batch

    def _ask(self) -> None:
        if self._gave is None:
            return
        now = self._loop.time()
        self._tempo.took(now - self._gave)
        if self._had_progress:
            self._progress_from = now + self._tempo.pause if self._tempo.pause else 0.0
        self._gave, self._had_progress = None, False

    async def _ready_by(self, when: float) -> None:
        """Wait until the topic wakes its readers, or it is time for byte progress that is there already."""
        timer = self._loop.call_at(when, self.ready.set)
        try:
            await self.ready.wait()
        finally:
            timer.cancel()

    def _collect(self, *, progress: bool) -> Batch:
        batch, number, version = self._topic.feed.collect(self._number, self._version, self._chunk, progress=progress)
        self._had_progress = self._had_progress or version > self._version
        self._meters.flushes.conflated += Feed.conflated(batch, number - self._number, self._version, version)
        self._number, self._version = number, version
        return batch

    async def _recover(self) -> Batch:
        recovery = await self._topic.recover(self._after, self._number)
        if recovery.kind == "replay":
            self._meters.replays.observe(len(recovery.events))
        else:
            self._meters.snapshots.inc()
        self._placed, self._after = True, None
        self._owed, self._given = recovery.events, 0
        self._number, self._version = recovery.number, recovery.version
        return Batch(self._take_owed(), recovery.kind, recovery.seq)

    def _take_owed(self) -> Sequence[Event]:
        taken = self._owed[self._given : self._given + self._chunk]
        self._given += len(taken)
        if self._given == len(self._owed):
            self._owed, self._given = (), 0
        return taken
