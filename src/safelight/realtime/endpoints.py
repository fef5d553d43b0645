"""The live channel: connections over WebSocket (an ASGI application) and over any other pipe, from first to last."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from safelight.errors import OriginRefused, Restarting, SafelightError
from safelight.realtime.connection import Connection
from safelight.realtime.context import LiveContext
from safelight.realtime.pipe import Pipe, websocket_pipe
from safelight.realtime.registry import Registry
from safelight.realtime.session import POLICY
from safelight.realtime.sockjs import AllowList
from safelight.realtime.stomp import SUBPROTOCOLS

SERVICE_RESTART: Final = 1012
RETRY_AFTER: Final = 5
"""Seconds after which a server that restarts is likely to be back."""

__all__ = ["RETRY_AFTER", "SERVICE_RESTART", "LiveChannel", "LiveContext"]


class LiveChannel:
    """The ASGI application for `/ws` and `/ws/websocket`, and the way in for other transports (`serve`)."""

    def __init__(self, context: LiveContext) -> None:
        self.registry = Registry(context.quota)
        self.draining = False
        self._context = context
        self._connections: set[Connection] = set()
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if self.draining:
            await _refuse(scope, send, Restarting(retry_after=RETRY_AFTER), 503)
            return
        if not _welcome(Headers(scope=scope), self._context.allowed_origins):
            await _refuse(scope, send, OriginRefused(), 403)
            return
        offered: list[str] = scope.get("subprotocols", [])
        chosen = next((protocol for protocol in SUBPROTOCOLS if protocol in offered), None)
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
        await self._run(websocket_pipe(scope, receive, send))

    async def serve(self, pipe: Pipe) -> None:
        """Converse over an open pipe until one side ends it: the one line that a further transport needs."""
        if self.draining:
            await pipe.close(SERVICE_RESTART, "come back")
        elif not _welcome(pipe.headers, self._context.allowed_origins):
            await pipe.close(POLICY, OriginRefused.code)
        else:
            await self._run(pipe)

    async def drain(self, seconds: float) -> None:
        """Take no new connections, and send away those there are (close code 1012), spread over so many seconds: a
        thousand that come back at once would be the next outage. Returns when the last one has gone.
        """
        self.draining = True
        leaving = list(self._connections)
        random.shuffle(leaving)
        async with asyncio.TaskGroup() as group:
            for connection in leaving:
                group.create_task(connection.close(SERVICE_RESTART, "come back"))
                await asyncio.sleep(seconds / len(leaving) if connection is not leaving[-1] else 0)

    async def close(self) -> None:
        """Send away whoever is still there, and stop. To be called before the hub is closed."""
        self.draining = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        await asyncio.gather(*(connection.close(SERVICE_RESTART, "come back") for connection in self._connections))

    async def _run(self, pipe: Pipe) -> None:
        connection = Connection(self._context, self.registry, pipe)
        self._connections.add(connection)
        self.registry.add(connection)
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        gauge = self._context.hub.meters.connections.labels(pipe.transport)
        gauge.inc()
        try:
            await connection.run()
        finally:
            gauge.dec()
            self._connections.discard(connection)
            self.registry.discard(connection)

    async def _tick(self) -> None:
        # One timer for all: five thousand connections must not mean five thousand.
        while True:
            await asyncio.sleep(self._context.tick_every)
            for connection in list(self._connections):
                connection.tick()


def _welcome(headers: Mapping[str, str], allowed: Sequence[str]) -> bool:
    """Whether the page may connect: the rule of SockJS's addresses, for all that is not SockJS too (RFC 6455, 10.2)."""
    return AllowList(tuple(allowed))(headers.get("origin"), headers.get("host"))


async def _refuse(scope: Scope, send: Send, error: SafelightError, status: int) -> None:
    """Answer the request instead of upgrading it."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": POLICY, "reason": error.code})
        return
    body = orjson.dumps({"status": status, "code": error.code, "detail": error.message})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
