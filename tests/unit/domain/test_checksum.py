"""Checksums as clients write them, and the CRC32C of a whole from its parts."""

from __future__ import annotations

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.checksum import Checksum, combine
from safelight.errors import Invalid


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_the_parts_combine_to_the_whole(parts: list[bytes]) -> None:
    assert combine((crc32c.crc32c(part), len(part)) for part in parts) == crc32c.crc32c(b"".join(parts))


def test_large_parts_combine_too() -> None:
    parts = [b"a" * 8_388_608, b"b" * 8_388_608, b"c" * 5]
    assert combine((crc32c.crc32c(part), len(part)) for part in parts) == crc32c.crc32c(b"".join(parts))


@pytest.mark.parametrize("text", ["crc32c:0a1b2c3d", f"sha256:{'ab' * 32}"])
def test_a_checksum_reads_as_it_is_written(text: str) -> None:
    assert str(Checksum.parse(text)) == text


@pytest.mark.parametrize("text", ["", "md5:00", "crc32c:0A1B2C3D", "crc32c:0a1b2c3", "0a1b2c3d", "sha256:00"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid, match="crc32c"):
        Checksum.parse(text)
