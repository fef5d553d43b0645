"""What users see: reads alone, each on one consistent snapshot."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from safelight.domain import plan, stall
from safelight.domain.events import encode, job_status_update, progress_update
from safelight.domain.job import Job
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus, thumbnail_key
from safelight.domain.receipt import Line, Timeline, lines
from safelight.domain.shelf import place
from safelight.errors import AlreadyStored, Conflict, FieldError, Invalid, NotFound, UploadGone
from safelight.ports import Day, Filter, Known, Page, Ports, ReadTransaction, SignedUrl, StoredPart

# Beyond so many missed events a snapshot is the shorter way to the present.
MAX_REPLAY: Final = 10_000
EVENTS_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job and its photos at one `seq`."""

    job: Job
    photos: list[Photo]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the library; `cursor` leads to the next one, None at the end."""

    photos: list[Photo]
    page: int
    size: int
    total: int
    cursor: str | None


async def jobs(
    ports: Ports, user_id: str, *, active: bool, cursor: str | None, limit: int
) -> tuple[list[Job], str | None]:
    """The caller's jobs, newest first, and the cursor of the next page."""
    before = _position(cursor)
    found = await ports.db.read(lambda tx: tx.jobs(user_id, active=active, before=before, limit=limit))
    return found, _cursor(found[-1].created_at, found[-1].id) if len(found) == limit else None


async def snapshot(ports: Ports, user_id: str, job_id: str) -> Snapshot:
    """A job with all its photos, in the order declared."""

    def work(tx: ReadTransaction) -> Snapshot:
        job = tx.job(job_id, user_id)
        if job is None:
            raise NotFound
        return Snapshot(job, tx.photos_of_job(job_id))

    return await ports.db.read(work)


async def receipt(ports: Ports, user_id: str, job_id: str) -> tuple[Job, list[Line]]:
    """A job, and a line for each of its photos, as they are at the job's `seq`."""
    found = await snapshot(ports, user_id, job_id)
    timeline = Timeline()
    after = 0
    while after < found.job.seq:
        events = await _events(ports, job_id, after)
        told = [body for seq, body in events if seq <= found.job.seq]
        if not told:
            break
        # Of ten thousand photos there are eighty thousand: not on the loop.
        await asyncio.to_thread(_tell, timeline, told)
        after = events[-1][0]
    return found.job, lines(found.photos, timeline)


async def _events(ports: Ports, job_id: str, after: int) -> list[tuple[int, str]]:
    return await ports.db.read(lambda tx: tx.events_after(job_id, after, EVENTS_AT_ONCE))


def _tell(timeline: Timeline, bodies: Sequence[str]) -> None:
    timeline.add(orjson.loads(body) for body in bodies)


async def owns_job(ports: Ports, user_id: str, job_id: str) -> bool:
    return await ports.db.read(lambda tx: tx.job(job_id, user_id)) is not None


async def stored_parts(ports: Ports, user_id: str, photo_id: str) -> tuple[Photo, list[StoredPart]]:
    """What the store has of a multipart upload; Conflict for a photo that goes as a single PUT, UploadGone where the
    upload has ended, or the store has forgotten it.
    """
    photo = await ports.db.read(lambda tx: tx.photo(photo_id, user_id))
    if photo is None:
        raise NotFound
    if not photo.multipart:
        raise Conflict("This photo goes as a single PUT; it has no parts. Send it whole.")
    if photo.stored_at is not None:
        raise AlreadyStored
    if photo.status not in AWAITING_BYTES or photo.upload_id is None:
        raise UploadGone
    return photo, await ports.store.list_parts(photo.storage_key, photo.upload_id)


async def known(ports: Ports, user_id: str, files: Sequence[tuple[str, int]]) -> list[Known]:
    """Photos of the caller's library that have the name and the size of one of these files."""
    named = [(plan.clean_name(name), size) for name, size in files]
    return await ports.db.read(lambda tx: tx.known(user_id, named))


async def library(ports: Ports, user_id: str, which: Filter, *, page: int, size: int, cursor: str | None) -> Listing:
    """One page of the caller's photos, newest first."""
    wanted = Page(size, page, _position(cursor))

    def work(tx: ReadTransaction) -> tuple[list[Photo], int]:
        return tx.library(user_id, which, wanted), tx.library_count(user_id, which)

    found, total = await ports.db.read(work)
    following = _cursor(place(found[-1], which.order), found[-1].id) if len(found) == size else None
    return Listing(found, page, size, total, following)


async def timeline(ports: Ports, user_id: str, which: Filter) -> list[Day]:
    """The days of the caller's photos, newest first."""
    return await ports.db.read(lambda tx: tx.library_days(user_id, which))


async def photo_ids(
    ports: Ports, user_id: str, which: Filter, *, cursor: str | None, limit: int
) -> tuple[list[str], str | None]:
    """The ids of the caller's photos, newest first, and the cursor of the next page."""
    wanted = Page(limit, after=_position(cursor))
    found = await ports.db.read(lambda tx: tx.library_keys(user_id, which, wanted))
    return [photo_id for _, photo_id in found], _cursor(*found[-1]) if len(found) == limit else None


