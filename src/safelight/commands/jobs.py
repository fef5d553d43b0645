"""Jobs: declared, grown, cancelled, retried."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import orjson

from safelight.commands.record import Change, announce, bury, bytes_of, commit, queue
from safelight.domain import photo as photos
from safelight.domain import plan
from safelight.domain.events import Recorded
from safelight.domain.job import Job
from safelight.domain.photo import Photo, PhotoStatus
from safelight.errors import IdempotencyMismatch, NotFound
from safelight.ids import new_id
from safelight.ports import Doomed, Ports, WriteTransaction

DAY = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as a client declares it; `bytes` is its size."""

    filename: str
    mime_type: str
    bytes: int
    relative_path: str | None = None
    last_modified: str | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A job and the photos that one call added to it, in the order of the call."""

    job: Job
    photos: list[Photo]


async def create_job(
    ports: Ports,
    user_id: str,
    files: Sequence[File],
    *,
    expected_count: int | None = None,
    idempotency_key: str | None = None,
) -> Declared:
    """Declare a job with its first files. The same key and body again give the same job.

    A file that can never become a photo gets a row that FAILED with the reason; the others are unharmed.
    """
    request = _request_hash(files, expected_count) if idempotency_key else None
    if idempotency_key:
        known = await ports.db.read(lambda tx: tx.job_of_key(user_id, idempotency_key))
        if known:
            return await _again(ports, known, request, len(files))
    now = ports.clock()
    job = Job(
        id=new_id("job"),
        user_id=user_id,
        expected_count=expected_count,
        idempotency_key=idempotency_key,
        request_hash=request,
        created_at=now,
        updated_at=now,
        expires_at=now + ports.settings.upload_days * DAY,
    )
    rows = await _rows(ports, job, files, first=0)

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Photo]] | Job:
        if idempotency_key and (known := tx.job_of_key(user_id, idempotency_key)):
            return known
        tx.add_job(job)
        born = _born(tx, rows, now)
        return commit(tx, job, [(None, photo) for photo in born], now), born

    outcome = await ports.db.write(work)
    if isinstance(outcome, Job):
        return await _again(ports, outcome, request, len(files))
    recorded, born = outcome
    await announce(ports, [recorded])
    return Declared(recorded.job, born)


async def add_files(ports: Ports, user_id: str, job_id: str, files: Sequence[File]) -> Declared:
    """Declare more files of a job; a job that had ended is open again."""
    now = ports.clock()
    job = await ports.db.read(lambda tx: tx.job(job_id, user_id))
    if job is None:
        raise NotFound
    rows = await _rows(ports, job, files, first=job.total_count)

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Photo]]:
        current = tx.lock_job(job_id, user_id)
        if current is None:
            raise NotFound
        placed = [replace(row, position=current.total_count + i) for i, row in enumerate(rows)]
        born = _born(tx, placed, now)
        open_until = replace(current, expires_at=now + ports.settings.upload_days * DAY)
        return commit(tx, current, [(None, photo) for photo in born], now, amended=open_until), born

    recorded, born = await ports.db.write(work)
    await announce(ports, [recorded])
    return Declared(recorded.job, born)


async def cancel_job(ports: Ports, user_id: str, job_id: str) -> None:
    """Cancel every photo that has not ended. A job that has ended stays as it is."""
    now = ports.clock()

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Doomed]]:
        job = tx.lock_job(job_id, user_id)
        if job is None:
            raise NotFound
        # Nothing more is expected of a cancelled job, whatever was announced.
        closed = replace(job, expected_count=None)
        open_photos = [photo for photo in tx.photos_of_job(job_id) if not photo.terminal]
        doomed = [item for photo in open_photos for item in bytes_of(photo)]
        tx.doom(doomed)
        changes: list[Change] = [(photo, photos.cancel(photo, now)) for photo in open_photos]
        return commit(tx, job, changes, now, amended=closed), doomed

    recorded, doomed = await ports.db.write(work)
    await announce(ports, [recorded])
    await bury(ports, doomed)


async def retry_job(ports: Ports, user_id: str, job_id: str) -> None:
    """Retry every FAILED photo that another attempt could save; the others stay as they are."""
    job = await ports.db.read(lambda tx: tx.job(job_id, user_id))
    if job is None:
        raise NotFound
    failed = [
        photo
        for photo in await ports.db.read(lambda tx: tx.photos_of_job(job_id))
        if photo.status is PhotoStatus.FAILED and photos.retryable(photo.error_code)
    ]
    await retry_photos(ports, job, failed)


async def retry_photos(ports: Ports, job: Job, failed: Sequence[Photo]) -> None:
    """A new attempt of these failed photos of one job, in one commit."""
    now = ports.clock()
    uploads = await _uploads(ports, [photo for photo in failed if photo.stored_at is None and photo.multipart])

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Photo], list[Doomed]]:
        current = tx.lock_job(job.id)
        if current is None:
            raise NotFound
        changes: list[Change] = []
        doomed: list[Doomed] = []
        for before in tx.photos([photo.id for photo in failed]):
            if before.status is not PhotoStatus.FAILED:
                continue
            after = photos.retry(before, now)
            if after.storage_key != before.storage_key:
                after = replace(after, upload_id=uploads.get(before.id))
                doomed.append(Doomed(before.storage_key, upload=True, upload_id=before.upload_id))
            changes.append((before, after))
        tx.doom(doomed)
        reopened = replace(current, expires_at=now + ports.settings.upload_days * DAY)
        return commit(tx, current, changes, now, amended=reopened), [after for _, after in changes], doomed

    recorded, fresh, doomed = await ports.db.write(work)
    await announce(ports, [recorded])
    await queue(ports, [photo for photo in fresh if photo.status is PhotoStatus.PROCESSING])
    await bury(ports, doomed)


async def close_declaration(ports: Ports, job_id: str) -> None:
    """Expect no more files than were declared: the announced rest never came."""
    now = ports.clock()

    def work(tx: WriteTransaction) -> Recorded | None:
        job = tx.lock_job(job_id)
        if job is None or job.terminal:
            return None
        return commit(tx, job, [], now, amended=replace(job, expected_count=job.total_count))

    recorded = await ports.db.write(work)
    if recorded:
        await announce(ports, [recorded])


async def _rows(ports: Ports, job: Job, files: Sequence[File], *, first: int) -> list[Photo]:
    now = ports.clock()
    rows = []
    for offset, file in enumerate(files):
        photo_id = new_id("ph")
        parts = plan.parts(file.bytes)
        name = plan.clean_name(file.filename)
        row = Photo(
            id=photo_id,
            job_id=job.id,
            user_id=job.user_id,
            position=first + offset,
            filename=name,
            relative_path=plan.clean_path(file.relative_path),
            mime_type=file.mime_type,
            bytes=file.bytes,
            last_modified=file.last_modified,
            content_hash=file.content_hash,
            storage_key=photos.storage_key(photo_id, 1),
            part_size=parts.size if parts else None,
            part_count=parts.count if parts else None,
            created_at=now,
            updated_at=now,
        )
        refusal = plan.refusal(name, file.mime_type, file.bytes, ports.settings.max_file_bytes)
        rows.append(photos.fail(row, refusal, now) if refusal else row)
    uploads = await _uploads(ports, [row for row in rows if row.multipart and not row.terminal])
    return [replace(row, upload_id=uploads.get(row.id)) for row in rows]


async def _uploads(ports: Ports, multiparts: Sequence[Photo]) -> dict[str, str]:
    """A fresh multipart upload in the store for each of these photos, by photo id."""

    async def begin(photo: Photo) -> tuple[str, str]:
        key = photo.storage_key
        if photo.terminal:
            key = photos.storage_key(photo.id, photo.attempt + 1)
        return photo.id, await ports.store.create_multipart(key, photo.part_size or photo.bytes)

    try:
        async with asyncio.TaskGroup() as group:
            begun = [group.create_task(begin(photo)) for photo in multiparts]
    except ExceptionGroup as failed:
        # The others are given up with the first; what began of them is swept, as an upload that nobody waits for.
        raise failed.exceptions[0] from failed
    return dict(task.result() for task in begun)


def _born(tx: WriteTransaction, rows: Sequence[Photo], now: int) -> list[Photo]:
    """Rows as they enter the job: one whose content is in the library already is complete from the start."""
    hashes = [row.content_hash for row in rows if row.content_hash]
    originals = tx.originals(rows[0].user_id, hashes) if hashes else {}
    return [
        photos.duplicate(row, originals[row.content_hash], now) if row.content_hash in originals else row
        for row in rows
    ]


async def _again(ports: Ports, job: Job, request: str | None, count: int) -> Declared:
    if job.request_hash != request:
        raise IdempotencyMismatch
    rows = await ports.db.read(lambda tx: tx.photos_of_job(job.id))
    return Declared(job, rows[:count])


def _request_hash(files: Sequence[File], expected_count: int | None) -> str:
    body = orjson.dumps([expected_count, [asdict(file) for file in files]])
    return hashlib.sha256(body).hexdigest()
