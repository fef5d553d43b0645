"""ThumbHash (evanw.github.io/thumbhash): a photo's placeholder in some 25 bytes, a handful of cosines per channel."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

MAX_SIDE = 100


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """The ThumbHash of a picture of at most 100 x 100 px, given as 8-bit RGBA, not premultiplied."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and len(rgba) == width * height * 4):
        raise ValueError(f"{width} x {height} px in {len(rgba)} bytes")
    alpha = [a / 255 for a in rgba[3::4]]
    opaque = sum(alpha)
    has_alpha = opaque < width * height
    colours = []
    for offset in range(3):
        channel = [value / 255 for value in rgba[offset::4]]
        average = sum(c * a for c, a in zip(channel, alpha, strict=True)) / opaque if opaque else 0.0
        colours.append([average * (1 - a) + c * a for c, a in zip(channel, alpha, strict=True)])
    red, green, blue = colours
    luminance = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]

    limit = 5 if has_alpha else 7
    longest = max(width, height)
    lx, ly = max(1, round(limit * width / longest)), max(1, round(limit * height / longest))
    transform = _Cosines(width, height)
    l_dc, l_ac, l_scale = transform(luminance, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = transform(yellow_blue, 3, 3)
    q_dc, q_ac, q_scale = transform(red_green, 3, 3)

    landscape = width > height
    head = round(63 * l_dc) | round(31.5 + 31.5 * p_dc) << 6 | round(31.5 + 31.5 * q_dc) << 12
    head |= round(31 * l_scale) << 18 | has_alpha << 23
    tail = (ly if landscape else lx) | round(63 * p_scale) << 3 | round(63 * q_scale) << 9 | landscape << 15
    out = bytearray(head.to_bytes(3, "little") + tail.to_bytes(2, "little"))
    steps = [*l_ac, *p_ac, *q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = transform(alpha, 5, 5)
        out.append(round(15 * a_dc) | round(15 * a_scale) << 4)
        steps += a_ac
    nibbles = [round(15 * step) for step in steps] + [0] * (len(steps) % 2)
    out += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(out)


class _Cosines:
    """A cosine transform of one size, by rows and then by columns: pure Python is quick enough for that."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._across = [_wave(width, n) for n in range(7)]
        self._down = [_wave(height, n) for n in range(7)]

    def __call__(self, channel: Sequence[float], nx: int, ny: int) -> tuple[float, list[float], float]:
        """The mean, the other coefficients of the triangle (nx, ny) scaled to 0…1, and that scale."""
        rows = [channel[y * self._width : (y + 1) * self._width] for y in range(self._height)]
        columns = [[_dot(row, self._across[cx]) for row in rows] for cx in range(nx)]
        found = [
            _dot(columns[cx], self._down[cy]) / (self._width * self._height)
            for cy in range(ny)
            for cx in range(nx)
            if cx * ny < nx * (ny - cy)
        ]
        scale = max(map(abs, found[1:]), default=0.0)
        return found[0], [0.5 + 0.5 / scale * f if scale else f for f in found[1:]], scale


def _wave(length: int, n: int) -> list[float]:
    return [math.cos(math.pi / length * n * (x + 0.5)) for x in range(length)]


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, left, right))
