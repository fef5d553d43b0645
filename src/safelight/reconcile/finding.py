"""What a step of the sweep finds, page by page, and what it would do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from safelight.ports import Ports

A = TypeVar("A")
B = TypeVar("B")

Act = Callable[[], Awaitable[bool]]

DAY: Final = 24 * 3600 * 1000
# As many rows, or keys, are looked at in one round of one step.
BATCH: Final = 1_000
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something amiss: with which photo, job or key, what, and what sets it right.

    `act` tries that, and says whether it changed anything; done again, it changes nothing.
    """

    subject: str
    wrong: str
    remedy: str
    act: Act


@dataclass(frozen=True, slots=True)
class Page:
    """What one look found, and where the next one begins; None at the end."""

    findings: list[Finding]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of loss. `find` looks at a bounded number of rows or keys behind a place, "" being the beginning, so
    that none that cannot be helped stands in the way of others. A `slow` one has its turn once in twelve rounds.
    """

    name: str
    find: Callable[[Ports, str], Awaitable[Page]]
    slow: bool = False


def following(seen: Sequence[str], limit: int) -> str | None:
    """The place behind the rows (ids, or keys) of a look that may have been cut short by its limit."""
    return seen[-1] if len(seen) == limit else None


async def at_once(work: Callable[[A], Awaitable[B]], items: Iterable[A]) -> list[B]:
    """The results of `work` on each item, a few at a time; the first error ends the rest and is raised."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(item: A) -> B:
        async with places:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            begun = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in begun]


def span(milliseconds: int) -> str:
    """A length of time in words."""
    seconds = milliseconds // 1000
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} seconds"
