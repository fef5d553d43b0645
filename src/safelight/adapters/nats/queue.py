"""Taking tasks: the jobs in turn, one at a time, each asked for by a pull on the job's consumer.

There is no polling. The server tells of every task that it stores, each delivery says how many more of its job wait,
and a pull to a job that has its bounded number in hand stays with the server until there is room. Since what the server
tells may be lost, and nothing tells of tasks whose taker died, whoever waits looks every few seconds at what there is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Coroutine
from itertools import count
from typing import Any, Final

import structlog
from nats.aio.msg import Msg
from nats.js import api

from safelight.adapters.nats import subjects
from safelight.adapters.nats.connection import FAILURES, Connection, Listener
from safelight.adapters.nats.consumers import Consumers
from safelight.adapters.nats.delivery import InHand
from safelight.adapters.nats.stream import State, TaskStream
from safelight.ports.broker import Task

log = structlog.get_logger()

# How long a pull stays with the server, and what comes when nobody here waits any more is kept for the next who does.
# Together they bound how often a task goes from hand to hand unseen, each of which counts as a delivery.
_STANDING_SECONDS: Final = 0.4
_SPARE_SECONDS: Final = 0.1
# A job that has not delivered within so many times what an answer took of late has no room; the next one's turn comes.
_PATIENCE: Final = 4.0
_PATIENCE_SECONDS: Final = (0.003, 0.05)
_LOOK_EVERY: Final = 3.0
# Looking takes at most this share of the time of one who waits, however much there is to be seen.
_LOOK_SHARE: Final = 0.05
_SETTLE_SECONDS: Final = 0.25
_REMEMBERED: Final = 10_000
# After what is said of a consumer that has no leader just now.
_PAUSE_SECONDS: Final = 0.25


class TaskQueue:
    """Tasks of all jobs, for the takers of this process."""

    def __init__(
        self,
        connection: Connection,
        stream: TaskStream,
        *,
        per_job: int,
        redeliver_after: float,
        deliveries: int,
        dead_for: float,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._redeliver_after = redeliver_after
        self._deliveries = deliveries
        self._dead_for = dead_for
        self._consumers = Consumers(connection, stream, per_job, redeliver_after, self._ready_again)
        # Worth asking, each with the number of the last hint of it; and when each was served, in the order of that.
        self._ready: dict[str, int] = {}
        self._served: OrderedDict[str, float] = OrderedDict()
        self._hints = count()
        # Pulls that are out: until when, and the last hint as they went.
        self._asked: dict[str, tuple[float, int]] = {}
        self._arrived: deque[tuple[InHand, int]] = deque()
        self._in_hand: set[InHand] = set()
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._inbox = f"_INBOX.{secrets.token_hex(11)}"
        self._listeners: list[Listener] = []
        self._background: set[asyncio.Task[None]] = set()
        self._look_at = 0.0
        self._answer = _PATIENCE_SECONDS[1] / _PATIENCE
        self._closed = False
        connection.on_renewal(self._renewed)

    async def get(self) -> InHand | None:
        """The next task; None once closed. Those who wait are served in the order they came."""
        async with self._turn:
            if len(self._listeners) < 2 and not self._closed:
                await self._listen()
            while not self._closed:
                if self._arrived:
                    delivery, times = self._arrived.popleft()
                    if times <= self._deliveries:
                        return delivery
                    await self._set_aside(delivery)
                elif not self._connection.up:
                    await self._news_within(_LOOK_EVERY)
                elif (job_id := self._next()) is not None:
                    await self._ask(job_id)
                elif self._look_at <= self._clock():
                    await self._look()
                else:
                    await self._news_within(self._until())
            return None

    async def close(self) -> None:
        """End `get`, and give back what is in hand."""
        self._closed = True
        self._news.set()
        await self._consumers.close()
        for listener in self._listeners:
            await listener.end()
        for delivery in list(self._in_hand):
            await delivery.give_back()
        await asyncio.gather(*self._background, return_exceptions=True)

    # --- which job is worth asking ---

    def _ready_again(self, job_id: str) -> None:
        self._ready[job_id] = next(self._hints)
        self._news.set()

    def _hinted(self, message: Msg) -> None:
        job_id = self._stream.job_of(message.subject)
        if self._consumers.want(job_id) is None:
            self._ready_again(job_id)

    def _renewed(self) -> None:
        self._look_at = 0.0
        self._asked.clear()
        self._ready.clear()
        self._consumers.forget()
        self._news.set()

    def _next(self) -> str | None:
        """The job that was served longest ago; a new one was never served."""
        now = self._clock()
        free = (job_id for job_id in self._ready if job_id not in self._asked or self._asked[job_id][0] < now)
        return min(free, key=lambda job_id: self._served.get(job_id, 0.0), default=None)

    def _until(self) -> float:
        """Seconds until a pull has ended unanswered, or it is time to look."""
        return max(0.0, min([self._look_at, *(until for until, _ in self._asked.values())]) - self._clock()) + 0.001

    async def _look(self) -> None:
        """Ask every job of which a task waits or is in hand: nothing tells when one's taker has died."""
        began = self._clock()
        try:
            await self._stream.make()
            waiting = await self._stream.tasks(State.TASK) if await self._stream.look() else []
        except FAILURES as error:
            log.info("tasks not looked for", reason=f"{type(error).__name__}: {error}")
            self._stream.doubt()
            self._look_at = self._clock() + _PAUSE_SECONDS
            return
        jobs = sorted({task.job_id for task in waiting})
        # Together: the job made ready first would be served first, however often.
        making = [task for job_id in jobs if (task := self._consumers.want(job_id)) is not None]
        if making:
            await asyncio.wait(making, timeout=_SETTLE_SECONDS)
        for job_id in jobs:
            if job_id in self._consumers and job_id not in self._ready:
                self._ready_again(job_id)
        now = self._clock()
        self._look_at = now + max(min(_LOOK_EVERY, self._redeliver_after), (now - began) / _LOOK_SHARE)

    # --- asking ---

    async def _listen(self) -> None:
        # One at a time: whoever waits here may be cancelled, and the next goes on from there.
        if not self._listeners:
            self._listeners.append(await self._connection.listen(f"{self._inbox}.*", self._answered))
        self._listeners.append(await self._connection.listen(f"{self._stream.hints}.>", self._hinted))

    async def _ask(self, job_id: str) -> None:
        began = self._clock()
        self._asked[job_id] = began + _STANDING_SECONDS + _PAUSE_SECONDS, self._ready[job_id]
        await self._connection.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream.name}.{subjects.token(job_id)}",
            b'{"batch":1,"expires":%d}' % int(_STANDING_SECONDS * 1e9),
            reply=f"{self._inbox}.{subjects.token(job_id)}",
        )
        least, most = _PATIENCE_SECONDS
        until = began + min(max(least, _PATIENCE * self._answer), most)
        while job_id in self._asked and not self._arrived and not self._closed:
            if not await self._news_within(until - self._clock()):
                return
        if self._arrived:
            self._answer += (self._clock() - began - self._answer) / 8

    def _answered(self, message: Msg) -> None:
        task = self._stream.task(message.subject) if message.reply else None
        if task is not None:
            self._delivered(task, message)
        else:
            job_id = subjects.name(message.subject.removeprefix(f"{self._inbox}."))
            self._refused(job_id, (message.headers or {}).get(api.Header.STATUS.value, ""))
        self._news.set()

    def _delivered(self, task: Task, message: Msg) -> None:
        _, hint = self._asked.pop(task.job_id, (0.0, -1))
        if not message.metadata.num_pending:
            self._drained(task.job_id, hint)
        self._served[task.job_id] = self._clock()
        self._served.move_to_end(task.job_id)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)
        delivery = InHand(self._connection, self._stream, task, message, self._redeliver_after, self._in_hand.discard)
        self._in_hand.add(delivery)
        arrived = delivery, message.metadata.num_delivered
        self._arrived.append(arrived)
        asyncio.get_running_loop().call_later(_SPARE_SECONDS, self._unwanted, arrived)

    def _refused(self, job_id: str, status: str) -> None:
        _, hint = self._asked.pop(job_id, (0.0, -1))
        match status:
            case api.StatusCode.SERVICE_UNAVAILABLE:  # there is no consumer
                self._ready.pop(job_id, None)
                self._consumers.forget(job_id)
                self._consumers.want(job_id)
            case api.StatusCode.REQUEST_TIMEOUT if job_id in self._ready:  # no room, or nothing there
                self._asked[job_id] = self._clock() + _LOOK_EVERY, hint
                self._spawn(self._examine(job_id, hint))
            case _:  # it changes leaders, or goes
                self._asked[job_id] = self._clock() + _PAUSE_SECONDS, hint

    async def _examine(self, job_id: str, hint: int) -> None:
        """A job that has delivered nothing is asked again only if something of it waits."""
        try:
            if not await self._consumers.pending(job_id):
                self._drained(job_id, hint)
        except FAILURES as error:
            log.debug("consumer not examined", reason=str(error))
        self._asked.pop(job_id, None)
        self._news.set()

    def _drained(self, job_id: str, hint: int) -> None:
        """Nothing of it waits, unless there was a hint since it was asked."""
        if self._ready.get(job_id) == hint:
            del self._ready[job_id]

    def _unwanted(self, arrived: tuple[InHand, int]) -> None:
        """A delivery for which nobody came: others may have it."""
        if arrived in self._arrived:
            self._arrived.remove(arrived)
            self._spawn(arrived[0].give_back())

    async def _set_aside(self, delivery: InHand) -> None:
        task = delivery.task
        words = log.bind(photo=task.photo_id, job=task.job_id, attempt=task.attempt)
        words.error("task is dead: delivered too often without an end", deliveries=self._deliveries)
        await delivery.set_aside(self._dead_for)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _news_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()
