"""One photo's upload: URLs, finalize, progress, cancel, retry, and what the store has of it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import ValidationError

from safelight import queries
from safelight.commands import astray, sealing, uploads
from safelight.commands.progress import ProgressBoard
from safelight.domain.checksum import Checksum
from safelight.errors import FieldError, Invalid, UploadGone
from safelight.http.edge import BEGINS, Caller, TheirPorts, problems, signed
from safelight.http.errors import invalid, problem
from safelight.http.jobs import part_urls
from safelight.http.models import (
    FinalizedManyOut,
    FinalizedOut,
    FinalizeIn,
    FinalizeManyIn,
    PartsOut,
    Problem,
    ProgressBatchIn,
    StoredPartOut,
    UrlsIn,
    UrlsOut,
)

router = APIRouter(tags=["uploads"], responses=problems(401, 404, 422, 503))


# Before the routes with {photo_id}, or "progress" would be taken for one.
@router.post("/commands/upload/progress", status_code=204)
async def report_progress(request: Request, caller: Caller, body: ProgressBatchIn) -> None:
    """How much of one photo, or of many, was sent: best effort, only the newest count matters."""
    board: ProgressBoard = request.app.state.board
    await board.report(caller.user_id, counts_of(body))


@router.post("/commands/upload/finalize", response_model_exclude_none=True)
async def finalize_many(ports: TheirPorts, caller: Caller, body: FinalizeManyIn) -> FinalizedManyOut:
    """The bytes of all these are sent: as the call for one, and what is wrong with one keeps no other back."""
    those = [_sent(item.photo_id, item) for item in body.items]
    found = await sealing.finalize_all(ports, caller.user_id, those)
    return FinalizedManyOut(
        items=[
            FinalizedOut(photo_id=sent.photo_id, problem=Problem.model_validate(problem(error)) if error else None)
            for sent, error in zip(those, found, strict=True)
        ]
    )


@router.post(
    "/commands/upload/{photo_id}/urls",
    dependencies=BEGINS,
    responses=problems(409, 429),
    response_model_exclude_none=True,
)
async def renew_urls(
    request: Request, ports: TheirPorts, caller: Caller, photo_id: str, body: UrlsIn | None = None
) -> UrlsOut:
    """Sign more parts, or sign anew what has expired."""
    urls = await uploads.renew_urls(ports, caller.user_id, photo_id, body.part_numbers if body else None)
    if urls.single:
        url, headers = signed(request, urls.single)
        return UrlsOut(presigned_url=url, headers=headers)
    return UrlsOut(part_urls=part_urls(request, urls.parts))


@router.post("/commands/upload/{photo_id}/finalize", status_code=204, responses=problems(409, 507))
async def finalize(ports: TheirPorts, caller: Caller, photo_id: str, body: FinalizeIn | None = None) -> None:
    """The bytes are all sent: 204 once they are stored whole, durably, and queued for processing."""
    await sealing.finalize(ports, caller.user_id, _sent(photo_id, body or FinalizeIn()))


@router.post("/commands/upload/{photo_id}/cancel", status_code=204, responses=problems(409))
async def cancel_photo(ports: TheirPorts, caller: Caller, photo_id: str) -> None:
    """Cancel a photo that has not ended, and forget what was sent of it."""
    await uploads.cancel_photo(ports, caller.user_id, photo_id)


@router.post("/commands/upload/{photo_id}/retry", status_code=204, responses=problems(409))
async def retry_photo(ports: TheirPorts, caller: Caller, photo_id: str) -> None:
    """A new attempt of a FAILED photo: at its bytes where they are missing, else at its processing."""
    await uploads.retry_photo(ports, caller.user_id, photo_id)


@router.get("/queries/upload/{photo_id}/parts", responses=problems(409))
async def stored_parts(ports: TheirPorts, caller: Caller, photo_id: str) -> PartsOut:
    """The parts as the store has them: what a resume needs. An upload that the store has forgotten begins anew."""
    try:
        photo, parts = await queries.stored_parts(ports, caller.user_id, photo_id)
    except UploadGone:
        await astray.mend(ports, photo_id)
        photo, parts = await queries.stored_parts(ports, caller.user_id, photo_id)
    return PartsOut(
        upload_id=photo.upload_id or "",
        part_size=photo.part_size or 0,
        part_count=photo.part_count or 0,
        parts=[StoredPartOut(part_number=p.part_number, etag=p.etag, size=p.size) for p in parts],
    )


def counts_of(body: object) -> dict[str, int]:
    """Bytes sent by photo, from a progress body of either form; Invalid names what is wrong with it."""
    try:
        given = ProgressBatchIn.model_validate(body)
    except ValidationError as error:
        raise invalid(error.errors()) from error
    if given.updates is not None:
        return {update.photo_id: update.bytes_sent for update in given.updates}
    if given.photo_id is None or given.bytes_sent is None:
        raise Invalid(
            "Send photoId with bytesSent, or updates.",
            errors=[FieldError("photoId", "missing"), FieldError("bytesSent", "missing")],
        )
    return {given.photo_id: given.bytes_sent}


def _sent(photo_id: str, body: FinalizeIn) -> sealing.Sent:
    return sealing.Sent(
        photo_id,
        body.upload_id,
        [(part.part_number, part.etag.strip('"')) for part in body.parts] if body.parts is not None else None,
        Checksum.parse(body.checksum) if body.checksum else None,
    )
