"""A photo and the only ways it changes. An illegal change raises IllegalTransition (contract.md, States)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from safelight.domain import progress
from safelight.errors import NotRetryable, PhotoError


class PhotoStatus(StrEnum):
    QUEUED = "QUEUED"
    UPLOADING = "UPLOADING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Stage(StrEnum):
    """The stages of PROCESSING, in order."""

    VERIFYING = "VERIFYING"
    METADATA = "METADATA"
    THUMBNAILS = "THUMBNAILS"
    PUBLISHING = "PUBLISHING"


TERMINAL = frozenset({PhotoStatus.COMPLETED, PhotoStatus.FAILED, PhotoStatus.CANCELLED})
AWAITING_BYTES = frozenset({PhotoStatus.QUEUED, PhotoStatus.UPLOADING})
STAGE_ORDER = list(Stage)
THUMBNAIL_SIZES = (256, 1024)
_ORIGINAL = re.compile(r"originals/(ph_\w+)\.\d+", re.ASCII)


class IllegalTransition(Exception):
    """A photo was asked to go where its state does not lead."""

    def __init__(self, photo: Photo, wanted: str) -> None:
        stage = f" ({photo.stage})" if photo.stage else ""
        super().__init__(f"{photo.id}: {photo.status}{stage} does not lead to {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One file of a job. Times are Unix milliseconds, `percent` is in tenths (0–1000), sizes are bytes."""

    id: str
    job_id: str
    user_id: str
    position: int
    filename: str
    relative_path: str | None = None
    mime_type: str
    bytes: int
    last_modified: str | None = None
    content_hash: str | None = None
    probe: str | None = None
    duplicate_of: str | None = None

    status: PhotoStatus = PhotoStatus.QUEUED
    stage: Stage | None = None
    percent: int = 0
    bytes_sent: int = 0
    attempt: int = 1
    error_code: str | None = None
    error_message: str | None = None

    storage_key: str
    upload_id: str | None = None
    part_size: int | None = None
    part_count: int | None = None
    crc32c: str | None = None
    stored_at: int | None = None

    tries: int = 0
    lease_owner: str | None = None
    lease_until: int | None = None

    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    # The same on the camera's clock alone, to be sorted by (shelf.wall_clock).
    taken_ms: int | None = None
    camera: str | None = None
    exif_json: str | None = None
    thumbhash: str | None = None

    created_at: int
    updated_at: int
    completed_at: int | None = None
    deleted_at: int | None = None
    purged_at: int | None = None

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def weight(self) -> int:
        """What this photo counts in its job's percent: its KiB, so that the sums of any job fit 64 bits; an empty
        file still counts a little.
        """
        return self.bytes // 1024 + 1

    @property
    def multipart(self) -> bool:
        return self.part_count is not None


@dataclass(frozen=True, slots=True)
class Developed:
    """What processing found out about a photo. `exif` is fit for JSON, `thumbhash` is base64, the sums are hex."""

    media_type: str
    width: int
    height: int
    taken_at: str | None
    exif: dict[str, object]
    thumbhash: str
    crc32c: str
    sha256: str
    probe: str


def storage_key(photo_id: str, attempt: int) -> str:
    """Where the original lies; a repeated upload gets a place of its own, since stored bytes never change."""
    return f"originals/{photo_id}.{attempt}"


def thumbnail_key(photo_id: str, size: int) -> str:
    """Where the WebP thumbnail of at most `size` px lies."""
    return f"derived/{photo_id}/{size}.webp"


def photo_of_key(key: str) -> str | None:
    """The photo whose original has this storage key; None for any other key."""
    found = _ORIGINAL.fullmatch(key)
    return found[1] if found else None


def duplicate(photo: Photo, original: str, now: int) -> Photo:
    """A new photo whose content the library has already: complete from the start, nothing is to be sent."""
    if photo.terminal:
        return photo
    return replace(
        photo,
        duplicate_of=original,
        status=PhotoStatus.COMPLETED,
        bytes_sent=photo.bytes,
        percent=progress.DONE,
        upload_id=None,
        completed_at=now,
        updated_at=now,
    )


def receive(photo: Photo, bytes_sent: int, now: int) -> Photo:
    """Bytes have arrived: UPLOADING, with a count that never falls and never exceeds the size."""
    if photo.status not in AWAITING_BYTES:
        raise IllegalTransition(photo, "UPLOADING")
    sent = max(photo.bytes_sent, min(bytes_sent, photo.bytes))
    return replace(
        photo,
        status=PhotoStatus.UPLOADING,
        bytes_sent=sent,
        percent=max(photo.percent, progress.uploading(sent, photo.bytes)),
        updated_at=now,
    )


