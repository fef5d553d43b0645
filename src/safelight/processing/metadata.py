"""What a photo tells of itself: camera, lens, exposure, place, and when it was taken (EXIF 2.32, CIPA DC-008)."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import BinaryIO, Final

from safelight.processing import tiff
from safelight.processing.tiff import Directory, Value

MAX_EXIF_BYTES: Final = 1 << 20

Read = Callable[[Value | None], object]
Sections = tuple[Directory, Directory, Directory]


def of_block(block: bytes) -> Sections:
    """The directories of an EXIF block as JPEG, PNG, WebP and HEIF carry it, with or without `Exif\\0\\0` before it."""
    block = block[:MAX_EXIF_BYTES]
    return tiff.with_exif(io.BytesIO(block.removeprefix(b"Exif\0\0")))


def of_raw(file: BinaryIO, media_type: str) -> Sections:
    """The directories of a camera RAW file, wherever its maker put them; empty where that is not known."""
    if media_type == "image/x-canon-cr3":
        return _of_cr3(file)
    if media_type == "image/x-fuji-raf":
        file.seek(84)
        offset, length = int.from_bytes(file.read(4), "big"), int.from_bytes(file.read(4), "big")
        file.seek(offset)
        return of_block(_of_jpeg(file.read(min(length, MAX_EXIF_BYTES))))
    return tiff.with_exif(file)


def exif(sections: Sections) -> dict[str, object]:
    """All that is known of the photo, ready for JSON; whatever is absent or makes no sense is left out.

    Seconds, millimetres, degrees (north and east positive), metres above the sea, EV.
    """
    main, detail, gps = sections
    found: dict[str, object] = {name: read(main.get(tag)) for name, tag, read in _MAIN}
    found |= {name: read(detail.get(tag)) for name, tag, read in _DETAIL}
    if found["iso"] is None:
        found["iso"] = _whole(detail.get(0x8833))
    found |= {
        "latitude": _degrees(gps.get(2), gps.get(1), 90),
        "longitude": _degrees(gps.get(4), gps.get(3), 180),
        "altitude": _altitude(gps.get(6), gps.get(5)),
        "direction": _number(gps.get(17)),
    }
    if found["latitude"] is None or found["longitude"] is None:
        found["latitude"] = found["longitude"] = None
    return {name: value for name, value in found.items() if value is not None}


def taken_at(sections: Sections) -> str | None:
    """When the photo was taken, as the camera's clock showed it, in ISO 8601; None where it does not say.

    DateTimeOriginal, else DateTimeDigitized, else DateTime, each with its own sub-seconds and offset. Without an
    offset, GPS time (which is UTC) gives one where it lies within three minutes of a whole quarter of an hour
    away. Without any local time, GPS time is given, with offset +00:00. Without an offset at all, none is claimed.
    """
    main, detail, gps = sections
    universal = _gps_time(gps)
    clocks = ((detail, 0x9003, 0x9291, 0x9011), (detail, 0x9004, 0x9292, 0x9012), (main, 0x0132, 0x9290, 0x9010))
    for directory, moment, fraction, offset in clocks:
        local = _moment(directory.get(moment))
        if local is None:
            continue
        digits = re.match(r"\d+", tiff.text(detail.get(fraction)) or "")
        if digits:
            local = local.replace(microsecond=int(digits[0][:6].ljust(6, "0")))
        zone = _zone(detail.get(offset)) or _zone_by_gps(local, universal)
        return _iso(local.replace(tzinfo=zone))
    return _iso(universal) if universal else None


def _moment(value: Value | None) -> datetime | None:
    match = re.match(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?", tiff.text(value) or "")
    if not match:
        return None
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups())
    try:
        return datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - a camera's clock has no zone
    except ValueError:
        return None


def _zone(value: Value | None) -> timezone | None:
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)|(Z)", tiff.text(value) or "")
    if not match:
        return None
    if match[4]:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset) if offset <= timedelta(hours=14) else None


def _zone_by_gps(local: datetime, universal: datetime | None) -> timezone | None:
    if universal is None:
        return None
    ahead = local - universal.replace(tzinfo=None)
    quarters = timedelta(minutes=15) * round(ahead / timedelta(minutes=15))
    if abs(ahead - quarters) > timedelta(minutes=3) or abs(quarters) > timedelta(hours=14):
        return None
    return timezone(quarters)


def _gps_time(gps: Directory) -> datetime | None:
    day = re.fullmatch(r"(\d{4})[:\-](\d\d)[:\-](\d\d)", tiff.text(gps.get(29)) or "")
    clock = [_real(number) for number in gps.get(7, ())]
    if not day or len(clock) != 3 or None in clock:
        return None
    hours, minutes, seconds = (number or 0.0 for number in clock)
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
        return None
    try:
        midnight = datetime.combine(date(*(int(group) for group in day.groups())), datetime.min.time(), UTC)
        return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (ValueError, OverflowError):
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _real(number: object) -> float | None:
    if not isinstance(number, int | float | Fraction):
        return None
    real = float(number)
    return real if math.isfinite(real) else None


def _number(value: Value | None) -> float | None:
    """The first number, to seven digits: more than any camera knows."""
    if value is None or isinstance(value, bytes):
        return None
    real = _real(value[0])
    return None if real is None else float(f"{real:.7g}")


def _positive(value: Value | None) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _whole(value: Value | None) -> int | None:
    number = _positive(value)
    return int(number) if number is not None else None


def _flash(value: Value | None) -> bool | None:
    number = _number(value)
    return None if number is None else bool(int(number) & 1)


def _one_of(names: Mapping[int, str]) -> Read:
    def read(value: Value | None) -> object:
        number = _number(value)
        return None if number is None else names.get(int(number))

    return read


def _degrees(value: Value | None, reference: Value | None, limit: int) -> float | None:
    side = tiff.text(reference)
    if value is None or isinstance(value, bytes) or len(value) != 3 or side not in ("N", "S", "E", "W"):
        return None
    # A part that is given as 0/0 was not measured; of degrees that means: no position.
    degrees, *smaller = (_real(number) for number in value)
    if degrees is None:
        return None
    minutes, seconds = (part or 0.0 for part in smaller)
    total = degrees + minutes / 60 + seconds / 3600
    return round(-total if side in "SW" else total, 7) if 0 <= total <= limit else None


def _altitude(value: Value | None, reference: Value | None) -> float | None:
    metres = _number(value)
    if metres is None:
        return None
    below = reference in ((1,), b"\x01", (3,))
    return round(-metres if below else metres, 2)


def _of_jpeg(data: bytes) -> bytes:
    """The EXIF block of a JPEG (APP1), or nothing."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 4 : at + 2 + length]
        if length < 2:
            break
        at += 2 + length
    return b""


