"""Which parts of a multipart upload are whole: an append-only file of short records beside the data.

A record is written after all bytes of its part were; one that a kill cut short does not match its own checksum and is
not there. Before a part is written anew its record is withdrawn, so a record never vouches for other bytes.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path
from threading import Lock
from typing import Final

# Part number, size in bytes (0: withdrawn), CRC32C of the part; then the CRC-32 of these.
_FIELDS: Final = struct.Struct("<IQI")
_CHECK: Final = struct.Struct("<I")
_RECORD: Final = _FIELDS.size + _CHECK.size
# Cutting off a torn record and writing behind it are one step, and parts end in several threads.
_APPENDING: Final = Lock()


def append(path: Path, part_number: int, size: int, crc: int) -> None:
    """Record a part as whole; FileNotFoundError where the upload has ended, OSError where the disk is full."""
    fields = _FIELDS.pack(part_number, size, crc)
    record = fields + _CHECK.pack(zlib.crc32(fields))
    with _APPENDING:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            # Whatever a kill or a full disk cut short ends behind the last boundary, and is written over.
            end = os.fstat(descriptor).st_size // _RECORD * _RECORD
            if os.pwrite(descriptor, record, end) < _RECORD:
                os.ftruncate(descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def withdraw(path: Path, part_number: int) -> None:
    """The part is about to be written anew."""
    append(path, part_number, 0, 0)


def read(path: Path) -> dict[int, tuple[int, int]]:
    """`(size, crc)` of each whole part, by part number. FileNotFoundError where the upload has ended."""
    parts: dict[int, tuple[int, int]] = {}
    data = path.read_bytes()
    for start in range(0, len(data) - _RECORD + 1, _RECORD):
        fields = data[start : start + _FIELDS.size]
        (check,) = _CHECK.unpack_from(data, start + _FIELDS.size)
        if zlib.crc32(fields) != check:
            continue
        number, size, crc = _FIELDS.unpack(fields)
        if size:
            parts[number] = (size, crc)
        else:
            parts.pop(number, None)
    return parts
