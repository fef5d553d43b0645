"""The library: into the trash, back, and gone for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from safelight.commands.record import bury, locked
from safelight.domain.photo import THUMBNAIL_SIZES, Photo, thumbnail_key
from safelight.errors import Conflict, NotFound
from safelight.ports import Doomed, Ports, WriteTransaction

UNDER_WAY: Final = "This photo is still on its way. Cancel it first, or wait until it is done."


async def trash(ports: Ports, user_id: str, photo_id: str) -> None:
    """Put a photo that has ended into the trash; doing so again changes nothing."""

    def change(photo: Photo) -> Photo:
        if not photo.terminal:
            raise Conflict(UNDER_WAY)
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
            raise Conflict(UNDER_WAY)
        return _purge(tx, [photo], ports.clock())

    doomed = await ports.db.write(work)
    if doomed:
        await bury(ports, doomed)


async def trash_many(ports: Ports, user_id: str, photo_ids: Sequence[str]) -> list[str]:
    """Put the user's photos that have ended into the trash, in one commit; returns those of them that are in it now."""

    def work(tx: WriteTransaction) -> list[str]:
        ended = [photo for photo in _locked(tx, user_id, photo_ids) if photo.terminal]
        now = ports.clock()
        tx.save_photos([(photo, replace(photo, deleted_at=photo.deleted_at or now)) for photo in ended])
        return [photo.id for photo in ended]

    return await ports.db.write(work)


async def restore_many(ports: Ports, user_id: str, photo_ids: Sequence[str]) -> list[str]:
    """Take photos out of the trash, in one commit; returns those that are not in it now."""

    def work(tx: WriteTransaction) -> list[str]:
        there = _locked(tx, user_id, photo_ids)
        tx.save_photos([(photo, replace(photo, deleted_at=None)) for photo in there])
        return [photo.id for photo in there]

    return await ports.db.write(work)


async def remove_many(ports: Ports, user_id: str, photo_ids: Sequence[str]) -> list[str]:
    """Delete photos that are in the trash for good, with their bytes; returns those that are gone now."""

    def work(tx: WriteTransaction) -> tuple[list[str], list[Doomed]]:
        trashed = [photo for photo in _locked(tx, user_id, photo_ids) if photo.deleted_at]
        return [photo.id for photo in trashed], _purge(tx, trashed, ports.clock())

    gone, doomed = await ports.db.write(work)
    if doomed:
        await bury(ports, doomed)
    return gone


def _locked(tx: WriteTransaction, user_id: str, photo_ids: Sequence[str]) -> list[Photo]:
    """Those of the photos that the user has, with their jobs locked; what is gone for good is left out."""
    mine = [photo for photo in tx.photos(photo_ids) if photo.user_id == user_id]
    for job_id in sorted({photo.job_id for photo in mine}):
        tx.lock_job(job_id)
    return [photo for photo in tx.photos([photo.id for photo in mine]) if not photo.purged_at]


def _purge(tx: WriteTransaction, photos: Sequence[Photo], now: int) -> list[Doomed]:
    """Mark photos as gone, and note what the store holds for them."""
    tx.save_photos([(photo, replace(photo, deleted_at=photo.deleted_at or now, purged_at=now)) for photo in photos])
    doomed = [Doomed(thumbnail_key(photo.id, size), upload=False) for photo in photos for size in THUMBNAIL_SIZES]
    doomed += [Doomed(photo.storage_key, upload=False) for photo in photos if not photo.duplicate_of]
    tx.doom(doomed)
    return doomed


async def _change(ports: Ports, user_id: str, photo_id: str, change: Callable[[Photo], Photo]) -> None:
    def work(tx: WriteTransaction) -> None:
        _, photo = locked(tx, user_id, photo_id)
        if photo.purged_at:
            raise NotFound
        tx.save_photos([(photo, change(photo))])

    await ports.db.write(work)
