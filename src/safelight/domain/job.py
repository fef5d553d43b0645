"""A job: the sum of its photos, kept as counters that change with each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from safelight.domain import progress
from safelight.domain.photo import Photo, PhotoStatus


class JobStatus(StrEnum):
    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ACTIVE = frozenset({JobStatus.QUEUED, JobStatus.IN_PROGRESS})
# Before this many milliseconds and this many tenths of a percent, an estimate would only jump about.
SURE_AFTER: Final = 1_000
SURE_FROM: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One batch. `work_done` is the sum of weight × percent (tenths), an ended photo counting as done."""

    id: str
    user_id: str
    status: JobStatus = JobStatus.QUEUED
    expected_count: int | None = None
    total_count: int = 0
    completed_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0
    bytes_total: int = 0
    bytes_sent: int = 0
    work_total: int = 0
    work_done: int = 0
    seq: int = 0
    idempotency_key: str | None = None
    request_hash: str | None = None
    created_at: int
    updated_at: int
    expires_at: int

    @property
    def terminal(self) -> bool:
        return self.status not in ACTIVE

    @property
    def percent(self) -> int:
        return progress.overall(self.work_done, self.work_total)


def absorb(job: Job, before: Photo | None, after: Photo, now: int) -> Job:
    """The job after one of its photos changed (or, with `before` None, joined it)."""
    status = job.status
    if status is JobStatus.QUEUED and after.status is not PhotoStatus.QUEUED:
        status = JobStatus.IN_PROGRESS
    joined = before is None
    return replace(
        job,
        status=status,
        total_count=job.total_count + joined,
        completed_count=job.completed_count + _delta(PhotoStatus.COMPLETED, before, after),
        failed_count=job.failed_count + _delta(PhotoStatus.FAILED, before, after),
        cancelled_count=job.cancelled_count + _delta(PhotoStatus.CANCELLED, before, after),
        bytes_total=job.bytes_total + (after.bytes if joined else 0),
        bytes_sent=job.bytes_sent + after.bytes_sent - (before.bytes_sent if before else 0),
        work_total=job.work_total + (after.weight if joined else 0),
        work_done=job.work_done + _work(after) - (_work(before) if before else 0),
        updated_at=now,
    )


def settle(job: Job) -> Job:
    """Give the job the status that its counters say; it is terminal exactly when all its photos are."""
    ended = job.completed_count + job.failed_count + job.cancelled_count
    declared = job.total_count >= max(job.expected_count or 0, 1)
    if ended < job.total_count or not declared:
        return replace(job, status=JobStatus.IN_PROGRESS) if job.terminal else job
    if job.failed_count:
        status = JobStatus.COMPLETED_WITH_ERRORS if job.completed_count else JobStatus.FAILED
    else:
        status = JobStatus.COMPLETED if job.completed_count else JobStatus.CANCELLED
    return replace(job, status=status)


def eta_seconds(job: Job, now: int) -> int | None:
    """Seconds left at the pace since the job began; None where too little is known to say, and after its end.

    Stages pass while other photos' bytes come, so that bytes alone tell how long it takes, until photos that are
    complete tell how long stages take. By the percent, whose last 30 points are stages, one huge file would seem to
    need half as long again when all of it has come.
    """
    elapsed = now - job.created_at
    if job.terminal or elapsed < SURE_AFTER or job.percent < SURE_FROM:
        return None
    by_percent = _left(elapsed, job.work_done, progress.DONE * job.work_total)
    left = by_percent
    if job.bytes_sent:
        left = min(left, _left(elapsed, job.bytes_sent, job.bytes_total))  # what failed will never send its bytes
    if job.completed_count:
        ended = job.failed_count + job.cancelled_count
        left = max(left, min(by_percent, _left(elapsed, job.completed_count, job.total_count - ended)))
    return left or None


def _left(elapsed: int, done: int, total: int) -> int:
    """Seconds until all is done at the pace of so much in `elapsed` milliseconds, rounded up."""
    return -(-elapsed * (total - done) // (done * 1000))


def _delta(status: PhotoStatus, before: Photo | None, after: Photo) -> int:
    return (after.status is status) - (before is not None and before.status is status)


def _work(photo: Photo) -> int:
    return photo.weight * (progress.DONE if photo.terminal else photo.percent)
