"""The relay of services in different processes: requests and answers as bytes, carried by calls."""

from __future__ import annotations

import json
from typing import Final

from safelight.ports.calls import Answer as AnswerBytes
from safelight.ports.calls import CallLost, Calls
from safelight.realtime.sockjs.relay import Answer, Head, HomeLost, Piece, Request, Serve

_HEAD: Final = b"H"
_MORE: Final = b"+"
_LAST: Final = b"."


class RemoteRelay:
    """The Relay over any Calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def claim(self, session_id: str, serve: Serve) -> bool:
        async def served(request: bytes, answer: AnswerBytes) -> None:
            async def passed(part: Head | Piece) -> None:
                await answer(_pack_part(part))

            await serve(_unpack_request(request), passed)

        return await self._calls.hold(session_id, served)

    async def release(self, session_id: str) -> None:
        await self._calls.release(session_id)

    async def forward(self, request: Request, answer: Answer) -> bool:
        async def passed(part: bytes) -> None:
            await answer(_unpack_part(part))

        try:
            return await self._calls.call(request.session_id, _pack_request(request), passed)
        except CallLost as error:
            raise HomeLost(str(error)) from error


def _pack_request(request: Request) -> bytes:
    """A line of JSON, in ASCII, then the body."""
    head = [
        request.session_id,
        request.method,
        request.path,
        request.query.decode("latin-1"),
        _pack_headers(request.headers),
    ]
    return json.dumps(head).encode() + b"\n" + request.body


def _unpack_request(packed: bytes) -> Request:
    head, _, body = packed.partition(b"\n")
    session_id, method, path, query, headers = json.loads(head)
    return Request(session_id, method, path, query.encode("latin-1"), _unpack_headers(headers), body)


def _pack_part(part: Head | Piece) -> bytes:
    if isinstance(part, Head):
        return _HEAD + json.dumps([part.status, _pack_headers(part.headers)]).encode()
    return (_MORE if part.more else _LAST) + part.data


def _unpack_part(packed: bytes) -> Head | Piece:
    kind, rest = packed[:1], packed[1:]
    if kind == _HEAD:
        status, headers = json.loads(rest)
        return Head(status, _unpack_headers(headers))
    return Piece(rest, more=kind == _MORE)


def _pack_headers(headers: tuple[tuple[bytes, bytes], ...]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _unpack_headers(headers: list[list[str]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
