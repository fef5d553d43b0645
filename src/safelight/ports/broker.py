"""The broker: wake-ups between processes. What it loses, the database still knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to be processed. Delivered at least once: the database decides whether there is work in it."""

    photo_id: str
    job_id: str
    attempt: int


class Delivery(Protocol):
    """One task in hand. Exactly one of `ack` and `retry` is to be called; dying instead means redelivery.

    None of them raises: what does not reach the broker is logged, and the task is delivered again.
    """

    task: Task

    async def ack(self) -> None:
        """Done with it, never again. Queued anew within moments, it may still be taken for the one just done."""

    async def retry(self, delay: float) -> None:
        """Give it back, to be delivered again after `delay` seconds, which are not lost with any process. It rests
        meanwhile: it is not in hand, and makes room for others of its job. Too late, where it was delivered again.
        """

    async def in_progress(self) -> None:
        """Still working on it: start its redelivery clock anew."""


class Subscription(Protocol):
    """Messages of the topics subscribed, in the order published by any one publisher, whatever their topics.

    One that is not read loses the oldest of them.
    """

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yields `(topic, payload)` until closed."""

    async def add(self, topic: str) -> None:
        """Also receive `topic` from now on; twice is not an error. Takes effect before this returns; while the broker
        is away it returns at once, and takes effect when that is back.
        """

    async def remove(self, topic: str) -> None:
        """Stop receiving `topic`; an unknown one is not an error."""

    async def close(self) -> None:
        """End the iteration."""


class Broker(Protocol):
    """Wake-ups. Losing every message may cost seconds, never a photo: the database decides.

    Nothing but `check` fails, or waits for long, because the broker is away: a process starts without it, works
    without it as far as that goes, and goes on when it comes back, be it without its data.
    """

    async def publish(self, topic: str, payload: bytes) -> None:
        """Tell all present subscribers of `topic`, here and on other machines. At most once; never blocks on one.

        What is published while the broker is away is lost, rather than told when it is old.
        """

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        """Begin receiving; what is published after this returns is delivered, at most once. (Where a cluster of
        brokers is between the two, milliseconds after.)
        """

    async def enqueue(self, task: Task) -> None:
        """Queue a task, durably once this returns. The same task (photo and attempt) queued while it waits, rests, is
        in hand or is dead is queued once.

        Where the broker does not take it within half a second this returns as well, and it is tried for 15 seconds
        in all, the time that brokers need to elect a leader; then it is lost, and the reconciler queues it anew.
        """

    def tasks(self) -> AsyncIterator[Delivery]:
        """Tasks, one taker each, fair between jobs: a bounded number of one job's tasks is in hand at once.

        The tasks of one job come in the order queued, apart from those that are delivered again. A task that is in
        hand and not heard of for some time is delivered again, ten times at most; then it is dead.
        """

    async def dead(self) -> list[Task]:
        """Tasks that killed every worker that took them, or so it seems: set aside, and tried again in an hour."""

    async def revive(self, task: Task) -> None:
        """Have a dead task delivered again at once; one that is not dead is left as it is."""

    async def check(self) -> None:
        """Raise what is wrong if the broker cannot be reached now."""

    async def close(self) -> None:
        """End every subscription and iteration; what is in hand is delivered to others at once."""
