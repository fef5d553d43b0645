"""One photo's upload: its URLs, its end, and its owner's change of mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from safelight.commands.jobs import retry_photos
from safelight.commands.record import Change, announce, bury, bytes_of, commit, locked, queue
from safelight.domain import photo as photos
from safelight.domain.checksum import Checksum
from safelight.domain.events import Recorded
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus
from safelight.domain.plan import Parts
from safelight.errors import (
    AlreadyStored,
    ChecksumMismatch,
    Conflict,
    FieldError,
    NotFound,
    PartMismatch,
    PartNumberInvalid,
    PhotoError,
    SizeMismatch,
    UploadGone,
)
from safelight.ports import Doomed, Ports, SignedUrl, StoredObject, WriteTransaction

log = structlog.get_logger()

# As many URLs as are signed unasked; a client asks for more just before it needs them, so that none expires unused.
FIRST_PART_URLS = 16
MAX_PART_URLS = 1_000
# How long (milliseconds) a whole single PUT rests before the server finalizes it: a client that does so itself, perhaps
# with a checksum, has had its time by then.
QUIET = 5_000


@dataclass(frozen=True, slots=True)
class PartUrl:
    """Where part `part_number` of `size` bytes is to be PUT."""

    part_number: int
    size: int
    signed: SignedUrl


@dataclass(frozen=True, slots=True)
class Urls:
    """Where a photo's bytes are to be PUT: one URL, or those of some parts."""

    single: SignedUrl | None
    parts: list[PartUrl]


def sign(ports: Ports, photo: Photo, part_numbers: Sequence[int] | None = None) -> Urls:
    """Sign the PUT of a photo that awaits bytes; for a multipart one the parts named, else the first few."""
    seconds = ports.settings.url_minutes * 60
    if not photo.multipart:
        return Urls(ports.store.presign_put(photo.storage_key, photo.bytes, expires_in=seconds), [])
    if photo.upload_id is None or photo.part_size is None or photo.part_count is None:
        raise UploadGone
    if part_numbers is None:
        part_numbers = range(1, min(photo.part_count, FIRST_PART_URLS) + 1)
    parts = Parts(photo.part_size, photo.part_count)
    urls = []
    for number in part_numbers:
        size = parts.size_of(number, photo.bytes)
        signed = ports.store.presign_part(photo.storage_key, photo.upload_id, number, size, expires_in=seconds)
        urls.append(PartUrl(number, size, signed))
    return Urls(None, urls)


async def renew_urls(ports: Ports, user_id: str, photo_id: str, part_numbers: Sequence[int] | None) -> Urls:
    """Sign more parts of a photo that awaits bytes, or sign anew what has expired."""
    photo = await _mine(ports, user_id, photo_id)
    _awaiting_bytes(photo)
    for index, number in enumerate(part_numbers or ()):
        if not 1 <= number <= (photo.part_count or 0):
            raise PartNumberInvalid(
                f"There is no part {number} in this upload; its parts run from 1 to {photo.part_count or 0}.",
                errors=[FieldError(f"partNumbers[{index}]", "no such part")],
            )
    return sign(ports, photo, part_numbers or None)


async def finalize(
    ports: Ports,
    user_id: str | None,
    photo_id: str,
    *,
    upload_id: str | None = None,
    parts: Sequence[tuple[int, str]] | None = None,
    checksum: Checksum | None = None,
) -> None:
    """Seal the object, compare it with what was declared, and queue the photo for processing.

    Returns once the object and the row are durable. Finalizing again what is stored changes nothing.
    """
    photo = await _mine(ports, user_id, photo_id)
    if photo.status in (PhotoStatus.PROCESSING, PhotoStatus.COMPLETED):
        return
    _awaiting_bytes(photo)
    if photo.multipart:
        of, named = _all_parts(photo, upload_id, parts)
        stored = await ports.store.complete_multipart(photo.storage_key, of, named, photo.bytes)
    else:
        stored = await ports.store.complete_single(photo.storage_key)
    await record_stored(ports, photo, stored, checksum)


async def record_stored(ports: Ports, photo: Photo, stored: StoredObject, checksum: Checksum | None = None) -> None:
    """The object of a photo that awaits bytes is sealed: note it, have it processed; raises what is wrong with it."""
    problem = _difference(photo, stored, checksum)
    recorded = await ports.db.write(lambda tx: _store(tx, photo, stored, checksum, problem, ports.clock()))
    if recorded is None:
        return
    await announce(ports, [recorded])
    if problem:
        await bury(ports, [Doomed(photo.storage_key, upload=False)])
        raise problem
    await queue(ports, [photo])


async def cancel_photo(ports: Ports, user_id: str, photo_id: str) -> None:
    """Cancel a photo that has not ended; a cancelled one stays so."""
    now = ports.clock()

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Doomed]] | None:
        job, photo = locked(tx, user_id, photo_id)
        if photo.status is PhotoStatus.CANCELLED:
            return None
        if photo.terminal:
            raise Conflict(f"This photo has ended ({photo.status}); there is nothing to cancel.")
        doomed = bytes_of(photo)
        tx.doom(doomed)
        return commit(tx, job, [(photo, photos.cancel(photo, now))], now), doomed

    outcome = await ports.db.write(work)
    if outcome:
        await announce(ports, [outcome[0]])
        await bury(ports, outcome[1])


