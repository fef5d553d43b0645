"""Camera RAW by LibRaw: the preview that the camera put into the file, else the sensor's picture at half size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips
import rawpy

from safelight.errors import DamagedImage, DecodeMemory, UnsupportedType
from safelight.processing import jpeg

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MiB: Final = 1024 * 1024
# LibRaw's `flip` in clockwise degrees.
_TURNS: Final = {3: "d180", 5: "d270", 6: "d90"}


@dataclass(frozen=True, slots=True)
class Negative:
    """A RAW file's dimensions in pixels, upright, and the estimated peak of its decoding in bytes."""

    width: int
    height: int
    decode_bytes: int


def measure(path: Path) -> Negative:
    """A RAW file's dimensions; UnsupportedType where LibRaw does not know the camera."""
    with _open(path) as file:
        sizes = file.sizes
        turned = sizes.flip in (5, 6)
        width, height = (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)
        # The sensor's values at two bytes, LibRaw's half-size picture of four channels, and the result.
        return Negative(width, height, sizes.raw_width * sizes.raw_height * 6 + 96 * MiB)


def reduced(path: Path, box: int) -> pyvips.Image:
    """The photo upright, in sRGB, in a box of `box` px: the camera's preview if that is as large, else developed."""
    with _open(path) as file:
        preview = _preview(file, box)
        wanted = min(box, max(file.sizes.width, file.sizes.height))
        if preview is not None and max(preview.width, preview.height) >= wanted:
            return preview
        try:
            developed = file.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
        except rawpy.LibRawError as error:
            if preview is None:
                raise _reason(error) from error
            return preview
        return _from_array(developed).thumbnail_image(box, height=box, size="down")


def _preview(file: rawpy.RawPy, box: int) -> pyvips.Image | None:
    try:
        thumb = file.extract_thumb()
    except rawpy.LibRawError:
        return None
    if not isinstance(thumb.data, bytes):
        return _upright(_from_array(thumb.data).thumbnail_image(box, height=box, size="down"), file.sizes)
    if thumb.format is not rawpy.ThumbFormat.JPEG:
        return None
    image = jpeg.reduced(thumb.data, box, upright=False)
    return _upright(image, file.sizes)


def _from_array(pixels: npt.NDArray[np.uint8]) -> pyvips.Image:
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels.tobytes(), width, height, bands, "uchar")
    return image.copy(interpretation="srgb" if bands > 2 else "b-w")


def _upright(image: pyvips.Image, sizes: rawpy.ImageSizes) -> pyvips.Image:
    """Most previews lie as the sensor does, and LibRaw notes the turn in their EXIF; some cameras turn them before."""
    turned_already = sizes.flip in (5, 6) and (image.width < image.height) == (sizes.width > sizes.height)
    if turned_already:
        return image
    # Turning reads from below: the picture, in its box by now, must be in memory.
    if "orientation" in image.get_fields() and image.get("orientation") != 1:
        return image.copy_memory().autorot()
    return image.copy_memory().rot(_TURNS[sizes.flip]) if sizes.flip in _TURNS else image


def _open(path: Path) -> rawpy.RawPy:
    try:
        return rawpy.imread(str(path))
    except rawpy.LibRawError as error:
        raise _reason(error) from error


def _reason(error: rawpy.LibRawError) -> DamagedImage | DecodeMemory | UnsupportedType:
    if isinstance(error, rawpy.LibRawUnsufficientMemoryError | rawpy.LibRawTooBigError):
        return DecodeMemory()
    return UnsupportedType() if isinstance(error, rawpy.LibRawFileUnsupportedError) else DamagedImage()
