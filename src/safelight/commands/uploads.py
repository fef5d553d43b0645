"""One photo's upload: its URLs, and its owner's change of mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from safelight.commands.jobs import retry_photos
from safelight.commands.record import announce, bury, bytes_of, commit, locked
from safelight.domain import photo as photos
from safelight.domain.events import Recorded
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus
from safelight.domain.plan import Parts
from safelight.errors import (
    AlreadyStored,
    Conflict,
    FieldError,
    NotFound,
    PartNumberInvalid,
    PhotoError,
    UploadGone,
)
from safelight.ports import Doomed, Ports, SignedUrl, WriteTransaction

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
    ensure_awaiting_bytes(photo)
    for index, number in enumerate(part_numbers or ()):
        if not 1 <= number <= (photo.part_count or 0):
            raise PartNumberInvalid(
                f"There is no part {number} in this upload; its parts run from 1 to {photo.part_count or 0}.",
                errors=[FieldError(f"partNumbers[{index}]", "no such part")],
            )
    return sign(ports, photo, part_numbers or None)


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


def ensure_awaiting_bytes(photo: Photo) -> None:
    """AlreadyStored or UploadGone where there is nothing to be sent of it."""
    if photo.status in (PhotoStatus.PROCESSING, PhotoStatus.COMPLETED):
        raise AlreadyStored
    if photo.status not in AWAITING_BYTES:
        raise UploadGone
