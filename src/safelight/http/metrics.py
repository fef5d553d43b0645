"""The live channel's meters for Prometheus, to an administrator's token: behind a proxy every scraper is loopback."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from safelight.http.edge import Administrator, problems
from safelight.realtime.hub import Hub

router = APIRouter(tags=["administration"], responses=problems(401, 404))

SCHEMA: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/metrics", responses=SCHEMA, response_class=Response)
async def metrics(request: Request, _caller: Administrator) -> Response:
    """Connections, events, conflation, snapshots, failures and lag of this process."""
    hub: Hub = request.app.state.hub
    return Response(generate_latest(hub.meters.registry), media_type=CONTENT_TYPE_LATEST)