def _of_cr3(file: BinaryIO) -> Sections:
    """Canon CR3: CMT1, CMT2 and CMT4 in moov's first uuid box are the main, EXIF and GPS directories."""
    file.seek(0)
    head = file.read(64 << 10)
    found: list[Directory] = []
    for mark in (b"CMT1", b"CMT2", b"CMT4"):
        at = head.find(mark)
        tree = tiff.Tree(io.BytesIO(head[at + 4 :] if at >= 0 else b""))
        found.append(tree.directory(tree.first)[0])
    main, detail, gps = found
    return main, detail, gps


_PROGRAMS: Final = {
    1: "manual",
    2: "program",
    3: "aperture priority",
    4: "shutter priority",
    5: "creative",
    6: "action",
    7: "portrait",
    8: "landscape",
}
_METERING: Final = {1: "average", 2: "centre-weighted", 3: "spot", 4: "multi-spot", 5: "pattern", 6: "partial"}

_MAIN: Final[tuple[tuple[str, int, Read], ...]] = (
    ("make", 0x010F, tiff.text),
    ("model", 0x0110, tiff.text),
    ("software", 0x0131, tiff.text),
    ("description", 0x010E, tiff.text),
    ("artist", 0x013B, tiff.text),
    ("copyright", 0x8298, tiff.text),
)
_DETAIL: Final[tuple[tuple[str, int, Read], ...]] = (
    ("lensMake", 0xA433, tiff.text),
    ("lensModel", 0xA434, tiff.text),
    ("exposureTime", 0x829A, _positive),
    ("fNumber", 0x829D, _positive),
    ("iso", 0x8827, _whole),
    ("exposureBias", 0x9204, _number),
    ("exposureProgram", 0x8822, _one_of(_PROGRAMS)),
    ("meteringMode", 0x9207, _one_of(_METERING)),
    ("whiteBalance", 0xA403, _one_of({0: "auto", 1: "manual"})),
    ("flash", 0x9209, _flash),
    ("focalLength", 0x920A, _positive),
    ("focalLength35mm", 0xA405, _whole),
)
