"""The two kinds of topic: how messages of the broker and rows of the table become one feed without gaps."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

import structlog

from safelight.domain.job import ACTIVE
from safelight.errors import NotFound
from safelight.realtime.feed import Event, Feed, Recovery

log = structlog.get_logger()

T = TypeVar("T")

_RANK: Final = {"QUEUED": 0, "UPLOADING": 1, "PROCESSING": 2, "COMPLETED": 3, "FAILED": 3, "CANCELLED": 3}
_UPLOADING: Final = 1
_ENDED: Final = 3
_PARSED_AT_ONCE: Final = 500
_HELD_AHEAD: Final = 1_000
_REMEMBERED_JOBS: Final = 10_000


class History(Protocol):
    """What was committed. Bodies are the JSON of contract.md's events."""

    async def events_after(self, job_id: str, after: int) -> list[tuple[int, bytes]] | None:
        """Every event after `after` as `(seq, body)`, in order and without gaps.

        None where they cannot all be told: trimmed, too many, or `after` has not happened yet.
        """

    async def snapshot(self, job_id: str) -> tuple[int, list[bytes]]:
        """The `seq` reached, a ProgressUpdate per photo and the JobStatusUpdate last; `(0, [])` without the job."""

    async def active_jobs(self, user_id: str) -> list[bytes]:
        """The JobStatusUpdate of each of the user's jobs that has not ended."""


