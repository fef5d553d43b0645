from __future__ import annotations

from dataclasses import replace

import pytest

from safelight.domain import photo as photos
from safelight.domain.events import job_status_update
from safelight.domain.job import Job, JobStatus
from safelight.domain.photo import Photo
from safelight.domain.progress import eta_seconds
from safelight.domain.stall import words

PATIENCE = 30_000
NEW = Photo(
    id="ph_1",
    job_id="job_1",
    user_id="usr_1",
    position=0,
    filename="a.jpg",
    mime_type="image/jpeg",
    bytes=1_000,
    storage_key="originals/ph_1.1",
    created_at=0,
    updated_at=0,
)
UPLOADING = photos.receive(NEW, 10, 0)
STORED = photos.store(photos.receive(NEW, 1_000, 0), None, 0)
LEASED = photos.lease(STORED, "worker", 60_000, 0)


@pytest.mark.parametrize(
    ("photo", "now", "begins"),
    [
        (NEW, 10**9, None),
        (UPLOADING, PATIENCE - 1, None),
        (UPLOADING, PATIENCE, "No bytes have come for 30 seconds."),
        (UPLOADING, 600_000, "No bytes have come for 10 minutes."),
        (UPLOADING, 10 * 3_600_000, "No bytes have come for 10 hours."),
        (STORED, PATIENCE - 1, None),
        (STORED, PATIENCE, "All bytes are stored."),
        (LEASED, PATIENCE, None),
        (LEASED, 60_001, "The worker that had this photo fell silent. Another one begins try 2."),
        (replace(LEASED, tries=2), 1, "A worker fell silent on this photo. Try 2 is under way."),
        (photos.complete(photos.enter(LEASED, photos.Stage.PUBLISHING, 0), 0), 10**9, None),
    ],
)
def test_e24_a_photo_that_rests_is_told_with_the_reason(photo: Photo, now: int, begins: str | None) -> None:
    said = words(photo, now, PATIENCE)
    assert said == begins or (said and begins and said.startswith(begins))


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "left"),
    [
        (0, 100, 60_000, None),
        (500, 100, 60_000, None),
        (50_000, 100, 999, None),
        (50_000, 100, 60_000, 60),
        (25_000, 100, 10_000, 30),
        (99_999, 100, 10_000, 1),
    ],
)
def test_e25_what_is_left_goes_by_the_pace_so_far(done: int, total: int, elapsed: int, left: int | None) -> None:
    assert eta_seconds(done, total, elapsed) == left


def test_e25_a_job_that_has_ended_has_nothing_left() -> None:
    job = Job(id="job_1", user_id="u", created_at=0, updated_at=0, expires_at=0, work_total=100, work_done=50_000)
    assert job_status_update(job, 60_000)["etaSeconds"] == 60
    assert "etaSeconds" not in job_status_update(replace(job, status=JobStatus.CANCELLED), 60_000)
