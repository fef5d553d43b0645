"""Photos by the thousand, quickly: a few pictures, each many times with a comment of its own; no two are alike."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

from PIL import Image, ImageFilter
from tests.pictures import with_thumbnail

_PICTURES = 24


def folder_of(path: Path, count: int, least: int, most: int, width: int, height: int, seed: int = 0) -> Path:
    """A folder of `count` JPEGs of `least` to `most` bytes, `width` × `height`, with the thumbnail that cameras add."""
    path.mkdir(parents=True)
    chance = random.Random(seed)
    for number in range(count):
        size = chance.randint(least, most)
        picture = _picture(width, height, number % _PICTURES, least)
        (path / f"DSC_{number + 1:05}.jpg").write_bytes(_numbered(picture, f"{seed}.{number}", size))
    return path


@cache
def _picture(width: int, height: int, seed: int, most: int) -> bytes:
    """Soft shapes under grain, as coarse as fits into `most` bytes."""
    chance = random.Random(seed)
    shapes = Image.effect_noise((max(2, width // 64), max(2, height // 64)), 160).resize((width, height))
    shapes = shapes.filter(ImageFilter.GaussianBlur(4))
    grain = Image.effect_noise((width, height), 30)
    planes = [Image.blend(shapes.rotate(turn * 90).resize((width, height)), grain, 0.25) for turn in range(3)]
    chance.shuffle(planes)
    whole = Image.merge("RGB", planes)
    for quality in range(92, 5, -6):
        out = io.BytesIO()
        whole.save(out, "JPEG", quality=quality)
        photo = with_thumbnail(out.getvalue())
        if len(photo) <= most:
            return photo
    raise ValueError(f"a picture of {width} × {height} does not fit into {most} bytes")


def _numbered(picture: bytes, number: str, size: int) -> bytes:
    """The picture as a file of `size` bytes: a comment makes it another, and what is left comes behind its end."""
    comment = number.encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    photo = picture[:2] + segment + picture[2:]
    pattern = comment + b"\0"
    return photo + (pattern * (max(0, size - len(photo)) // len(pattern) + 1))[: max(0, size - len(photo))]


def large_file(path: Path, size: int) -> Path:
    """A JPEG of `size` bytes, most of which follow its end; written piece by piece."""
    piece = 1024 * 1024
    with path.open("wb") as file:
        file.write(_picture(1024, 768, 0, 300_000))
        while (at := file.tell()) < size:
            file.write((at.to_bytes(8, "big") * (piece // 8))[: size - at])
    return path
