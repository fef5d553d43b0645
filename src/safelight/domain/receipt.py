"""The receipt of a job: every file with its state, size, checksum and the times of its stages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from safelight.domain.events import iso
from safelight.domain.photo import Photo

# What a photo comes to, in order, by the status or stage of the event that tells of it; each is the name of a time.
MOMENTS: Final = {
    "QUEUED": "queued_at",
    "UPLOADING": "uploading_at",
    "PROCESSING": "stored_at",
    "VERIFYING": "verifying_at",
    "METADATA": "metadata_at",
    "THUMBNAILS": "thumbnails_at",
    "PUBLISHING": "publishing_at",
    "COMPLETED": "ended_at",
    "FAILED": "ended_at",
    "CANCELLED": "ended_at",
}
TIMES: Final = tuple(dict.fromkeys(MOMENTS.values()))
COLUMNS: Final = (
    *("path", "bytes", "status", "checksum", "contentHash", "attempt", "errorCode", "errorMessage", "duplicateOf"),
    *("queuedAt", "uploadingAt", "storedAt", "verifyingAt", "metadataAt", "thumbnailsAt", "publishingAt", "endedAt"),
    "photoId",
)
# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Excel takes a file without it for one in the machine's own encoding.
_BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(slots=True)
class Timeline:
    """When each photo of a job came to what, gathered from the job's events in their order."""

    _times: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Events as they went over the wire. Of a photo that was retried only the last attempt counts; of a stage
        that was done twice, the first time.
        """
        for event in events:
            photo_id = event.get("photoId")
            if photo_id is None:
                continue
            attempt, times = self._times.get(photo_id, (0, {}))
            if event["attempt"] > attempt:
                attempt, times = event["attempt"], {}
                self._times[photo_id] = attempt, times
            times.setdefault(MOMENTS[event.get("stage") or event["status"]], event["timestamp"])

    def of(self, photo: Photo) -> dict[str, str]:
        """What is known of a photo's times. Where the events were forgotten long ago, the row itself knows the most
        important ones.
        """
        known = {"queued_at": iso(photo.created_at)}
        if photo.stored_at is not None:
            known["stored_at"] = iso(photo.stored_at)
        if photo.terminal:
            known["ended_at"] = iso(photo.completed_at or photo.updated_at)
        attempt, told = self._times.get(photo.id, (0, {}))
        return {**known, **(told if attempt == photo.attempt else {})}


@dataclass(frozen=True, slots=True)
class Line:
    """One file of the receipt; `times` are ISO 8601, by the names in TIMES."""

    photo: Photo
    times: Mapping[str, str]

    @property
    def path(self) -> str:
        return self.photo.relative_path or self.photo.filename

    @property
    def checksum(self) -> str | None:
        """Of the bytes as they are stored; none before they are, and of a photo that ended without them."""
        stored = self.photo.crc32c and self.photo.stored_at is not None
        return f"crc32c:{self.photo.crc32c}" if stored else None


def lines(photos: Sequence[Photo], timeline: Timeline) -> list[Line]:
    """A line for each photo, in the order declared."""
    return [Line(photo, timeline.of(photo)) for photo in photos]


def as_csv(receipt: Iterable[Line]) -> str:
    """RFC 4180 with a byte order mark. What a spreadsheet would take for a formula is preceded by an apostrophe."""
    text = io.StringIO(newline="")
    text.write(_BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in receipt:
        photo = line.photo
        cells = (line.path, photo.bytes, photo.status, line.checksum, photo.content_hash, photo.attempt)
        ending = (photo.error_code, photo.error_message, photo.duplicate_of)
        times = (line.times.get(name) for name in TIMES)
        writer.writerow([_inert(cell) for cell in (*cells, *ending, *times, photo.id)])
    return text.getvalue()


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
