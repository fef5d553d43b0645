"""What SockJS needs of uvicorn beyond what it does: `SockJSHttp`, its HTTP protocol with five things set right.

- A response of unknown length to HTTP/1.0 ends with the connection; uvicorn would send chunks, which RFC 9112, 6.1
  forbids.
- An upgrade that is none (a POST, another protocol) is an ordinary request with its body, and the connection goes on
  behind it; the parser would take the body for the next request.
- WebSocket's drafts are understood: hybi-07 to -12 as RFC 6455, hixie-75 and -76 by `HixieConnection`.
- Responses that wait are told when the server begins to shut down (`delivery.SHUTDOWN`).
- Responses that stream let little wait in their connection (`delivery.NARROW`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from safelight.realtime.buffers import narrow
from safelight.realtime.sockjs import hixie
from safelight.realtime.sockjs.delivery import NARROW, SHUTDOWN
from safelight.realtime.sockjs.hixie_connection import HixieConnection


class SockJSHttp(HttpToolsProtocol):
    """To be given to uvicorn as `http=`, or to be derived from."""

    _fed = _left = b""
    _body_due = _priming = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._watches: set[Callable[[], object]] = set()
        self._stopping = False

    def on_message_begin(self) -> None:
        if not self._priming:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._priming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._priming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._priming:
            return
        super().on_headers_complete()
        self._body_due = self.parser.should_upgrade() and not self._should_upgrade() and bool(self._measures())
        extensions: dict[str, Any] = {SHUTDOWN: self._watch_shutdown, NARROW: partial(narrow, self.transport)}
        self.scope["extensions"] = extensions

    def on_message_complete(self) -> None:
        if not self._body_due:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._left = data
        while self._left:
            self._fed, self._left = self._left, b""
            super().data_received(self._fed)

    def shutdown(self) -> None:
        super().shutdown()
        self._stopping = True
        for called in list(self._watches):
            called()

    def _watch_shutdown(self, called: Callable[[], object]) -> Callable[[], None]:
        self._watches.add(called)
        if self._stopping:
            called()

        def unwatch() -> None:
            self._watches.discard(called)

        return unwatch

    # --- HTTP/1.0 ---

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, _unchunked(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    # --- upgrades ---

    def _should_upgrade(self) -> bool:
        return self.scope["method"] == "GET" and super()._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        # RFC 9110, 7.8: "A server MAY ignore a received Upgrade header field". What follows is the next request.
        self._left = self._behind()
        if self._body_due:
            self._body_due = False
            self._prime()

    def _prime(self) -> None:
        # The parser ends a request that asks for an upgrade with its head. A fresh one is told of the same body.
        self.parser = httptools.HttpRequestParser(self)
        self._priming = True
        lines = [b"POST / HTTP/1.1", *(b"%s: %s" % each for each in self._measures()), b"", b""]
        self.parser.feed_data(b"\r\n".join(lines))
        self._priming = False

    def _measures(self) -> list[tuple[bytes, bytes]]:
        """The headers that tell of the request's body, none where it has none."""
        given = [each for each in self.headers if each[0] in (b"content-length", b"transfer-encoding")]
        return [] if given and all(value == b"0" for _, value in given) else given

    def handle_websocket_upgrade(self) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}
        scheme = "wss" if self.scheme == "https" else "ws"
        handshake = hixie.handshake_of(headers, scheme, self.url.decode("latin-1"))
        if handshake is None:
            self.scope["headers"] = hixie.modernised(self.headers)
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        connection = HixieConnection(self, handshake)
        self.transport.set_protocol(connection)
        connection.begin()
        connection.data_received(self._behind())

    def _behind(self) -> bytes:
        """What came behind the request that asked for an upgrade, which the parser says as it stops."""
        stopped = sys.exc_info()[1]
        return self._fed[stopped.args[0] :] if isinstance(stopped, httptools.HttpParserUpgrade) else b""


def _unchunked(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """The application, its responses of unknown length ended by the connection's end."""

    async def wrapped(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        unbounded = False

        async def to_the_end(message: ASGISendEvent) -> None:
            nonlocal unbounded
            if message["type"] == "http.response.start":
                unbounded = not any(name.lower() == b"content-length" for name, _ in message.get("headers", []))
                if unbounded:
                    # Said before uvicorn decides; it closes connections of HTTP/1.0 in any case.
                    cycle.chunked_encoding = False
            elif message["type"] == "http.response.body" and unbounded:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, to_the_end)

    return wrapped
