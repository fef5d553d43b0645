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
_PAGE: Final = 1024


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

    async def jobs(self) -> list[str]:
        """The jobs that have a consumer, wherever it was made: those of which something was taken of late."""
        found: list[str] = []
        while True:
            page = await self._connection.ask(f"CONSUMER.NAMES.{self._stream.name}", offset=len(found))
            names = page.get("consumers") or []
            found += [subjects.name(each) for each in names]
            if len(names) < _PAGE:
                return found

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
