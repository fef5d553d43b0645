"""Jobs whose events are made by the real domain, kept in memory: a History whose rows a test can hold back or trim."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from safelight.domain import photo as photos
from safelight.domain.events import Event, encode, job_status_update, progress_update, record
from safelight.domain.job import Job
from safelight.domain.photo import Photo, Stage
from safelight.errors import DecoderCrashed
from safelight.ports import Broker

Change = Callable[[Photo], Photo]
MB = 1_000_000


@dataclass
class Written:
    """A job, its photos and its events."""

    job: Job
    photos: dict[str, Photo] = field(default_factory=dict)
    events: dict[int, bytes] = field(default_factory=dict)


class JobLog:
    """Writes jobs and tells a broker of them, as commands do; reads them back, as queries.History does."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.written: dict[str, Written] = {}
        self.reads = 0
        self.reading = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._clock = itertools.count(1_800_000_000_000)

    # --- writing ---

    async def create(self, job_id: str, count: int = 1, user_id: str = "usr_me") -> list[str]:
        """A job of `count` photos of 1 MB; returns their ids."""
        job = Job(id=job_id, user_id=user_id, created_at=0, updated_at=0, expires_at=0)
        self.written[job_id] = Written(job)
        new = [
            Photo(
                id=f"ph_{job_id[4:]}_{number}",
                job_id=job_id,
                user_id=user_id,
                position=number,
                filename=f"{number}.jpg",
                mime_type="image/jpeg",
                bytes=MB,
                storage_key=f"originals/{number}",
                created_at=0,
                updated_at=0,
            )
            for number in range(count)
        ]
        await self._commit(job_id, [(None, photo) for photo in new], tell=True)
        return [photo.id for photo in new]

    async def change(self, job_id: str, photo_id: str, *changes: Change, tell: bool = True) -> None:
        """Commit each change of a photo by itself; `tell=False` loses the broker's messages."""
        for change in changes:
            before = self.written[job_id].photos[photo_id]
            await self._commit(job_id, [(before, change(before))], tell=tell)

    async def progress(self, job_id: str, photo_id: str, sent: int) -> None:
        """Byte progress: written, then told, as an event without seq unless it is the first."""
        before = self.written[job_id].photos[photo_id]
        after = photos.receive(before, sent, next(self._clock))
        await self._commit(job_id, [(before, after)], tell=True)
        if after.bytes_sent > before.bytes_sent:
            await self.broker.publish(f"job.{job_id}", encode(progress_update(after, 0)).encode())

    async def _commit(self, job_id: str, changes: Sequence[tuple[Photo | None, Photo]], *, tell: bool) -> None:
        written = self.written[job_id]
        recorded = record(written.job, changes, next(self._clock))
        written.job = recorded.job
        written.photos |= {after.id: after for _, after in changes}
        written.events |= {event.seq: event.body.encode() for event in recorded.events}
        if tell:
            for event in recorded.events:
                await self.tell(event)

    async def tell(self, event: Event) -> None:
        """Publish a durable event."""
        await self.broker.publish(f"job.{event.job_id}", event.body.encode())
        if event.job_wide:
            user_id = self.written[event.job_id].job.user_id
            await self.broker.publish(f"user.{user_id}", event.body.encode())

    def trim(self, job_id: str, up_to: int) -> None:
        """Forget the events up to this one."""
        events = self.written[job_id].events
        for seq in [seq for seq in events if seq <= up_to]:
            del events[seq]

    # --- reading ---

    async def events_after(self, job_id: str, after: int) -> list[tuple[int, bytes]] | None:
        await self._read()
        written = self.written.get(job_id)
        if written is None or after > written.job.seq:
            return None
        found = [(seq, body) for seq, body in sorted(written.events.items()) if seq > after]
        return found if len(found) == written.job.seq - after else None

    async def snapshot(self, job_id: str) -> tuple[int, list[bytes]]:
        await self._read()
        written = self.written.get(job_id)
        if written is None:
            return 0, []
        job = written.job
        bodies = [encode(progress_update(photo, 0)).encode() for photo in written.photos.values()]
        return job.seq, [*bodies, encode({**job_status_update(job, 0), "seq": job.seq}).encode()]

    async def active_jobs(self, user_id: str) -> list[bytes]:
        await self._read()
        jobs = [each.job for each in self.written.values()]
        return [
            encode({**job_status_update(job, 0), "seq": job.seq}).encode()
            for job in jobs
            if job.user_id == user_id and not job.terminal
        ]

    async def _read(self) -> None:
        self.reads += 1
        self.reading.set()
        await self.may_read.wait()


def receive(sent: int = MB) -> Change:
    return lambda photo: photos.receive(photo, sent, 0)


def crash(photo: Photo) -> Photo:
    return photos.fail(photo, DecoderCrashed(), 0)


def store(photo: Photo) -> Photo:
    return photos.store(photo, None, 0)


def lease(photo: Photo) -> Photo:
    return photos.lease(photo, "worker", 0, 0)


def retry(photo: Photo) -> Photo:
    return photos.retry(photo, 0)


def complete(photo: Photo) -> Photo:
    return photos.complete(photo, 0)


def enter(stage: Stage) -> Change:
    return lambda photo: photos.enter(photo, stage, 0)


THROUGH: list[Change] = [
    receive(),
    store,
    lease,
    enter(Stage.METADATA),
    enter(Stage.THUMBNAILS),
    enter(Stage.PUBLISHING),
    complete,
]
