"""A task in hand, as JetStream sees it: a message that is not acknowledged yet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from nats.aio.msg import Msg

from safelight.adapters.nats.connection import FAILURES, Connection
from safelight.adapters.nats.stream import State, TaskStream
from safelight.ports.broker import Task

log = structlog.get_logger()

_ANSWER_SECONDS: Final = 2.0
_TRYING_SECONDS: Final = 10.0


class InHand:
    """The Delivery port. `settled` is called once it is no longer in hand."""

    def __init__(
        self,
        connection: Connection,
        stream: TaskStream,
        task: Task,
        message: Msg,
        redeliver_after: float,
        settled: Callable[[InHand], None],
    ) -> None:
        self.task = task
        self._connection = connection
        self._stream = stream
        self._reply = message.reply
        self._redeliver_after = redeliver_after
        self._settled = settled
        self._renewed = asyncio.get_running_loop().time()

    async def ack(self) -> None:
        self._settled(self)
        await self._insist(self._acknowledge)

    async def retry(self, delay: float) -> None:
        self._settled(self)
        if asyncio.get_running_loop().time() - self._renewed > self._redeliver_after:
            return  # it was delivered again: another says what becomes of it

        async def rest() -> None:
            # In this order: whatever happens in between, the task is there.
            await self._stream.defer(self.task, delay, State.REST)
            await self._acknowledge()

        await self._insist(rest)

    async def in_progress(self) -> None:
        if await self._connection.publish(self._reply, Msg.Ack.Progress):
            self._renewed = asyncio.get_running_loop().time()

    async def give_back(self) -> None:
        """To anybody, at once. It counts as delivered."""
        self._settled(self)
        if await self._connection.publish(self._reply, Msg.Ack.Nak):
            await self._stream.hint(self.task.job_id)

    async def set_aside(self, seconds: float) -> None:
        """It is dead, for so long."""
        self._settled(self)

        async def bury() -> None:
            await self._stream.defer(self.task, seconds, State.DEAD)
            await self._acknowledge()

        await self._insist(bury)

    async def _acknowledge(self) -> None:
        # The answer comes once it is gone for good, with as many copies as there are.
        await self._connection.request(self._reply, Msg.Ack.Ack, seconds=_ANSWER_SECONDS)

    async def _insist(self, act: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        until, pause = clock() + min(_TRYING_SECONDS, self._redeliver_after), 0.05
        while True:
            try:
                return await act()
            except FAILURES as error:
                if clock() + pause > until:
                    words = log.bind(photo=self.task.photo_id, job=self.task.job_id, attempt=self.task.attempt)
                    words.warning("task not settled, it will be delivered again", reason=str(error))
                    return None
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(2 * pause, 1.0)
