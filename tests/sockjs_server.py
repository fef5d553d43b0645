"""The test server of the SockJS protocol, under uvicorn as `safelight serve` runs it, and a client of bare sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from safelight.realtime.sockjs import AnyOrigin, Options, SockJS, SockJSSession

PATIENCE = 10.0
# "The test server should have this limit decreased to 4096B."
PROFILE = Options(origins=AnyOrigin(), response_limit=4096, script_url="/sockjs.min.js", subprotocols=("v12.stomp",))


async def echo(session: SockJSSession) -> None:
    """Responds with identical data as received."""
    while (text := await session.receive()) is not None:
        await session.send(text)


async def close(_session: SockJSSession) -> None:
    """Immediately closes the session."""


class Services:
    """Several services under one root, each by its prefix; everything else is 404."""

    def __init__(self, *services: SockJS) -> None:
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for service in self.services:
            if service.owns(scope):
                await service(scope, receive, send)
                return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


class Listening:
    """A running server."""

    def __init__(self, app: ASGIApp) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="safelight.http.ingest:IngestProtocol",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=1024 * 1024,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self) -> None:
        """Ask it to shut down, as a signal would, and wait. May be called again."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive()

    def connect(self) -> Wire:
        """A connection to it."""
        return Wire(self.port)

    def ask(
        self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """One request on a connection of its own, and the whole of its answer."""
        with self.connect() as wire:
            return wire.ask(method, path, body, headers)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Response:
        return self.ask("POST", path, body, headers)

    def options(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return self.ask("OPTIONS", path, headers=headers)


@contextmanager
def listening(*services: SockJS, app: ASGIApp | None = None) -> Iterator[Listening]:
    """A server of these services, or of another application."""
    running = Listening(app or Services(*services))
    try:
        yield running
    finally:
        running.stop()


class Response:
    """The head of an answer; `body` is there once it was read."""

    def __init__(self) -> None:
        self.status = 0
        self.version = ""
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def __getitem__(self, name: str) -> str:
        """A header, empty where it is missing."""
        return self.headers.get(name, "")


class Wire:
    """A connection at the level of bytes: chunks, HTTP/1.0, hanging up in the middle."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        version: str = "1.1",
    ) -> None:
        data = body.encode(errors="surrogatepass") if isinstance(body, str) else body
        given = {"Host": self.host, **(headers or {})}
        if method == "POST" and "Transfer-Encoding" not in given:
            given.setdefault("Content-Length", str(len(data)))
        lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + data)

    def begin(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        version: str = "1.1",
    ) -> Response:
        """Send a request and read the head of its answer."""
        self.request(method, path, body, headers, version=version)
        return self.head()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        version: str = "1.1",
    ) -> Response:
        """Send a request and read the whole of its answer."""
        response = self.begin(method, path, body, headers, version=version)
        if response["transfer-encoding"] == "chunked":
            while chunk := self.chunk():
                response.body += chunk
        elif "content-length" in response.headers:
            response.body = self.read(int(response["content-length"]))
        elif response.status not in (101, 204, 304):
            response.body = self.rest()
        return response

    def head(self) -> Response:
        raw = self.until(b"\r\n\r\n")
        response = Response()
        lines = raw.split(b"\r\n")
        for line in lines[1:-2]:
            name, _, value = line.partition(b":")
            assert name.decode().lower() not in response.headers, name
            response.headers[name.decode().lower()] = value.strip().decode("latin-1")
        version, status, _ = lines[0].decode().split(" ", 2)
        response.version = version.removeprefix("HTTP/")
        response.status = int(status)
        return response

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        end = self._buffer.index(mark) + len(mark)
        return self.read(end)

    def chunk(self) -> bytes:
        """One chunk; empty at the end."""
        size = int(self.until(b"\r\n"), 16)
        data = self.read(size + 2)
        assert data[-2:] == b"\r\n"
        return data[:-2]

    def rest(self) -> bytes:
        """All until the server closes."""
        while data := self.socket.recv(65536):
            self._buffer += data
        found, self._buffer = self._buffer, b""
        return found

    def closed(self) -> bool:
        """Whether the server closes, and sends nothing before it does."""
        return self.rest() == b""

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed after {self._buffer!r}")
        self._buffer += data
