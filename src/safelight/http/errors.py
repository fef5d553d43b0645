"""Errors as application/problem+json (RFC 9457). Here alone a code becomes an HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from safelight import errors
from safelight.errors import FieldError, SafelightError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"

# The nearest ancestor that is listed decides.
_STATUS: Final[dict[type[BaseException], int]] = {
    errors.Unauthenticated: 401,
    errors.RegistrationClosed: 403,
    errors.OriginRefused: 403,
    errors.SignatureInvalid: 403,
    errors.SignatureExpired: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.EmailTaken: 409,
    errors.PeerSilent: 408,
    errors.BodyTooLarge: 413,
    errors.FrameTooLarge: 413,
    errors.FileTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.UnsupportedType: 415,
    errors.ProtocolViolation: 422,
    errors.Invalid: 422,
    errors.PhotoError: 422,
    errors.TooManyAttempts: 429,
    errors.TooManyFrames: 429,
    errors.TooManyConnections: 429,
    errors.TooManySubscriptions: 429,
    errors.ConnectionEnded: 403,
    errors.Restarting: 503,
    errors.ServerBusy: 429,
    errors.DatabaseUnavailable: 503,
    errors.SafelightError: 500,
    errors.StorageFull: 507,
    errors.StoreUnavailable: 503,
}


def status_of(error: SafelightError) -> int:
    """The HTTP status that tells this error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def problem(error: SafelightError) -> dict[str, Any]:
    """The problem document of an error."""
    status = status_of(error)
    document: dict[str, Any] = {
        "type": f"urn:safelight:problem:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if error.errors:
        document["errors"] = [{"field": e.field, "message": e.message} for e in error.errors]
    return document


def problem_headers(error: SafelightError) -> dict[str, str]:
    """What goes beside the document: the challenge of a 401, the wait of a 429."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return headers


def response_of(error: SafelightError) -> Response:
    """An error as a response."""
    return Response(
        orjson.dumps(problem(error)),
        status_code=status_of(error),
        headers=problem_headers(error),
        media_type=MEDIA_TYPE,
    )


def install(api: FastAPI) -> None:
    """Every error that leaves the edge leaves it as a problem document."""

    @api.exception_handler(SafelightError)
    async def _known(request: Request, error: SafelightError) -> Response:
        if status_of(error) >= 500:
            log.warning("request failed", path=request.url.path, code=error.code, reason=error.message)
        return response_of(error)

    @api.exception_handler(RequestValidationError)
    async def _rejected(_request: Request, error: RequestValidationError) -> Response:
        return response_of(invalid(error.errors(), body=True))

    @api.exception_handler(HTTPException)
    async def _routing(_request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            response = response_of(errors.MethodNotAllowed())
            response.headers.update(error.headers or {})
            return response
        if error.status_code == 404:
            return response_of(errors.NotFound())
        return response_of(errors.Invalid(str(error.detail)))

    @api.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        log.error("request broke off", path=request.url.path, exc_info=error)
        return response_of(SafelightError())


def invalid(found: Sequence[Any], *, body: bool = False) -> SafelightError:
    """The error that pydantic's findings amount to; `body` where each location begins with the part of the request."""
    if any(each["type"] == "json_invalid" for each in found):
        return errors.MalformedJson()
    fields = [FieldError(_path(each["loc"][body:]), _sentence(each)) for each in found[:100]]
    if any(each["type"] == "too_long" and each["loc"][-1] == "files" for each in found):
        return errors.TooManyFiles(errors=fields)
    first = fields[0]
    return errors.Invalid(
        f"{first.field or 'The body'}: {first.message}. Correct it and send the request again.", errors=fields
    )


def _path(location: tuple[int | str, ...]) -> str:
    """`('files', 3, 'bytes')` as `files[3].bytes`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _sentence(each: Any) -> str:
    message = str(each["msg"])
    return message[:1].lower() + message[1:]
