"""One HTTP request to a session: one of this process, one of another, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from safelight.errors import ProtocolViolation
from safelight.realtime.sockjs import answers, routes
from safelight.realtime.sockjs.delivery import BodyTooLarge, deliver, read, respond
from safelight.realtime.sockjs.forwarding import channels, forward, scope_of
from safelight.realtime.sockjs.options import Options
from safelight.realtime.sockjs.registry import Registry
from safelight.realtime.sockjs.relay import Answer, Relay, Request
from safelight.realtime.sockjs.session import SockJSSession
from safelight.realtime.sockjs.transports import callback_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests are answered: this process's sessions, and the way to those of others."""

    registry: Registry
    options: Options
    relay: Relay | None

    async def serve(self, request: Request, answer: Answer) -> None:
        """Answer a request that another process got. It was admitted there."""
        route = routes.find(request.path)
        if not isinstance(route, routes.Receive | routes.Dispatch):
            raise TypeError(f"not a session's address: {request.path!r}")
        receive, send = channels(request, answer)
        extras = answers.extras(Headers(raw=list(request.headers)), self.options, cors=route.transport.cors)
        # No further: a session that has ended just now begins anew here, as it would without others.
        exchange = Exchange(self, extras, scope_of(request), receive, send, forwards=False)
        await exchange.run(route, request.path)


class Exchange:
    """A request that may: its method is right, and so is its page. `extras` are headers of every answer to it."""

    def __init__(
        self,
        place: Place,
        extras: answers.Headers,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        forwards: bool = True,
    ) -> None:
        self._place = place
        self._registry = place.registry
        self._limit = place.options.max_message
        self._extras = extras
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = Headers(scope=scope)
        self._relay = place.relay
        self._forwards = forwards and place.relay is not None

    async def run(self, route: routes.Receive | routes.Dispatch, path: str) -> None:
        """Answer it, or have it answered. `path` is below the base URL."""
        try:
            if isinstance(route, routes.Dispatch):
                await self._take(route, path)
            else:
                await self._give(route, path)
        except ProtocolViolation as error:
            await self._respond(answers.plain(500, f"{error.message}\n".encode()))
        except BodyTooLarge:
            await self._respond(answers.too_large(self._limit))
        except ConnectionResetError:
            pass  # the client has gone: there is nobody to answer

    async def _take(self, route: routes.Dispatch, path: str) -> None:
        session = await self._registry.find(route.session_id)
        if session is None:
            # Without others there is no need to read what is not for anybody.
            body = await read(self._receive, self._limit) if self._forwards else b""
            if not await self._forward(route.session_id, path, body):
                await self._respond(answers.not_found())
            return
        async with session.sending:
            # Before the body is read: what waits here waits at the client, not in our memory.
            await session.room()
            body = await read(self._receive, self._limit)
            session.accept(route.transport.decode(body, self._headers.get("content-type", "")))
        await self._respond(answers.sent(route.transport.status, route.transport.body))

    async def _give(self, route: routes.Receive, path: str) -> None:
        transport = route.transport
        callback = callback_of(self._query()) if transport.callback else ""
        session = await self._registry.find(route.session_id)
        if session is None:
            if await self._forward(route.session_id, path, b""):
                return
            # Another request may have opened it meanwhile.
            session = await self._registry.find(route.session_id) or await self._open(route)
        if session is None:
            # No room; or another process was quicker to open it, and answers.
            if not await self._forward(route.session_id, path, b""):
                await self._respond(answers.overloaded())
            return
        with self._registry.busy():
            head = answers.delivery(transport.content_type) + self._extras
            await deliver(session, transport, callback, head, scope=self._scope, receive=self._receive, send=self._send)

    async def _open(self, route: routes.Receive) -> SockJSSession | None:
        """A new session, of this process; None where there is no room, or where another process was quicker."""
        name = route.session_id
        if self._registry.full:
            return None
        with self._registry.settling(name):
            # Before there is a session: what it took in would be lost with it. And before the client learns of it, and
            # sends the next request to wherever.
            if self._relay is not None and not await self._relay.claim(name, self._place.serve):
                return None
            session = self._registry.open(route.transport.name, self._headers, name=name)
            if session is not None:
                self._registry.start(session)
            elif self._relay is not None:
                await self._relay.release(name)
            return session

    async def _forward(self, session_id: str, path: str, body: bytes) -> bool:
        if self._relay is None or not self._forwards:
            return False
        headers = tuple(self._scope["headers"])
        query = self._scope["query_string"]
        request = Request(session_id, self._scope["method"], path, query, headers, body)
        return await forward(self._relay, request, self._scope, self._receive, self._send)

    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True))

    async def _respond(self, answer: answers.Answer) -> None:
        await respond(self._send, answer.plus(self._extras))
