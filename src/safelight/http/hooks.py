"""What the store tells of its own accord: S3's event notifications, as webhooks.

Understood are S3's own message (the Amazon S3 user guide: "Event message structure"), which MinIO sends too; that of
Amazon EventBridge; and that of SeaweedFS's filer.
"""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field

from safelight.commands.arrivals import Arrivals
from safelight.errors import NotFound, Unauthenticated
from safelight.http.edge import TheirPorts, problems

router = APIRouter(prefix="/hooks", tags=["hooks"], responses=problems(401, 404, 422, 503))


class StoredObject(BaseModel):
    key: str


class Entity(BaseModel):
    object: StoredObject


class Record(BaseModel):
    """One event of S3 (`ObjectCreated:Put`) or MinIO (`s3:ObjectCreated:Put`); its key is URL-encoded."""

    event_name: Annotated[str, Field(alias="eventName")]
    s3: Entity | None = None


class Notification(BaseModel):
    """Events of S3 and MinIO are `Records`; EventBridge sends one, in `detail`; SeaweedFS one, by `event_type`."""

    records: Annotated[list[Record], Field(alias="Records")] = []
    detail_type: Annotated[str, Field(alias="detail-type")] = ""
    detail: Entity | None = None
    event_type: str = ""
    key: str = ""

    def created(self) -> list[str]:
        """The keys of the objects that have come to be."""
        keys = [
            unquote_plus(record.s3.object.key)
            for record in self.records
            if record.s3 and record.event_name.removeprefix("s3:").startswith("ObjectCreated:")
        ]
        if self.detail and self.detail_type == "Object Created":
            keys.append(self.detail.object.key)
        if self.event_type in {"create", "update"}:
            keys.append(self.key)
        return keys


async def know_the_store(ports: TheirPorts, authorization: Annotated[str, Header()] = "") -> None:
    """NotFound where no secret is set; Unauthenticated for whoever does not say it."""
    secret = ports.settings.hook_secret
    if not secret:
        raise NotFound
    if not secrets.compare_digest(authorization.encode(), f"Bearer {secret}".encode()):
        raise Unauthenticated(
            "The store's notifications must say `Authorization: Bearer …` with SAFELIGHT_HOOK_SECRET."
        )


@router.post("/s3", status_code=204, dependencies=[Depends(know_the_store)])
async def told_by_the_store(request: Request, body: Notification) -> None:
    """The store tells of new objects. It says `Authorization: Bearer …` with SAFELIGHT_HOOK_SECRET; without such a
    secret there is nothing here. What it tells that means nothing to Safelight is passed over.
    """
    arrivals: Arrivals = request.app.state.arrivals
    arrivals.note(body.created())
