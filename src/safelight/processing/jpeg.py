"""JPEG, whose decoder draws something for whatever it is given, and only remarks on what it had to make up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pyvips

# Pixels were lost: the data ended before its last block, or made no sense. libjpeg's other remarks (odd versions,
# extraneous bytes before a marker) are those of sound photos from careless software.
_LOST: Final = re.compile(r"Corrupt JPEG data: (premature end|bad |found marker)|premature end of JPEG")


def reduced(source: Path | bytes, box: int, *, upright: bool) -> pyvips.Image:
    """The picture in memory, in sRGB, in a box of `box` px, turned by its own EXIF where `upright`.

    pyvips.Error where pixels are missing.
    """
    try:
        return _reduced(source, box, upright, "warning")
    except pyvips.Error as error:
        if _LOST.search(str(error)):
            raise
    return _reduced(source, box, upright, "error")


def _reduced(source: Path | bytes, box: int, upright: bool, fail_on: str) -> pyvips.Image:
    if isinstance(source, bytes):
        # libvips 8.18 forgets the `fail_on` argument of thumbnail_buffer; the loader's own option is heard.
        image = pyvips.Image.thumbnail_buffer(
            source,
            box,
            height=box,
            size="down",
            no_rotate=not upright,
            output_profile="srgb",
            option_string=f"fail_on={fail_on}",
        )
    else:
        image = pyvips.Image.thumbnail(
            str(source), box, height=box, size="down", no_rotate=not upright, output_profile="srgb", fail_on=fail_on
        )
    return image.copy_memory()
