from __future__ import annotations

from dataclasses import replace

import pytest
from tests.rows import a_photo

from safelight.domain import photo as photos
from safelight.domain.events import job_status_update, record
from safelight.domain.job import Job, JobStatus, absorb, eta_seconds, settle
from safelight.domain.photo import Photo, Stage

KiB = 1024
GiB = 1024**3
MINUTE = 60_000
EMPTY = Job(id="job_1", user_id="u", created_at=0, updated_at=0, expires_at=0)


def new(number: int, size: int) -> Photo:
    """A photo that was just declared."""
    return a_photo(f"ph_{number}", position=number, bytes=size, created_at=0, updated_at=0)


def sent(photo: Photo, share: float) -> Photo:
    return photos.receive(photo, int(photo.bytes * share), 0)


def processing(photo: Photo) -> Photo:
    return photos.lease(photos.store(sent(photo, 1), None, 0), "worker", 0, 0)


def complete(photo: Photo) -> Photo:
    return photos.complete(photos.enter(processing(photo), Stage.PUBLISHING, 0), 0)


def job_of(*members: Photo) -> Job:
    """A job whose photos stand so."""
    job = EMPTY
    for photo in members:
        fresh = new(photo.position, photo.bytes)
        job = absorb(absorb(job, None, fresh, 0), fresh, photo, 0)
    return settle(job)


HUGE = new(0, 100 * GiB)
SMALL = [new(number, 1_000 * KiB) for number in range(1, 101)]


@pytest.mark.parametrize(
    ("members", "elapsed", "left"),
    [
        ([HUGE], MINUTE, None),
        ([sent(HUGE, 0.01)], MINUTE, None),
        ([sent(HUGE, 0.1)], 999, None),
        # One huge file: as its bytes go.
        ([sent(HUGE, 0.1)], MINUTE, 540),
        ([sent(HUGE, 0.5)], 30 * MINUTE, 30 * 60),
        ([sent(HUGE, 0.99)], 99 * MINUTE, 60),
        ([processing(HUGE)], 100 * MINUTE, None),
        # Several at once, and one that came behind small ones or before them.
        ([sent(new(number, GiB), 0.5) for number in range(4)], MINUTE, 60),
        ([sent(HUGE, 0.5), *map(complete, SMALL)], MINUTE, 60),
        ([complete(HUGE), *SMALL], 10 * MINUTE, 1),
        # Many alike, of which some are done: by bytes and by photos the same.
        ([*map(complete, SMALL[:50]), *SMALL[50:]], MINUTE, 60),
        # All have come, and the stages lag behind.
        ([*map(complete, SMALL[:50]), *map(processing, SMALL[50:])], MINUTE, 11),
        # What was cancelled will never come.
        ([photos.cancel(HUGE, 0), *(sent(each, 0.5) for each in SMALL)], MINUTE, 1),
    ],
)
def test_e25_what_is_left_goes_by_the_pace_so_far(members: list[Photo], elapsed: int, left: int | None) -> None:
    found = eta_seconds(job_of(*members), elapsed)
    assert found == left if left is None or found is None else abs(found - left) <= 1


def test_e25_a_job_that_has_ended_has_nothing_left() -> None:
    job = job_of(sent(HUGE, 0.5))
    assert job_status_update(job, MINUTE)["etaSeconds"] == 60
    assert "etaSeconds" not in job_status_update(replace(job, status=JobStatus.CANCELLED), MINUTE)


def test_e25_the_end_is_told_without_an_estimate() -> None:
    before = processing(HUGE)
    *_, end = record(job_of(before), [(before, complete(HUGE))], MINUTE).events
    assert end.job_wide
    assert "etaSeconds" not in end.body
