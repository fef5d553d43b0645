from __future__ import annotations

from dataclasses import replace

import pytest

from safelight.domain import photo as photos
from safelight.domain.photo import Photo
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
