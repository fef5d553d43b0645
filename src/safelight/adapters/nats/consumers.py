"""One durable consumer a job: its bound is how many tasks of the job are in hand at once, over all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from nats.js import api
from nats.js.errors import NotFoundError
from nats.js.manager import JetStreamManager

from safelight.adapters.nats import subjects
from safelight.adapters.nats.connection import FAILURES, Connection
from safelight.adapters.nats.stream import TaskStream

log = structlog.get_logger()

_MAKING_SECONDS: Final = 10.0
_IDLE_AT_LEAST: Final = 60.0


class Consumers:
    """`ready` is called with each job whose consumer was made sure of."""

    def __init__(
        self,
        connection: Connection,
        stream: TaskStream,
        per_job: int,
        redeliver_after: float,
        ready: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._per_job = per_job
        self._redeliver_after = redeliver_after
        self._ready = ready
        self._present: set[str] = set()
        self._making: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._present

    def want(self, job_id: str) -> asyncio.Task[None] | None:
        """Have a job's consumer made, in the background, and the job told to `ready`; None where it is there."""
        if job_id in self._present:
            return None
        if (making := self._making.get(job_id)) is None:
            making = self._making[job_id] = asyncio.create_task(self._make(job_id))
            making.add_done_callback(lambda _: self._making.pop(job_id, None))
        return making

    def forget(self, job_id: str | None = None) -> None:
        """It (or all, where none is named) may not be there any more."""
        if job_id is None:
            self._present.clear()
        else:
            self._present.discard(job_id)

    async def pending(self, job_id: str) -> int:
        """How many tasks of a job wait that were not delivered yet. Raises FAILURES."""
        answer = await self._connection.ask(f"CONSUMER.INFO.{self._stream.name}.{subjects.token(job_id)}")
        return int(answer["num_pending"])

    async def close(self) -> None:
        for making in self._making.values():
            making.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def _make(self, job_id: str) -> None:
        name = subjects.token(job_id)
        config = api.ConsumerConfig(
            name=name,
            durable_name=name,
            filter_subject=self._stream.filter(job_id),
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self._redeliver_after,
            # Who has what in hand: kept in files it costs two writes a task in each of as many files as there are jobs,
            # and 200 jobs are five times slower. When all servers end at once it is forgotten, and what was in hand is
            # delivered again; the tasks themselves are in files.
            mem_storage=True,
            max_ack_pending=self._per_job,
            # It goes by itself when nobody has asked it for so long; what it had in hand is with others long since.
            inactive_threshold=max(_IDLE_AT_LEAST, 2 * self._redeliver_after),
        )
        try:
            await self._stream.make()
            manager = JetStreamManager(self._connection.link, timeout=_MAKING_SECONDS)
            await manager.add_consumer(self._stream.name, config)
        except NotFoundError:
            self._stream.doubt()  # the servers came back without their data
        except FAILURES as error:
            log.info("consumer not made yet", job=job_id, reason=str(error))
        else:
            self._present.add(job_id)
            self._ready(job_id)
