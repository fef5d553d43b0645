"""Headers and pixels, as the child process reads them: libvips for most, pillow-heif for HEIC, raw.py for camera RAW.

One decode a photo: the 1024 px thumbnail is made from the file, with the decoder's own reduction where it has one,
and everything smaller from that thumbnail.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyvips

from safelight.errors import DamagedImage, TooManyPixels
from safelight.processing import heic, jpeg, metadata, raw
from safelight.processing.filetype import is_raw
from safelight.processing.thumbhash import thumbhash
from safelight.processing.wire import Description, Thumbnails

MiB: Final = 1024 * 1024
LARGE: Final = 1024
SMALL: Final = 256
TINY: Final = 32
QUALITY: Final = 80
# Costs half the time of libvips' default 4, for files 2 to 3 % larger (measured on camera photos).
EFFORT: Final = 2
# `error` also takes in `truncated`; with the latter alone half an uncompressed TIFF counts as whole.
FAIL_ON: Final = "error"

_LOADERS: Final[dict[str, tuple[str, Callable[..., pyvips.Image]]]] = {
    "image/jpeg": ("VipsForeignLoadJpeg", pyvips.Image.jpegload),
    "image/png": ("VipsForeignLoadPng", pyvips.Image.pngload),
    "image/webp": ("VipsForeignLoadWebp", pyvips.Image.webpload),
    "image/gif": ("VipsForeignLoadNsgif", pyvips.Image.gifload),
    "image/tiff": ("VipsForeignLoadTiff", pyvips.Image.tiffload),
    "image/avif": ("VipsForeignLoadHeif", pyvips.Image.heifload),
}
_CHANNEL_BYTES: Final = {"uchar": 1, "ushort": 2, "float": 4}


def prepare() -> None:
    """Set libvips up for untrusted photos: no cache, and no loader but those of photos."""
    pyvips.cache_set_max(0)
    pyvips.cache_set_max_mem(0)
    pyvips.cache_set_max_files(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader, _ in _LOADERS.values():
        pyvips.operation_block_set(loader, False)


def describe(path: Path, media_type: str, max_pixels: int) -> Description:
    """What the header tells; TooManyPixels above `max_pixels`, DamagedImage where there is no sound header."""
    if is_raw(media_type):
        negative = raw.measure(path)
        _limit(negative.width, negative.height, max_pixels)
        with path.open("rb") as file:
            sections = metadata.of_raw(file, media_type)
        return _description(media_type, negative.width, negative.height, 1, sections, negative.decode_bytes)
    if media_type == "image/heic":
        picture = heic.header(path)
        width, height = picture.size
        _limit(width, height, max_pixels)
        block = picture.info.get("exif")
        sections = metadata.of_block(block if isinstance(block, bytes) else b"")
        # libheif has turned the picture already; the EXIF orientation is a remark (ISO 23008-12, 6.5.10).
        return _description(media_type, width, height, 1, sections, 12 * width * height + 64 * MiB)
    image = _LOADERS[media_type][1](str(path), access="sequential", fail_on=FAIL_ON)
    _limit(image.width, image.height, max_pixels)
    orientation = _field(image, "orientation", 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    width, height = (image.height, image.width) if orientation > 4 else (image.width, image.height)
    return _description(media_type, width, height, orientation, _exif(image, path, media_type), _decode_bytes(image))


def thumbnails(path: Path, media_type: str) -> Thumbnails:
    """The thumbnails, upright, in sRGB and without metadata, never larger than the photo. Decodes the photo once."""
    large = _reduced(path, media_type).colourspace("srgb").cast("uchar").copy_memory()
    small = large.thumbnail_image(SMALL, height=SMALL, size="down").copy_memory()
    tiny = small.thumbnail_image(TINY, height=TINY, size="down")
    tiny = tiny if tiny.hasalpha() else tiny.addalpha()
    placeholder = thumbhash(tiny.width, tiny.height, bytes(tiny.write_to_memory()))
    return Thumbnails(
        small=_webp(small),
        large=_webp(large),
        thumbhash=base64.b64encode(placeholder).decode(),
    )


def _webp(image: pyvips.Image) -> bytes:
    """`keep=0`: no EXIF, XMP or profile goes into a thumbnail."""
    return bytes(image.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep=0))


def _reduced(path: Path, media_type: str) -> pyvips.Image:
    if is_raw(media_type):
        return raw.reduced(path, LARGE)
    if media_type == "image/jpeg":
        return jpeg.reduced(path, LARGE, upright=True)
    if media_type == "image/heic":
        whole = heic.pixels(path)
    elif media_type == "image/avif":
        # `thumbnail` would take a thumbnail embedded in the file, and not notice that the photo itself is damaged.
        whole = pyvips.Image.heifload(str(path), access="sequential", fail_on=FAIL_ON)
    else:
        return pyvips.Image.thumbnail(
            str(path), LARGE, height=LARGE, size="down", output_profile="srgb", fail_on=FAIL_ON
        )
    return whole.thumbnail_image(LARGE, height=LARGE, size="down", output_profile="srgb")


def _limit(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise DamagedImage
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The photo has more pixels than this server decodes ({width:,} x {height:,}; the limit is"
            f" {max_pixels / 1e6:,.0f} megapixels). The original is kept; export a smaller one."
        )


def _description(
    media_type: str, width: int, height: int, orientation: int, sections: metadata.Sections, decode_bytes: int
) -> Description:
    return Description(
        media_type=media_type,
        width=width,
        height=height,
        orientation=orientation,
        taken_at=metadata.taken_at(sections),
        exif=metadata.exif(sections),
        decode_bytes=decode_bytes,
    )


def _exif(image: pyvips.Image, path: Path, media_type: str) -> metadata.Sections:
    if media_type == "image/tiff":
        with path.open("rb") as file:
            return metadata.of_raw(file, media_type)
    block = image.get("exif-data") if "exif-data" in image.get_fields() else b""
    return metadata.of_block(block if isinstance(block, bytes) else b"")


def _field(image: pyvips.Image, name: str, default: int) -> int:
    value = image.get(name) if name in image.get_fields() else default
    return value if isinstance(value, int) else default


def _decode_bytes(image: pyvips.Image) -> int:
    """The peak that decoding takes, measured for each format and rounded up; a test holds it to that."""
    pixels = image.width * image.height
    whole = pixels * image.bands * _CHANNEL_BYTES.get(str(image.format), 8)
    loader = str(image.get("vips-loader"))
    if loader.startswith("jpegload"):
        # A progressive JPEG is held as coefficients of two bytes; chroma at half size counts a quarter, twice.
        chroma = str(image.get("jpeg-chroma-subsample")) if "jpeg-chroma-subsample" in image.get_fields() else "4:4:4"
        channels = 1.5 if chroma == "4:2:0" else image.bands
        held = int(pixels * channels * 2) if _field(image, "jpeg-multiscan", 0) else 0
    elif loader.startswith("pngload"):
        held = whole if _field(image, "interlaced", 0) else 0
    elif loader.startswith("heifload"):
        held = pixels * (28 if image.format == "ushort" else 18)
    elif loader.startswith("gifload"):
        held = 6 * pixels
    elif loader.startswith("webpload"):
        held = 5 * pixels
    else:
        held = whole
    return int(held + 64 * MiB + 200 * image.width)
