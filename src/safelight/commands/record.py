"""How every command writes: rows and events in one commit, then the news, then the bytes that are not needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from safelight.domain.events import Recorded, record
from safelight.domain.job import Job
from safelight.domain.photo import AWAITING_BYTES, Photo
from safelight.errors import NotFound, SafelightError
from safelight.ports import Doomed, Ports, Task, WriteTransaction

log = structlog.get_logger()

Change = tuple[Photo | None, Photo]

# So long is a caller, whose command is committed, kept waiting for a broker that does not answer.
NEWS_SECONDS: Final = 3.0


def commit(
    tx: WriteTransaction, job: Job, changes: Sequence[Change], now: int, *, amended: Job | None = None
) -> Recorded:
    """Write changed photos (several changes of one follow each other), their job and the events they make.

    `job` is as this transaction read it, `amended` what the command itself changes of it.
    """
    recorded = record(amended or job, changes, now)
    first: dict[str, Photo | None] = {}
    final: dict[str, Photo] = {}
    for before, after in changes:
        first.setdefault(after.id, before)
        final[after.id] = after
    tx.save_job(job, recorded.job)
    tx.add_photos([photo for key, photo in final.items() if first[key] is None])
    tx.save_photos([(before, photo) for key, photo in final.items() if (before := first[key]) is not None])
    tx.add_events(recorded.events, now)
    return recorded


def locked(tx: WriteTransaction, user_id: str | None, photo_id: str) -> tuple[Job, Photo]:
    """A photo's job, locked, and the photo as it stands then; NotFound where it is not there, or not the user's."""
    seen = tx.photo(photo_id, user_id)
    job = tx.lock_job(seen.job_id) if seen else None
    photo = tx.photo(photo_id, user_id)
    if job is None or photo is None:
        raise NotFound
    return job, photo


async def announce(ports: Ports, recorded: Iterable[Recorded]) -> None:
    """Tell the watchers of what was committed; a message lost here is read from the table later."""
    async with _best_effort("news not told; watchers read it from the database"):
        for each in recorded:
            for event in each.events:
                body = event.body.encode()
                await ports.broker.publish(f"job.{event.job_id}", body)
                if event.job_wide:
                    await ports.broker.publish(f"user.{each.job.user_id}", body)


async def tell(ports: Ports, messages: Iterable[tuple[str, str]]) -> None:
    """Tell, by topic, what is no durable event."""
    async with _best_effort("progress not told; watchers see the next"):
        for topic, body in messages:
            await ports.broker.publish(topic, body.encode())


async def queue(ports: Ports, photos: Iterable[Photo]) -> None:
    """Have photos processed that are stored; a task lost here is queued again by the reconciler."""
    async with _best_effort("photos not queued; the reconciler queues them"):
        for photo in photos:
            await ports.broker.enqueue(Task(photo.id, photo.job_id, photo.attempt))


@asynccontextmanager
async def _best_effort(loss: str) -> AsyncIterator[None]:
    """What was committed stands, whether or not the broker hears of it: where it does not, the log says so."""
    try:
        async with asyncio.timeout(NEWS_SECONDS):
            yield
    except Exception as error:  # noqa: BLE001 - each broker has errors of its own, and none of them may undo a commit
        log.warning(f"broker away: {loss}", reason=f"{type(error).__name__}: {error}")


def bytes_of(photo: Photo) -> list[Doomed]:
    """All that the store holds for a photo."""
    if photo.duplicate_of:
        return []
    if photo.stored_at is None and photo.status in AWAITING_BYTES:
        return [upload_of(photo)]
    return [Doomed(photo.storage_key, upload=False)]


def upload_of(photo: Photo) -> Doomed:
    """The upload of a photo that was not completed."""
    return Doomed(photo.storage_key, upload=True, upload_id=photo.upload_id)


async def erase(ports: Ports, item: Doomed) -> None:
    """Remove bytes from the store; what is not there is no error."""
    if item.upload:
        await ports.store.abort(item.key, item.upload_id)
    await ports.store.delete(item.key)


async def bury(ports: Ports, doomed: Sequence[Doomed]) -> None:
    """Remove bytes that a committed transaction doomed. What fails now, the reconciler tries again."""
    buried = []
    for item in doomed:
        try:
            await erase(ports, item)
        except (SafelightError, OSError) as error:
            log.warning("bytes not removed yet", key=item.key, reason=str(error))
        else:
            buried.append(item)
    if buried:
        await ports.db.write(lambda tx: tx.buried(buried))
