"""ThumbHash, held against what the reference implementation in JavaScript (thumbhash 0.1.1) gives."""

from __future__ import annotations

import pytest

from safelight.processing.thumbhash import thumbhash


def gradient(width: int, height: int, *, clear: bool) -> bytes:
    """A picture with something in every channel."""
    return bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in (x * 255 // width, y * 255 // height, (x * y) % 256, (x * 8) % 256 if clear else 255)
    )


REFERENCE = [
    (32, 24, False, "dc080e1d9a6076877088888688678887f3a40ff887"),
    (24, 32, False, "dcf80d1d1a6076708868886888877788f4a30ff778"),
    (32, 32, True, "e15886150c37b387a088866868f1d03efb7470777888888887"),
    (32, 1, False, "caf91679bc8487878888087b8488408808"),
    (1, 1, False, "000802070000000000000000000000000000000000000000"),
    (32, 20, True, "215986138c37a387a08886d3a53ffb7470778888878878"),
    (20, 32, True, "2159860b0824a3a0685879d3b53ffb7470778888888887"),
    (100, 75, False, "1f080a2d9a7076777077777777677777908009f888"),
    (7, 7, True, "975b82050211c387b087787888c3b038fc7470778888878878"),
]


@pytest.mark.parametrize(("width", "height", "clear", "expected"), REFERENCE)
def test_thumbhash_is_that_of_the_reference(width: int, height: int, clear: bool, expected: str) -> None:
    found = thumbhash(width, height, gradient(width, height, clear=clear)).hex()
    header = 12 if clear else 10
    assert found[:header] == expected[:header]
    assert len(found) == len(expected)
    # The two languages round a half differently: one step of sixteen.
    assert all(abs(int(a, 16) - int(b, 16)) <= 1 for a, b in zip(found, expected, strict=True))


def test_a_picture_that_is_clear_throughout_has_a_thumbhash() -> None:
    assert len(thumbhash(4, 4, bytes(64))) > 5


@pytest.mark.parametrize(("width", "height", "size"), [(0, 1, 0), (101, 1, 404), (2, 2, 15)])
def test_a_picture_of_another_size_is_refused(width: int, height: int, size: int) -> None:
    with pytest.raises(ValueError, match="px"):
        thumbhash(width, height, bytes(size))
