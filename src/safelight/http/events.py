"""A job's events by long poll, for a client whose network lets no live channel through."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from safelight import queries
from safelight.errors import NotFound
from safelight.http.edge import Caller, TheirPorts, TheLiveChannel, problems
from safelight.realtime.hub import Hub

router = APIRouter(tags=["live"], responses=problems(401, 404, 422, 429, 503))

SCHEMA: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events since `after` in order; `reset` where they are no longer all there.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["events", "seq"],
                    "properties": {
                        "events": {"type": "array", "items": {"type": "object"}},
                        "seq": {"type": "integer"},
                        "reset": {"type": "boolean"},
                    },
                }
            }
        },
    }
}


@router.get("/queries/upload-jobs/{job_id}/events", responses=SCHEMA)
async def job_events(
    request: Request,
    ports: TheirPorts,
    live: TheLiveChannel,
    caller: Caller,
    job_id: str,
    after: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0,
    wait_seconds: Annotated[float, Query(alias="waitSeconds", ge=0, le=25)] = 0,
) -> Response:
    """The durable events after `after`; where there are none yet, waits for one up to `waitSeconds`. While it waits
    it counts as one of the caller's live connections.
    """
    if not await queries.owns_job(ports, caller.user_id, job_id):
        raise NotFound
    history = queries.History(ports)
    events = await history.events_after(job_id, after)
    if events == [] and wait_seconds and not live.draining:
        hub: Hub = request.app.state.hub
        with live.registry.poll(caller.user_id), hub.meters.connections.labels("long-poll").track_inprogress():
            await _first_of(_durable_event(hub, job_id, after, wait_seconds), _abort(request))
        events = await history.events_after(job_id, after)
    if events is None:
        seq, _ = await history.snapshot(job_id)
        return _answer([], seq, b',"reset":true')
    return _answer([body for _, body in events], events[-1][0] if events else after, b"")


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Return, or raise, as the first of them does; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _abort(request: Request) -> None:
    """Return when the client has hung up: nobody waits any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _durable_event(hub: Hub, job_id: str, after: int, seconds: float) -> None:
    """Return when the job has an event after `after`, or the time is up."""
    reader = await hub.watch_job(job_id, after)
    try:
        async with asyncio.timeout(seconds):
            async for batch in reader:
                if any(event.seq is not None for event in batch.events):
                    return
    except TimeoutError:
        return
    finally:
        hub.release(reader)


def _answer(bodies: list[bytes], seq: int, more: bytes) -> Response:
    # The events are JSON already, the very bytes that the live channel sends.
    body = b'{"events":[' + b",".join(bodies) + b'],"seq":' + str(seq).encode() + more + b"}"
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})