async def photo(ports: Ports, user_id: str, photo_id: str) -> Photo:
    """One photo; a duplicate shows what its original is."""

    def work(tx: ReadTransaction) -> Photo:
        found = tx.photo(photo_id, user_id)
        if found is None or found.purged_at:
            raise NotFound
        return found

    return await ports.db.read(work)


async def download_url(ports: Ports, user_id: str, photo_id: str) -> SignedUrl:
    """A signed URL of the original, under the name it came with."""
    found = await photo(ports, user_id, photo_id)
    if found.duplicate_of:
        found = await photo(ports, user_id, found.duplicate_of)
    if found.stored_at is None:
        raise Conflict("The bytes of this photo are not stored, so there is nothing to download.")
    return ports.store.presign_get(
        found.storage_key,
        expires_in=ports.settings.url_minutes * 60,
        filename=found.filename,
        content_type=found.media_type,
    )


def thumbnail_url(ports: Ports, shown: Photo, size: int) -> str | None:
    """A signed URL of a thumbnail, of the original's where the photo is a duplicate; None before it is ready."""
    if shown.status is not PhotoStatus.COMPLETED:
        return None
    key = thumbnail_key(shown.duplicate_of or shown.id, size)
    lasting = ports.settings.url_minutes * 60
    return ports.store.presign_get(key, expires_in=lasting, content_type="image/webp").url


async def ended_sign_ins(ports: Ports, credentials: Collection[str]) -> set[str]:
    """Those of the credentials (ids of sessions, SHA-256 of API tokens) that are worth nothing any more."""
    now = ports.clock()

    def lasts(tx: ReadTransaction, credential: str) -> bool:
        session, token = tx.session(credential), tx.api_token(credential)
        if session is not None:
            return session.expires_at > now
        return token is not None and (token.expires_at is None or token.expires_at > now)

    return await ports.db.read(lambda tx: {each for each in credentials if not lasts(tx, each)})


async def resting(ports: Ports, photo_ids: Sequence[str]) -> list[bytes]:
    """The ProgressUpdate of those of the photos that rest, with the sentence that says so as `message`."""
    now, patience = ports.clock(), int(ports.settings.stall_seconds * 1000)
    bodies = []
    for each in await ports.db.read(lambda tx: tx.photos(photo_ids)):
        message = stall.words(each, now, patience)
        if message:
            bodies.append(encode({**progress_update(each, now), "message": message}).encode())
    return bodies


async def administers(ports: Ports, user_id: str, owner: str) -> bool:
    """Whether this user may look after the server: one of SAFELIGHT_ADMINS, or the `owner` of this very machine, who
    has no password (an account of that name made through the network has one).
    """
    user = await ports.db.read(lambda tx: tx.user(user_id))
    if user is None:
        return False
    return user.email in ports.settings.admins or (user.email == owner and user.password_hash is None)


class History:
    """What the live channel replays (realtime.hub)."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def events_after(self, job_id: str, after: int) -> list[tuple[int, bytes]] | None:
        """Every event since `after`; None where they cannot all be told: trimmed, too many, or not yet happened."""

        def work(tx: ReadTransaction) -> list[tuple[int, bytes]] | None:
            job = tx.job(job_id)
            if job is None or after > job.seq or job.seq - after > MAX_REPLAY:
                return None
            found = tx.events_after(job_id, after, MAX_REPLAY)
            if len(found) != job.seq - after:
                return None
            return [(seq, body.encode()) for seq, body in found]

        return await self._ports.db.read(work)

    async def snapshot(self, job_id: str) -> tuple[int, list[bytes]]:
        """The `seq` reached, and the present state: a ProgressUpdate a photo, the JobStatusUpdate last."""

        def work(tx: ReadTransaction) -> tuple[int, list[bytes]]:
            job = tx.job(job_id)
            if job is None:
                return 0, []
            bodies = [encode(progress_update(each, each.updated_at)).encode() for each in tx.photos_of_job(job_id)]
            return job.seq, [*bodies, _status(job)]

        return await self._ports.db.read(work)

    async def active_jobs(self, user_id: str) -> list[bytes]:
        """The JobStatusUpdate of each of the user's jobs that has not ended."""
        found: Sequence[Job] = await self._ports.db.read(
            lambda tx: tx.jobs(user_id, active=True, before=None, limit=1_000)
        )
        return [_status(job) for job in found]


def _status(job: Job) -> bytes:
    return encode({**job_status_update(job, job.updated_at), "seq": job.seq}).encode()


def _cursor(when: int, row_id: str) -> str:
    return base64.urlsafe_b64encode(f"{when}:{row_id}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> tuple[int, str] | None:
    if not cursor:
        return None
    try:
        when, row_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":", 1)
        return int(when), row_id
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise Invalid(
            "This cursor is not one that this server gave. Begin again without it.",
            errors=[FieldError("cursor", "not a cursor of this server")],
        ) from error
