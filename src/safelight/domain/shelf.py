"""Where a photo stands among the others, and what somebody looks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from safelight.domain.photo import Photo

DAY: Final = 86_400_000
EPOCH: Final = date(1970, 1, 1)
# Milliseconds from the first day that a date can name, 0001-01-01, to the epoch: added, no place is negative.
BEFORE_EPOCH: Final = (EPOCH - date.min).days * DAY
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


class Order(StrEnum):
    """By what photos are in order, newest first, and of which day each one is."""

    ADDED = "added"
    # By the camera's clock; what has no capture date stands where it arrived.
    CAPTURED = "captured"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Word:
    """A word looked for; where it names a year, a month or a day, also [begin, end) of that (milliseconds)."""

    text: str
    span: tuple[int, int] | None


def wall_clock(taken_at: str | None) -> int | None:
    """Milliseconds of the camera's clock, read as if it showed UTC: two photos of one noon stand on one day, wherever
    they were taken. None where it is not known.
    """
    if taken_at is None:
        return None
    try:
        shown = datetime.fromisoformat(taken_at).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (shown - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def camera_of(exif: Mapping[str, object]) -> str | None:
    """Maker, camera and lens, as they are looked for; None where the photo names none of them."""
    named = [exif.get(name) for name in ("make", "model", "lensMake", "lensModel")]
    return " ".join(name for name in named if isinstance(name, str)) or None


def place(photo: Photo, order: Order) -> int:
    """What the photo is in order by, in milliseconds."""
    if order is Order.CAPTURED and photo.taken_ms is not None:
        return photo.taken_ms
    if order is Order.DELETED and photo.deleted_at is not None:
        return photo.deleted_at
    return photo.created_at


def words(search: str) -> list[Word]:
    """What is looked for, word by word: each must be found."""
    return [Word(text, _span(text)) for text in search.split()]


def first_of(day: date) -> int:
    """The first millisecond of a day."""
    return (day - EPOCH).days * DAY


def day_of(place: int) -> date:
    """The day that a place (milliseconds) lies in."""
    return EPOCH + timedelta(days=place // DAY)


def _span(text: str) -> tuple[int, int] | None:
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(group) if group else None for group in found.groups())
    try:
        begin = date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    # Any 32 days reach into the next month, any 366 into the next year.
    length = timedelta(days=1 if day else 32 if month else 366)
    try:
        after = begin + length
    except OverflowError:
        return None
    end = after if day else after.replace(day=1) if month else after.replace(month=1, day=1)
    return first_of(begin), first_of(end)
