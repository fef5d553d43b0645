"""The library: pages, one photo, download, trash."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from safelight import queries
from safelight.commands import library
from safelight.domain.events import iso
from safelight.domain.photo import THUMBNAIL_SIZES, Photo, PhotoStatus
from safelight.domain.shelf import DAY, Order, day_of, first_of, place
from safelight.http.edge import Caller, TheirPorts, absolute, problems
from safelight.http.models import (
    DayOut,
    DownloadOut,
    FewPhotosIn,
    IdsOut,
    KnownIn,
    KnownOut,
    KnownPhotoOut,
    ListingOut,
    PhotoOut,
    PhotosIn,
    PhotosOut,
    SummaryOut,
    TimelineOut,
)
from safelight.ports import Filter, Ports

router = APIRouter(tags=["photos"], responses=problems(401, 422, 503))

Search = Annotated[str | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=256)]
Number = Annotated[int, Query(ge=0, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=500)]
From = Annotated[date | None, Query(alias="from", description="The first day.")]
To = Annotated[date | None, Query(description="The last day.")]
Shelf = Literal["library", "trash"]


@router.get("/queries/photos", response_model_exclude_none=True)
async def list_photos(
    request: Request,
    ports: TheirPorts,
    caller: Caller,
    status: PhotoStatus = PhotoStatus.COMPLETED,
    search: Search = None,
    page: Number = 0,
    size: PageSize = 60,
    cursor: Cursor = None,
    order: Literal["added", "captured"] = "added",
    first: From = None,
    to: To = None,
) -> ListingOut:
    """The caller's photos of one status, newest first, by page or by cursor."""
    which = _between(Filter(status, search, order=Order(order)), first, to)
    return await _listing(request, ports, caller.user_id, which, page, size, cursor)


@router.get("/queries/photos/timeline")
async def timeline(ports: TheirPorts, caller: Caller, shelf: Shelf = "library", search: Search = None) -> TimelineOut:
    """The days on which there are photos, newest first: of the library by capture, of the trash by deletion."""
    days = await queries.timeline(ports, caller.user_id, _shelf(shelf, search))
    return TimelineOut(
        days=[DayOut(day=day_of(day.begin).isoformat(), count=day.count, undated=day.undated) for day in days],
        total_elements=sum(day.count for day in days),
        trash_days=ports.settings.trash_days,
    )


