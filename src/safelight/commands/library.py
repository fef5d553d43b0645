"""The library: into the trash, back, and gone for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from safelight.commands.record import bury, locked
from safelight.domain.photo import THUMBNAIL_SIZES, Photo, thumbnail_key
from safelight.errors import Conflict, NotFound
from safelight.ports import Doomed, Ports, WriteTransaction


async def trash(ports: Ports, user_id: str, photo_id: str) -> None:
    """Put a photo that has ended into the trash; doing so again changes nothing."""

    def change(photo: Photo) -> Photo:
        if not photo.terminal:
            raise Conflict("This photo is still on its way. Cancel it first, or wait until it is done.")
        return photo if photo.deleted_at else replace(photo, deleted_at=ports.clock())

    await _change(ports, user_id, photo_id, change)


async def restore(ports: Ports, user_id: str, photo_id: str) -> None:
    """Take a photo out of the trash; one that is not in it stays where it is."""
    await _change(ports, user_id, photo_id, lambda photo: replace(photo, deleted_at=None))


async def remove(ports: Ports, user_id: str | None, photo_id: str) -> None:
    """Delete a photo's bytes and derived files for good. Its row stays, so that the job's account is whole."""

    def work(tx: WriteTransaction) -> list[Doomed]:
        _, photo = locked(tx, user_id, photo_id)
        if photo.purged_at:
            return []
        if not photo.terminal:
            raise Conflict("This photo is still on its way. Cancel it first, or wait until it is done.")
        now = ports.clock()
        tx.save_photos([(photo, replace(photo, deleted_at=photo.deleted_at or now, purged_at=now))])
        doomed = [Doomed(thumbnail_key(photo.id, size), upload=False) for size in THUMBNAIL_SIZES]
        if not photo.duplicate_of:
            doomed.append(Doomed(photo.storage_key, upload=False))
        tx.doom(doomed)
        return doomed

    doomed = await ports.db.write(work)
    if doomed:
        await bury(ports, doomed)


async def _change(ports: Ports, user_id: str, photo_id: str, change: Callable[[Photo], Photo]) -> None:
    def work(tx: WriteTransaction) -> None:
        _, photo = locked(tx, user_id, photo_id)
        if photo.purged_at:
            raise NotFound
        tx.save_photos([(photo, change(photo))])

    await ports.db.write(work)
