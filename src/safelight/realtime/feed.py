"""What a topic's readers can still be given, shared by all of them: a reader is two numbers, never a queue.

Durable events are a numbered log of bounded length; of everything else only the latest per key is kept. A reader
that stalls costs nothing, and one whose place has left the log gets a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, Final, Literal, Protocol, Self

import orjson

from safelight.realtime.meters import Flushes

Recovered = Literal["replay", "snapshot"]
# Readers written to in one turn of the event loop: about a millisecond.
_WOKEN_AT_ONCE: Final = 100


class Follower(Protocol):
    """Who reads a feed, and keeps its own place in it."""

    def wake(self) -> None:
        """There may be something new."""

    def close(self) -> None:
        """There will be nothing more."""


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
    number: int = field(default_factory=count(1).__next__, compare=False, repr=False)
    """What this process calls it: no other event here has the same."""
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
class Encoded:
    """A flush as the bytes that go out: `size` bytes of frames, `data` with what the transport adds (None where that is
    too much at once), `number` the highest of its events.
    """

    data: bytes | None
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one flush gives a reader, in order. `recovered` opens a new beginning, with the `seq` reached by it.

    `forms` and `encoded` keep what it was encoded to for as long as the flush lasts.
    """

    events: Sequence[Event]
    recovered: Recovered | None = None
    seq: int | None = None
    forms: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    encoded: dict[str, Encoded] = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True)
class Flush:
    """What readers at one place (`number`, `version`) are given in one turn of the event loop, and what is the same for
    all of them. Without a batch there is nothing to write. `more`: work is left for the task that iterates.
    """

    number: int
    version: int
    reached: int
    """The place after it."""
    seen: int
    more: bool
    batch: Batch | None = None
    now: int | None = None
    """Unix milliseconds at its first write."""
    at: int = 0
    """The same by the event loop's clock."""
    lag: float | None = None
    """Seconds since its oldest event was committed."""
    written: int = 0
    bytes: int = 0


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

    def __init__(self, name: str, backlog: int, hertz: float, flushes: Flushes) -> None:
        self.name = name
        self.flush = _NOTHING
        """The one that was asked for last."""
        self._flushes = flushes
        self.interval = 1 / hertz
        self.head = 0
        self.version = 0
        self.readers: set[Follower] = set()
        self._log: deque[Event] = deque(maxlen=backlog)
        self._latest: dict[str, tuple[int, Event]] = {}
        self._released = 0
        self._changes = 0
        self._loop = asyncio.get_running_loop()
        self._last_release = self._loop.time() - self.interval
        self._waking: asyncio.Handle | None = None
        self._to_wake: list[Follower] = []
        self._news = False
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

    def precede(self, events: Sequence[Event]) -> None:
        """Put the events up to the tail before the log, the last of them where it has not room for all."""
        room = (self._log.maxlen or 0) - len(self._log)
        self._log.extendleft(islice(reversed(events), room))

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

    def flush_from(self, number: int, version: int, limit: int) -> Flush:
        """What a reader at this place is to be given now."""
        self._count(self.flush)
        if not self.covers(number):
            self.flush = Flush(number, version, number, version, more=True)
        elif number == self.head and not self.has_progress(version):
            self.flush = Flush(number, version, number, version, more=False)
        else:
            batch, reached, seen = self.collect(number, version, limit)
            more = reached < self.head or self.has_progress(seen)
            self.flush = Flush(number, version, reached, seen, more, batch if batch.events else None)
        return self.flush

    @staticmethod
    def conflated(batch: Batch, durable: int, version: int, seen: int) -> int:
        """How much byte progress a reader was spared that is given this batch, with so many durable events in it."""
        return seen - version - (len(batch.events) - durable) if seen > version > 0 else 0  # at 0 it has just come

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
        self._wake_soon()

    def _wake_soon(self) -> None:
        self._news = True
        if self._waking is None:
            self._waking = self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Tell some of the readers; the rest in the next turns of the loop, since others must get theirs."""
        if not self._to_wake:
            self._to_wake, self._news = list(self.readers), False
        for reader in self._to_wake[-_WOKEN_AT_ONCE:]:
            reader.wake()
        del self._to_wake[-_WOKEN_AT_ONCE:]
        self._count(self.flush)
        self.flush = _NOTHING
        if self._to_wake or self._news:
            self._waking = self._loop.call_soon(self._wake)
        else:
            self._waking = self._memo = None  # what the flush was encoded to goes with it

    def _count(self, flush: Flush) -> None:
        if flush.written and flush.batch is not None:
            conflated = self.conflated(flush.batch, flush.reached - flush.number, flush.version, flush.seen)
            self._flushes.flushed(flush.written, len(flush.batch.events), conflated, flush.bytes, flush.lag)


# The place of no reader.
_NOTHING: Final = Flush(-1, -1, -1, -1, more=True)
