"""Photos made for the tests, in every format: four quarters of different colour, so that up and left can be told."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable
from typing import Final

import pillow_heif
import pyvips
from PIL import Image

pillow_heif.register_heif_opener()

Colour = tuple[int, int, int]
RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 180, 60), (50, 60, 210), (230, 210, 60)
# Where each corner of the upright picture was stored, by EXIF orientation (CIPA DC-008, 4.6.4): PIL's name of the turn.
STORED: Final = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def picture(width: int = 1600, height: int = 1200) -> Image.Image:
    """Red and green above, blue and yellow below."""
    quarters = Image.new("RGB", (2, 2))
    quarters.putdata([RED, GREEN, BLUE, YELLOW])
    return quarters.resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def vips(image: Image.Image) -> pyvips.Image:
    return pyvips.Image.new_from_array(image)


def turned(orientation: int, kind: str, width: int = 400, height: int = 300) -> bytes:
    """A photo that is upright at width x height once its orientation is applied."""
    turn = STORED[orientation]
    stored = picture(width, height) if turn is None else picture(width, height).transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, kind, exif=exif.tobytes())


def corners(webp: bytes) -> list[Colour]:
    """The colours in the middle of the four quarters."""
    image = Image.open(io.BytesIO(webp)).convert("RGB")
    across, down = image.width, image.height
    places = [(across // 4, down // 4), (across * 3 // 4, down // 4), (across // 4, down * 3 // 4)]
    found = [image.getpixel(place) for place in [*places, (across * 3 // 4, down * 3 // 4)]]
    return [colour for colour in found if isinstance(colour, tuple)]  # type: ignore[misc]


def alike(left: Iterable[Colour], right: Iterable[Colour], within: int = 14) -> bool:
    """Whether colours differ by no more than lossy coding explains."""
    pairs = zip(left, right, strict=True)
    return all(abs(a - b) <= within for one, other in pairs for a, b in zip(one, other, strict=True))


def _jpeg() -> bytes:
    return encoded(picture(), "JPEG", quality=90)


def _sixteen_bits() -> pyvips.Image:
    return vips(picture()).colourspace("rgb16")


FORMATS: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "jpeg": ("image/jpeg", _jpeg),
    "jpeg-progressive": ("image/jpeg", lambda: encoded(picture(), "JPEG", progressive=True)),
    "jpeg-444": ("image/jpeg", lambda: encoded(picture(), "JPEG", subsampling=0)),
    "png": ("image/png", lambda: encoded(picture(), "PNG")),
    "png-interlaced": ("image/png", lambda: vips(picture()).pngsave_buffer(interlace=True)),
    "png-palette": ("image/png", lambda: encoded(picture().quantize(16), "PNG")),
    "png-16": ("image/png", lambda: _sixteen_bits().pngsave_buffer()),
    "webp": ("image/webp", lambda: encoded(picture(), "WEBP")),
    "webp-lossless": ("image/webp", lambda: encoded(picture(), "WEBP", lossless=True)),
    "webp-animated": ("image/webp", lambda: _moving("WEBP")),
    "gif": ("image/gif", lambda: encoded(picture(), "GIF")),
    "gif-animated": ("image/gif", lambda: _moving("GIF")),
    "tiff": ("image/tiff", lambda: encoded(picture(), "TIFF")),
    "tiff-deflate": ("image/tiff", lambda: encoded(picture(), "TIFF", compression="tiff_adobe_deflate")),
    "tiff-16": ("image/tiff", lambda: _sixteen_bits().tiffsave_buffer(compression="lzw")),
    "tiff-big": ("image/tiff", lambda: vips(picture()).tiffsave_buffer(bigtiff=True, tile=True)),
    "avif": ("image/avif", lambda: encoded(picture(), "AVIF", speed=9)),
    "avif-10": ("image/avif", lambda: _sixteen_bits().heifsave_buffer(compression="av1", bitdepth=10, effort=0)),
    "heic": ("image/heic", lambda: encoded(picture(), "HEIF")),
    "dng": ("image/x-adobe-dng", lambda: dng(_jpeg(), 1600, 1200)),
}


def _moving(kind: str) -> bytes:
    second = Image.new("RGB", (1600, 1200), (255, 255, 255))
    return encoded(picture(), kind, save_all=True, append_images=[second])


Entry = tuple[int, int, bytes]


def short(tag: int, *values: int) -> Entry:
    return tag, 3, struct.pack(f"<{len(values)}H", *values)


def long(tag: int, *values: int) -> Entry:
    return tag, 4, struct.pack(f"<{len(values)}L", *values)


def ascii_(tag: int, value: str) -> Entry:
    return tag, 2, value.encode() + b"\0"


def rationals(tag: int, *values: tuple[int, int], kind: int = 5) -> Entry:
    sign = "l" if kind == 10 else "L"
    return tag, kind, b"".join(struct.pack(f"<2{sign}", *value) for value in values)


def directory(at: int, entries: list[Entry], following: int = 0) -> bytes:
    """A TIFF directory at that offset, with its values behind it."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}
    behind = at + 2 + 12 * len(entries) + 4
    head, values = struct.pack("<H", len(entries)), b""
    for tag, kind, data in sorted(entries):
        count = len(data) // sizes[kind]
        if len(data) <= 4:
            head += struct.pack("<HHL", tag, kind, count) + data.ljust(4, b"\0")
        else:
            head += struct.pack("<HHLL", tag, kind, count, behind + len(values))
            values += data + b"\0" * (len(data) % 2)
    return head + struct.pack("<L", following) + values


def dng(
    preview: bytes, width: int, height: int, *, orientation: int = 1, sensor: tuple[int, int] | None = None
) -> bytes:
    """A camera RAW file (Adobe DNG 1.4): a JPEG preview, and the sensor's values in a sub-directory."""
    across, down = sensor or (width, height)
    values = struct.pack("<4H", 1000, 3000, 3000, 6000) * (across * down // 4)
    at_values, at_preview = 8, 8 + len(values)
    at_raw = at_preview + len(preview) + len(preview) % 2
    raw = directory(
        at_raw,
        [
            long(254, 0),
            long(256, across),
            long(257, down),
            short(258, 16),
            short(259, 1),
            short(262, 32803),
            long(273, at_values),
            short(277, 1),
            long(278, down),
            long(279, len(values)),
            short(33421, 2, 2),
            (33422, 1, bytes([0, 1, 1, 2])),
        ],
    )
    at_main = at_raw + len(raw)
    taken = [ascii_(0x9003, "2024:05:06 07:08:09"), ascii_(0x9011, "+02:00")]
    main = [
        long(254, 1),
        long(256, width),
        long(257, height),
        short(258, 8, 8, 8),
        short(259, 7),
        short(262, 6),
        ascii_(271, "Safelight"),
        ascii_(272, "Pinhole 1"),
        long(273, at_preview),
        short(274, orientation),
        short(277, 3),
        long(278, height),
        long(279, len(preview)),
        long(330, at_raw),
        long(34665, 0),
        (50706, 1, bytes([1, 4, 0, 0])),
        ascii_(50708, "Safelight Pinhole 1"),
        rationals(50721, *[(int(row == column), 1) for row in range(3) for column in range(3)], kind=10),
        short(50778, 21),
    ]
    at_exif = at_main + len(directory(at_main, main))
    main[14] = long(34665, at_exif)
    head = b"II*\0" + struct.pack("<L", at_main)
    padding = b"\0" * (len(preview) % 2)
    return head + values + preview + padding + raw + directory(at_main, main) + directory(at_exif, taken)
