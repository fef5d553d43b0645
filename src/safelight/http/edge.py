"""What every route shares: who asks, the ports behind it, and absolute URLs."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from structlog.contextvars import bind_contextvars

from safelight import queries
from safelight.commands import identity
from safelight.commands.callers import Callers
from safelight.commands.pressure import Pressure
from safelight.domain.identity import Identity
from safelight.errors import NotFound, Unauthenticated
from safelight.http.models import Problem
from safelight.ports import Ports, SignedUrl
from safelight.realtime.endpoints import LiveChannel

bearer = HTTPBearer(auto_error=False, description="An access token, or an API token (`slt_…`).")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]

_DESCRIPTIONS = {
    401: "No valid identity.",
    403: "This server does not allow it.",
    404: "It does not exist, or is not yours.",
    409: "The state forbids it.",
    413: "Too large.",
    415: "Not a type that is taken here.",
    422: "The body was rejected; `errors` names the fields.",
    429: "Too much at once; wait as long as `Retry-After` says.",
    503: "The server restarts, or its database or store does not answer; wait as long as `Retry-After` says.",
    507: "The server's disk is full.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route answers with, for OpenAPI."""
    return {
        status: {
            "model": Problem,
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def ports_of(request: Request) -> Ports:
    return cast(Ports, request.app.state.ports)


def callers_of(request: Request) -> Callers:
    return cast(Callers, request.app.state.callers)


async def their_ports(request: Request) -> Ports:
    """`ports_of` as a dependency: a coroutine, because FastAPI sends plain functions through a thread."""
    return ports_of(request)


async def live_of(request: Request) -> LiveChannel:
    return cast(LiveChannel, request.app.state.live)


async def identify(request: Request, credentials: Credentials) -> Identity:
    """Who asks; Unauthenticated where that is nobody."""
    if credentials is None:
        raise Unauthenticated
    caller = await callers_of(request).identify(credentials.credentials)
    ids = {name.removesuffix("_id"): value for name, value in request.path_params.items()}
    bind_contextvars(user=caller.user_id, **ids)
    return caller


TheirPorts = Annotated[Ports, Depends(their_ports)]
TheLiveChannel = Annotated[LiveChannel, Depends(live_of)]
Caller = Annotated[Identity, Depends(identify)]


async def administrate(ports: TheirPorts, caller: Caller) -> Identity:
    """Who asks, where that is an administrator; for all others there is nothing here (NotFound)."""
    if not await queries.administers(ports, caller.user_id, identity.LOCAL_OWNER):
        raise NotFound
    return caller


Administrator = Annotated[Identity, Depends(administrate)]


async def admit(request: Request) -> None:
    """Whether something new may begin; ServerBusy where it may not."""
    pressure: Pressure = request.app.state.pressure
    pressure.admit()


# For routes that begin something; what was begun is always let through to its end.
BEGINS = [Depends(admit)]


def absolute(request: Request, url: str) -> str:
    """A URL of this server's own store as the client can reach it; another store's URL is absolute already."""
    if not url.startswith("/"):
        return url
    base = ports_of(request).settings.public_url or str(request.base_url)
    return base.rstrip("/") + url


def signed(request: Request, url: SignedUrl) -> tuple[str, dict[str, str] | None]:
    """The URL and the headers that must go with it, as items carry them."""
    return absolute(request, url.url), url.headers or None
