"""Jobs: declare, extend, cancel, retry, look."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request

from safelight import queries
from safelight.commands import jobs, uploads
from safelight.commands.jobs import File
from safelight.domain.events import iso
from safelight.domain.job import Job
from safelight.domain.photo import AWAITING_BYTES, Photo
from safelight.http.edge import BEGINS, Caller, TheirPorts, problems, signed
from safelight.http.models import (
    CreateJobIn,
    FileIn,
    FilesIn,
    ItemOut,
    ItemsOut,
    JobCreatedOut,
    JobOut,
    JobsOut,
    MultipartOut,
    PartUrlOut,
    PhotoStateOut,
    SnapshotOut,
)
from safelight.ports import Ports

router = APIRouter(tags=["jobs"], responses=problems(401, 422, 503))


@router.post("/commands/upload-jobs", status_code=201, dependencies=BEGINS, responses=problems(409, 413, 429))
async def create_upload_job(
    request: Request,
    ports: TheirPorts,
    caller: Caller,
    body: CreateJobIn,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> JobCreatedOut:
    """Declare a job with its first files, up to 1,000 a call."""
    declared = await jobs.create_job(
        ports,
        caller.user_id,
        _files(body.files),
        expected_count=body.expected_count,
        idempotency_key=idempotency_key or None,
    )
    return JobCreatedOut(
        job_id=declared.job.id,
        items=items_of(request, ports, declared.photos),
        expires_at=iso(declared.job.expires_at),
    )


@router.post("/commands/upload-jobs/{job_id}/files", dependencies=BEGINS, responses=problems(404, 413, 429))
async def add_files(request: Request, ports: TheirPorts, caller: Caller, job_id: str, body: FilesIn) -> ItemsOut:
    """Declare more files of a job; a job that had ended is open again."""
    declared = await jobs.add_files(ports, caller.user_id, job_id, _files(body.files))
    return ItemsOut(items=items_of(request, ports, declared.photos))


@router.post("/commands/upload-jobs/{job_id}/cancel", status_code=204, responses=problems(404))
async def cancel_job(ports: TheirPorts, caller: Caller, job_id: str) -> None:
    """Cancel every photo that has not ended."""
    await jobs.cancel_job(ports, caller.user_id, job_id)


@router.post("/commands/upload-jobs/{job_id}/retry", status_code=204, responses=problems(404))
async def retry_job(ports: TheirPorts, caller: Caller, job_id: str) -> None:
    """Retry every FAILED photo that another attempt could save."""
    await jobs.retry_job(ports, caller.user_id, job_id)


@router.get("/queries/upload-jobs")
async def list_upload_jobs(
    ports: TheirPorts,
    caller: Caller,
    status: Literal["active", "all"] = "all",
    cursor: Annotated[str | None, Query(max_length=256)] = None,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobsOut:
    """The caller's jobs, newest first."""
    found, following = await queries.jobs(ports, caller.user_id, active=status == "active", cursor=cursor, limit=size)
    return JobsOut(items=[JobOut(**job_fields(job)) for job in found], next_cursor=following)


@router.get("/queries/upload-jobs/{job_id}", responses=problems(404), response_model_exclude_none=True)
async def get_upload_job(ports: TheirPorts, caller: Caller, job_id: str) -> SnapshotOut:
    """A job with all its photos, and the `seq` from which the live channel goes on."""
    found = await queries.snapshot(ports, caller.user_id, job_id)
    return SnapshotOut(**job_fields(found.job), photos=[_photo_state(photo) for photo in found.photos])


def items_of(request: Request, ports: Ports, photos: list[Photo]) -> list[ItemOut]:
    """What the client needs to send each of these photos, or why nothing is to be sent."""
    return [_item(request, ports, photo) for photo in photos]


def _item(request: Request, ports: Ports, photo: Photo) -> ItemOut:
    if photo.status not in AWAITING_BYTES:
        return ItemOut(
            photo_id=photo.id,
            duplicate_of=photo.duplicate_of,
            error_code=photo.error_code,
            error_message=photo.error_message,
        )
    urls = uploads.sign(ports, photo)
    if urls.single:
        url, headers = signed(request, urls.single)
        return ItemOut(photo_id=photo.id, presigned_url=url, headers=headers)
    multipart = MultipartOut(
        upload_id=photo.upload_id or "",
        part_size=photo.part_size or 0,
        part_count=photo.part_count or 0,
        part_urls=part_urls(request, urls.parts),
    )
    return ItemOut(photo_id=photo.id, multipart=multipart)


def part_urls(request: Request, parts: list[uploads.PartUrl]) -> list[PartUrlOut]:
    """Signed part URLs as they go over the wire."""
    found = []
    for part in parts:
        url, headers = signed(request, part.signed)
        found.append(PartUrlOut(part_number=part.part_number, presigned_url=url, size=part.size, headers=headers))
    return found


def _files(files: list[FileIn]) -> list[File]:
    return [
        File(
            filename=file.filename,
            mime_type=file.mime_type,
            bytes=file.bytes,
            relative_path=file.relative_path,
            last_modified=str(file.last_modified) if file.last_modified is not None else None,
            content_hash=file.content_hash,
        )
        for file in files
    ]


def job_fields(job: Job) -> dict[str, Any]:
    """A job as every answer about one tells it."""
    return {
        "job_id": job.id,
        "status": job.status,
        "expected_count": job.expected_count,
        "total_count": job.total_count,
        "completed_count": job.completed_count,
        "failed_count": job.failed_count,
        "cancelled_count": job.cancelled_count,
        "bytes_total": job.bytes_total,
        "bytes_sent": job.bytes_sent,
        "progress_percent": job.percent / 10,
        "seq": job.seq,
        "created_at": iso(job.created_at),
        "updated_at": iso(job.updated_at),
        "expires_at": iso(job.expires_at),
    }


def _photo_state(photo: Photo) -> PhotoStateOut:
    return PhotoStateOut(
        photo_id=photo.id,
        filename=photo.filename,
        relative_path=photo.relative_path,
        bytes=photo.bytes,
        last_modified=photo.last_modified,
        status=photo.status,
        stage=photo.stage,
        progress_percent=photo.percent / 10,
        bytes_sent=photo.bytes_sent,
        attempt=photo.attempt,
        error_code=photo.error_code,
        error_message=photo.error_message,
        duplicate_of=photo.duplicate_of,
    )
