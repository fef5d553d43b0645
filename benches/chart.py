"""Curves over time as SVG, light and dark, without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 190
LEFT, TOP, GAP = 56, 34, 52
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #444 } .grid { stroke: #ccc } path { fill: none; stroke-width: 1.6 }
  path.c0 { stroke: #c0392b } path.c1 { stroke: #2471a3 } text.c0 { fill: #c0392b } text.c1 { fill: #2471a3 }
  @media (prefers-color-scheme: dark) { text { fill: #bbb } .grid { stroke: #444 } }
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves on one scale: at most two, each with its name, and points as (seconds, value)."""

    title: str
    curves: Mapping[str, Points]


def chart(panels: Sequence[Panel]) -> str:
    """The panels one below the other, all on one axis of seconds; each value holds until the next."""
    seconds = max(at for panel in panels for points in panel.curves.values() for at, _ in points)
    drawn = [_panel(panel, seconds, TOP + index * (HEIGHT + GAP)) for index, panel in enumerate(panels)]
    height = TOP + len(panels) * (HEIGHT + GAP)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{STYLE}</style>{"".join(drawn)}</svg>\n'


def _panel(panel: Panel, seconds: float, top: float) -> str:
    most = max(value for points in panel.curves.values() for _, value in points) * 1.05 or 1
    across = (WIDTH - LEFT - 12) / seconds

    def x(at: float) -> float:
        return round(LEFT + at * across, 1)

    def y(value: float) -> float:
        return round(top + HEIGHT - value / most * HEIGHT, 1)

    lines = [f'<text x="{LEFT}" y="{top - 12}">{escape(panel.title)}</text>']
    for value in _ticks(most):
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(value)}" y2="{y(value)}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>')
    below = top + HEIGHT + 16
    lines += [f'<text x="{x(at)}" y="{below}" text-anchor="middle">{at:g} s</text>' for at in _ticks(seconds)]
    for number, (name, points) in enumerate(panel.curves.items()):
        path = f"M{x(points[0][0])},{y(points[0][1])}" + "".join(f"H{x(at)}V{y(value)}" for at, value in points[1:])
        lines.append(f'<path class="c{number}" d="{path}"/>')
        lines.append(
            f'<text class="c{number}" x="{WIDTH - 12 - 170 * number}" y="{top - 12}" text-anchor="end">{name}</text>'
        )
    return "".join(lines)


def _ticks(most: float) -> list[float]:
    """Some four round values from 0 to `most`."""
    step = next(unit * 10**power for power in range(-1, 6) for unit in (1, 2, 5) if most / (unit * 10**power) <= 5)
    return [step * number for number in range(int(most / step) + 1)]
