"""A clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Unix milliseconds."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now
