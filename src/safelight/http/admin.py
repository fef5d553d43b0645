"""For administrators: who is connected to this process, and ending one connection."""

from __future__ import annotations

from fastapi import APIRouter

from safelight.domain.events import iso
from safelight.errors import ConnectionEnded, NotFound
from safelight.http.edge import Administrator, TheLiveChannel, problems
from safelight.http.models import ConnectionOut, ConnectionsOut, SubscriptionOut
from safelight.realtime.registry import Standing

router = APIRouter(prefix="/api/admin", tags=["administration"], responses=problems(401, 404))


@router.get("/connections", response_model_exclude_none=True)
async def connections(live: TheLiveChannel, _caller: Administrator) -> ConnectionsOut:
    """The live connections of this process, oldest first."""
    found = sorted((each.standing() for each in live.registry), key=lambda standing: standing.since)
    return ConnectionsOut(items=[_shown(standing) for standing in found])


@router.delete("/connections/{connection_id}", status_code=204)
async def end_connection(live: TheLiveChannel, _caller: Administrator, connection_id: str) -> None:
    """End a connection with the ERROR `connection-ended`; its client may connect again."""
    connection = live.registry.get(connection_id)
    if connection is None:
        raise NotFound("There is no such connection on this server, or it has ended.")
    connection.end(ConnectionEnded())


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
