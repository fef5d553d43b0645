"""What a photo tells of itself, in every container, and the lies that it may tell."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.processing.conftest import develop
from tests.unit.processing.samples import (
    Entry,
    ascii_,
    directory,
    dng,
    encoded,
    long,
    picture,
    rationals,
    short,
)

from safelight.processing import metadata, tiff
from safelight.processing.sandbox import Sandbox

Write = Callable[[bytes], Path]
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825


def block(main: list[Entry] = [], detail: list[Entry] = [], gps: list[Entry] = []) -> bytes:  # noqa: B006 - only read
    """An EXIF block of these three directories."""
    at_detail = 8 + len(directory(8, [*main, long(EXIF_DIRECTORY, 0), long(GPS_DIRECTORY, 0)]))
    at_gps = at_detail + len(directory(at_detail, detail))
    pointers = [long(EXIF_DIRECTORY, at_detail), long(GPS_DIRECTORY, at_gps)]
    parts = [directory(8, [*main, *pointers]), directory(at_detail, detail), directory(at_gps, gps)]
    return b"II*\0" + struct.pack("<L", 8) + b"".join(parts)


def taken(detail: list[Entry], gps: list[Entry] = [], main: list[Entry] = []) -> str | None:  # noqa: B006 - only read
    return metadata.taken_at(metadata.of_block(block(main, detail, gps)))


def told(**sections: list[Entry]) -> dict[str, object]:
    return metadata.exif(metadata.of_block(block(**sections)))


def gps_at(clock: tuple[int, int, int], day: str = "2024:05:06") -> list[Entry]:
    return [rationals(7, *((number, 1) for number in clock)), ascii_(29, day)]


LOCAL = ascii_(0x9003, "2024:05:06 07:08:09")
COMPLETE = block(
    main=[ascii_(0x010F, "Safelight"), ascii_(0x0110, "Pinhole 1"), short(0x0112, 1)],
    detail=[
        LOCAL,
        ascii_(0x9011, "+02:00"),
        ascii_(0x9291, "25"),
        rationals(0x829A, (1, 250)),
        rationals(0x829D, (28, 10)),
        short(0x8827, 400),
        short(0x9209, 0x19),
        rationals(0x9204, (-2, 3), kind=10),
        rationals(0x920A, (35, 1)),
        short(0xA405, 52),
        ascii_(0xA434, "35mm f/2.8"),
    ],
    gps=[
        ascii_(1, "S"),
        rationals(2, (33, 1), (51, 1), (2440, 100)),
        ascii_(3, "E"),
        rationals(4, (151, 1), (12, 1), (3600, 100)),
        (5, 1, b"\x01"),
        rationals(6, (125, 10)),
    ],
)
EXPECTED = {
    "make": "Safelight",
    "model": "Pinhole 1",
    "lensModel": "35mm f/2.8",
    "exposureTime": 0.004,
    "fNumber": 2.8,
    "iso": 400,
    "flash": True,
    "exposureBias": -0.6666667,
    "focalLength": 35.0,
    "focalLength35mm": 52,
    "latitude": -33.8567778,
    "longitude": 151.21,
    "altitude": -12.5,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.asyncio(loop_scope="session")
async def test_exif_is_read_from_every_container(sandbox: Sandbox, write: Write, kind: str) -> None:
    found = await develop(sandbox, write(encoded(picture(64, 48), kind, exif=b"Exif\0\0" + COMPLETE)))
    assert found.described.exif == EXPECTED
    assert found.described.taken_at == "2024-05-06T07:08:09.250+02:00"


@pytest.mark.asyncio(loop_scope="session")
async def test_exif_is_read_from_camera_raw(sandbox: Sandbox, write: Write) -> None:
    found = await develop(sandbox, write(dng(encoded(picture(64, 48), "JPEG"), 64, 48)))
    assert (found.described.exif["make"], found.described.exif["model"]) == ("Safelight", "Pinhole 1")
    assert found.described.taken_at == "2024-05-06T07:08:09+02:00"


def test_cr3_and_raf_are_read_where_their_makers_put_it() -> None:
    main, detail, gps = (
        b"II*\0" + struct.pack("<L", 8) + directory(8, entries)
        for entries in ([ascii_(0x010F, "Canon")], [LOCAL], gps_at((5, 8, 9)))
    )
    boxes = b"".join(
        struct.pack(">L", len(data) + 8) + name + data
        for name, data in ((b"CMT1", main), (b"CMT2", detail), (b"CMT3", b""), (b"CMT4", gps))
    )
    cr3 = io.BytesIO(struct.pack(">L", 24) + b"ftypcrx " + bytes(12) + bytes(24) + boxes)
    sections = metadata.of_raw(cr3, "image/x-canon-cr3")
    assert (metadata.exif(sections)["make"], metadata.taken_at(sections)) == ("Canon", "2024-05-06T07:08:09+02:00")

    preview = encoded(picture(64, 48), "JPEG", exif=b"Exif\0\0" + COMPLETE)
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">LL", 100, len(preview)) + bytes(8) + preview
    assert metadata.exif(metadata.of_raw(io.BytesIO(raf), "image/x-fuji-raf")) == EXPECTED


def test_without_an_offset_none_is_claimed() -> None:
    assert taken([LOCAL]) == "2024-05-06T07:08:09"


@pytest.mark.parametrize(
    ("clock", "day", "expected"),
    [
        ((5, 8, 9), "2024:05:06", "+02:00"),
        ((5, 6, 30), "2024:05:06", "+02:00"),
        ((1, 38, 9), "2024:05:06", "+05:30"),
        ((17, 8, 9), "2024:05:06", "-10:00"),
        ((20, 8, 9), "2024:05:05", "+11:00"),
        ((5, 2, 0), "2024:05:06", ""),
        ((7, 8, 9), "2024:05:04", ""),
        ((99, 8, 9), "2024:05:06", ""),
        ((5, 8, 9), "2024:13:06", ""),
    ],
)
def test_gps_time_gives_the_offset_where_it_fits(clock: tuple[int, int, int], day: str, expected: str) -> None:
    assert taken([LOCAL], gps_at(clock, day)) == "2024-05-06T07:08:09" + expected


def test_gps_time_alone_is_universal() -> None:
    assert taken([], gps_at((5, 8, 9))) == "2024-05-06T05:08:09+00:00"


def test_the_next_clock_counts_where_the_first_is_unset() -> None:
    unset = ascii_(0x9003, "0000:00:00 00:00:00")
    assert (
        taken([unset, ascii_(0x9004, "2020:01:02 03:04:05"), ascii_(0x9012, "-03:30")]) == "2020-01-02T03:04:05-03:30"
    )
    assert taken([unset], main=[ascii_(0x0132, "2020:01:02 03:04:05")]) == "2020-01-02T03:04:05"


@pytest.mark.parametrize(
    "nonsense", ["    :  :     :  :  ", "2024:02:31 07:08:09", "2024:05:06", "yesterday", "\x00", "9999:99:99 99:99:99"]
)
def test_a_clock_that_makes_no_sense_is_no_time(nonsense: str) -> None:
    assert taken([ascii_(0x9003, nonsense)]) is None


@pytest.mark.parametrize("offset", ["+25:00", "2 hours", "", "+99:99"])
def test_an_offset_that_makes_no_sense_is_none(offset: str) -> None:
    assert taken([LOCAL, ascii_(0x9011, offset)]) == "2024-05-06T07:08:09"


def test_text_is_clean_and_bounded() -> None:
    assert told(main=[(0x010F, 2, b"Canon\0rubbish"), (0x0110, 2, b"EOS\x07\x1b[31m 5D  ")])["model"] == "EOS  [31m 5D"
    assert told(main=[(0x010F, 2, b"Canon\0rubbish\0")])["make"] == "Canon"
    assert told(main=[(0x013B, 2, "Ægir".encode("latin-1") + b"\0")])["artist"] == "Ægir"
    assert len(str(told(main=[ascii_(0x010E, "x" * 3000)])["description"])) == 200
    assert "description" not in told(main=[ascii_(0x010E, "x" * 5000)])


@pytest.mark.parametrize(
    "gps",
    [
        [ascii_(1, "N"), rationals(2, (0, 0), (0, 0), (0, 0)), ascii_(3, "E"), rationals(4, (0, 0), (0, 0), (0, 0))],
        [ascii_(1, "N"), rationals(2, (91, 1), (0, 1), (0, 1)), ascii_(3, "E"), rationals(4, (1, 1), (0, 1), (0, 1))],
        [ascii_(1, "N"), rationals(2, (10, 1), (0, 1), (0, 1))],
        [rationals(2, (10, 1), (0, 1), (0, 1)), rationals(4, (10, 1), (0, 1), (0, 1))],
    ],
)
def test_half_a_position_is_none(gps: list[Entry]) -> None:
    assert not {"latitude", "longitude"} & set(told(gps=gps))


def test_division_by_zero_is_nothing() -> None:
    assert told(detail=[rationals(0x829A, (1, 0)), rationals(0x829D, (0, 0))]) == {}


def test_directories_that_go_round_in_circles_end() -> None:
    data = b"II*\0" + struct.pack("<L", 8) + directory(8, [long(330, 8), short(262, 2)], following=8)
    assert len(tiff.directories(io.BytesIO(data))) == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_error(data: bytes) -> None:
    for kind in ("image/x-canon-cr3", "image/x-fuji-raf", "image/tiff"):
        metadata.taken_at(metadata.of_raw(io.BytesIO(data), kind))
    tiff.directories(io.BytesIO(b"II*\0" + data))
    metadata.exif(metadata.of_block(b"MM\0*" + data))


@given(st.lists(st.tuples(st.integers(0, len(COMPLETE) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_any_change_of_sound_exif_is_read_without_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(COMPLETE)
    for place, value in changes:
        data[place] = value
    sections = metadata.of_block(bytes(data))
    metadata.exif(sections)
    metadata.taken_at(sections)


@pytest.mark.asyncio(loop_scope="session")
async def test_malformed_exif_never_fails_a_photo(sandbox: Sandbox, write: Write) -> None:
    for nonsense in (b"", b"II*\0", COMPLETE[:40], b"II*\0\xff\xff\xff\xff", COMPLETE[:8] + b"\xff" * 200):
        for kind in ("JPEG", "PNG", "WEBP"):
            found = await develop(sandbox, write(encoded(picture(64, 48), kind, exif=b"Exif\0\0" + nonsense)))
            assert found.described.width == 64
