"""The stream that keeps the tasks: one message a task, whose subject says which and in what state it is.

`<prefix>.task.<job>.<photo>.<attempt>` waits or is in hand, `<prefix>.rest.…` rests, `<prefix>.dead.…` is dead. The
latter two are schedules (NATS 2.12): the server itself, at their time, puts the task back in place of them. A task is
queued on condition that there is no message of it in any state, which the leader of the stream checks as it writes;
that makes it queued once, whoever queues it where. What is written under `task` the server also tells, as a core
message, to whoever listens for work.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from nats.js import api

from safelight.adapters.nats import subjects
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.jetstream import LAST_SEQUENCE, ONCE, SUBJECT_OF_THAT, Stream
from safelight.ports.broker import Task

_DUPLICATE_SECONDS: Final = 60
_SILENT_NANOSECONDS: Final = 5_000_000_000


class NoLeaderError(ConnectionError):
    """Too few nodes are up to keep a task."""


class State(StrEnum):
    """What a task's message is kept under."""

    TASK = "task"
    REST = "rest"
    DEAD = "dead"


class TaskStream:
    """Raises FAILURES, all of it but `hint`."""

    def __init__(self, connection: Connection, prefix: str, replicas: int | None) -> None:
        self.hints = f"{subjects.prefix(prefix)}.work"
        self._connection = connection
        self._prefix = prefix
        self._stream = Stream(connection, self._config(), replicas)
        # From the monotonic clock to the servers' time, by which tasks rest; ours until they have told theirs.
        self._ahead = time.time() - time.monotonic()

    @property
    def name(self) -> str:
        """The stream's."""
        return self._stream.name

    def filter(self, job_id: str) -> str:
        """The subject of all tasks of a job that wait or are in hand."""
        return f"{self._prefix}.{State.TASK}.{subjects.token(job_id)}.>"

    def task(self, subject: str) -> Task | None:
        """The task that a subject, or the hint of it, names; None where it names none."""
        parts = subject.removeprefix(f"{self._prefix}.").split(".")
        if len(parts) != 4 or not parts[3].isdecimal():
            return None
        return Task(subjects.name(parts[2]), subjects.name(parts[1]), int(parts[3]))

    async def make(self) -> None:
        """Make sure of the stream."""
        await self._stream.make()

    def doubt(self) -> None:
        """Have `make` look again: the stream did not answer."""
        self._stream.doubt()

    async def look(self) -> int:
        """How many tasks there are in all. Also learns the servers' time."""
        answer = await self._stream.info()
        if "ts" in answer:
            self._ahead = datetime.fromisoformat(answer["ts"]).timestamp() - time.monotonic()
        messages: int = answer["state"]["messages"]
        return messages

    async def led(self) -> None:
        """NoLeaderError where no task can be kept now: too few nodes are up. A leader that the others have left knows
        it only after some twenty seconds, but tells since when it has not heard of them.
        """
        cluster = (await self._stream.info()).get("cluster", {})
        others = cluster.get("replicas", [])
        heard = [each for each in others if each.get("active", 0) < _SILENT_NANOSECONDS and not each.get("offline")]
        if others and (not cluster.get("leader") or 2 * (len(heard) + 1) <= len(others) + 1):
            raise NoLeaderError(f"{self._stream.name} has {len(heard) + 1} of {len(others) + 1} nodes")

    async def tasks(self, state: State, job: str = "") -> list[Task]:
        """Those in one state, of all jobs or of one."""
        subject = f"{self._prefix}.{state}." + (f"{subjects.token(job)}.>" if job else ">")
        found: list[Task] = []
        while True:
            answer = await self._stream.info(subjects_filter=subject, offset=len(found))
            page = answer["state"].get("subjects", {})
            found += [task for each in page if (task := self.task(each)) is not None]
            if not page or len(found) >= answer.get("total", 0):
                return found

    async def put(self, task: Task, once: str) -> bool:
        """Queue a task; False where it is there already. Repeated with the same `once`, it is queued once."""
        nowhere = {LAST_SEQUENCE: "0", SUBJECT_OF_THAT: self._subject("*", task)}
        return await self._stream.store(self._subject(State.TASK, task), headers={ONCE: once, **nowhere}) is not None

    async def defer(self, task: Task, seconds: float, state: State) -> None:
        """Have the server queue a task in so many seconds. Until then it is in `state`, but for one in hand."""
        at = datetime.fromtimestamp(time.monotonic() + self._ahead, UTC) + timedelta(seconds=max(0.0, seconds))
        schedule = {
            api.Header.SCHEDULE.value: f"@at {at.isoformat()}",
            api.Header.SCHEDULE_TARGET.value: self._subject(State.TASK, task),
        }
        await self._stream.store(self._subject(state, task), headers={ONCE: secrets.token_hex(12), **schedule})

    async def put_anyway(self, task: Task) -> None:
        """Queue a task that is resting or dead."""
        await self._stream.store(self._subject(State.TASK, task), headers={ONCE: secrets.token_hex(12)})

    async def drop(self, state: State, task: Task) -> None:
        """Remove the message of a task in that state, if there is one."""
        await self._stream.ask("PURGE", filter=self._subject(state, task))

    async def hint(self, job_id: str) -> None:
        """Tell takers that there may be work of a job."""
        await self._connection.publish(f"{self.hints}.{subjects.token(job_id)}")

    def job_of(self, hint: str) -> str:
        """The job that a hint, the server's or ours, speaks of."""
        return subjects.name(hint.removeprefix(f"{self.hints}.").partition(".")[0])

    def _subject(self, state: str, task: Task) -> str:
        return f"{self._prefix}.{state}.{subjects.token(task.job_id)}.{subjects.token(task.photo_id)}.{task.attempt}"

    def _config(self) -> api.StreamConfig:
        return api.StreamConfig(
            name=f"{self._prefix}-tasks",
            description="Safelight's tasks: photos to be processed",
            subjects=[f"{self._prefix}.{state}.>" for state in State],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
            max_msgs_per_subject=1,
            duplicate_window=_DUPLICATE_SECONDS,
            allow_rollup_hdrs=True,
            allow_msg_schedules=True,
            republish=api.RePublish(src=f"{self._prefix}.{State.TASK}.>", dest=f"{self.hints}.>", headers_only=True),
        )
