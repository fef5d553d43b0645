"""TIFF's directories (TIFF 6.0, section 2), which EXIF and most camera RAW are made of.

Reads only the tags it knows, each up to a limit, from a number of directories that is limited too: whatever a file
claims, the time and memory are bounded. What makes no sense is left out; nothing here raises for bad content.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import BinaryIO, Final

Value = tuple[int | float | Fraction, ...] | bytes
Directory = Mapping[int, Value]

MAKE: Final = 271
PHOTOMETRIC: Final = 262
SUB_DIRECTORIES: Final = 330
EXIF_DIRECTORY: Final = 34665
GPS_DIRECTORY: Final = 34853
DNG_VERSION: Final = 50706

MAX_ENTRIES: Final = 1_000
MAX_VALUE_BYTES: Final = 4_096
MAX_DIRECTORIES: Final = 12

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_FORMATS: Final = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L"}
_BYTES: Final = {2, 7}
_RATIONALS: Final = {5: "L", 10: "l"}


class Tree:
    """A TIFF structure that begins at `start` of a file."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file = file
        self._start = start
        head = self.bytes_at(0, 8)
        # Olympus and Panasonic write other marks than 42 behind the byte order; all else is the same.
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self.first = struct.unpack(self._order + "L", head[4:8])[0] if self._order and len(head) == 8 else 0

    def bytes_at(self, offset: int, count: int) -> bytes:
        self._file.seek(self._start + offset)
        return self._file.read(count)

    def directory(self, offset: int) -> tuple[Directory, int]:
        """The values of a directory by tag, and where the next one begins (0: there is none)."""
        count_bytes = self.bytes_at(offset, 2)
        if not offset or len(count_bytes) < 2:
            return {}, 0
        (count,) = struct.unpack(self._order + "H", count_bytes)
        entries = self.bytes_at(offset + 2, min(count, MAX_ENTRIES) * 12 + 4)
        values: dict[int, Value] = {}
        for at in range(0, len(entries) - 11, 12):
            if at // 12 == count:
                break
            tag, kind, length = struct.unpack(self._order + "HHL", entries[at : at + 8])
            value = self._value(kind, length, entries[at + 8 : at + 12])
            if value:
                values.setdefault(tag, value)
        behind = entries[count * 12 : count * 12 + 4]
        return values, struct.unpack(self._order + "L", behind)[0] if len(behind) == 4 else 0

    def _value(self, kind: int, length: int, inline: bytes) -> Value | None:
        size = length * _SIZES.get(kind, 0)
        if not 0 < size <= MAX_VALUE_BYTES:
            return None
        data = inline[:size] if size <= 4 else self.bytes_at(struct.unpack(self._order + "L", inline)[0], size)
        if len(data) < size:
            return None
        if kind in _BYTES:
            return data
        if kind in _RATIONALS:
            numbers = struct.unpack(f"{self._order}{length * 2}{_RATIONALS[kind]}", data)
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            return tuple(Fraction(over, under) if under else float("nan") for over, under in pairs)
        return struct.unpack(f"{self._order}{length}{_FORMATS[kind]}", data)


def directories(file: BinaryIO, start: int = 0) -> list[Directory]:
    """The chain of directories and their sub-directories, the first one first; [] where this is no TIFF."""
    tree = Tree(file, start)
    found: list[Directory] = []
    waiting, seen = [tree.first], {0}
    while waiting and len(found) < MAX_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        directory, following = tree.directory(offset)
        found.append(directory)
        waiting += [following, *pointers(directory, SUB_DIRECTORIES)]
    return found


def with_exif(file: BinaryIO, start: int = 0) -> tuple[Directory, Directory, Directory]:
    """The first directory, its EXIF directory and its GPS directory; {} for each that there is not."""
    tree = Tree(file, start)
    main, _ = tree.directory(tree.first)
    return main, child(tree, main, EXIF_DIRECTORY), child(tree, main, GPS_DIRECTORY)


def child(tree: Tree, directory: Directory, tag: int) -> Directory:
    """The directory that a tag points to, or {}."""
    offsets = pointers(directory, tag)
    return tree.directory(offsets[0])[0] if offsets else {}


def pointers(directory: Directory, tag: int) -> list[int]:
    """The offsets that a tag holds."""
    value = directory.get(tag, ())
    return [] if isinstance(value, bytes) else [number for number in value if isinstance(number, int) and number > 0]


def text(value: Value | None) -> str | None:
    """Text fit to store and show: up to the first NUL, without control characters, at most 200 characters."""
    if not isinstance(value, bytes):
        return None
    data = value.split(b"\0", 1)[0]
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        decoded = data.decode("latin-1")
    return "".join(char if char.isprintable() else " " for char in decoded).strip()[:200] or None
