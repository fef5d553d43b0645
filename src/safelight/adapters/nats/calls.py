"""The Calls port over NATS: claims in JetStream, the conversations over core subjects, one for each process.

Core messages may be lost, and so may processes. Every other second a caller tells each process that it has called how
far it has come in every call; that one sends again what got lost, stops what is not waited for any more, and says of
which calls it does not know. Where nobody listens, NATS itself says so at once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from itertools import count
from typing import Any, Final

import orjson
import structlog
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from safelight.adapters.nats import frames, subjects
from safelight.adapters.nats.claims import FORGOTTEN_SECONDS
from safelight.adapters.nats.connection import FAILURES, Connection, Listener
from safelight.adapters.nats.conversation import Calling, Serving
from safelight.adapters.nats.frames import Frame, Kind
from safelight.adapters.nats.holding import Holding
from safelight.ports.calls import Answer, CallLost, Serve

log = structlog.get_logger()

_BEAT: Final = "beat"
_ASK: Final = "ask"
_MISSES: Final = 3
_HEADROOM: Final = 4096


class NatsCalls:
    """`beat` is how often, in seconds, calls are looked after; three beats without an answer and one is lost."""

    def __init__(
        self, connection: Connection, *, prefix: str = "safelight", replicas: int | None = None, beat: float = 2.0
    ) -> None:
        self._connection = connection
        self._peers = f"{subjects.prefix(prefix)}.peer."
        self._me = secrets.token_hex(8)
        self._beat = beat
        self._holding = Holding(connection, prefix, replicas, self._me, self._holds)
        self._calling: dict[str, Calling] = {}
        self._serving: dict[str, Serving] = {}
        self._misses: dict[str, int] = {}
        self._serials = count()
        self._opened = -1
        self._listener: Listener | None = None
        self._starting = asyncio.Lock()
        self._looking: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        connection.on_loss(self._cut_off)

    async def start(self) -> None:
        """Listen to the others; the first use does it as well."""
        async with self._starting:
            if self._listener is None:
                self._listener = await self._connection.listen(f"{self._peers}{self._me}.*", self._arrived)
                self._looking = [
                    asyncio.create_task(self._look_after()),
                    asyncio.create_task(self._holding.keep(FORGOTTEN_SECONDS / 3)),
                ]

    async def hold(self, name: str, serve: Serve) -> bool:
        await self.start()
        return await self._holding.hold(name, serve)

    async def release(self, name: str) -> None:
        await self._holding.release(name)

    async def call(self, name: str, request: bytes, answer: Answer) -> bool:
        if (serve := self._holding.serve(name)) is not None:
            await serve(request, _refusable(answer))
            return True
        await self.start()
        for fresh in (False, True):
            try:
                home = await self._holding.home(name, fresh=fresh)
            except FAILURES as error:
                raise CallLost(f"{self._connection.trouble} ({error})") from error
            if home is None or home == self._me:
                return False
            if await self._converse(home, name, request, answer):
                return True
        return False

    async def close(self) -> None:
        for task in self._looking:
            task.cancel()
        for calling in self._calling.values():
            calling.lose("this process ends")
        serving = [each.task for each in self._serving.values() if each.task is not None]
        for each in list(self._serving.values()):
            each.stop()
        await asyncio.gather(*self._looking, *serving, *self._background, return_exceptions=True)
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._holding.close()
        if self._listener is not None:
            await self._listener.end()

    # --- calling ---

    async def _converse(self, home: str, name: str, request: bytes, answer: Answer) -> bool:
        serial = next(self._serials)
        call = f"{serial}-{secrets.token_hex(6)}"
        calling = self._calling[call] = Calling(home)
        waiting = True
        try:
            for each in frames.frames(Kind.OPEN, 0, frames.named(name, request), self._room()):
                await self._tell(home, call, each)
            calling.opened, self._opened = True, max(serial, self._opened)
            while True:
                match await calling.parts.get():
                    case bytes(part):
                        await self._pass_on(call, calling, part, answer)
                    case str(reason):
                        raise CallLost(f"{name}: {reason}")
                    case end:
                        waiting = False
                        return end is Kind.DONE
        finally:
            del self._calling[call]
            if waiting:
                self._spawn(self._tell(home, call, frames.frame(Kind.HANG_UP)))

    async def _pass_on(self, call: str, calling: Calling, part: bytes, answer: Answer) -> None:
        try:
            await answer(part)
        except Exception as error:  # noqa: BLE001 - the holder is told, whose business it is
            log.debug("part refused", reason=str(error))
            calling.refused = True
        calling.answered = calling.received
        kind = Kind.REFUSED if calling.refused else Kind.TAKEN
        await self._tell(calling.home, call, frames.frame(kind, calling.answered))

    # --- serving ---

    def _open(self, call: str, frame: Frame, caller: str) -> None:
        serving = self._serving.get(call)
        if serving is None:
            serving = self._serving[call] = Serving(caller, int(call.partition("-")[0]), self._clock())
        if serving.task is not None or (opening := serving.pieces.take(frame)) is None:
            return
        name, request = frames.unnamed(opening)
        if (serve := self._holding.serve(name)) is None:
            del self._serving[call]
            self._spawn(self._tell(caller, call, frames.frame(Kind.NOBODY)))
        else:
            serving.task = asyncio.create_task(self._serve(call, serving, serve, request))

    async def _serve(self, call: str, serving: Serving, serve: Serve, request: bytes) -> None:
        async def answer(part: bytes) -> None:
            serving.sent += 1
            serving.unanswered = frames.frames(Kind.PART, serving.sent, part, self._room())
            serving.taken = asyncio.get_running_loop().create_future()
            await self._send(call, serving)
            await serving.taken

        end = Kind.BROKEN
        try:
            await serve(request, answer)
            end = Kind.DONE
        except Exception:
            log.exception("a call was not served to its end")
        finally:
            self._serving.pop(call, None)
            self._spawn(self._tell(serving.caller, call, frames.frame(end)))

    async def _send(self, call: str, serving: Serving) -> None:
        serving.sent_at = self._clock()
        for each in list(serving.unanswered):
            await self._tell(serving.caller, call, each)

    # --- what arrives ---

    def _arrived(self, message: Msg) -> None:
        call = message.subject.rpartition(".")[2]
        if call == _BEAT:
            self._spawn(self._reply(message, self._heard_beat(**orjson.loads(message.data))))
        elif call == _ASK:
            self._spawn(self._reply(message, self._holding.serve(message.data.decode()) is not None))
        elif not message.data:
            self._nobody_there(call)
        else:
            self._heard(call, Frame(message.data), message.reply)

    def _heard(self, call: str, frame: Frame, reply: str) -> None:
        if frame.kind is Kind.OPEN:
            self._open(call, frame, reply.removeprefix(self._peers).partition(".")[0])
        elif (calling := self._calling.get(call)) is not None:
            calling.heard(frame)
        elif (serving := self._serving.get(call)) is not None:
            if frame.kind is Kind.HANG_UP:
                serving.stop()
            else:
                serving.answered(frame.number, refused=frame.kind is Kind.REFUSED)

    def _nobody_there(self, call: str) -> None:
        if (calling := self._calling.get(call)) is not None:
            calling.nobody_listens()
        elif (serving := self._serving.get(call)) is not None:
            serving.stop()

    def _cut_off(self) -> None:
        for calling in self._calling.values():
            calling.lose("the connection to NATS was lost")
        for serving in list(self._serving.values()):
            serving.stop()

    # --- looking after ---

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            for home in {calling.home for calling in self._calling.values() if calling.opened}:
                self._spawn(self._tell_beat(home))
            for call, serving in list(self._serving.items()):
                if self._clock() - serving.heard_at > (_MISSES + 1) * self._beat:
                    serving.stop()
                    if serving.task is None:
                        del self._serving[call]

    async def _tell_beat(self, home: str) -> None:
        calls = {call: each for call, each in self._calling.items() if each.home == home and each.opened}
        state = {
            "caller": self._me,
            "upto": self._opened,
            "calls": {call: each.state() for call, each in calls.items()},
        }
        try:
            answer = await self._connection.request(
                f"{self._peers}{home}.{_BEAT}", orjson.dumps(state), seconds=self._beat
            )
        except NoRespondersError:
            lost, reason = set(calls), "its holder is gone"
        except FAILURES:
            self._misses[home] = self._misses.get(home, 0) + 1
            lost, reason = (set(calls) if self._misses[home] >= _MISSES else set()), "its holder is silent"
        else:
            self._misses.pop(home, None)
            lost, reason = set(orjson.loads(answer.data)), "its holder does not know of it"
        for call in lost:
            if call in self._calling:
                self._calling[call].lose(reason)

    def _heard_beat(self, caller: str, upto: int, calls: dict[str, tuple[int, int, bool]]) -> list[str]:
        """Set right what a caller's calls lack; those that are not known here."""
        now = self._clock()
        for call, serving in list(self._serving.items()):
            if serving.caller != caller:
                continue
            if call not in calls:
                if serving.serial <= upto:
                    serving.stop()
                continue
            serving.heard_at = now
            received, answered, refused = calls[call]
            serving.answered(answered, refused=refused)
            if received < serving.sent and now - serving.sent_at > self._beat / 2:
                self._spawn(self._send(call, serving))
        return [call for call in calls if call not in self._serving]

    async def _holds(self, holder: str, name: str) -> bool:
        """Whether a process says that it holds a name. One that is not there does not; of a silent one nobody knows."""
        try:
            answer = await self._connection.request(f"{self._peers}{holder}.{_ASK}", name.encode(), seconds=self._beat)
        except NoRespondersError:
            return False
        return bool(orjson.loads(answer.data))

    # --- telling ---

    async def _tell(self, peer: str, call: str, frame: bytes) -> None:
        await self._connection.publish(f"{self._peers}{peer}.{call}", frame, reply=f"{self._peers}{self._me}.{call}")

    async def _reply(self, message: Msg, answer: object) -> None:
        await self._connection.publish(message.reply, orjson.dumps(answer))

    def _room(self) -> int:
        return self._connection.max_payload - _HEADROOM

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def _refusable(answer: Answer) -> Answer:
    """`answer`, whose errors are the holder's OSError."""

    async def passed(part: bytes) -> None:
        try:
            await answer(part)
        except Exception as error:
            raise ConnectionResetError("the far end does not take the answer") from error

    return passed
