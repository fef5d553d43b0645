"""The library: pages, one photo, download, trash."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from safelight import queries
from safelight.commands import library
from safelight.domain.events import iso
from safelight.domain.photo import THUMBNAIL_SIZES, Photo, PhotoStatus
from safelight.http.edge import Caller, TheirPorts, absolute, problems
from safelight.http.models import DownloadOut, KnownIn, KnownOut, KnownPhotoOut, ListingOut, PhotoOut, SummaryOut
from safelight.ports import Filter, Ports

router = APIRouter(tags=["photos"], responses=problems(401, 422))

Search = Annotated[str | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=256)]
Number = Annotated[int, Query(ge=0, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=500)]


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
) -> ListingOut:
    """The caller's photos of one status, newest first, by page or by cursor."""
    return await _listing(request, ports, caller.user_id, Filter(status, search), page, size, cursor)


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
) -> ListingOut:
    """What lies in the trash, newest first."""
    which = Filter(None, search, trashed=True)
    return await _listing(request, ports, caller.user_id, which, page, size, cursor)


@router.get("/queries/photos/{photo_id}", responses=problems(404), response_model_exclude_none=True)
async def get_photo(request: Request, ports: TheirPorts, caller: Caller, photo_id: str) -> PhotoOut:
    """A photo with its metadata and signed thumbnails."""
    photo = await queries.photo(ports, caller.user_id, photo_id)
    return PhotoOut(
        **_summary(request, ports, photo),
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


async def _listing(
    request: Request, ports: Ports, user_id: str, which: Filter, page: int, size: int, cursor: str | None
) -> ListingOut:
    found = await queries.library(ports, user_id, which, page=page, size=size, cursor=cursor)
    return ListingOut(
        items=[SummaryOut(**_summary(request, ports, photo)) for photo in found.photos],
        page=found.page,
        size=found.size,
        total_elements=found.total,
        total_pages=math.ceil(found.total / found.size),
        next_cursor=found.cursor,
    )


def _summary(request: Request, ports: Ports, photo: Photo) -> dict[str, Any]:
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
    }
