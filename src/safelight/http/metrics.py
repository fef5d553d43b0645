"""The meters of this process for Prometheus, to an administrator's token: behind a proxy every scraper is loopback."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from safelight.http.edge import Administrator, problems

router = APIRouter(tags=["administration"], responses=problems(401, 404, 503))

SCHEMA: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/metrics", responses=SCHEMA, response_class=Response)
async def metrics(request: Request, _caller: Administrator) -> Response:
    """What this process counts: of the live channel, of the reconciler, of the load."""
    registries: list[CollectorRegistry] = request.app.state.meters
    return Response(b"".join(map(generate_latest, registries)), media_type=CONTENT_TYPE_LATEST)
