"""The account of one watcher of a job: what it was told, once, in order, and what it would show at the end. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "COMPLETED_WITH_ERRORS"})


class Told(NamedTuple):
    """What of an event counts here."""

    seq: int | None
    photo: str | None
    status: str
    attempt: int
    percent: float
    committed: float
    """Seconds since 1970."""


@lru_cache(4096)  # a thousand watchers are told the same bytes
def read(body: bytes) -> Sequence[Told]:
    """The events of the body of a MESSAGE, of either kind of subscription."""
    found: Any = json.loads(body)
    return [
        Told(
            each.get("seq"),
            each.get("photoId"),
            each["status"],
            each.get("attempt", 0),
            each["progressPercent"],
            datetime.fromisoformat(each["timestamp"]).timestamp(),
        )
        for each in (found if isinstance(found, list) else [found])
    ]


@dataclass(slots=True)
class Tally:
    """`seen`, `missed`, `doubled` count durable events; `covered` those that a snapshot stood for. `fallen` counts
    byte progress and ends that went back.
    """

    seq: int | None = None
    since: int = 0
    """Where it began: what came before was not asked for."""
    seen: int = 0
    missed: int = 0
    doubled: int = 0
    covered: int = 0
    fallen: int = 0
    snapshots: int = 0
    replays: int = 0
    status: str = ""
    photos: dict[str, tuple[int, bool, float, str]] = field(default_factory=dict)
    _reaching: int | None = None

    def begin(self, recovered: str, seq: int) -> None:
        """A MESSAGE came that bears `recovered` and the `seq` reached."""
        if recovered == "snapshot":
            self.snapshots += 1
            self._reaching = seq
        else:
            self.replays += 1

    def cut(self) -> None:
        """The connection ended: a snapshot that was not whole is as none (E15)."""
        self._reaching = None

    def take(self, told: Told) -> None:
        """One event."""
        if self._reaching is not None:
            self._take_in(told)
            return
        if told.seq is not None:
            if self.seq is not None and told.seq <= self.seq:
                self.doubled += 1
                return
            self.missed += told.seq - (self.seq or 0) - 1
            self.seen += 1
            self.seq = told.seq
        self._show(told)

    def _take_in(self, told: Told) -> None:
        self._show(told)
        if told.photo is None and told.seq == self._reaching:
            assert told.seq is not None
            self.covered += told.seq - (self.seq or 0)
            self.seq = told.seq
            self._reaching = None

    def _show(self, told: Told) -> None:
        if told.photo is None:
            self.status = told.status
            return
        standing = (told.attempt, told.status in ENDED, told.percent, told.status)
        known = self.photos.get(told.photo)
        if known is not None and standing[:3] < known[:3]:
            self.fallen += 1
        self.photos[told.photo] = standing

    @property
    def ended(self) -> bool:
        """Whether the job is shown as ended."""
        return self.status in ENDED

    def faults(self, job: dict[str, Any]) -> dict[str, int]:
        """What is wrong, by comparison with the job's own snapshot; empty where nothing is."""
        shown = {photo: standing[3] for photo, standing in self.photos.items()}
        untrue = sum(shown.get(photo["photoId"]) != photo["status"] for photo in job["photos"])
        found = {
            "missed": self.missed,
            "doubled": self.doubled,
            "fallen": self.fallen,
            "behind": job["seq"] - (self.seq or 0),
            "unaccounted": (self.seq or 0) - self.since - self.seen - self.covered,
            "untrue": untrue + (self.status != job["status"]),
        }
        return {name: count for name, count in found.items() if count}
