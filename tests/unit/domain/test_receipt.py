"""The receipt: what it says of each file, and that a spreadsheet may open it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from tests.rows import a_photo

from safelight.domain.events import iso
from safelight.domain.photo import PhotoStatus
from safelight.domain.receipt import COLUMNS, TIMES, Timeline, as_csv, lines


def _event(name: str, at: int, attempt: int = 1, stage: str | None = None) -> dict[str, Any]:
    event = {"photoId": "ph_1", "status": name, "attempt": attempt, "timestamp": iso(at)}
    return {**event, "stage": stage} if stage else event


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_each_time_is_that_of_its_event() -> None:
    timeline = Timeline()
    timeline.add([_event("QUEUED", 1), {"jobId": "job_1", "status": "IN_PROGRESS"}, _event("UPLOADING", 2)])
    stages = ("VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING")
    timeline.add([_event("PROCESSING", 3), *(_event("PROCESSING", 4 + n, stage=s) for n, s in enumerate(stages))])
    # A worker died and another began anew: the first time stands.
    timeline.add([_event("PROCESSING", 9, stage="VERIFYING"), _event("COMPLETED", 10)])
    photo = a_photo("ph_1", status=PhotoStatus.COMPLETED, stored_at=3, completed_at=10, crc32c="00abcdef")
    (line,) = lines([photo], timeline)
    assert dict(line.times) == {name: iso(at) for name, at in zip(TIMES, [1, 2, 3, 4, 5, 6, 7, 10], strict=True)}
    assert line.checksum == "crc32c:00abcdef"


def test_of_a_photo_that_was_retried_the_last_attempt_counts() -> None:
    timeline = Timeline()
    timeline.add([_event("QUEUED", 1), _event("FAILED", 2), _event("QUEUED", 5, attempt=2)])
    (line,) = lines([a_photo("ph_1", attempt=2)], timeline)
    assert line.times == {"queued_at": iso(5)}


def test_where_the_events_were_forgotten_the_row_knows_the_most_important_times() -> None:
    photo = a_photo("ph_1", status=PhotoStatus.COMPLETED, stored_at=7, completed_at=9)
    (line,) = lines([photo], Timeline())
    assert line.times == {"queued_at": iso(1), "stored_at": iso(7), "ended_at": iso(9)}


def test_bytes_that_are_not_stored_have_no_checksum() -> None:
    (line,) = lines([a_photo("ph_1", crc32c="00abcdef", status=PhotoStatus.FAILED)], Timeline())
    assert line.checksum is None


@pytest.mark.parametrize("path", ["=cmd|'/c calc'!A1.jpg", "+1.jpg", "-2.jpg", "@sum.jpg", "\t=1.jpg", "＝1.jpg"])
def test_what_a_spreadsheet_would_run_is_made_inert(path: str) -> None:
    (row,) = _rows(as_csv(lines([a_photo("ph_1", filename=path)], Timeline())))
    assert row["path"] == f"'{path}"


def test_the_csv_says_that_it_is_utf_8_and_loses_nothing_of_a_name() -> None:
    names = ['a,"b".jpg', "two\nlines.jpg", "Köln/שלום 🌅.jpg"]
    text = as_csv(lines([a_photo(f"ph_{n}", filename=name) for n, name in enumerate(names)], Timeline()))
    assert text.encode().startswith(b"\xef\xbb\xbfpath,bytes,status,checksum,")
    rows = _rows(text)
    assert [row["path"] for row in rows] == names
    assert set(rows[0]) == set(COLUMNS)
