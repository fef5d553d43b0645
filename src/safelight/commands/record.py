"""How every command writes: rows and events in one commit, then the news, then the bytes that are not needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from safelight.domain.events import Recorded, record
from safelight.domain.job import Job
from safelight.domain.photo import AWAITING_BYTES, Photo
from safelight.errors import NotFound
from safelight.ports import Doomed, Ports, WriteTransaction

log = structlog.get_logger()

Change = tuple[Photo | None, Photo]


def locked(tx: WriteTransaction, user_id: str | None, photo_id: str) -> tuple[Job, Photo]:
    """A photo as it stands once its job is locked, and that job. NotFound where it is not there, or another owner's."""
    seen = tx.photo(photo_id, user_id)
    job = tx.lock_job(seen.job_id) if seen else None
    photo = tx.photo(photo_id) if job else None
    if job is None or photo is None:
        raise NotFound
    return job, photo


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


async def announce(ports: Ports, recorded: Iterable[Recorded]) -> None:
    """Tell the watchers of what was committed; a message lost here is read from the table later."""
    for each in recorded:
        for event in each.events:
            body = event.body.encode()
            await ports.broker.publish(f"job.{event.job_id}", body)
            if event.job_wide:
                await ports.broker.publish(f"user.{each.job.user_id}", body)


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


async def bury(ports: Ports, doomed: Sequence[Doomed]) -> None:
    """Remove bytes that a committed transaction doomed. What fails now, the reconciler tries again."""
    buried = []
    for item in doomed:
        try:
            if item.upload:
                await ports.store.abort(item.key, item.upload_id)
            await ports.store.delete(item.key)
        except OSError as error:
            log.warning("bytes not removed yet", key=item.key, error=str(error))
        else:
            buried.append(item)
    if buried:
        await ports.db.write(lambda tx: tx.buried(buried))
