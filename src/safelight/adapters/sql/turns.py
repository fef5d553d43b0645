"""The order in which a process hands out the results of work on one job.

A transaction is granted a job's row only after the one before it has ended on the server. Yet the answers of the two
come by different connections, and might be read in the other order: whoever was granted the row later waits for those
before it, whose answers are on their way by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """One transaction's place behind those that had the same jobs before it."""

    def __init__(self, last: dict[str, Turn]) -> None:
        self._last = last
        self._ahead: list[Turn] = []
        self._jobs: list[str] = []
        self._over = asyncio.Event()

    def take(self, job_id: str) -> None:
        """The job's row was granted to this transaction."""
        ahead = self._last.get(job_id)
        if ahead is self:
            return
        if ahead is not None:
            self._ahead.append(ahead)
        self._last[job_id] = self
        self._jobs.append(job_id)

    async def come(self) -> None:
        """Wait until everything ahead is over."""
        for ahead in self._ahead:
            await ahead._over.wait()

    def end(self) -> None:
        """Let those behind go on, whatever became of this one."""
        self._over.set()
        for job_id in self._jobs:
            if self._last.get(job_id) is self:
                del self._last[job_id]


class Turns:
    """The last turn taken at each job that is being written by this process."""

    def __init__(self) -> None:
        self._last: dict[str, Turn] = {}

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A turn for one transaction; over when the context is left."""
        turn = Turn(self._last)
        try:
            yield turn
        finally:
            turn.end()
