"""The live channel over WebSocket: an ASGI application that carries out what sessions decide.

Each subscription pulls from the hub and waits for its socket, so a reader that stalls holds one unsent batch and
no queue.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from safelight.domain.identity import Identity
from safelight.errors import (
    FieldError,
    Invalid,
    MalformedJson,
    NotFound,
    OriginRefused,
    SafelightError,
    TokenExpired,
    Unauthenticated,
)
from safelight.realtime import session as stomp_session
from safelight.realtime.feed import Batch, Event, Reader
from safelight.realtime.hub import Hub
from safelight.realtime.session import Action, Session, Subscription, Terms, message_tail
from safelight.realtime.stomp import SUBPROTOCOLS, Frame

log = structlog.get_logger()

SERVICE_RESTART: Final = 1012
_JOB: Final = re.compile(r"/topic/job/([A-Za-z0-9_]+)(/batch)?")
_JOBS: Final = "/topic/jobs"
# Frames of one flush share a WebSocket message up to about this many characters.
_MESSAGE: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class LiveContext:
    """What the live channel needs of the rest of Safelight."""

    hub: Hub
    authenticate: Callable[[str], Awaitable[Identity]]
    """Who holds this token; raises Unauthenticated or TokenExpired."""
    owns_job: Callable[[str, str], Awaitable[bool]]
    """Whether `(user_id, job_id)` belong together."""
    report_progress: Callable[[str, Any], Awaitable[None]]
    """Take the JSON of `SEND /app/progress` from a user; raises what the client did wrong."""
    clock: Callable[[], int]
    """Unix milliseconds, for the expiry of tokens."""
    allowed_origins: Sequence[str] = ()
    """Besides the server's own: `https://photos.example`, without a path."""
    terms: Terms = Terms()  # noqa: RUF009 (frozen)
    send_within: float = 120.0
    """Seconds that one write may wait for a client that does not read."""
    tick_every: float = 1.0


class LiveChannel:
    """The ASGI application for `/ws` and `/ws/websocket`. `close` it before the hub."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._connections: set[Connection] = set()
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if not _welcome(Headers(scope=scope), self._context.allowed_origins):
            await _refuse(scope, send)
            return
        offered: list[str] = scope.get("subprotocols", [])
        chosen = next((protocol for protocol in SUBPROTOCOLS if protocol in offered), None)
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
        connection = Connection(self._context, send)
        self._connections.add(connection)
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        try:
            await connection.run(receive)
        finally:
            self._connections.discard(connection)

    async def close(self) -> None:
        """Tell every client to come back (close code 1012), and stop."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        await asyncio.gather(*(connection.close(SERVICE_RESTART) for connection in self._connections))

    async def _tick(self) -> None:
        # One timer for all: five thousand connections must not mean five thousand.
        while True:
            await asyncio.sleep(self._context.tick_every)
            for connection in list(self._connections):
                connection.tick()