class Coalesced(Generic[T]):
    """Work that many ask for at once: each caller gets the result of a run that began after its call."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._queued: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._queued is None:
            self._queued = asyncio.create_task(self._run_after(self._running))
            self._queued.add_done_callback(_retrieve)
        # Shielded: one caller that leaves must not take the result from the others.
        return await asyncio.shield(self._queued)

    def cancel(self) -> None:
        """Stop what runs; callers get CancelledError."""
        for task in (self._running, self._queued):
            if task is not None:
                task.cancel()

    async def _run_after(self, previous: asyncio.Task[T] | None) -> T:
        if previous is not None:
            await asyncio.wait({previous})
        self._running, self._queued = self._queued, None
        try:
            return await self._work()
        finally:
            self._running = None  # or its result would be kept


def _retrieve(task: asyncio.Task[T]) -> None:
    # Each caller has raised it; without callers left there is nobody to tell.
    if not task.cancelled():
        task.exception()


async def parse(bodies: Iterable[bytes]) -> list[Event]:
    """Events from their JSON, with a breath for the event loop every few hundred."""
    events = []
    for count, body in enumerate(bodies, 1):
        events.append(Event.parse(body))
        if count % _PARSED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return events


class JobTopic:
    """One job's events by `seq`, and the newest byte progress of each photo.

    Byte progress is let through only from where the photo is known to stand, so that a percent never falls and
    nothing comes after the end of an attempt, in whatever order messages arrive.
    """

    def __init__(self, job_id: str, history: History, feed: Feed, patience: float) -> None:
        self.feed = feed
        self._job_id = job_id
        self._history = history
        self._patience = patience
        self._opened = False
        self._learned = False
        self._job_ended = False
        self._job_told = ""
        self._clock = asyncio.get_running_loop().time
        self._ahead: dict[int, Event] = {}
        self._standing: dict[str, tuple[int, int, float]] = {}
        self._heard: dict[str, float] = {}
        self._snapshot = Coalesced(self._read_snapshot)
        self._missing = Coalesced(self._read_missing)
        self._replaying = asyncio.Lock()
        self._mending: asyncio.Task[None] | None = None
        self._learning: asyncio.Task[None] | None = None

    # --- what the broker brings ---

    def receive(self, event: Event) -> None:
        """Take in one message, in any order, doubled or not."""
        if event.seq is not None:
            self._receive_durable(event.seq, event)
        elif event.job_wide:
            # One that crossed with a change of the job would take it back.
            if not self._job_ended and event.timestamp >= self._job_told:
                self.feed.offer(event.key, event)
        else:
            self._receive_progress(event)

    def _receive_durable(self, seq: int, event: Event) -> None:
        if self._opened and seq <= self.feed.head:
            return
        if len(self._ahead) < _HELD_AHEAD or seq == self.feed.head + 1:
            self._ahead[seq] = event  # one that finds no room is read from the table with the gap before it
        if not self._opened:
            return
        while (due := self._ahead.pop(self.feed.head + 1, None)) is not None:
            self.feed.append(due)
            self._note(due)
        if self._ahead and self._mending is None:
            self._mending = asyncio.create_task(self._mend())

    def _receive_progress(self, event: Event) -> None:
        standing = self._standing.get(event.key)
        if standing is None:
            if not self._learned and self._learning is None:
                self._learning = asyncio.create_task(self._learn())
            return
        attempt, rank, percent = standing
        place = _place(event)
        if place[:2] == (attempt, rank) and rank < _ENDED and place[2] >= percent:
            self._standing[event.key] = place
            self._heard[event.key] = self._clock()
            self.feed.offer(event.key, event)

    def _note(self, event: Event) -> None:
        """Remember where a photo stands, and drop byte progress that this overtakes."""
        if event.job_wide:
            self._job_ended, self._job_told = event.status not in ACTIVE, event.timestamp
            self.feed.withdraw(event.key)
            return
        known = self._standing.get(event.key, (0, 0, 0.0))
        place = max(_place(event), known)
        self._standing[event.key] = place
        if not _UPLOADING <= place[1] < _ENDED:
            self._heard.pop(event.key, None)
        elif place > known:
            self._heard[event.key] = self._clock()
        waiting = self.feed.waiting(event.key)
        if waiting is not None and _place(waiting) < place:
            self.feed.withdraw(event.key)

    def silent(self, seconds: float, most: int) -> list[str]:
        """Up to `most` photos on their way of which nothing came for so long; each is told once in that time."""
        now = self._clock()
        found = [photo_id for photo_id, heard in self._heard.items() if heard <= now - seconds][:most]
        self._heard.update(dict.fromkeys(found, now))
        return found

    def tell(self, event: Event) -> None:
        """Offer what was said of a silent photo; one of which something was heard meanwhile is not silent."""
        place, known = _place(event), self._standing.get(event.key)
        if known is not None and place[:2] == known[:2] and place >= known:
            self.feed.offer(event.key, event)

    # --- what the table has ---

    async def check(self) -> None:
        """Read what the broker should have brought; the only cost of losing every message is this interval."""
        if self._opened:
            await self._missing()

    async def recover(self, after: int | None, number: int) -> Recovery:  # noqa: ARG002 (seq is the number)
        """Replay after `after` where the log or the table still has all of it, else a snapshot."""
        if after is not None:
            recovery = await self._replay(after)
            if recovery is not None:
                return recovery
        while True:
            seq, events = await self._snapshot()
            # A thousand events may have passed while it was read.
            if self.feed.covers(seq):
                return Recovery("snapshot", seq, events, seq)

    async def _replay(self, after: int) -> Recovery | None:
        while True:
            if self._opened and after > self.feed.head:
                await self._missing()
                if after > self.feed.head:
                    return None  # the client comes from a future that was lost
            if self._opened and self.feed.covers(after):
                return Recovery("replay", self.feed.head, self.feed.since(after), self.feed.head)
            # One after the other: of a thousand that come back together, the first reads for all.
            async with self._replaying:
                if self._opened and self.feed.tail <= after:
                    continue
                events = await self._read_since(after)
            if events is None:
                return None
            reached = after + len(events)
            if self.feed.covers(reached):
                return Recovery("replay", reached, events, reached)

    async def _read_since(self, after: int) -> list[Event] | None:
        """The events after `after` from the table, and in the log as far as it holds; None where they are not all."""
        rows = await self._history.events_after(self._job_id, after)
        if rows is None:
            return None
        events = await parse(body for _, body in rows)
        self._open(after)
        for event in events:
            self.receive(event)
        if after < self.feed.tail <= after + len(events):
            self.feed.precede(events[: self.feed.tail - after])
        return events

    def _open(self, head: int) -> None:
        """Begin the feed at a place from which everything later is at hand or will be noticed as a gap."""
        if self._opened:
            return
        self._opened = True
        self.feed.restart(head)
        early, self._ahead = self._ahead, {}
        for seq in sorted(early):
            self._receive_durable(seq, early[seq])

    async def _read_state(self) -> tuple[int, list[Event]]:
        seq, bodies = await self._history.snapshot(self._job_id)
        if not bodies:
            raise NotFound
        events = await parse(bodies)
        for event in events:
            if not event.job_wide:
                self._note(event)
                if not self._learned and event.key in self._heard:
                    self._heard[event.key] = float("-inf")  # how long it has been silent, only the table knows
        self._learned = True
        return seq, events

    async def _read_snapshot(self) -> tuple[int, list[Event]]:
        seq, events = await self._read_state()
        self._open(seq)
        if seq > self.feed.head:
            await self._read_missing()
        return seq, events

    async def _read_missing(self) -> None:
        head = self.feed.head
        rows = await self._history.events_after(self._job_id, head)
        if rows is not None:
            for event in await parse(body for _, body in rows):
                self.receive(event)
            return
        # Trimmed, or the table went back in time (a restored backup): the feed begins anew where the table is.
        seq, _ = await self._read_state()
        if seq < head or seq > self.feed.head:
            self._ahead.clear()
            self.feed.restart(seq)

    async def _mend(self) -> None:
        """Wait for the missing message a moment, as two publishers may cross, then read it."""
        try:
            await asyncio.sleep(self._patience)
            if self._ahead:
                await self._missing()
        except Exception:
            log.exception("events not read; the next check will", job_id=self._job_id)
        finally:
            self._mending = None

    async def _learn(self) -> None:
        """Find out where the photos stand, for a topic that was opened by a replay."""
        try:
            await self._snapshot()
        except Exception:
            log.exception("photos not read; the next progress will", job_id=self._job_id)
        finally:
            self._learning = None

    def close(self) -> None:
        """End the readers and whatever is being read for them."""
        for task in (self._mending, self._learning):
            if task is not None:
                task.cancel()
        self._snapshot.cancel()
        self._missing.cancel()
        self.feed.close()


def _place(event: Event) -> tuple[int, int, float]:
    return event.attempt, _RANK.get(event.status, 0), event.percent


class UserTopic:
    """The jobs of one user: the latest status of each that is active, and every end."""

    def __init__(self, user_id: str, history: History, feed: Feed) -> None:
        self.feed = feed
        self._user_id = user_id
        self._history = history
        self._active: dict[str, Event] = {}
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._refresh = Coalesced(self._read)

    def receive(self, event: Event) -> None:
        """Take in one JobStatusUpdate; one that is older than what is known is ignored."""
        known = self._active.get(event.key)
        if event.seq is None:
            if known is None or event.timestamp < known.timestamp:
                return  # it crossed with a change, perhaps with the job's end
        else:
            if event.seq <= self._seen.get(event.key, 0):
                return
            self._seen[event.key] = event.seq
            self._seen.move_to_end(event.key)
            if len(self._seen) > _REMEMBERED_JOBS:
                self._seen.popitem(last=False)
        if event.status in ACTIVE:
            self._active[event.key] = event
            self.feed.offer(event.key, event)
        elif event.seq is not None:
            self._active.pop(event.key, None)
            self.feed.withdraw(event.key)
            self.feed.append(event)

    async def check(self) -> None:
        """Read what the broker should have brought."""
        await self._refresh()

    async def recover(self, after: int | None, number: int) -> Recovery:  # noqa: ARG002 (jobs have no common seq)
        """The present status of every active job; then what ended since the reader registered."""
        await self._refresh()
        place = max(number, self.feed.tail)
        return Recovery("snapshot", None, list(self._active.values()), place, self.feed.version)

    async def _read(self) -> None:
        believed = set(self._active)
        current = await parse(await self._history.active_jobs(self._user_id))
        for event in current:
            self.receive(event)
        for job_id in believed - {event.key for event in current}:
            if job_id in self._active:
                await self._read_end(job_id)

    async def _read_end(self, job_id: str) -> None:
        """A job is no longer active, and the message that said so was lost."""
        rows = await self._history.events_after(job_id, self._seen.get(job_id, 0))
        bodies = [body for _, body in rows] if rows else (await self._history.snapshot(job_id))[1]
        ends = [event for event in await parse(bodies) if event.job_wide]
        if ends:
            self.receive(ends[-1])
        else:
            self._active.pop(job_id, None)
            self.feed.withdraw(job_id)

    def close(self) -> None:
        """End the readers and whatever is being read for them."""
        self._refresh.cancel()
        self.feed.close()
