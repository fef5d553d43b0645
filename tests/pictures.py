"""Photos made for the tests: small, quick, and each different from the next."""

from __future__ import annotations

import io

from PIL import Image


def jpeg(width: int = 64, height: int = 48, *, seed: int = 0, orientation: int | None = None) -> bytes:
    """A JPEG whose four quarters differ in colour, so that each orientation can be told from the others."""
    picture = Image.new("RGB", (width, height))
    quarters = [(220, 40, 40), (40, 200, 60), (50, 60, 220), (230, 210, 60)]
    for index, (red, green, blue) in enumerate(quarters):
        shade = (red, green, (blue + seed * 7) % 256)
        left, top = (index % 2) * width // 2, (index // 2) * height // 2
        picture.paste(shade, (left, top, left + width // 2, top + height // 2))
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90, exif=exif, comment=f"photo {seed}")
    return out.getvalue()


def big_jpeg(size: int, *, seed: int = 0) -> bytes:
    """A JPEG of exactly `size` bytes: decoders ignore what follows its end."""
    small = jpeg(seed=seed)
    return small + bytes([seed % 251 + 1]) * (size - len(small))