@router.get("/queries/photos/ids")
async def photo_ids(
    ports: TheirPorts,
    caller: Caller,
    shelf: Shelf = "library",
    search: Search = None,
    first: From = None,
    to: To = None,
    cursor: Cursor = None,
    size: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> IdsOut:
    """The ids of the photos in the order of the timeline: to do something with many of them."""
    which = _between(_shelf(shelf, search), first, to)
    found, following = await queries.photo_ids(ports, caller.user_id, which, cursor=cursor, limit=size)
    return IdsOut(photo_ids=found, next_cursor=following)


@router.post("/queries/photos/known", response_model_exclude_none=True)
async def known_photos(ports: TheirPorts, caller: Caller, body: KnownIn) -> KnownOut:
    """Photos of the library that have the name and the size of one of these files: candidates for `contentHash`."""
    found = await queries.known(ports, caller.user_id, [(file.filename, file.bytes) for file in body.files])
    return KnownOut(items=[KnownPhotoOut(**asdict(each)) for each in found])


@router.get("/queries/photos/trash", response_model_exclude_none=True)
async def list_trash(
    request: Request,
    ports: TheirPorts,
    caller: Caller,
    search: Search = None,
    page: Number = 0,
    size: PageSize = 60,
    cursor: Cursor = None,
    order: Order = Order.ADDED,
    first: From = None,
    to: To = None,
) -> ListingOut:
    """What lies in the trash, newest first."""
    which = _between(Filter(None, search, trashed=True, order=order), first, to)
    return await _listing(request, ports, caller.user_id, which, page, size, cursor)


@router.get("/queries/photos/{photo_id}", responses=problems(404), response_model_exclude_none=True)
async def get_photo(request: Request, ports: TheirPorts, caller: Caller, photo_id: str) -> PhotoOut:
    """A photo with its metadata and signed thumbnails."""
    photo = await queries.photo(ports, caller.user_id, photo_id)
    return PhotoOut(
        **_summary(request, ports, photo, Order.CAPTURED),
        exif_json=photo.exif_json,
        checksum=f"crc32c:{photo.crc32c}" if photo.crc32c else None,
        last_modified=photo.last_modified,
    )


@router.get("/queries/photos/{photo_id}/download-url", responses=problems(404, 409))
async def download_url(request: Request, ports: TheirPorts, caller: Caller, photo_id: str) -> DownloadOut:
    """A signed URL of the original, byte for byte as it was sent."""
    url = await queries.download_url(ports, caller.user_id, photo_id)
    return DownloadOut(url=absolute(request, url.url), expires_at=iso(url.expires_at))


@router.delete("/commands/photos/{photo_id}", status_code=204, responses=problems(404, 409))
async def trash_photo(ports: TheirPorts, caller: Caller, photo_id: str) -> None:
    """Into the trash."""
    await library.trash(ports, caller.user_id, photo_id)


@router.post("/commands/photos/{photo_id}/restore", status_code=204, responses=problems(404, 409))
async def restore_photo(ports: TheirPorts, caller: Caller, photo_id: str) -> None:
    """Out of the trash."""
    await library.restore(ports, caller.user_id, photo_id)


@router.delete("/commands/photos/{photo_id}/permanent", status_code=204, responses=problems(404, 409))
async def delete_photo(ports: TheirPorts, caller: Caller, photo_id: str) -> None:
    """Gone for good, with its derived files."""
    await library.remove(ports, caller.user_id, photo_id)


@router.post("/commands/photos/trash")
async def trash_photos(ports: TheirPorts, caller: Caller, body: PhotosIn) -> PhotosOut:
    """Many photos into the trash, up to 1,000 a call."""
    return PhotosOut(photo_ids=await library.trash_many(ports, caller.user_id, body.photo_ids))


@router.post("/commands/photos/restore")
async def restore_photos(ports: TheirPorts, caller: Caller, body: PhotosIn) -> PhotosOut:
    """Many photos out of the trash, up to 1,000 a call."""
    return PhotosOut(photo_ids=await library.restore_many(ports, caller.user_id, body.photo_ids))


@router.post("/commands/photos/permanent")
async def delete_photos(ports: TheirPorts, caller: Caller, body: FewPhotosIn) -> PhotosOut:
    """Photos of the trash gone for good, up to 100 a call."""
    return PhotosOut(photo_ids=await library.remove_many(ports, caller.user_id, body.photo_ids))


async def _listing(
    request: Request, ports: Ports, user_id: str, which: Filter, page: int, size: int, cursor: str | None
) -> ListingOut:
    found = await queries.library(ports, user_id, which, page=page, size=size, cursor=cursor)
    return ListingOut(
        items=[SummaryOut(**_summary(request, ports, photo, which.order)) for photo in found.photos],
        page=found.page,
        size=found.size,
        total_elements=found.total,
        total_pages=math.ceil(found.total / found.size),
        next_cursor=found.cursor,
    )


def _shelf(shelf: Shelf, search: str | None) -> Filter:
    if shelf == "trash":
        return Filter(None, search, trashed=True, order=Order.DELETED)
    return Filter(PhotoStatus.COMPLETED, search, order=Order.CAPTURED)


def _between(which: Filter, first: date | None, last: date | None) -> Filter:
    until = first_of(last) + DAY if last else None
    return replace(which, since=first_of(first) if first else None, until=until)


def _summary(request: Request, ports: Ports, photo: Photo, order: Order) -> dict[str, Any]:
    small, large = (queries.thumbnail_url(ports, photo, size) for size in THUMBNAIL_SIZES)
    return {
        "photo_id": photo.id,
        "job_id": photo.job_id,
        "filename": photo.filename,
        "relative_path": photo.relative_path,
        "bytes": photo.bytes,
        "status": photo.status,
        "mime_type": photo.media_type or photo.mime_type,
        "width": photo.width,
        "height": photo.height,
        "taken_at": photo.taken_at,
        "thumbhash": photo.thumbhash,
        "thumbnail_url": absolute(request, small) if small else None,
        "thumbnail_url_1024": absolute(request, large) if large else None,
        "duplicate_of": photo.duplicate_of,
        "error_code": photo.error_code,
        "error_message": photo.error_message,
        "created_at": iso(photo.created_at),
        "completed_at": iso(photo.completed_at) if photo.completed_at else None,
        "deleted_at": iso(photo.deleted_at) if photo.deleted_at else None,
        "day": day_of(place(photo, order)).isoformat(),
        "gone_at": iso(photo.deleted_at + ports.settings.trash_days * DAY) if photo.deleted_at else None,
    }
