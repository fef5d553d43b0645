"""Liveness and readiness; neither needs a token."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from safelight.http.edge import TheirPorts, absolute

log = structlog.get_logger()
router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    status: str
    checks: dict[str, str] = {}
    url: str | None = Field(None, description="This server's address as it understands the request.")


@router.get("/live")
async def live(request: Request) -> Health:
    """The process answers."""
    return Health(status="ok", url=absolute(request, "/"))


@router.get("/ready", responses={503: {"model": Health, "description": "Something it needs is not there."}})
async def ready(request: Request, response: Response, ports: TheirPorts) -> Health:
    """Database, store and broker answer too, and the process is not about to end."""
    checks = {}
    for name, port in (("database", ports.db), ("store", ports.store), ("broker", ports.broker)):
        try:
            await port.check()
            checks[name] = "ok"
        except Exception as error:  # noqa: BLE001 - whatever is wrong is what is to be told
            log.warning("not ready", part=name, reason=str(error))
            checks[name] = "unavailable"
    if request.app.state.draining():
        checks["server"] = "draining"
    whole = all(state == "ok" for state in checks.values())
    if not whole:
        response.status_code = 503
    return Health(status="ok" if whole else "unavailable", checks=checks)
