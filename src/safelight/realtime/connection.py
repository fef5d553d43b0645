"""One client of the live channel: its pipe, its session, its identity, and a task for each of its subscriptions.

Each subscription pulls from the hub and waits for its pipe, so a reader that stalls holds one unsent batch and
no queue.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson
import structlog

from safelight.domain.identity import Identity, credential_of
from safelight.errors import (
    FieldError,
    Invalid,
    MalformedJson,
    NotFound,
    SafelightError,
    TokenExpired,
    Unauthenticated,
)
from safelight.realtime import session as stomp_session
from safelight.realtime.context import LiveContext
from safelight.realtime.direct import DirectWay, Line, lag
from safelight.realtime.feed import Batch
from safelight.realtime.messages import Header, messages, recovered
from safelight.realtime.pipe import Outlet, Pipe
from safelight.realtime.reader import Reader
from safelight.realtime.registry import Registry, Standing, Watched
from safelight.realtime.session import Action, Session
from safelight.realtime.stomp import Frame
from safelight.realtime.subscription import Subscription

log = structlog.get_logger()

_JOB: Final = re.compile(r"/topic/job/([A-Za-z0-9_]+)(/batch)?")
_JOBS: Final = "/topic/jobs"
# Seconds for the last words, to a client that may not be listening any more.
_LEAVE_WITHIN: Final = 5
_LEAVING: Final = stomp_session.Close(stomp_session.NORMAL)


class Connection:
    """Carries out what the session decides. `run` it for the client's life."""

    def __init__(self, context: LiveContext, registry: Registry, pipe: Pipe) -> None:
        self.id = secrets.token_hex(8)
        self.transport = pipe.transport
        self._context = context
        self._registry = registry
        self._flushes = context.hub.meters.flushes
        self._pipe = pipe
        self._loop = asyncio.get_running_loop()
        self._session = Session(self._now(), context.terms)
        self._identity: Identity | None = None
        self._credential: str | None = None
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._owed: dict[str, str] = {}  # the receipts of subscriptions that have no place in their topic yet
        self._readers: dict[str, Reader] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._sending_since: float | None = None
        self._ended = asyncio.Event()
        self._since = context.clock()
        self._line = Line(self._session, context.clock)
        self._log = log.bind(connection=self.id, transport=self.transport)

    async def run(self) -> None:
        """Serve the client until it leaves or is cut off."""
        self._spawn(self._read())
        try:
            await self._ended.wait()
        finally:
            tasks = [*self._errands, *self._pumps.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for reader in self._readers.values():  # of pumps that never had a turn
                self._context.hub.release(reader)
            self._log.debug("connection ended", bytes=self._line.bytes)

    def tick(self) -> None:
        """Heart-beats, deadlines and the token's expiry; called about once a second."""
        since = self._sending_since
        if since is not None and self._loop.time() - since > self._context.send_within:
            self._log.info("client does not read: cut off")
            self._ended.set()
        elif self._expired():
            self.end(TokenExpired())
        else:
            actions = self._session.tick(self._now())
            if self._session.closed:
                self._spawn(self._take_leave(actions))
            elif actions and since is None:  # a busy pipe needs no heart-beat, a blocked one cannot take it
                self._spawn(self._perform(actions))

    def end(self, error: SafelightError) -> None:
        """Tell the client why, and close."""
        self._spawn(self._fail(error))

    async def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close code (RFC 6455, 7.4), if the pipe takes it within five seconds."""
        try:
            async with asyncio.timeout(_LEAVE_WITHIN), self._sending:
                if not self._ended.is_set():
                    await self._pipe.close(code, reason)
        except (TimeoutError, OSError) as error:
            self._log.debug("not closed in order", error=str(error))
        self._ended.set()

    # --- what others see of it ---

    @property
    def user_id(self) -> str | None:
        return self._identity.user_id if self._identity else None

    @property
    def credential(self) -> str | None:
        """What the identity rests on: a session's id, or the SHA-256 of an API token."""
        return self._credential

    @property
    def subscriptions(self) -> int:
        return len(self._pumps)

    def standing(self) -> Standing:
        """The connection at this moment."""
        watched = [
            Watched(key.strip(), self._session.subscriptions[key].destination, reader.backlog)
            for key, reader in self._readers.items()
            if key in self._session.subscriptions
        ]
        blocked = self._loop.time() - self._sending_since if self._sending_since is not None else 0.0
        return Standing(
            id=self.id,
            transport=self.transport,
            user_id=self.user_id,
            email=self._identity.email if self._identity else None,
            since=self._since,
            subscriptions=watched,
            backlog=sum(each.backlog for each in watched),
            lag_ms=round(max(self._line.lag, blocked) * 1000, 1),
            bytes_sent=self._line.bytes,
        )

    # --- from the client ---

    async def _read(self) -> None:
        try:
            while (data := await self._pipe.receive()) is not None:
                await self._perform(self._session.receive(data, self._now()))
        finally:
            self._ended.set()

    async def _perform(self, actions: Sequence[Action]) -> None:
        for at, action in enumerate(actions):
            receipt = getattr(action, "receipt", None)
            try:
                if _LEAVING in actions[at : at + 2]:  # and its RECEIPT tells that everything before was heeded
                    await self._settle(list(self._owed))
                self._check(actions, at)
                await self._carry_out(action)
            except SafelightError as error:
                await self._fail(error, receipt)
                return
            except Exception:  # noqa: BLE001 - said to the client and logged, whatever it is
                self._log.exception("live channel failed")
                await self._fail(SafelightError(), receipt)
                return

    async def _carry_out(self, action: Action) -> None:
        match action:
            case stomp_session.Write(data):
                await self._transmit(data)
            case stomp_session.Connect(token):
                await self._sign_in(token)
            case stomp_session.Subscribe(subscription, after, receipt):
                await self._subscribe(subscription, after, receipt)
            case stomp_session.Unsubscribe(key):
                if (pump := self._pumps.pop(key, None)) is not None:
                    pump.cancel()
                    self._registry.unsubscribe(self)
                    await self._settle([key])
                    if (reader := self._readers.pop(key, None)) is not None:
                        self._context.hub.release(reader)  # at once: not a message after this, or after its RECEIPT
            case stomp_session.Send(destination, frame):
                await self._taking(destination, frame)()
            case stomp_session.Close(code):
                await self.close(code)

    async def _sign_in(self, token: str | None) -> None:
        if not token:
            raise Unauthenticated("CONNECT came without a token. Send it as the header Authorization: Bearer …")
        identity = await self._context.authenticate(token)
        if self._session.closed or self._ended.is_set():
            return
        self._session.bucket = self._registry.sign_in(self, identity.user_id, self._now())
        self._identify(identity, token)
        self._log = self._log.bind(user=identity.user_id)
        self._log.debug("connected")
        await self._transmit(self._session.connected(self.id, self._now()))

    def _check(self, actions: Sequence[Action], at: int) -> None:
        """Where a transaction's SENDs begin: that each of them can be carried out, before the first one is."""
        name = _transaction(actions[at])
        if name is None or (at and _transaction(actions[at - 1]) == name):
            return
        for send in islice(actions, at, None):
            if isinstance(send, stomp_session.Send) and _transaction(send) == name:
                self._taking(send.destination, send.frame)

    def _taking(self, destination: str, frame: Frame) -> Callable[[], Awaitable[None]]:
        """How to carry out a SEND; NotFound or MalformedJson where it cannot be."""
        if destination == "/app/progress":
            return partial(self._report, _json(frame))
        if destination == "/app/token":
            return partial(self._renew, _renewal(frame))
        raise NotFound(f"There is no destination {destination[:80]!r} to send to.")

    async def _report(self, progress: object) -> None:
        try:
            await self._context.report_progress(self._user(), progress)
        except NotFound:
            # Best effort: one photo that was removed meanwhile must not cost a client its connection.
            self._log.debug("progress of an unknown photo ignored")

    async def _renew(self, token: str) -> None:
        renewed = await self._context.authenticate(token)
        if renewed.user_id != self.user_id:
            raise Unauthenticated("This token is another user's. Connect again with it.")
        self._identify(renewed, token)

    # --- to the client ---

    async def _subscribe(self, subscription: Subscription, after: int | None, receipt: str | None) -> None:
        user_id = self._user()
        self._registry.subscribe(self)
        try:
            reader = await self._reader(user_id, subscription.destination, after)
        except BaseException:
            self._registry.unsubscribe(self)
            raise
        self._readers[subscription.key] = reader
        if receipt is not None:
            self._owed[subscription.key] = receipt
        pump = asyncio.create_task(self._pump(subscription, reader))
        self._pumps[subscription.key] = pump

    async def _reader(self, user_id: str, destination: str, after: int | None) -> Reader:
        if destination == _JOBS:
            return await self._context.hub.watch_user(user_id)
        if (match := _JOB.fullmatch(destination)) is None:
            raise NotFound(f"There is no destination {destination[:80]!r} to subscribe to.")
        if not await self._context.owns_job(user_id, match[1]):
            raise NotFound(f"There is no job {match[1][:40]!r}, or it is not yours.")
        return await self._context.hub.watch_job(match[1], after)

    async def _pump(self, subscription: Subscription, reader: Reader) -> None:
        """Deliver a topic for as long as it lasts and the token holds."""
        kind, _, name = reader.topic.partition(".")
        words = self._log.bind(**{kind: name})
        headers: tuple[Header, ...] = ()
        direct = self._direct_way(subscription)
        try:
            async for batch in reader:
                self._user()
                if batch.recovered is not None:
                    reader.direct = None
                    headers = recovered(batch)
                    words.debug("subscription recovered", by=batch.recovered, seq=batch.seq)
                    await self._settle([subscription.key], headers)
                if batch.events:
                    for text in messages(subscription, batch, headers):
                        await self._transmit(text)
                    self._measure(batch, live=not headers)
                    headers = ()
                if not headers:
                    reader.direct = direct
            raise NotFound("What this subscription showed is gone.")
        except SafelightError as error:
            await self._fail(error, self._owed.pop(subscription.key, None))
        except Exception:  # noqa: BLE001 - said to the client and logged, whatever it is
            words.exception("live channel failed")
            await self._fail(SafelightError(), self._owed.pop(subscription.key, None))
        finally:
            if self._readers.get(subscription.key) is reader:
                del self._readers[subscription.key]
            self._context.hub.release(reader)

    async def _settle(self, keys: Sequence[str], headers: tuple[Header, ...] = ()) -> None:
        """Send the RECEIPT of each of these subscriptions that is still owed: it has its place, or never needs one."""
        for key in keys:
            if (receipt := self._owed.pop(key, None)) is not None:
                await self._transmit(self._session.receipt(receipt, headers))

    def _direct_way(self, subscription: Subscription) -> DirectWay | None:
        """The short way, where the pipe has one and the subscription's messages are like everybody's."""
        if not isinstance(self._pipe, Outlet) or subscription.ack != "auto":
            return None
        return DirectWay(self._line, subscription, self._pipe)

    def _measure(self, batch: Batch, *, live: bool) -> None:
        self._flushes.events_out += len(batch.events)
        # What was recovered may be days old; what came live, in order, is as late as its first event.
        if live and (late := lag(batch, self._context.clock())) is not None:
            self._line.lag = late
            self._flushes.lag(late)

    async def _transmit(self, text: str) -> None:
        async with self._sending:
            if self._ended.is_set():
                return
            self._sending_since = self._loop.time()
            try:
                await self._pipe.send(text)
            except OSError:  # the client has gone
                self._ended.set()
            finally:
                self._sending_since = None
        size = len(text) if text.isascii() else len(text.encode())
        self._line.bytes += size
        self._flushes.bytes_out += size
        self._session.wrote(self._now())

    async def _fail(self, error: SafelightError, receipt: str | None = None) -> None:
        actions = self._session.fail(error, receipt)
        if actions:
            meters = self._context.hub.meters
            meters.refused.labels(error.code).inc()
            if isinstance(error, Unauthenticated):
                meters.auth_failures.inc()
            self._log.info("connection ended by an error", code=error.code, reason=error.message)
        await self._take_leave(actions)

    async def _take_leave(self, actions: Sequence[Action]) -> None:
        try:
            async with asyncio.timeout(_LEAVE_WITHIN):
                # Nothing to say means that DISCONNECT was read already: whoever said goodbye is let go all the same.
                await self._perform(actions or [stomp_session.Close(stomp_session.POLICY)])
        except TimeoutError:
            self._ended.set()

    # --- who and when ---

    def _user(self) -> str:
        if self._identity is None:
            raise Unauthenticated
        if self._expired():
            raise TokenExpired
        return self._identity.user_id

    def _identify(self, identity: Identity, token: str) -> None:
        self._identity, self._credential = identity, credential_of(identity, token)
        self._line.expires_at = math.inf if identity.expires_at is None else identity.expires_at

    def _expired(self) -> bool:
        return self._context.clock() >= self._line.expires_at

    def _now(self) -> int:
        return int(self._loop.time() * 1000)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _transaction(action: Action) -> str | None:
    return action.frame.get("transaction") if isinstance(action, stomp_session.Send) else None


def _renewal(frame: Frame) -> str:
    body = _json(frame)
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, str):
        raise Invalid('Send the new token as {"token": "…"}.', errors=[FieldError("token", "is missing")])
    return token


def _json(frame: Frame) -> Any:
    try:
        return orjson.loads(frame.body)
    except orjson.JSONDecodeError:
        raise MalformedJson("The body of this SEND is not valid JSON.") from None
