"""Checksums on the wire, and the CRC32C of a whole from those of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from safelight.errors import FieldError, Invalid

_FORM: Final = re.compile(r"(?:(crc32c):([0-9a-f]{8})|(sha256):([0-9a-f]{64}))")
# The Castagnoli polynomial, bits reversed (RFC 3720, appendix B.4).
_POLYNOMIAL: Final = 0x82F63B78
_BITS: Final = 32

Matrix = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    """`crc32c:` and 8, or `sha256:` and 64, lower-case hex digits."""

    algorithm: Literal["crc32c", "sha256"]
    digest: str

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """A checksum as a client writes it; Invalid says how it should be written."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise Invalid(
                "This checksum is not understood. Write crc32c: and 8, or sha256: and 64, lower-case hex digits.",
                errors=[FieldError("checksum", "is neither crc32c:… nor sha256:…")],
            )
        if match[1]:
            return cls("crc32c", match[2])
        return cls("sha256", match[4])

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def combine(parts: Iterable[tuple[int, int]]) -> int:
    """The CRC32C of a whole, from `(crc, size in bytes)` of its consecutive parts.

    Appending n zero bytes to a message is a linear map of its CRC over GF(2), so two CRCs combine by one
    multiplication with the map's matrix (as zlib's crc32_combine does).
    """
    whole = 0
    for crc, size in parts:
        whole = _append_zeros(whole, size) ^ crc
    return whole


def _append_zeros(crc: int, count: int) -> int:
    """The CRC of the same message with `count` zero bytes appended, a power of two at a time."""
    exponent = 0
    while count:
        if count & 1:
            crc = _times(_zeros(exponent), crc)
        count >>= 1
        exponent += 1
    return crc


@cache
def _zeros(exponent: int) -> Matrix:
    """The map of a CRC that appends 2 ** `exponent` zero bytes."""
    if exponent:
        half = _zeros(exponent - 1)
        return _product(half, half)
    one_bit = (_POLYNOMIAL, *(1 << bit for bit in range(_BITS - 1)))
    two = _product(one_bit, one_bit)
    four = _product(two, two)
    return _product(four, four)


def _product(outer: Matrix, inner: Matrix) -> Matrix:
    return tuple(_times(outer, column) for column in inner)


def _times(matrix: Matrix, vector: int) -> int:
    result = 0
    for column in matrix:
        if not vector:
            break
        if vector & 1:
            result ^= column
        vector >>= 1
    return result
