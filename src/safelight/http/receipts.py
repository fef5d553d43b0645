"""The receipt of a job, to be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Response

from safelight import queries
from safelight.domain.job import Job
from safelight.domain.receipt import Line, as_csv
from safelight.http.edge import Caller, TheirPorts, problems
from safelight.http.jobs import job_fields
from safelight.http.models import ReceiptLineOut, ReceiptOut

router = APIRouter(tags=["jobs"], responses=problems(401, 404, 422, 503))

_CSV = {200: {"description": "The receipt as CSV (RFC 4180).", "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("/queries/upload-jobs/{job_id}/receipt", response_model=ReceiptOut)
async def get_receipt(ports: TheirPorts, caller: Caller, job_id: str) -> Response:
    """Every file of a job with its state, size, checksum and the times of its stages."""
    job, lines = await queries.receipt(ports, caller.user_id, job_id)
    # Made into text at once and beside the loop: of ten thousand files it is some megabytes.
    return Response(await asyncio.to_thread(_json, job, lines), media_type="application/json")


@router.get("/queries/upload-jobs/{job_id}/receipt.csv", response_class=Response, responses={**_CSV})  # type: ignore[dict-item]
async def get_receipt_as_csv(ports: TheirPorts, caller: Caller, job_id: str) -> Response:
    """The same as CSV in UTF-8, safe to open in a spreadsheet."""
    job, lines = await queries.receipt(ports, caller.user_id, job_id)
    headers = {"content-disposition": f'attachment; filename="safelight-{job.id}.csv"'}
    return Response(await asyncio.to_thread(as_csv, lines), media_type="text/csv; charset=utf-8", headers=headers)


def _json(job: Job, lines: Sequence[Line]) -> str:
    receipt = ReceiptOut(**job_fields(job), files=[_line(line) for line in lines])
    return receipt.model_dump_json(by_alias=True, exclude_none=True)


def _line(line: Line) -> ReceiptLineOut:
    photo = line.photo
    return ReceiptLineOut(
        photo_id=photo.id,
        path=line.path,
        bytes=photo.bytes,
        status=photo.status,
        checksum=line.checksum,
        content_hash=photo.content_hash,
        attempt=photo.attempt,
        error_code=photo.error_code,
        error_message=photo.error_message,
        duplicate_of=photo.duplicate_of,
        **line.times,
    )
