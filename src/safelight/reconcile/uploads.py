"""Uploads: arrived but not finalized, gone astray, wanted by nobody, past their deadline."""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog

from safelight.commands import astray
from safelight.commands.astray import Astray
from safelight.commands.jobs import close_declaration
from safelight.commands.sealing import Sent, finalize
from safelight.commands.uploads import QUIET, expire_uploads
from safelight.domain.job import Job
from safelight.domain.photo import AWAITING_BYTES, Photo, photo_of_key
from safelight.errors import NotUploaded, PhotoError, UploadExpired
from safelight.ports import Ports, ReadTransaction
from safelight.reconcile.finding import BATCH, Finding, Page, at_once, following, span

log = structlog.get_logger()

# Milliseconds without news after which an upload is compared with the store, and how many are in one round: each
# costs the store a call or two.
REST: Final = 10 * 60 * 1000
COMPARED: Final = 100
# Jobs past their deadline that are looked at in one round, each with all its photos.
OVERDUE: Final = 50
# How old (milliseconds) an upload without a row must be before it is an orphan rather than one just being declared.
ORPHAN_AGE: Final = 3600 * 1000

_REMEDIES: Final = {
    Astray.SEALED: "record it and process it",
    Astray.WHOLE: "finalize it for its client",
    Astray.FORGOTTEN: "begin another upload for it",
}


async def arrived(ports: Ports, after: str) -> Page:
    """Single PUTs that arrived whole, whose client never finalized (some never do)."""
    quiet = ports.clock() - QUIET
    if not await ports.db.read(lambda tx: tx.awaiting_bytes(quiet, "", 1)):
        return Page([])
    listed = await ports.store.list_uploads()
    keys = sorted(key for key, upload, when in listed if upload is None and when <= quiet and key > after)[:BATCH]
    wanted = {(photo.storage_key, None): photo for photo in await _waiting(ports, keys) if photo.updated_at <= quiet}
    findings = [
        Finding(
            wanted[key, None].id,
            "all its bytes have arrived, and nobody finalizes it",
            "finalize it for its client",
            partial(_finalize, ports, wanted[key, None]),
        )
        for key in keys
        if (key, None) in wanted
    ]
    return Page(findings, following(keys, BATCH))


async def strayed(ports: Ports, after: str) -> Page:
    """Uploads that rest, and of which the store says something else than their row."""
    resting = ports.clock() - REST
    photos = await ports.db.read(lambda tx: tx.awaiting_bytes(resting, after, COMPARED))
    looks = await at_once(partial(astray.look, ports), photos)
    findings = [
        Finding(photo.id, how, _REMEDIES[how], partial(_mend, ports, photo))
        for photo, how in zip(photos, looks, strict=True)
        if how
    ]
    return Page(findings, following([photo.id for photo in photos], COMPARED))


async def orphans(ports: Ports, after: str) -> Page:
    """Uploads in the store that no photo waits for. Keys that Safelight did not make are not its business."""
    now = ports.clock()
    listed = {
        f"{key}\n{upload or ''}": (key, upload, when)
        for key, upload, when in await ports.store.list_uploads()
        if when < now - ORPHAN_AGE and photo_of_key(key)
    }
    places = sorted(place for place in listed if place > after)[:BATCH]
    seen = [listed[place] for place in places]
    wanted = {(photo.storage_key, photo.upload_id) for photo in await _waiting(ports, [key for key, _, _ in seen])}
    findings = [
        Finding(
            key,
            f"no photo waits for this upload, which is {span(now - when)} old",
            "abort it",
            partial(_abort, ports, key, upload),
        )
        for key, upload, when in seen
        if (key, upload) not in wanted
    ]
    return Page(findings, following(places, BATCH))


async def overdue(ports: Ports, after: str) -> Page:
    """Uploads past their deadline, and announced files that never came."""
    now = ports.clock()

    def work(tx: ReadTransaction) -> tuple[list[str], list[tuple[Job, int]]]:
        jobs = tx.overdue(now, after, OVERDUE)
        unsent = [sum(photo.status in AWAITING_BYTES for photo in tx.photos_of_job(job.id)) for job in jobs]
        return [job.id for job in jobs], list(zip(jobs, unsent, strict=True))

    ids, found = await ports.db.read(work)
    findings = [
        Finding(
            job.id,
            f"{unsent} of its photos were not sent in time, {max(0, (job.expected_count or 0) - job.total_count)}"
            " not even declared",
            "give them up",
            partial(_expire, ports, job),
        )
        for job, unsent in found
        # One whose photos are all being processed ends by itself.
        if unsent or (job.expected_count or 0) > job.total_count
    ]
    return Page(findings, following(ids, OVERDUE))


async def _waiting(ports: Ports, keys: list[str]) -> list[Photo]:
    """The photos of these keys that await bytes."""
    ids = [photo_id for key in keys if (photo_id := photo_of_key(key))]
    return [photo for photo in await ports.db.read(lambda tx: tx.photos(ids)) if photo.status in AWAITING_BYTES]


async def _finalize(ports: Ports, photo: Photo) -> bool:
    try:
        await finalize(ports, None, Sent(photo.id))
    except NotUploaded:
        return False  # cancelled or expired since, and its bytes with it
    except PhotoError as error:
        log.info("finalized for its client, and refused", photo=photo.id, code=error.code)
    return True


async def _mend(ports: Ports, photo: Photo) -> bool:
    try:
        return await astray.mend(ports, photo.id)
    except PhotoError as error:
        log.info("finalized for its client, and refused", photo=photo.id, code=error.code)
        return True


async def _abort(ports: Ports, key: str, upload_id: str | None) -> bool:
    await ports.store.abort(key, upload_id)
    return True


async def _expire(ports: Ports, job: Job) -> bool:
    await expire_uploads(ports, job.id, UploadExpired())
    await close_declaration(ports, job.id)
    return True
