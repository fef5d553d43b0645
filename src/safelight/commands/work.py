"""What a worker does to a photo: take it, move it through its stages, end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import structlog

from safelight.commands.record import Change, announce, bury, commit
from safelight.domain import photo as photos
from safelight.domain.events import Recorded
from safelight.domain.photo import Developed, IllegalTransition, Photo, PhotoStatus, Stage
from safelight.domain.shelf import camera_of, wall_clock
from safelight.errors import DecoderCrashed, PhotoError
from safelight.ports import Doomed, Ports, Task, WriteTransaction

log = structlog.get_logger()

MAX_TRIES = 3


async def claim(ports: Ports, task: Task, owner: str) -> Photo | None:
    """Lease the photo of a task and begin VERIFYING; None where there is nothing (more) to do.

    A photo that was taken three times and never finished fails here.
    """
    now = ports.clock()
    until = now + ports.settings.lease_seconds * 1000

    def change(photo: Photo) -> Photo | None:
        if photo.status is not PhotoStatus.PROCESSING or photo.attempt != task.attempt:
            return None
        if photo.lease_until is not None and photo.lease_until > now:
            return None
        if photo.tries >= MAX_TRIES:
            return photos.fail(photo, DecoderCrashed(), now)
        return photos.lease(photo, owner, until, now)

    photo = await _change(ports, task.photo_id, task.job_id, change)
    return photo if photo and photo.status is PhotoStatus.PROCESSING else None


async def enter(ports: Ports, moves: Sequence[tuple[Photo, Stage]], owner: str) -> set[str]:
    """Take photos to stages, in order, in one commit; returns the photos that are no longer this worker's
    (cancelled, or their lease was lost).
    """
    now = ports.clock()

    def work(tx: WriteTransaction) -> tuple[list[Recorded], set[str]]:
        recorded, lost = [], set()
        for job_id in sorted({photo.job_id for photo, _ in moves}):
            job = tx.lock_job(job_id)
            leased = {photo.id: photo for photo, _ in moves if photo.job_id == job_id}
            current = {photo.id: photo for photo in tx.photos(list(leased))}
            held = {key for key, photo in current.items() if _holds(photo, leased[key], owner)}
            lost |= leased.keys() - held
            changes: list[Change] = []
            for photo, stage in moves:
                if photo.id in held:
                    before = current[photo.id]
                    current[photo.id] = photos.enter(before, stage, now)
                    changes.append((before, current[photo.id]))
            if job is not None and changes:
                recorded.append(commit(tx, job, changes, now))
        return recorded, lost

    recorded, lost = await ports.db.write(work)
    await announce(ports, recorded)
    return lost


async def publish(ports: Ports, photo: Photo, developed: Developed, owner: str) -> bool:
    """PUBLISHING and COMPLETED in one commit: the photo is in the library the moment it says so."""
    now = ports.clock()

    def work(tx: WriteTransaction) -> Recorded | None:
        job = tx.lock_job(photo.job_id)
        before = tx.photo(photo.id)
        if job is None or before is None or not _holds(before, photo, owner):
            return None
        publishing = replace(
            photos.enter(before, Stage.PUBLISHING, now),
            media_type=developed.media_type,
            width=developed.width,
            height=developed.height,
            taken_at=developed.taken_at,
            taken_ms=wall_clock(developed.taken_at),
            camera=camera_of(developed.exif),
            exif_json=orjson.dumps(developed.exif).decode(),
            thumbhash=developed.thumbhash,
            crc32c=developed.crc32c,
            content_hash=f"sha256:{developed.sha256}",
            probe=developed.probe,
        )
        return commit(tx, job, [(before, publishing), (publishing, photos.complete(publishing, now))], now)

    recorded = await ports.db.write(work)
    if recorded:
        await announce(ports, [recorded])
    return recorded is not None


async def fail(ports: Ports, photo: Photo, error: PhotoError, owner: str, *, bytes_usable: bool) -> None:
    """End the attempt with a reason; unusable bytes are forgotten, so that a retry sends them again."""
    now = ports.clock()
    doomed = [] if bytes_usable else [Doomed(photo.storage_key, upload=False)]

    def change(current: Photo) -> Photo | None:
        if not _holds(current, photo, owner):
            return None
        return photos.fail(current, error, now, bytes_usable=bytes_usable)

    failed = await _change(ports, photo.id, photo.job_id, change, doomed)
    if failed and doomed:
        await bury(ports, doomed)


async def renew(ports: Ports, photo_ids: list[str], owner: str) -> None:
    """Keep the leases of photos in hand for another full length."""
    until = ports.clock() + ports.settings.lease_seconds * 1000
    await ports.db.write(lambda tx: tx.renew_leases(owner, photo_ids, until))


async def give_back(ports: Ports, photo: Photo, owner: str, *, counted: bool) -> None:
    """Let another worker, or the next try, take the photo at once. `counted`: this try was the photo's own doing."""

    def change(current: Photo) -> Photo | None:
        if not _holds(current, photo, owner):
            return None
        return replace(photos.release(current), tries=current.tries - (not counted))

    await _change(ports, photo.id, photo.job_id, change)


def _holds(current: Photo, leased: Photo, owner: str) -> bool:
    return (
        current.status is PhotoStatus.PROCESSING and current.attempt == leased.attempt and current.lease_owner == owner
    )


async def _change(
    ports: Ports,
    photo_id: str,
    job_id: str,
    change: Callable[[Photo], Photo | None],
    doomed: list[Doomed] | None = None,
) -> Photo | None:
    """Apply a change in a transaction of its own, then tell of it; None where the change had nothing to do."""

    def work(tx: WriteTransaction) -> tuple[Photo, Recorded] | None:
        job = tx.lock_job(job_id)
        before = tx.photo(photo_id)
        if before is None or job is None:
            return None
        try:
            after = change(before)
        except IllegalTransition as error:
            log.warning("ignored", reason=str(error), photo=photo_id)
            return None
        if after is None:
            return None
        tx.doom(doomed or [])
        changes: list[Change] = [(before, after)] if after != before else []
        return after, commit(tx, job, changes, ports.clock())

    outcome = await ports.db.write(work)
    if outcome is None:
        return None
    await announce(ports, [outcome[1]])
    return outcome[0]
