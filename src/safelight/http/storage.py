"""The disk store's signed PUT and GET. A bare ASGI application: bytes pass no framework and no middleware.

Semantics follow RFC 9110 (ranges in section 14, conditional requests in section 13).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from safelight.domain.disposition import disposition
from safelight.errors import MethodNotAllowed, NotFound, SafelightError, SizeMismatch
from safelight.http.errors import MEDIA_TYPE, problem, problem_headers, status_of
from safelight.http.ingest import EXTENSION, DirectBody
from safelight.ports import Grant, LocalStore, Sink

log = structlog.get_logger()

BLOCK: Final = 512 * 1024
REPORT_SECONDS: Final = 0.25
DRAIN_BYTES: Final = 16 * 1024 * 1024
DRAIN_SECONDS: Final = 30
# A connection that died without a word looks like this; TCP itself would keep it, and its file, for hours.
STALL_SECONDS: Final = 60
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_METHODS: Final = b"PUT, GET, HEAD, OPTIONS"

Report = Callable[[str, str | None, int | None, int], None]
Headers = list[tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client went away before it had sent everything."""


class StorageEdge:
    """PUT, GET and HEAD by signature alone. `on_bytes(key, upload_id, part_number, received)` hears of progress.

    A body of which nothing came for `stall_seconds` is given up.
    """

    def __init__(
        self,
        store: LocalStore,
        *,
        on_bytes: Report,
        allowed_origins: Sequence[str],
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._store = store
        self._stall_seconds = stall_seconds
        self._on_bytes = on_bytes
        self._origins = {origin.encode() for origin in allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        cors = self._cors(headers)
        direct = scope.get("extensions", {}).get(EXTENSION)
        body = Body(receive, headers, self._stall_seconds, direct)
        try:
            await self._serve(scope, headers, cors, body, send)
        except (Disconnected, ConnectionError):
            log.debug("client went away", path=scope["path"])
        except SafelightError as error:
            if status_of(error) >= 500:
                log.warning("store refused", code=error.code, path=scope["path"], reason=error.message)
            await _refuse(error, cors, body, send)
        except Exception:
            log.exception("request broke off", path=scope["path"])
            await _refuse(SafelightError(), cors, body, send)

    async def _serve(self, scope: Scope, headers: dict[bytes, bytes], cors: Headers, body: Body, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            await _answer(204, [*cors, (b"allow", _METHODS)], b"", send)
        elif method in {"PUT", "GET", "HEAD"}:
            grant = self._store.grant(method, scope["path"], scope["query_string"].decode("latin-1"))
            if method == "PUT":
                etag = await self._take(grant, headers, body)
                await _answer(200, [*cors, (b"etag", b'"%s"' % etag.encode())], b"", send)
            else:
                await self._give(grant, headers, cors, send, content=method == "GET")
        else:
            raise MethodNotAllowed

    # --- PUT ---

    async def _take(self, grant: Grant, headers: dict[bytes, bytes], body: Body) -> str:
        declared = headers.get(b"content-length")
        if declared is not None and int(declared) != grant.size:
            raise SizeMismatch(
                f"The body has {int(declared):,} bytes, but {grant.size:,} were declared. Send exactly that file."
            )
        loop = asyncio.get_running_loop()
        reported = loop.time()
        sink: Sink | None = None
        try:
            with body.taken():
                async with self._store.receive(grant) as sink:
                    async for _ in body.into(sink):
                        if loop.time() - reported >= REPORT_SECONDS:
                            reported = loop.time()
                            self._on_bytes(grant.key, grant.upload_id, grant.part_number, sink.received)
        except Exception:
            if sink:
                log.debug("received in part", bytes=sink.received, key=grant.key, part=grant.part_number)
            raise
        self._on_bytes(grant.key, grant.upload_id, grant.part_number, sink.received)
        log.debug("received", bytes=sink.received, key=grant.key, part=grant.part_number)
        return f"{sink.crc:08x}"

    # --- GET, HEAD ---

    async def _give(
        self, grant: Grant, headers: dict[bytes, bytes], cors: Headers, send: Send, *, content: bool
    ) -> None:
        path = await asyncio.to_thread(self._store.object_path, grant.key)
        if path is None:
            raise NotFound
        with await asyncio.to_thread(path.open, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            etag = b'"%x-%x"' % (size, os.fstat(file.fileno()).st_mtime_ns)
            answer = [*cors, *_description(grant, path), (b"etag", etag), (b"accept-ranges", b"bytes")]
            known = headers.get(b"if-none-match", b"")
            if etag in known or known.strip() == b"*":
                await _answer(304, answer, b"", send)
                return
            first, last = _range(headers, etag, size)
            if first > last:
                outside = [*cors, (b"content-range", b"bytes */%d" % size), (b"accept-ranges", b"bytes")]
                await _answer(416, outside, b"", send)
                return
            status = 200
            if (first, last) != (0, size - 1):
                status = 206
                answer.append((b"content-range", b"bytes %d-%d/%d" % (first, last, size)))
            answer.append((b"content-length", b"%d" % (last - first + 1)))
            await send({"type": "http.response.start", "status": status, "headers": answer})
            if content:
                async for block in _blocks(file, first, last):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    def _cors(self, headers: dict[bytes, bytes]) -> Headers:
        origin = headers.get(b"origin")
        if origin not in self._origins or origin is None:
            return [(b"vary", b"origin")] if self._origins else []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", b"*"),
            (b"access-control-expose-headers", b"ETag, Content-Range"),
            (b"access-control-max-age", b"7200"),
            (b"vary", b"origin"),
        ]


class Body:
    """A request's body, read from the connection itself (`direct`) where the server offers that.

    Reading on after its end gives nothing, instead of waiting for the client to leave.
    """

    def __init__(
        self, receive: Receive, headers: dict[bytes, bytes], stall_seconds: float, direct: DirectBody | None
    ) -> None:
        self._receive = receive
        self._stall_seconds = stall_seconds
        self._direct = direct
        self._first: bytes | None = None
        self._more = True
        # Whether reading would be in vain. Asking a client that waits for 100 (RFC 9110, 10.1.1) would call for a body
        # that nobody wants.
        self.unreadable = headers.get(b"expect", b"").lower() == b"100-continue"

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Within this, `into` reads the connection itself; the sink must have ended before this does."""
        if self._direct is None or not self._direct.awaited:
            yield
            return
        with self._direct.taken() as self._first:
            yield
        self._first = None

    async def into(self, sink: Sink) -> AsyncIterator[None]:
        """All of it into `sink`, with a step after each piece."""
        self.unreadable = False
        if self._direct is None or self._first is None:
            async for data in self:
                await sink.write(data)
                yield
            return
        self._direct.call()
        if self._first:
            await sink.write(self._first)
        while self._direct.awaited:
            await sink.pull(self._direct.read)
            yield
            if self._direct.awaited and self._direct.dry:
                async with self._patience():
                    await self._direct.readable()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._stall_seconds):
                yield
        except TimeoutError as error:
            self.unreadable = True
            raise SizeMismatch(
                f"Nothing more came for {self._stall_seconds:g} seconds. Send the bytes again from the start."
            ) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.unreadable = False
        while self._more:
            async with self._patience():
                message = await self._receive()
            if message["type"] == "http.disconnect":
                self._more = False
                raise Disconnected
            self._more = message.get("more_body", False)
            if data := message.get("body", b""):
                yield data


async def _blocks(file: BinaryIO, first: int, last: int) -> AsyncIterator[bytes]:
    at = first
    while at <= last:
        block = await asyncio.to_thread(os.pread, file.fileno(), min(BLOCK, last - at + 1), at)
        if not block:
            raise Disconnected  # the file shrank: closing early tells the client that it is not whole
        at += len(block)
        yield block


def _range(headers: dict[bytes, bytes], etag: bytes, size: int) -> tuple[int, int]:
    """First and last byte to send, in that order unless there are none to send.

    One range is served; anything else gets the whole (RFC 9110, 14.2).
    """
    match = _RANGE.fullmatch(headers.get(b"range", b"").decode("latin-1"))
    whole = (0, size - 1)
    if match is None or match[0] == "bytes=-" or headers.get(b"if-range", etag) != etag:
        return whole
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return whole  # not a range at all (RFC 9110, 14.1.1)
    return first, min(int(match[2] or size - 1), size - 1)


def _description(grant: Grant, path: Path) -> Headers:
    kind = grant.content_type or "application/octet-stream"
    headers = [
        (b"content-type", kind.encode("latin-1", "replace")),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"cache-control", b"private, max-age=31536000, immutable"),
        (b"cross-origin-resource-policy", b"cross-origin"),
    ]
    if value := disposition(grant.filename, kind, path.name):
        headers.append((b"content-disposition", value.encode("ascii")))
    return headers


async def _refuse(error: SafelightError, cors: Headers, body: Body, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in problem_headers(error).items()]
    headers += [*cors, (b"content-type", MEDIA_TYPE.encode())]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", _METHODS))
    if not await _drained(body):
        headers.append((b"connection", b"close"))
    await _answer(status_of(error), headers, orjson.dumps(problem(error)), send)


async def _drained(body: Body) -> bool:
    """Read the rest of a refused body: closing on unread bytes resets the connection, and a browser that is still
    sending then never sees the answer (RFC 9112, 9.6).
    """
    if body.unreadable:
        return False
    read = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for data in body:
                read += len(data)
                if read > DRAIN_BYTES:
                    return False
    except (Disconnected, TimeoutError):
        return False
    return True


async def _answer(status: int, headers: Headers, body: bytes, send: Send) -> None:
    length = [(b"content-length", b"%d" % len(body))] if status not in {204, 304} else []
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
