"""Uploads of which row and store say different things. The store's word counts: it has the bytes, or has them not."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from safelight.commands.record import commit, locked
from safelight.commands.sealing import Sealed, Sent, finalize, record_stored
from safelight.domain import photo as photos
from safelight.domain.photo import AWAITING_BYTES, Photo
from safelight.domain.plan import Parts
from safelight.errors import UploadGone
from safelight.ports import Ports, StoredPart, WriteTransaction


class Astray(StrEnum):
    """How an upload can have gone astray, in words."""

    SEALED = "its object is sealed in the store, which was not recorded"
    WHOLE = "every part of it has arrived, and nobody finalizes it"
    FORGOTTEN = "the store has forgotten its upload"


async def look(ports: Ports, photo: Photo) -> Astray | None:
    """How the upload of a photo that awaits bytes has gone astray; None where it simply goes on, or rests."""
    if photo.multipart:
        try:
            parts = await ports.store.list_parts(photo.storage_key, photo.upload_id) if photo.upload_id else None
        except UploadGone:
            parts = None
        if parts is not None:
            return Astray.WHOLE if _whole(photo, parts) else None
    if await ports.store.head(photo.storage_key):
        return Astray.SEALED
    return Astray.FORGOTTEN if photo.multipart else None


async def mend(ports: Ports, photo_id: str) -> bool:
    """Set right what has gone astray with a photo's upload, as it stands now; whether there was anything.

    A PhotoError where its bytes turn out to be wrong: then the photo has FAILED with that.
    """
    photo = await ports.db.read(lambda tx: tx.photo(photo_id))
    if photo is None or photo.status not in AWAITING_BYTES:
        return False
    how = await look(ports, photo)
    if how is Astray.SEALED and (stored := await ports.store.head(photo.storage_key)):
        await record_stored(ports, Sealed(photo, stored))
    elif how is Astray.WHOLE and photo.upload_id:
        parts = await ports.store.list_parts(photo.storage_key, photo.upload_id)
        named = [(part.part_number, part.etag) for part in parts]
        await finalize(ports, None, Sent(photo.id, photo.upload_id, named))
    elif how is Astray.FORGOTTEN:
        await _begin_anew(ports, photo)
    return how is not None


async def _begin_anew(ports: Ports, seen: Photo) -> None:
    """Another upload for the same photo; where somebody else has been quicker, theirs stays."""
    upload_id = await ports.store.create_multipart(seen.storage_key, seen.part_size or seen.bytes)

    def work(tx: WriteTransaction) -> bool:
        job, photo = locked(tx, None, seen.id)
        if (photo.storage_key, photo.upload_id) != (seen.storage_key, seen.upload_id):
            return False
        if photo.status not in AWAITING_BYTES:
            return False
        now = ports.clock()
        commit(tx, job, [(photo, photos.begin_anew(photo, upload_id, now))], now)
        return True

    if not await ports.db.write(work):
        await ports.store.abort(seen.storage_key, upload_id)


def _whole(photo: Photo, parts: Sequence[StoredPart]) -> bool:
    plan = Parts(photo.part_size or photo.bytes, photo.part_count or 1)
    wanted = {number: plan.size_of(number, photo.bytes) for number in range(1, plan.count + 1)}
    return {part.part_number: part.size for part in parts} == wanted
