"""Whatever happens to the photos of a job, in whatever order: the rules of the contract hold (Hypothesis)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.rows import a_photo

from safelight.domain import photo as photos
from safelight.domain.events import record
from safelight.domain.job import Job, JobStatus
from safelight.domain.photo import IllegalTransition, Photo, PhotoStatus, Stage
from safelight.errors import ChecksumMismatch, DamagedImage, DecoderCrashed, EmptyFile, NotRetryable, PhotoError

LEGAL = {
    "QUEUED": {"UPLOADING", "FAILED", "CANCELLED"},
    "UPLOADING": {"PROCESSING", "FAILED", "CANCELLED"},
    "PROCESSING": {"COMPLETED", "FAILED", "CANCELLED"},
    "COMPLETED": set(),
    "FAILED": {"QUEUED", "PROCESSING"},
    "CANCELLED": set(),
}
BIRTHS = {"QUEUED", "FAILED", "COMPLETED"}


class Lives(RuleBasedStateMachine):
    """Random commands on random photos of one job, watched through the events alone."""

    @initialize(expected=st.none() | st.integers(1, 6))
    def begin(self, expected: int | None) -> None:
        self.now = 1_700_000_000_000
        self.job = Job(
            id="job_1", user_id="u", expected_count=expected, created_at=self.now, updated_at=self.now, expires_at=0
        )
        self.photos: dict[str, Photo] = {}
        self.seen: list[dict[str, object]] = []

    def _apply(self, changes: list[tuple[Photo | None, Photo]]) -> None:
        self.now += 7
        recorded = record(self.job, changes, self.now)
        self.job = recorded.job
        for _, after in changes:
            self.photos[after.id] = after
        self.seen += [json.loads(event.body) for event in recorded.events]

    def _pick(self, index: int) -> Photo | None:
        return list(self.photos.values())[index % len(self.photos)] if self.photos else None

    def _try(self, index: int, change: Callable[[Photo], Photo]) -> None:
        before = self._pick(index)
        if before is None:
            return
        try:
            after = change(before)
        except (IllegalTransition, NotRetryable):
            return
        self._apply([(before, after)])

    @rule(size=st.integers(0, 20_000_000), duplicate=st.booleans())
    def declare(self, size: int, duplicate: bool) -> None:
        number = len(self.photos)
        row = a_photo(f"ph_{number}", position=number, bytes=size, created_at=self.now, updated_at=self.now)
        if size == 0:
            row = photos.fail(row, EmptyFile(), self.now)
        elif duplicate:
            row = photos.duplicate(row, "ph_original", self.now)
        self._apply([(None, row)])

    @rule(index=st.integers(0, 50), sent=st.integers(0, 25_000_000))
    def receive(self, index: int, sent: int) -> None:
        self._try(index, lambda p: photos.receive(p, sent, self.now))

    @rule(index=st.integers(0, 50))
    def store(self, index: int) -> None:
        self._try(index, lambda p: photos.store(p, "00000000", self.now))

    @rule(index=st.integers(0, 50))
    def lease(self, index: int) -> None:
        self._try(index, lambda p: photos.lease(p, "worker", self.now + 30, self.now))

    @rule(index=st.integers(0, 50), stage=st.sampled_from(Stage))
    def enter(self, index: int, stage: Stage) -> None:
        self._try(index, lambda p: photos.enter(p, stage, self.now))

    @rule(index=st.integers(0, 50))
    def complete(self, index: int) -> None:
        self._try(index, lambda p: photos.complete(p, self.now))

    @rule(index=st.integers(0, 50), kind=st.sampled_from([DamagedImage, ChecksumMismatch, DecoderCrashed]))
    def fail(self, index: int, kind: type[PhotoError]) -> None:
        usable = kind is not ChecksumMismatch
        self._try(index, lambda p: photos.fail(p, kind(), self.now, bytes_usable=usable))

    @rule(index=st.integers(0, 50))
    def cancel(self, index: int) -> None:
        self._try(index, lambda p: photos.cancel(p, self.now))

    @rule(index=st.integers(0, 50))
    def retry(self, index: int) -> None:
        self._try(index, lambda p: photos.retry(p, self.now))

    @invariant()
    def counters_equal_the_rows(self) -> None:
        if not hasattr(self, "job"):
            return
        rows = list(self.photos.values())
        count = {status: sum(p.status is status for p in rows) for status in PhotoStatus}
        assert self.job.total_count == len(rows)
        assert self.job.completed_count == count[PhotoStatus.COMPLETED]
        assert self.job.failed_count == count[PhotoStatus.FAILED]
        assert self.job.cancelled_count == count[PhotoStatus.CANCELLED]
        assert self.job.bytes_total == sum(p.bytes for p in rows)
        assert self.job.bytes_sent == sum(p.bytes_sent for p in rows)
        assert self.job.work_total == sum(p.weight for p in rows)
        done = sum(p.weight * (1000 if p.terminal else p.percent) for p in rows)
        assert self.job.work_done == done

    @invariant()
    def job_is_terminal_exactly_when_all_its_photos_are(self) -> None:
        if not hasattr(self, "job") or not self.photos:
            return
        rows = list(self.photos.values())
        ended = all(p.terminal for p in rows) and len(rows) >= (self.job.expected_count or 0)
        assert self.job.terminal == ended
        assert (self.job.percent == 1000) == all(p.terminal for p in rows)
        if self.job.status is JobStatus.COMPLETED:
            assert self.job.completed_count
            assert not self.job.failed_count

    @invariant()
    def seq_has_no_gaps(self) -> None:
        if hasattr(self, "seen"):
            assert [event["seq"] for event in self.seen] == list(range(1, self.job.seq + 1))

    @invariant()
    def events_tell_a_legal_life(self) -> None:
        if not hasattr(self, "seen"):
            return
        last: dict[object, dict[str, object]] = {}
        for event in self.seen:
            if "photoId" not in event:
                continue
            before = last.get(event["photoId"])
            if before is None:
                assert event["status"] in BIRTHS
            else:
                assert event["status"] == before["status"] or event["status"] in LEGAL[str(before["status"])]
                if event["attempt"] == before["attempt"]:
                    assert float(str(event["progressPercent"])) >= float(str(before["progressPercent"]))
                    assert before["status"] not in {"COMPLETED", "FAILED", "CANCELLED"}
            assert (event["progressPercent"] == 100) == (event["status"] == "COMPLETED")
            last[event["photoId"]] = event

    @invariant()
    def a_terminal_job_has_said_so_last(self) -> None:
        if hasattr(self, "job") and self.job.terminal:
            assert "photoId" not in self.seen[-1]
            assert self.seen[-1]["status"] == self.job.status


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_a_stage_that_lies_behind_changes_nothing() -> None:
    photo = _processing(Stage.THUMBNAILS)
    assert photos.enter(photo, Stage.METADATA, 9) is photo


def test_an_illegal_transition_is_an_error() -> None:
    photo = replace(_processing(Stage.PUBLISHING), status=PhotoStatus.COMPLETED)
    with pytest.raises(IllegalTransition, match="COMPLETED"):
        photos.cancel(photo, 9)


def test_a_retry_keeps_stored_bytes_and_asks_anew_for_lost_ones() -> None:
    failed = photos.fail(_processing(Stage.METADATA), DecoderCrashed(), 9)
    assert photos.retry(failed, 10).status is PhotoStatus.PROCESSING
    lost = photos.fail(_processing(Stage.VERIFYING), ChecksumMismatch(), 9, bytes_usable=False)
    again = photos.retry(lost, 10)
    assert (again.status, again.attempt, again.bytes_sent) == (PhotoStatus.QUEUED, 2, 0)
    assert again.storage_key != lost.storage_key


def test_what_would_fail_again_is_not_retried() -> None:
    failed = photos.fail(_processing(Stage.METADATA), DamagedImage(), 9)
    with pytest.raises(NotRetryable):
        photos.retry(failed, 10)


def _processing(stage: Stage) -> Photo:
    return Photo(
        id="ph_1",
        job_id="job_1",
        user_id="u",
        position=0,
        filename="a.jpg",
        mime_type="image/jpeg",
        bytes=10,
        bytes_sent=10,
        status=PhotoStatus.PROCESSING,
        stage=stage,
        storage_key="originals/ph_1.1",
        stored_at=5,
        created_at=1,
        updated_at=1,
    )