def begin_anew(photo: Photo, upload_id: str, now: int) -> Photo:
    """What was sent is gone, and goes again to another upload. The percent stays: within an attempt it never falls."""
    if photo.status not in AWAITING_BYTES:
        raise IllegalTransition(photo, "another upload")
    return replace(photo, upload_id=upload_id, bytes_sent=0, updated_at=now)


def store(photo: Photo, crc32c: str | None, now: int) -> Photo:
    """The object is stored whole: PROCESSING, waiting for a worker."""
    if photo.status is not PhotoStatus.UPLOADING:
        raise IllegalTransition(photo, "PROCESSING")
    return replace(
        photo,
        status=PhotoStatus.PROCESSING,
        bytes_sent=photo.bytes,
        percent=progress.STORED,
        crc32c=crc32c,
        stored_at=now,
        updated_at=now,
    )


def lease(photo: Photo, owner: str, until: int, now: int) -> Photo:
    """A worker takes the photo; stages begin again at VERIFYING while the percent stays where it was."""
    if photo.status is not PhotoStatus.PROCESSING:
        raise IllegalTransition(photo, "a lease")
    return replace(
        photo,
        stage=photo.stage or Stage.VERIFYING,
        percent=max(photo.percent, progress.at_stage(Stage.VERIFYING)),
        tries=photo.tries + 1,
        lease_owner=owner,
        lease_until=until,
        updated_at=now,
    )


def release(photo: Photo) -> Photo:
    """A worker gives the photo back unfinished."""
    return replace(photo, lease_owner=None, lease_until=None)


def enter(photo: Photo, stage: Stage, now: int) -> Photo:
    """Go to `stage`. A stage behind the present one (a task run twice) changes nothing."""
    if photo.status is not PhotoStatus.PROCESSING or photo.stage is None:
        raise IllegalTransition(photo, stage)
    if STAGE_ORDER.index(stage) <= STAGE_ORDER.index(photo.stage):
        return photo
    return replace(photo, stage=stage, percent=max(photo.percent, progress.at_stage(stage)), updated_at=now)


def complete(photo: Photo, now: int) -> Photo:
    """Everything is done and visible."""
    if photo.status is not PhotoStatus.PROCESSING or photo.stage is not Stage.PUBLISHING:
        raise IllegalTransition(photo, "COMPLETED")
    return replace(
        release(photo),
        status=PhotoStatus.COMPLETED,
        stage=None,
        percent=progress.DONE,
        completed_at=now,
        updated_at=now,
    )


def fail(photo: Photo, error: PhotoError, now: int, *, bytes_usable: bool = True) -> Photo:
    """End with a reason. Where the stored bytes are not usable, a retry will ask for them again."""
    if photo.terminal:
        raise IllegalTransition(photo, "FAILED")
    return replace(
        release(photo),
        status=PhotoStatus.FAILED,
        stage=None,
        error_code=error.code,
        error_message=error.message,
        stored_at=photo.stored_at if bytes_usable else None,
        updated_at=now,
    )


def cancel(photo: Photo, now: int) -> Photo:
    """End by the owner's wish."""
    if photo.terminal:
        raise IllegalTransition(photo, "CANCELLED")
    return replace(release(photo), status=PhotoStatus.CANCELLED, stage=None, updated_at=now)


def retry(photo: Photo, now: int) -> Photo:
    """A new attempt of a failed photo: PROCESSING where its bytes are stored, else QUEUED at a new place."""
    if photo.status is not PhotoStatus.FAILED:
        raise IllegalTransition(photo, "a retry")
    if not retryable(photo.error_code):
        raise NotRetryable
    fresh = replace(
        photo,
        stage=None,
        error_code=None,
        error_message=None,
        attempt=photo.attempt + 1,
        tries=0,
        updated_at=now,
    )
    if photo.stored_at is not None:
        return replace(fresh, status=PhotoStatus.PROCESSING, percent=progress.STORED)
    return replace(
        fresh,
        status=PhotoStatus.QUEUED,
        percent=0,
        bytes_sent=0,
        crc32c=None,
        upload_id=None,
        storage_key=storage_key(photo.id, fresh.attempt),
    )


def retryable(code: str | None) -> bool:
    """Whether another attempt could end otherwise."""
    permanent = {kind.code for kind in PhotoError.__subclasses__() if not kind.retryable}
    return code not in permanent
