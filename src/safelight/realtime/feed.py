"""What a topic's readers can still be given, shared by all of them: a reader is two numbers, never a queue.

Durable events are a numbered log of bounded length; of everything else only the latest per key is kept. A reader
that stalls costs nothing, and one whose place has left the log gets a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, Protocol, Self

import orjson

from safelight.realtime.meters import Meters
from safelight.realtime.tempo import Tempo

Recovered = Literal["replay", "snapshot"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `forms` keeps what it was encoded to, so that a thousand readers cost one encoding."""

    body: str
    seq: int | None
    key: str
    """The photo's id, or the job's for a JobStatusUpdate."""
    job_wide: bool
    status: str
    attempt: int
    percent: float
    timestamp: str = ""
    """When it was committed, ISO 8601."""
    forms: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """An event from its JSON. ValueError where it is not one."""
        fields: Any = orjson.loads(body)
        try:
            photo_id = fields.get("photoId")
            return cls(
                body=body.decode(),
                seq=fields.get("seq"),
                key=photo_id or fields["jobId"],
                job_wide=photo_id is None,
                status=fields["status"],
                attempt=fields.get("attempt", 0),
                percent=fields["progressPercent"],
                timestamp=fields.get("timestamp", ""),
            )
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"not an event: {body[:80]!r}") from error


@dataclass(frozen=True, slots=True)
class Batch:
    """What one flush gives a reader, in order. `recovered` opens a new beginning, with the `seq` reached by it."""

    events: Sequence[Event]
    recovered: Recovered | None = None
    seq: int | None = None
    forms: dict[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a reader comes to the present: these events first, then the feed from `number` and `version` on."""

    kind: Recovered
    seq: int | None
    events: Sequence[Event]
    number: int
    version: int = 0


class Feed:
    """The log and the latest of one topic, and the pace at which its readers are woken.

    Durable events wake them within the same turn of the event loop, the rest at most `hertz` times a second.
    """

    def __init__(self, name: str, backlog: int, hertz: float) -> None:
        self.name = name
        self.interval = 1 / hertz
        self.head = 0
        self.version = 0
        self.readers: set[Reader] = set()
        self._log: deque[Event] = deque(maxlen=backlog)
        self._latest: dict[str, tuple[int, Event]] = {}
        self._released = 0
        self._changes = 0
        self._loop = asyncio.get_running_loop()
        self._last_release = self._loop.time() - self.interval
        self._waking: asyncio.Handle | None = None
        self._releasing: asyncio.Handle | None = None
        self._memo: tuple[tuple[object, ...], Batch, int, int] | None = None

    @property
    def tail(self) -> int:
        """The place before the oldest event of the log: readers there or later miss nothing."""
        return self.head - len(self._log)

    def covers(self, number: int) -> bool:
        """Whether a reader that has everything up to `number` can be served from the log."""
        return self.tail <= number <= self.head

    def restart(self, head: int) -> None:
        """Begin anew after `head`: what came between is not in the log, so readers behind it need a snapshot."""
        self._log.clear()
        self._changes += 1
        self.head = head
        self._wake_soon()

    def append(self, event: Event) -> None:
        """Add the event numbered `head + 1`."""
        self._log.append(event)
        self._changes += 1
        self.head += 1
        self._wake_soon()

    def offer(self, key: str, event: Event) -> None:
        """Replace what readers have not yet seen under `key`."""
        self._latest.pop(key, None)
        self._changes += 1
        self.version += 1
        self._latest[key] = (self.version, event)
        if self._releasing is None:
            wait = self._last_release + self.interval - self._loop.time()
            self._releasing = self._loop.call_later(max(wait, 0), self._release)

    def withdraw(self, key: str) -> None:
        """Forget what waits under `key`: something newer has overtaken it."""
        if self._latest.pop(key, None) is not None:
            self._changes += 1

    def waiting(self, key: str) -> Event | None:
        """What `offer` left under `key`."""
        found = self._latest.get(key)
        return found[1] if found else None

    def since(self, number: int) -> list[Event]:
        """The events of the log after `number`, which it must cover."""
        return list(islice(self._log, number - self.tail, None))

    def has_progress(self, version: int) -> bool:
        """Whether there is byte progress that a reader at this place has not seen."""
        return version < self._released

    def collect(self, number: int, version: int, limit: int, *, progress: bool = True) -> tuple[Batch, int, int]:
        """Up to `limit` events for a reader at this place, and its next place. Readers in step share one batch.

        Without `progress` only durable ones.
        """
        key = (number, version, limit, progress, self._changes)
        if self._memo is None or self._memo[0] != key:
            self._memo = (key, *self._collect(number, version, limit, progress=progress))
        return self._memo[1:]

    def close(self) -> None:
        """Wake every reader for the last time; each finds its end."""
        for handle in (self._waking, self._releasing):
            if handle is not None:
                handle.cancel()
        for reader in list(self.readers):
            reader.close()

    def _collect(self, number: int, version: int, limit: int, *, progress: bool) -> tuple[Batch, int, int]:
        first = number - self.tail
        events = [self._log[at] for at in range(first, min(len(self._log), first + limit))]
        number += len(events)
        if progress and number == self.head and len(events) < limit:
            # Newest last, so that what a reader has not seen is at the end.
            unseen = []
            for stamp, event in reversed(self._latest.values()):
                if stamp <= version:
                    break
                if stamp <= self._released:
                    unseen.append((stamp, event))
            fresh = unseen[::-1][: limit - len(events)]
            events += [event for _, event in fresh]
            version = fresh[-1][0] if len(fresh) < len(unseen) else max(version, self._released)
        return Batch(events), number, version

    def _release(self) -> None:
        self._releasing = None
        self._last_release = self._loop.time()
        self._released = self.version
        self._changes += 1
        self._wake()

    def _wake_soon(self) -> None:
        if self._waking is None:
            self._waking = self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        for reader in self.readers:
            reader.ready.set()


class Topic(Protocol):
    """What a reader reads: a feed, and the way to its present."""

    feed: Feed

    async def recover(self, after: int | None, number: int) -> Recovery:
        """The recovery of a reader that has everything up to `after`, or nothing (None), registered at `number`."""


class Reader:
    """One subscription's place in a topic: an asynchronous iterator of batches that ends when it is closed.

    The first batch always bears `recovered`, even when it has no events; so does the first after an overflow.
    The time from one batch to the call for the next is taken for the time that its socket needed: byte progress
    comes the less often the longer that is (Tempo), durable events at once.
    """

    def __init__(self, topic: Topic, after: int | None, chunk: int, meters: Meters) -> None:
        self.ready = asyncio.Event()
        self.closed = False
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
        self.closed = True
        self._topic.feed.readers.discard(self)
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
            if progress:
                await self._ready_by(self._progress_from)
            else:
                await self.ready.wait()
        raise StopAsyncIteration

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
        number, version = self._number, self._version
        batch, self._number, self._version = self._topic.feed.collect(number, version, self._chunk, progress=progress)
        if self._version > version:
            self._had_progress = True
            if version:  # else it has only just come, and was spared nothing
                seen = len(batch.events) - (self._number - number)
                self._meters.flushes.conflated += self._version - version - seen
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