async def retry_photo(ports: Ports, user_id: str, photo_id: str) -> None:
    """A new attempt of a FAILED photo; one under way already stays as it is."""
    photo = await _mine(ports, user_id, photo_id)
    if photo.status in (PhotoStatus.COMPLETED, PhotoStatus.CANCELLED):
        raise Conflict(f"This photo has ended ({photo.status}); only a FAILED one can be retried.")
    if photo.status is not PhotoStatus.FAILED:
        return
    photos.retry(photo, ports.clock())
    job = await ports.db.read(lambda tx: tx.job(photo.job_id))
    if job is None:
        raise NotFound
    await retry_photos(ports, job, [photo])


async def expire_uploads(ports: Ports, job_id: str, error: PhotoError) -> None:
    """Fail every photo of a job that still awaits bytes, and forget what was sent of it."""
    now = ports.clock()

    def work(tx: WriteTransaction) -> tuple[Recorded, list[Doomed]] | None:
        job = tx.lock_job(job_id)
        if job is None:
            return None
        resting = [photo for photo in tx.photos_of_job(job_id) if photo.status in AWAITING_BYTES]
        doomed = [item for photo in resting for item in bytes_of(photo)]
        tx.doom(doomed)
        return commit(tx, job, [(photo, photos.fail(photo, error, now)) for photo in resting], now), doomed

    outcome = await ports.db.write(work)
    if outcome:
        await announce(ports, [outcome[0]])
        await bury(ports, outcome[1])


async def _mine(ports: Ports, user_id: str | None, photo_id: str) -> Photo:
    photo = await ports.db.read(lambda tx: tx.photo(photo_id, user_id))
    if photo is None:
        raise NotFound
    return photo


def _awaiting_bytes(photo: Photo) -> None:
    if photo.status in (PhotoStatus.PROCESSING, PhotoStatus.COMPLETED):
        raise AlreadyStored
    if photo.status not in AWAITING_BYTES:
        raise UploadGone


def _all_parts(
    photo: Photo, upload_id: str | None, parts: Sequence[tuple[int, str]] | None
) -> tuple[str, list[tuple[int, str]]]:
    """The parts in order, once it is certain that they are all there and nothing else is."""
    if photo.upload_id is None or upload_id != photo.upload_id:
        raise UploadGone("This upload id is not the photo's present one. Ask for the stored parts to learn it.")
    named = dict(parts or ())
    count = photo.part_count or 0
    if beyond := sorted(number for number in named if not 1 <= number <= count):
        raise PartNumberInvalid(f"There is no part {beyond[0]} in this upload; its parts run from 1 to {count}.")
    if missing := [number for number in range(1, count + 1) if number not in named]:
        raise PartMismatch(
            f"{len(missing)} of {count} parts are missing, the first is part {missing[0]}."
            " Send them, then finalize with all parts.",
            errors=[FieldError("parts", f"part {number} is missing") for number in missing[:100]],
        )
    return photo.upload_id, sorted(named.items())


def _difference(photo: Photo, stored: StoredObject, checksum: Checksum | None) -> PhotoError | None:
    if stored.size != photo.bytes:
        return SizeMismatch(
            f"{stored.size:,} bytes were stored, but {photo.bytes:,} were declared. Send the file again from the start."
        )
    if checksum and checksum.algorithm == "crc32c" and stored.crc32c not in (None, checksum.digest):
        return ChecksumMismatch()
    return None


def _store(
    tx: WriteTransaction,
    seen: Photo,
    stored: StoredObject,
    checksum: Checksum | None,
    problem: PhotoError | None,
    now: int,
) -> Recorded | None:
    job = tx.lock_job(seen.job_id)
    before = tx.photo(seen.id)
    if job is None or before is None or before.storage_key != seen.storage_key:
        return None
    if before.status not in AWAITING_BYTES:
        if before.terminal and before.stored_at is None:
            tx.doom([Doomed(seen.storage_key, upload=False)])
        return None
    # A photo finalized before any progress was noted has been uploading nonetheless.
    uploading = photos.receive(before, before.bytes, now)
    changes: list[Change] = [(before, uploading)]
    if problem:
        tx.doom([Doomed(seen.storage_key, upload=False)])
        changes.append((uploading, photos.fail(uploading, problem, now, bytes_usable=False)))
    else:
        after = photos.store(uploading, stored.crc32c or _crc32c(checksum), now)
        if checksum and checksum.algorithm == "sha256":
            # VERIFYING compares the content hash, so a checksum of that kind is kept there.
            after = replace(after, content_hash=str(checksum))
        changes.append((uploading, after))
    return commit(tx, job, changes, now)


def _crc32c(checksum: Checksum | None) -> str | None:
    return checksum.digest if checksum and checksum.algorithm == "crc32c" else None
