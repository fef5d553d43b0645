"""The stream that keeps the tasks: one message a task, whose subject says which and in what state it is.

`<prefix>.task.<job>.<photo>.<attempt>` waits or is in hand, `<prefix>.rest.…` rests, `<prefix>.dead.…` is dead. The
latter two are schedules (NATS 2.12): the server itself, at their time, puts the task back in place of them. A task is
queued on condition that there is no message of it in any state, which the leader of the stream checks as it writes;
that makes it queued once, whoever queues it where. What is written under `task` the server also tells, as a core
message, to whoever listens for work.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson
import structlog
from nats.aio.msg import Msg
from nats.js import api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
from nats.js.manager import JetStreamManager

from safelight.adapters.nats import subjects
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.link import Link
from safelight.ports.broker import Task

log = structlog.get_logger()

_ANSWER_SECONDS: Final = 3.0
_DUPLICATE_SECONDS: Final = 60
_WRONG_LAST_SEQUENCE: Final = 10071
_NOT_CLUSTERED: Final = 10074
_SILENT_NANOSECONDS: Final = 5_000_000_000


class NoLeaderError(ConnectionError):
    """Too few nodes are up to keep a task."""


class State(StrEnum):
    """What a task's message is kept under."""

    TASK = "task"
    REST = "rest"
    DEAD = "dead"


class TaskStream:
    """`replicas` copies of it; None is three in a cluster, one on a server that is alone."""

    def __init__(self, connection: Connection, prefix: str, replicas: int | None) -> None:
        self.name = f"{subjects.prefix(prefix)}-tasks"
        self.hints = f"{prefix}.work"
        self._connection = connection
        self._prefix = prefix
        self._replicas = replicas
        self._made_on: Link | None = None
        self._making = asyncio.Lock()
        # From the monotonic clock to the servers' time, by which tasks rest; ours until they have told theirs.
        self._ahead = time.time() - time.monotonic()

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
        """Make sure of the stream, once a connection. Raises FAILURES."""
        link = self._connection.link
        async with self._making:
            if self._made_on is link:
                return
            version = link.connected_server_version
            if (version.major, version.minor) < (2, 12):
                raise ConnectionError(f"this is NATS {version}, and Safelight needs 2.12 or later")
            try:
                await self.look()
            except NotFoundError:
                await self._create(JetStreamManager(link, timeout=_ANSWER_SECONDS))
                await self.look()
            self._made_on = link

    def doubt(self) -> None:
        """Have `make` look again: the stream did not answer."""
        self._made_on = None

    async def look(self) -> int:
        """How many tasks there are in all. Also learns the servers' time, by which tasks rest."""
        answer = await self._info()
        if "ts" in answer:
            self._ahead = datetime.fromisoformat(answer["ts"]).timestamp() - time.monotonic()
        messages: int = answer["state"]["messages"]
        return messages

    async def led(self) -> None:
        """NoLeaderError where no task can be kept now: too few nodes are up. A leader that the others have left knows
        it only after some twenty seconds, but tells since when it has not heard of them.
        """
        cluster = (await self._info()).get("cluster", {})
        others = cluster.get("replicas", [])
        heard = [each for each in others if each.get("active", 0) < _SILENT_NANOSECONDS and not each.get("offline")]
        if others and (not cluster.get("leader") or 2 * (len(heard) + 1) <= len(others) + 1):
            raise NoLeaderError(f"{self.name} has {len(heard) + 1} of {len(others) + 1} nodes")

    async def tasks(self, state: State, job: str = "") -> list[Task]:
        """Those in one state, of all jobs or of one."""
        subject = f"{self._prefix}.{state}." + (f"{subjects.token(job)}.>" if job else ">")
        found: list[Task] = []
        while True:
            answer = await self._info(subjects_filter=subject, offset=len(found))
            page = answer["state"].get("subjects", {})
            found += [task for each in page if (task := self.task(each)) is not None]
            if not page or len(found) >= answer.get("total", 0):
                return found

    async def put(self, task: Task, once: str) -> bool:
        """Queue a task; False where it is there already. Repeated with the same `once`, it is queued once."""
        headers = {
            api.Header.MSG_ID.value: once,
            api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
            f"{api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value}-Subject": self._subject("*", task),
        }
        try:
            await self._store(self._subject(State.TASK, task), headers)
        except APIError as error:
            if error.err_code == _WRONG_LAST_SEQUENCE:
                return False
            raise
        return True

    async def defer(self, task: Task, seconds: float, state: State) -> None:
        """Have the server queue a task in so many seconds. Until then it is in `state`, but for one in hand."""
        at = datetime.fromtimestamp(time.monotonic() + self._ahead, UTC) + timedelta(seconds=max(0.0, seconds))
        headers = {
            api.Header.MSG_ID.value: secrets.token_hex(12),
            api.Header.SCHEDULE.value: f"@at {at.isoformat()}",
            api.Header.SCHEDULE_TARGET.value: self._subject(State.TASK, task),
        }
        await self._store(self._subject(state, task), headers)

    async def put_anyway(self, task: Task) -> None:
        """Queue a task that is resting or dead."""
        await self._store(self._subject(State.TASK, task), {api.Header.MSG_ID.value: secrets.token_hex(12)})

    async def drop(self, state: State, task: Task) -> None:
        """Remove the message of a task in that state, if there is one."""
        await self._connection.ask(
            f"STREAM.PURGE.{self.name}", filter=self._subject(state, task), seconds=_ANSWER_SECONDS
        )

    async def hint(self, job_id: str) -> None:
        """Tell takers that there may be work of a job."""
        await self._connection.publish(f"{self.hints}.{subjects.token(job_id)}")

    def job_of(self, hint: str) -> str:
        """The job that a hint, the server's or ours, speaks of."""
        return subjects.name(hint.removeprefix(f"{self.hints}.").partition(".")[0])

    async def _info(self, **body: object) -> dict[str, Any]:
        return await self._connection.ask(f"STREAM.INFO.{self.name}", seconds=_ANSWER_SECONDS, **body)

    def _subject(self, state: str, task: Task) -> str:
        return f"{self._prefix}.{state}.{subjects.token(task.job_id)}.{subjects.token(task.photo_id)}.{task.attempt}"

    async def _store(self, subject: str, headers: dict[str, str]) -> None:
        await self.make()
        message = await self._connection.request(subject, seconds=_ANSWER_SECONDS, headers=headers)
        _acknowledged(message)

    async def _create(self, manager: JetStreamManager) -> None:
        for replicas in (self._replicas,) if self._replicas else (3, 1):
            try:
                await manager.add_stream(self._config(replicas))
            except APIError as error:
                if error.err_code != _NOT_CLUSTERED or self._replicas:
                    raise
            else:
                log.info("stream made", stream=self.name, replicas=replicas)
                return

    def _config(self, replicas: int) -> api.StreamConfig:
        return api.StreamConfig(
            name=self.name,
            description="Safelight's tasks: photos to be processed",
            subjects=[f"{self._prefix}.{state}.>" for state in State],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
            num_replicas=replicas,
            max_msgs_per_subject=1,
            duplicate_window=_DUPLICATE_SECONDS,
            allow_rollup_hdrs=True,
            allow_msg_schedules=True,
            republish=api.RePublish(src=f"{self._prefix}.{State.TASK}.>", dest=f"{self.hints}.>", headers_only=True),
        )


def _acknowledged(message: Msg) -> None:
    """Raise what JetStream has to say against a message."""
    if not message.data:
        raise NoStreamResponseError
    answer = orjson.loads(message.data)
    if "error" in answer:
        raise APIError.from_error(answer["error"])
