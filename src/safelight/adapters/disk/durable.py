"""Files that outlive a power cut once a call returned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crc32c import crc32c

_BLOCK: Final = 1024 * 1024


def seal(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename each `(source, target)`: the bytes first, then the names, then the folders that hold the names
    (fsync(2), NOTES).
    """
    for source, _ in moves:
        _sync(source)
    for source, target in moves:
        source.replace(target)
    for folder in {target.parent for _, target in moves}:
        _sync(folder)


def checksum(path: Path) -> tuple[int, int]:
    """CRC32C and size in bytes of a file. FileNotFoundError where there is none."""
    crc = size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc, size = crc32c(block, crc), size + len(block)
    return crc, size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
