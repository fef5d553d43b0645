"""The end of an upload: the object sealed, compared with what was declared, and the photo queued for processing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from safelight.commands.record import Change, announce, bury, commit, queue
from safelight.commands.uploads import ensure_awaiting_bytes
from safelight.domain import photo as photos
from safelight.domain.checksum import Checksum
from safelight.domain.events import Recorded
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus
from safelight.errors import (
    ChecksumMismatch,
    FieldError,
    NotFound,
    PartMismatch,
    PartNumberInvalid,
    PhotoError,
    SafelightError,
    SizeMismatch,
    UploadGone,
)
from safelight.ports import Doomed, Ports, StoredObject, WriteTransaction


@dataclass(frozen=True, slots=True)
class Sent:
    """A photo whose bytes are all sent, as its client says: for a multipart upload with its id and parts."""

    photo_id: str
    upload_id: str | None = None
    parts: Sequence[tuple[int, str]] | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A photo as it was seen awaiting bytes, and its object as the store has it now."""

    photo: Photo
    stored: StoredObject
    checksum: Checksum | None = None

    @property
    def problem(self) -> PhotoError | None:
        """What is wrong with it."""
        stored, declared = self.stored, self.photo.bytes
        if stored.size != declared:
            return SizeMismatch(
                f"{stored.size:,} bytes were stored, but {declared:,} were declared."
                " Send the file again from the start."
            )
        wanted = self.checksum
        if wanted and wanted.algorithm == "crc32c" and stored.crc32c not in (None, wanted.digest):
            return ChecksumMismatch()
        return None


async def finalize(ports: Ports, user_id: str | None, sent: Sent) -> None:
    """Seal the object, compare it with what was declared, and queue the photo for processing.

    Returns once the object and the row are durable. Finalizing again what is stored changes nothing.
    """
    for problem in await finalize_all(ports, user_id, [sent]):
        if problem:
            raise problem


async def finalize_all(ports: Ports, user_id: str | None, those: Sequence[Sent]) -> list[SafelightError | None]:
    """Finalize them in one transaction. Gives what is wrong with each, in their order; it keeps no other back."""
    seen = await ports.db.read(lambda tx: [tx.photo(sent.photo_id, user_id) for sent in those])
    found = await asyncio.gather(*(_seal(ports, photo, sent) for photo, sent in zip(seen, those, strict=True)))
    problems = await _record(ports, [each for each in found if isinstance(each, Sealed)])
    return [problems.get(each.photo.id) if isinstance(each, Sealed) else each for each in found]


async def record_stored(ports: Ports, sealed: Sealed) -> None:
    """The object of a photo that awaits bytes is sealed: note it, have it processed; raises what is wrong with it."""
    problems = await _record(ports, [sealed])
    if sealed.photo.id in problems:
        raise problems[sealed.photo.id]


async def _seal(ports: Ports, photo: Photo | None, sent: Sent) -> Sealed | SafelightError | None:
    """None where it was sealed before."""
    try:
        if photo is None:
            raise NotFound
        if photo.status in (PhotoStatus.PROCESSING, PhotoStatus.COMPLETED):
            return None
        ensure_awaiting_bytes(photo)
        if photo.multipart:
            of, named = _all_parts(photo, sent)
            stored = await ports.store.complete_multipart(photo.storage_key, of, named, photo.bytes)
        else:
            stored = await ports.store.complete_single(photo.storage_key)
    except SafelightError as error:
        return error
    return Sealed(photo, stored, sent.checksum)


async def _record(ports: Ports, sealed: Sequence[Sealed]) -> dict[str, PhotoError]:
    """Note what is sealed, and have processed what is right; gives, by photo, what is not."""
    if not sealed:
        return {}
    # Of several jobs, all lock that of the least name first.
    in_order = sorted(sealed, key=lambda each: each.photo.job_id)
    recorded = await ports.db.write(lambda tx: [_store(tx, each, ports.clock()) for each in in_order])
    noted = [each for each, news in zip(in_order, recorded, strict=True) if news]
    problems = {each.photo.id: problem for each in noted if (problem := each.problem)}
    await announce(ports, [news for news in recorded if news])
    await bury(ports, [Doomed(each.photo.storage_key, upload=False) for each in noted if each.photo.id in problems])
    await queue(ports, [each.photo for each in noted if each.photo.id not in problems])
    return problems


def _store(tx: WriteTransaction, sealed: Sealed, now: int) -> Recorded | None:
    seen, stored, checksum = sealed.photo, sealed.stored, sealed.checksum
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
    if problem := sealed.problem:
        tx.doom([Doomed(seen.storage_key, upload=False)])
        changes.append((uploading, photos.fail(uploading, problem, now, bytes_usable=False)))
    else:
        after = photos.store(uploading, stored.crc32c or _crc32c(checksum), now)
        if checksum and checksum.algorithm == "sha256":
            # VERIFYING compares the content hash, so a checksum of that kind is kept there.
            after = replace(after, content_hash=str(checksum))
        changes.append((uploading, after))
    return commit(tx, job, changes, now)


def _all_parts(photo: Photo, sent: Sent) -> tuple[str, list[tuple[int, str]]]:
    """The parts in order, once it is certain that they are all there and nothing else is."""
    if photo.upload_id is None or sent.upload_id != photo.upload_id:
        raise UploadGone("This upload id is not the photo's present one. Ask for the stored parts to learn it.")
    named = dict(sent.parts or ())
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


def _crc32c(checksum: Checksum | None) -> str | None:
    return checksum.digest if checksum and checksum.algorithm == "crc32c" else None
