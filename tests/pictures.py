"""Photos made for the tests: small, quick, and each different from the next."""

from __future__ import annotations

import io
import struct

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


def dated(taken: str, *, width: int = 64, height: int = 48, seed: int = 0) -> bytes:
    """A JPEG of a NIKON D90 whose clock showed `taken` (as EXIF writes it: 2024:05:04 23:59:59)."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON CORPORATION", "NIKON D90"
    exif.get_ifd(0x8769)[0x9003] = taken
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg(width, height, seed=seed))).save(out, "JPEG", exif=exif)
    return out.getvalue()


def big_jpeg(size: int, *, seed: int = 0) -> bytes:
    """A JPEG of exactly `size` bytes: decoders ignore what follows its end."""
    small = jpeg(seed=seed)
    return small + bytes([seed % 251 + 1]) * (size - len(small))


def with_thumbnail(photo: bytes, orientation: int = 1) -> bytes:
    """A JPEG with a thumbnail of 160 × 120 in its EXIF part, as cameras write it: in the directory behind the first."""
    small = io.BytesIO()
    Image.open(io.BytesIO(photo)).resize((160, 120)).save(small, "JPEG")
    thumbnail = small.getvalue()
    second = 8 + 2 + 12 + 4
    first = struct.pack("<HHHIII", 1, 0x112, 3, 1, orientation, second)
    entries = (0x201, 4, 1, second + 2 + 2 * 12 + 4), (0x202, 4, 1, len(thumbnail))
    behind = struct.pack("<H", 2) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + behind + thumbnail
    return photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:]
