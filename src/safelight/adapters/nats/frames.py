"""What two processes say to each other in a call, as bytes. Messages may be lost; none is altered or reordered.

    caller → holder   OPEN (name and request), then TAKEN or REFUSED for each part, HANG_UP if it gives up
    holder → caller   NOBODY, or PART after PART, each once the last one was answered, then DONE or BROKEN

A request or part that is larger than a message comes in pieces.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final

_HEAD: Final = struct.Struct(">cIH?")
_NAME: Final = struct.Struct(">H")


class Kind(Enum):
    """The first byte of a frame."""

    OPEN = b"O"
    TAKEN = b"T"
    REFUSED = b"R"
    HANG_UP = b"H"
    NOBODY = b"N"
    PART = b"P"
    DONE = b"D"
    BROKEN = b"B"


class Frame:
    """One message: `number` counts parts from 1, `index` their pieces from 0, `last` is the last piece."""

    __slots__ = ("data", "index", "kind", "last", "number")

    def __init__(self, raw: bytes) -> None:
        kind, self.number, self.index, self.last = _HEAD.unpack_from(raw)
        self.kind = Kind(kind)
        self.data = raw[_HEAD.size :]


def frame(kind: Kind, number: int = 0) -> bytes:
    """A frame that says all by its kind."""
    return _HEAD.pack(kind.value, number, 0, True)


def frames(kind: Kind, number: int, data: bytes, room: int) -> list[bytes]:
    """`data` in pieces, so that none is larger than `room` bytes."""
    size = room - _HEAD.size
    starts = range(0, max(1, len(data)), size)
    return [
        _HEAD.pack(kind.value, number, index, start + size >= len(data)) + data[start : start + size]
        for index, start in enumerate(starts)
    ]


def named(name: str, request: bytes) -> bytes:
    """What OPEN carries."""
    raw = name.encode()
    return _NAME.pack(len(raw)) + raw + request


def unnamed(data: bytes) -> tuple[str, bytes]:
    """The name and the request that OPEN carries."""
    (length,) = _NAME.unpack_from(data)
    end = _NAME.size + length
    return data[_NAME.size : end].decode(), data[end:]


class Pieces:
    """Puts the pieces of one thing together. Where one was lost, it begins anew with the first that is sent again."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def take(self, piece: Frame) -> bytes | None:
        """All of it, with its last piece."""
        if piece.index == 0:
            self._pieces.clear()
        if piece.index != len(self._pieces):
            return None
        self._pieces.append(piece.data)
        if not piece.last:
            return None
        whole = b"".join(self._pieces)
        self._pieces.clear()  # or the next thing, its first piece lost, would go on from here
        return whole
