"""What a check found, and what mends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """`unknown` is no fault: it could not be found out, and `seen` says why."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


Mend = Callable[[], Awaitable[str]]
"""Put it right; returns what was before and what is now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`seen` is one sentence or two. `fix` says exactly what to do; its indented lines are to be typed as they are.
    `changed` is what `--fix` did. `mend` puts it right, where the doctor can.
    """

    verdict: Verdict
    seen: str
    fix: str = ""
    changed: str = ""
    mend: Mend | None = field(default=None, repr=False, compare=False)


def reason_of(error: BaseException) -> str:
    """What an error says, or at least what it is."""
    return str(error) or type(error).__name__


def ok(seen: str) -> Finding:
    return Finding(Verdict.OK, seen)


def wrong(seen: str, fix: str, mend: Mend | None = None) -> Finding:
    return Finding(Verdict.WRONG, seen, fix, mend=mend)


def unknown(because: str, fix: str = "") -> Finding:
    return Finding(Verdict.UNKNOWN, because, fix)