class Connection:
    """One client: its session, its identity, and a task for each of its subscriptions."""

    def __init__(self, context: LiveContext, send: Send) -> None:
        self.id = secrets.token_hex(8)
        self._context = context
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._session = Session(self._now(), context.terms)
        self._identity: Identity | None = None
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._sending_since: float | None = None
        self._ended = asyncio.Event()

    async def run(self, receive: Receive) -> None:
        """Serve the client until it leaves or is cut off."""
        self._spawn(self._read(receive))
        try:
            await self._ended.wait()
        finally:
            tasks = [*self._errands, *self._pumps.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def tick(self) -> None:
        """Heart-beats, deadlines and the token's expiry; called about once a second."""
        since = self._sending_since
        if since is not None and self._loop.time() - since > self._context.send_within:
            log.info("client does not read: cut off", connection=self.id)
            self._ended.set()
        elif self._expired():
            self._spawn(self._fail(TokenExpired()))
        else:
            actions = self._session.tick(self._now())
            if self._session.closed:
                self._spawn(self._take_leave(actions))
            elif actions and since is None:  # a busy socket needs no heart-beat, a blocked one cannot take it
                self._spawn(self._perform(actions))

    async def close(self, code: int) -> None:
        """End the connection with a WebSocket close code, if it takes it within five seconds."""
        try:
            async with asyncio.timeout(5), self._sending:
                if not self._ended.is_set():
                    await self._send({"type": "websocket.close", "code": code, "reason": ""})
        except (TimeoutError, OSError) as error:
            log.debug("not closed in order", connection=self.id, error=str(error))
        self._ended.set()

    # --- from the client ---

    async def _read(self, receive: Receive) -> None:
        try:
            while (message := await receive())["type"] == "websocket.receive":
                data = message.get("text")
                await self._perform(self._session.receive(message["bytes"] if data is None else data, self._now()))
        finally:
            self._ended.set()

    async def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            receipt = getattr(action, "receipt", None)
            try:
                await self._carry_out(action)
            except SafelightError as error:
                await self._fail(error, receipt)
                return
            except Exception:
                log.exception("live channel failed", connection=self.id)
                await self._fail(SafelightError(), receipt)
                return

    async def _carry_out(self, action: Action) -> None:
        match action:
            case stomp_session.Write(data):
                await self._transmit(data)
            case stomp_session.Connect(token):
                self._identity = await self._context.authenticate(_given(token))
                if not self._session.closed:
                    await self._transmit(self._session.connected(self.id, self._now()))
            case stomp_session.Subscribe(subscription, after, receipt):
                await self._subscribe(subscription, after, receipt)
            case stomp_session.Unsubscribe(key):
                if (pump := self._pumps.pop(key, None)) is not None:
                    pump.cancel()
            case stomp_session.Send(destination, frame):
                await self._take(destination, frame)
            case stomp_session.Close(code):
                await self.close(code)

    async def _take(self, destination: str, frame: Frame) -> None:
        if destination == "/app/progress":
            await self._context.report_progress(self._user(), _json(frame))
        elif destination == "/app/token":
            renewed = await self._context.authenticate(_renewal(frame))
            if self._identity is None or renewed.user_id != self._identity.user_id:
                raise Unauthenticated("This token is another user's. Connect again with it.")
            self._identity = renewed
        else:
            raise NotFound(f"There is no destination {destination[:80]!r} to send to.")

    # --- to the client ---

    async def _subscribe(self, subscription: Subscription, after: int | None, receipt: str | None) -> None:
        user_id = self._user()
        if subscription.destination == _JOBS:
            reader = await self._context.hub.watch_user(user_id)
        elif (match := _JOB.fullmatch(subscription.destination)) is None:
            raise NotFound(f"There is no destination {subscription.destination[:80]!r} to subscribe to.")
        elif await self._context.owns_job(user_id, match[1]):
            reader = await self._context.hub.watch_job(match[1], after)
        else:
            raise NotFound(f"There is no job {match[1][:40]!r}, or it is not yours.")
        pump = asyncio.create_task(self._pump(subscription, reader, receipt))
        self._pumps[subscription.key] = pump

    async def _pump(self, subscription: Subscription, reader: Reader, receipt: str | None) -> None:
        """Deliver a topic for as long as it lasts and the token holds."""
        batched = subscription.destination.endswith("/batch")
        headers: tuple[tuple[str, str], ...] = ()
        try:
            async for batch in reader:
                self._user()
                if batch.recovered is not None:
                    headers = _recovered(batch)
                    if receipt is not None:
                        await self._transmit(self._session.receipt(receipt, headers))
                        receipt = None
                if batch.events:
                    for text in _messages(subscription, batch, headers, batched=batched):
                        await self._transmit(text)
                    headers = ()
            raise NotFound("What this subscription showed is gone.")
        except SafelightError as error:
            await self._fail(error, receipt)
        except Exception:
            log.exception("live channel failed", connection=self.id, destination=subscription.destination)
            await self._fail(SafelightError(), receipt)
        finally:
            self._context.hub.release(reader)

    async def _transmit(self, text: str) -> None:
        async with self._sending:
            if self._ended.is_set():
                return
            self._sending_since = self._loop.time()
            try:
                await self._send({"type": "websocket.send", "text": text})
            except OSError:  # how ASGI says that the client has gone
                self._ended.set()
            finally:
                self._sending_since = None
        self._session.wrote(self._now())

    async def _fail(self, error: SafelightError, receipt: str | None = None) -> None:
        await self._take_leave(self._session.fail(error, receipt))

    async def _take_leave(self, actions: Sequence[Action]) -> None:
        """The last words, to a client that may not be listening any more."""
        try:
            async with asyncio.timeout(5):
                await self._perform(actions)
        except TimeoutError:
            self._ended.set()

    # --- who and when ---

    def _user(self) -> str:
        if self._identity is None:
            raise Unauthenticated
        if self._expired():
            raise TokenExpired
        return self._identity.user_id

    def _expired(self) -> bool:
        expires_at = self._identity.expires_at if self._identity else None
        return expires_at is not None and self._context.clock() >= expires_at

    def _now(self) -> int:
        return int(self._loop.time() * 1000)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _welcome(headers: Headers, allowed: Sequence[str]) -> bool:
    """Whether the page may connect: no page at all, one of this host, or one of the list (RFC 6455, 10.2)."""
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    # The scheme is not compared: behind a proxy that ends TLS it is not known here.
    return origin != "null" and urlsplit(origin).netloc == headers.get("host")


async def _refuse(scope: Scope, send: Send) -> None:
    error = OriginRefused()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": stomp_session.POLICY, "reason": error.code})
        return
    body = orjson.dumps({"status": 403, "code": error.code, "detail": error.message})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _given(token: str | None) -> str:
    if not token:
        raise Unauthenticated("CONNECT came without a token. Send it as the header Authorization: Bearer …")
    return token


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


def _recovered(batch: Batch) -> tuple[tuple[str, str], ...]:
    place = () if batch.seq is None else (("seq", str(batch.seq)),)
    return (("recovered", str(batch.recovered)), *place)


def _messages(
    subscription: Subscription, batch: Batch, headers: tuple[tuple[str, str], ...], *, batched: bool
) -> Iterator[str]:
    """The MESSAGE frames of one flush, several to a WebSocket message; the first bears `headers`."""
    extra = "".join(f"{name}:{value}\n" for name, value in headers)
    if batched:
        yield subscription.message(_array(subscription.destination, batch), extra)
        return
    frames: list[str] = []
    size = 0
    for event in batch.events:
        frame = subscription.message(_single(subscription.destination, event), extra)
        extra = ""
        frames.append(frame)
        size += len(frame)
        if size > _MESSAGE:
            yield "".join(frames)
            frames, size = [], 0
    if frames:
        yield "".join(frames)


def _single(destination: str, event: Event) -> str:
    form = event.forms.get("message")
    if form is None:
        form = event.forms["message"] = message_tail(destination, event.body)
    return form


def _array(destination: str, batch: Batch) -> str:
    form = batch.forms.get("message")
    if form is None:
        array = f"[{','.join(event.body for event in batch.events)}]"
        form = batch.forms["message"] = message_tail(destination, array)
    return form
