"""For administrators: who is connected to this process, and ending one connection."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request

from safelight.domain.events import iso
from safelight.errors import NotFound
from safelight.http.edge import Administrator, problems
from safelight.http.models import ConnectionOut, ConnectionsOut, SubscriptionOut
from safelight.realtime.registry import Standing
from safelight.realtime.roster import Roster

router = APIRouter(prefix="/api/admin", tags=["administration"], responses=problems(401, 404, 503))


@router.get("/connections", response_model_exclude_none=True)
async def connections(request: Request, _caller: Administrator) -> ConnectionsOut:
    """The live connections of all servers, oldest first."""
    return ConnectionsOut(items=[_shown(standing) for standing in await _roster(request).connections()])


@router.delete("/connections/{connection_id}", status_code=204)
async def end_connection(request: Request, _caller: Administrator, connection_id: str) -> None:
    """End a connection with the ERROR `connection-ended`; its client may connect again."""
    if not await _roster(request).end(connection_id):
        raise NotFound("There is no such connection, or it has ended.")


def _roster(request: Request) -> Roster:
    return cast(Roster, request.app.state.roster)


def _shown(standing: Standing) -> ConnectionOut:
    return ConnectionOut(
        connection_id=standing.id,
        transport=standing.transport,
        user_id=standing.user_id,
        email=standing.email,
        since=iso(standing.since),
        subscriptions=[
            SubscriptionOut(id=each.id, destination=each.destination, backlog=each.backlog)
            for each in standing.subscriptions
        ],
        backlog=standing.backlog,
        lag_ms=standing.lag_ms,
        bytes_sent=standing.bytes_sent,
    )
