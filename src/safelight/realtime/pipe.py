"""A pipe: what carries the text of one client, whichever transport that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from websockets.frames import Frame, Opcode

WRITER = "safelight.writer"
"""The extension of the scope by which the server's protocol (websocket.py) offers its Writer."""


class Pipe(Protocol):
    """One client's way in and out. SockJS sessions and WebSockets are pipes (LiveChannel.serve)."""

    @property
    def transport(self) -> str:
        """`websocket`, `raw-websocket`, `xhr-streaming`, `xhr`, `eventsource`, `htmlfile` or `jsonp`."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request that opened it, by lower-case name; `origin` and `host` are looked at."""

    async def send(self, text: str) -> None:
        """Hand over one message; returns once there is room for the next. OSError where the client has gone."""

    async def receive(self) -> str | bytes | None:
        """The next message; None, from then on, where the client has gone or the pipe was closed."""

    async def close(self, code: int, reason: str) -> None:
        """End it, with a code of RFC 6455, 7.4. What was sent before still arrives. Twice is not an error."""


@runtime_checkable
class Outlet(Protocol):
    """What a pipe may offer besides: to take bytes at once. All of one `form` take the same bytes."""

    @property
    def form(self) -> str: ...

    def encode(self, text: bytes) -> bytes:
        """One message, as its bytes go over the network."""

    def write(self, data: bytes) -> bool:
        """Hand over whole encoded messages. False where there is no room now or the pipe is closing: nothing was
        taken, and `send` is to be awaited.
        """


class Writer(Protocol):
    """A connection of the server that takes bytes; as Outlet.write."""

    def write_now(self, data: bytes) -> bool: ...


class WebSocketPipe:
    """An accepted WebSocket of ASGI as a Pipe."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.transport = "raw-websocket" if scope["path"].endswith("/websocket") else "websocket"
        self.headers = Headers(scope=scope)
        self._receive = receive
        self._send = send
        self._closed = False

    async def send(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def receive(self) -> str | bytes | None:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


class DirectPipe(WebSocketPipe):
    """The same on a server that lets frames by (LiveProtocol): an Outlet too."""

    form = "websocket"

    def __init__(self, scope: Scope, receive: Receive, send: Send, writer: Writer) -> None:
        super().__init__(scope, receive, send)
        self.write = writer.write_now

    def encode(self, text: bytes) -> bytes:
        # What a server sends is not masked (RFC 6455, 5.1), so the same bytes serve all.
        return Frame(Opcode.TEXT, text).serialize(mask=False)


def websocket_pipe(scope: Scope, receive: Receive, send: Send) -> WebSocketPipe:
    """The pipe of an accepted WebSocket, by the shortest way that the server offers."""
    extensions: dict[str, Any] = scope.get("extensions", {})
    writer: Writer | None = extensions.get(WRITER)
    return WebSocketPipe(scope, receive, send) if writer is None else DirectPipe(scope, receive, send, writer)
