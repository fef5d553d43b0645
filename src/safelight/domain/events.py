"""The events of a job: what is durable, in which order, and how each reads on the wire (contract.md, Live channel)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from safelight.domain.job import Job, absorb, eta_seconds, settle
from safelight.domain.photo import Photo

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Event:
    """One durable event, encoded once. `job_wide` marks a JobStatusUpdate."""

    job_id: str
    seq: int
    body: str
    job_wide: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one command changed: the job afterwards, and the events that tell of it, in order."""

    job: Job
    events: list[Event]


def record(job: Job, changes: Iterable[tuple[Photo | None, Photo]], now: int) -> Recorded:
    """Fold changes of photos, as `(before or None, after)`, into their job, numbering the events they make.

    A change of status, stage or attempt is an event; mere bytes are not. The JobStatusUpdate, where the job's
    status or counters changed, comes last.
    """
    after_job = job
    bodies: list[tuple[dict[str, Any], bool]] = []
    for before, after in changes:
        after_job = absorb(after_job, before, after, now)
        if before is None or _position(before) != _position(after):
            bodies.append((progress_update(after, now), False))
    after_job = settle(after_job)
    if _standing(job) != _standing(after_job):
        bodies.append((job_status_update(after_job, now), True))
    events = []
    for body, job_wide in bodies:
        after_job = replace(after_job, seq=after_job.seq + 1)
        events.append(Event(job.id, after_job.seq, encode({**body, "seq": after_job.seq}), job_wide))
    return Recorded(after_job, events)


def progress_update(photo: Photo, now: int) -> dict[str, Any]:
    """A ProgressUpdate without `seq`."""
    body: dict[str, Any] = {
        "jobId": photo.job_id,
        "photoId": photo.id,
        "status": photo.status,
        "progressPercent": photo.percent / 10,
        "bytesSent": photo.bytes_sent,
        "bytesTotal": photo.bytes,
        "attempt": photo.attempt,
        "timestamp": iso(now),
    }
    if photo.stage:
        body["stage"] = photo.stage
    if photo.error_code:
        body["errorCode"] = photo.error_code
        body["message"] = photo.error_message
    return body


def job_status_update(job: Job, now: int) -> dict[str, Any]:
    """A JobStatusUpdate without `seq`. `etaSeconds`, where it can be told, goes by the pace since the job began."""
    body: dict[str, Any] = {
        "jobId": job.id,
        "status": job.status,
        "totalCount": job.total_count,
        "completedCount": job.completed_count,
        "failedCount": job.failed_count,
        "cancelledCount": job.cancelled_count,
        "bytesTotal": job.bytes_total,
        "bytesSent": job.bytes_sent,
        "progressPercent": job.percent / 10,
        "timestamp": iso(now),
    }
    eta = eta_seconds(job, now)
    if eta is not None:
        body["etaSeconds"] = eta
    return body


def encode(body: dict[str, Any]) -> str:
    """Compact JSON, as it goes over every transport."""
    return _encode(body)


def iso(ms: int) -> str:
    """Unix milliseconds as ISO 8601 UTC with milliseconds and `Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _position(photo: Photo) -> tuple[str, str | None, int]:
    return photo.status, photo.stage, photo.attempt


def _standing(job: Job) -> tuple[str, int, int, int, int]:
    return job.status, job.total_count, job.completed_count, job.failed_count, job.cancelled_count
