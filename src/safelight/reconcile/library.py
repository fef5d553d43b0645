"""What is kept: photos without a worker, stored bytes that are gone, and all that is past its time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from safelight.commands.library import remove
from safelight.commands.record import erase
from safelight.domain.photo import THUMBNAIL_SIZES, Photo, thumbnail_key
from safelight.ports import Doomed, Ports, Task
from safelight.reconcile.finding import BATCH, DAY, Act, Finding, Page, following, span

log = structlog.get_logger()

# The audit reads the whole library, over and over: so many photos a round at most, and no longer than so many seconds.
# (For the disk store that means reading every byte, which finds those that have rotted as well.)
AUDITED: Final = 100
AUDIT_SECONDS: Final = 2.0
# How long (milliseconds) a photo has waited before its task is taken for lost rather than just queued.
UNHEARD: Final = 5_000


async def unattended(ports: Ports, after: str) -> Page:
    """Photos stored but with no worker on them: their task was lost, or their worker died, or they merely wait."""
    now = ports.clock()
    photos = await ports.db.read(lambda tx: tx.unleased(now, now - UNHEARD, after, BATCH))
    findings = [
        Finding(photo.id, _silence(photo, now), "queue it again", partial(_queue, ports, photo)) for photo in photos
    ]
    return Page(findings, following([photo.id for photo in photos], BATCH))


async def audit(ports: Ports, after: str) -> Page:
    """Photos of the library whose bytes the store no longer has as they were verified."""
    photos = await ports.db.read(lambda tx: tx.completed(after, AUDITED))
    until = asyncio.get_running_loop().time() + AUDIT_SECONDS
    findings: list[Finding] = []
    # One after the other: this has all the time in the world, and those who upload have not.
    for photo in photos:
        if found := await _missing(ports, photo):
            findings.append(found)
        if asyncio.get_running_loop().time() > until and photo is not photos[-1]:
            return Page(findings, photo.id)
    return Page(findings, following([photo.id for photo in photos], AUDITED))


async def doomed(ports: Ports, after: str) -> Page:
    """Bytes that no row needs and whose removal was interrupted."""
    items = await ports.db.read(lambda tx: tx.doomed(after, BATCH))
    acts = {item.key: partial(_bury, ports, item) for item in items}
    return _alike(acts, "nothing needs these bytes any more", "remove them")


async def trash(ports: Ports, after: str) -> Page:
    """What has lain in the trash past its time."""
    days = ports.settings.trash_days
    limit = ports.clock() - days * DAY
    photos = await ports.db.read(lambda tx: tx.trashed_before(limit, after, BATCH))
    acts = {photo.id: partial(_remove, ports, photo) for photo in photos}
    return _alike(acts, f"it has been in the trash for more than {days} days", "delete it for good")


async def events(ports: Ports, after: str) -> Page:
    """Events of jobs that ended long ago."""
    days = ports.settings.event_days
    before = ports.clock() - days * DAY
    jobs = await ports.db.read(lambda tx: tx.jobs_with_old_events(before, after, BATCH))
    acts = {job: partial(_trim, ports, job, before) for job in jobs}
    return _alike(acts, f"it ended more than {days} days ago", "forget its events")


async def sign_ins(ports: Ports, after: str) -> Page:  # noqa: ARG001 - they are forgotten all at once
    """Sign-ins and one-time links that nobody can use any more."""
    now = ports.clock()
    count = await ports.db.read(lambda tx: tx.expired_sign_ins(now))
    if not count:
        return Page([])
    return Page([Finding("sign-ins", f"{count} have expired", "forget them", partial(_forget, ports, now))])


def _alike(acts: Mapping[str, Act], wrong: str, remedy: str) -> Page:
    """A look whose findings differ in nothing but their subject."""
    findings = [Finding(subject, wrong, remedy, act) for subject, act in acts.items()]
    return Page(findings, following(list(acts), BATCH))


def _silence(photo: Photo, now: int) -> str:
    if photo.lease_until is not None:
        return f"its worker has been silent for {span(now - photo.updated_at)}"
    return f"it is stored, and without a worker for {span(now - photo.updated_at)}"


async def _missing(ports: Ports, photo: Photo) -> Finding | None:
    """What is wrong with the stored bytes of a COMPLETED photo. It stays COMPLETED: what was true once, and told, is
    not taken back. Its thumbnails can be made again, its original cannot.
    """
    stored = await ports.store.head(photo.storage_key)
    wrong = None
    if stored is None:
        wrong = "its original is gone from the store"
    elif stored.size != photo.bytes:
        wrong = f"its original has {stored.size:,} bytes in the store, where {photo.bytes:,} were verified"
    elif stored.crc32c and photo.crc32c and stored.crc32c != photo.crc32c:
        wrong = "its original has changed in the store since it was verified"
    if wrong:
        now = await ports.db.read(lambda tx: tx.photo(photo.id))
        deleted = now is None or now.purged_at is not None
        return None if deleted else Finding(photo.id, wrong, "restore it from a backup", partial(_cry, photo, wrong))
    for size in THUMBNAIL_SIZES:
        if await ports.store.head(thumbnail_key(photo.id, size)) is None:
            wrong = f"its thumbnail of {size} px is gone from the store"
            return Finding(photo.id, wrong, "have it made again", partial(_queue, ports, photo))
    return None


async def _cry(photo: Photo, wrong: str) -> bool:
    log.error(
        "a photo of the library is damaged: restore it from a backup",
        photo=photo.id,
        key=photo.storage_key,
        wrong=wrong,
    )
    return False


async def _queue(ports: Ports, photo: Photo) -> bool:
    await ports.broker.enqueue(Task(photo.id, photo.job_id, photo.attempt))
    return True


async def _bury(ports: Ports, item: Doomed) -> bool:
    await erase(ports, item)
    await ports.db.write(lambda tx: tx.buried([item]))
    return True


async def _remove(ports: Ports, photo: Photo) -> bool:
    await remove(ports, None, photo.id)
    return True


async def _trim(ports: Ports, job_id: str, before: int) -> bool:
    return bool(await ports.db.write(lambda tx: tx.trim_events(job_id, before)))


async def _forget(ports: Ports, now: int) -> bool:
    await ports.db.write(lambda tx: tx.forget_expired(now))
    return True
