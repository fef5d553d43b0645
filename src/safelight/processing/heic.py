"""HEIC by libheif: the libvips that comes from PyPI has no HEVC decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pillow_heif
import pyvips

from safelight.errors import DamagedImage, DecodeMemory

pillow_heif.options.DECODE_THREADS = 1
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False
pillow_heif.options.THUMBNAILS = False


def header(path: Path) -> pillow_heif.HeifFile:
    """The file with its dimensions, EXIF and colour profile, nothing decoded; DamagedImage where it is not sound."""
    with _told():
        file = pillow_heif.open_heif(path)
    if not len(file):
        raise DamagedImage
    return file


def pixels(path: Path) -> pyvips.Image:
    """The picture, turned upright by libheif, with its colour profile."""
    file = header(path)
    with _told():
        data = file.data
    width, height = file.size
    image = pyvips.Image.new_from_memory(data, width, height, len(file.mode), "uchar")
    image = image.copy(interpretation="srgb" if len(file.mode) > 2 else "b-w")
    if file.premultiplied_alpha:
        image = image.unpremultiply().cast("uchar")
    profile = file.info.get("icc_profile")
    if isinstance(profile, bytes) and profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)  # type: ignore[arg-type] # blobs are bytes
    return image


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError) as error:
        raise (DecodeMemory() if "memory" in str(error).lower() else DamagedImage()) from error
