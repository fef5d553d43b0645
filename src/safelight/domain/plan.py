"""How a declared file will be sent, under which name, or why it cannot be."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from safelight.errors import EmptyFile, FileTooLarge, PhotoError, UnsupportedType

MiB: Final = 1024 * 1024
SINGLE_PUT_LIMIT: Final = 8 * MiB
PART_SIZE: Final = 8 * MiB
MAX_PARTS: Final = 10_000
MAX_NAME_BYTES: Final = 255

# Browsers know no MIME type for most camera RAW files, so the name decides whether to try; the content decides later.
PHOTO_EXTENSIONS: Final = frozenset(
    "jpg jpeg jpe jfif png webp gif tif tiff avif heic heif hif "
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split()
)

# Controls, and the bidirectional overrides by which a name can pretend to have another ending (Unicode TR 36).
_INVISIBLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Parts:
    """A multipart upload: `count` parts of `size` bytes, the last one perhaps shorter."""

    size: int
    count: int

    def size_of(self, part_number: int, total: int) -> int:
        """The bytes of part `part_number` (from 1) in a file of `total` bytes."""
        return min(self.size, total - (part_number - 1) * self.size)


def parts(total: int) -> Parts | None:
    """None for a single PUT (up to 8 MiB); else 8 MiB parts, larger only where 10,000 would not suffice."""
    if total <= SINGLE_PUT_LIMIT:
        return None
    size = max(PART_SIZE, -(-total // MAX_PARTS // MiB) * MiB)
    while -(-total // size) > MAX_PARTS:
        size += MiB
    return Parts(size, -(-total // size))


def refusal(filename: str, mime_type: str, total: int, max_bytes: int) -> PhotoError | None:
    """Why this file can never become a photo, or None."""
    if total == 0:
        return EmptyFile()
    if total > max_bytes:
        return FileTooLarge(
            f"The file is larger than this server accepts ({total:,} of at most {max_bytes:,} bytes)."
            " Export a smaller one."
        )
    extension = PurePosixPath(filename).suffix.lower().removeprefix(".")
    image = mime_type.lower().startswith("image/") and not mime_type.lower().startswith("image/svg")
    if not image and extension not in PHOTO_EXTENSIONS:
        return UnsupportedType()
    return None


def clean_name(name: str) -> str:
    """A name fit to show and to save under: the last path component, nothing invisible, at most 255 bytes of UTF-8."""
    visible = _SURROGATES.sub("\ufffd", _INVISIBLE.sub("", unicodedata.normalize("NFC", name)))
    last = re.split(r"[/\\]", visible)[-1].strip().rstrip(".")
    if last.strip(".") == "":
        return "photo"
    return _shorten(last)


def clean_path(path: str | None) -> str | None:
    """A relative path whose components are clean names; `..` and empty ones are dropped."""
    if path is None:
        return None
    components = [p for p in re.split(r"[/\\]", path) if p.strip(". ")]
    return "/".join(clean_name(p) for p in components)[:4096] or None


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    room = MAX_NAME_BYTES - len(suffix.encode())
    stem = name.removesuffix(suffix) if suffix else name
    return stem.encode()[:room].decode(errors="ignore") + suffix
