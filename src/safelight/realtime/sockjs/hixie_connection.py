"""A connection of a hixie draft under uvicorn, as an ASGI `websocket` scope like any other."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from safelight.errors import FrameTooLarge, ProtocolViolation
from safelight.realtime.sockjs import hixie

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LOST: Final = 1006


class HixieConnection(asyncio.Protocol):
    """Takes a connection over from uvicorn's HTTP protocol."""

    def __init__(self, http: HttpToolsProtocol, handshake: hixie.Handshake) -> None:
        self._http = http
        self._transport = http.transport
        self._handshake = handshake
        self._parser = hixie.Parser(http.config.ws_max_size)
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._nonce = bytearray()
        self._proven = asyncio.Event()
        if handshake.keys is None:
            self._proven.set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._refusal: dict[str, Any] | None = None
        self._accepted = False
        self._over = False

    # --- asyncio ---

    def begin(self) -> None:
        """The connection is this protocol's now."""
        self._http.connections.add(self)  # type: ignore[arg-type] # whom the server tells to shut down
        self._events.put_nowait({"type": "websocket.connect"})
        task = self._http.loop.create_task(self._run())
        self._http.tasks.add(task)
        task.add_done_callback(self._http.tasks.discard)

    def data_received(self, data: bytes) -> None:
        missing = 0 if self._handshake.keys is None else hixie.NONCE - len(self._nonce)
        self._nonce += data[:missing]
        if len(self._nonce) >= hixie.NONCE:
            self._proven.set()
        try:
            texts = self._parser.push(data[missing:])
        except ProtocolViolation as error:
            self._end(1009 if isinstance(error, FrameTooLarge) else 1002)
            return
        for text in texts:
            self._events.put_nowait({"type": "websocket.receive", "text": text})
        if self._parser.closed:
            self._transport.write(hixie.CLOSE)
            self._end(1000)
        elif texts:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it was lost
        self._http.connections.discard(self)
        self._end(_LOST)

    def shutdown(self) -> None:
        """The server stops."""
        self._transport.write(hixie.CLOSE)
        self._end(1012)

    def _end(self, code: int) -> None:
        if not self._over:
            self._over = True
            self._events.put_nowait({"type": "websocket.disconnect", "code": code})
            self._transport.close()
        for waiting in (self._proven, self._writable):
            waiting.set()

    # --- ASGI ---

    async def _run(self) -> None:
        http = self._http
        raw, _, query = http.url.partition(b"?")
        offered = [value for name, value in http.headers if name in (b"sec-websocket-protocol", b"websocket-protocol")]
        scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": http.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if http.scheme == "https" else "ws",
            "server": http.server,
            "client": http.client,
            "root_path": http.root_path,
            "path": http.root_path + unquote(raw.decode("latin-1")),
            "raw_path": http.root_path.encode("latin-1") + raw,
            "query_string": query,
            "headers": http.headers,
            # The drafts' separator was a space at first.
            "subprotocols": [each for value in offered for each in value.decode("latin-1").replace(",", " ").split()],
            "state": http.app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        try:
            await http.app(scope, self._receive, self._send)
        except OSError:
            pass  # the client has gone
        except Exception:
            http.logger.exception("Exception in ASGI application\n")
        finally:
            self._end(_LOST)

    async def _receive(self) -> Any:
        event = await self._events.get()
        if self._events.empty() and not self._transport.is_closing():
            self._transport.resume_reading()
        return event

    async def _send(self, message: Any) -> None:
        await self._writable.wait()
        if self._over:
            raise ConnectionResetError("the client has gone")
        match message["type"]:
            case "websocket.accept":
                self._accepted = True
                self._transport.write(self._handshake.head(message.get("subprotocol")))
                await self._proven.wait()
                self._prove()
            case "websocket.send":
                text = message.get("text")
                self._transport.write(hixie.encode(message["bytes"].decode(errors="replace") if text is None else text))
            case "websocket.close":
                if self._accepted:
                    self._transport.write(hixie.CLOSE)
                else:
                    self._transport.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                self._end(message.get("code", 1000))
            case "websocket.http.response.start":
                self._refusal = message
            case _:
                self._refuse(message.get("body", b""))

    def _prove(self) -> None:
        if self._over:
            raise ConnectionResetError("the client has gone")
        try:
            self._transport.write(self._handshake.proof(bytes(self._nonce)))
        except ProtocolViolation:
            self._end(1002)
            raise ConnectionResetError("the client's keys are not as they must be") from None

    def _refuse(self, body: bytes) -> None:
        status = HTTPStatus(self._refusal["status"] if self._refusal else 403)
        headers = [*(self._refusal["headers"] if self._refusal else []), (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b"%s: %s" % each for each in headers)]
        self._transport.write(b"\r\n".join((*lines, b"content-length: %d" % len(body), b"", body)))
        self._end(_LOST)
