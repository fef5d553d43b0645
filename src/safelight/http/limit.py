"""A bound on JSON bodies, checked while they arrive; photos' bytes go another way (http/storage.py)."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safelight.errors import BodyTooLarge
from safelight.http.errors import response_of

# 1,000 files with the longest names and paths that are accepted.
MAX_BODY: Final = 24 * 1024 * 1024


class _Exceeded(Exception):
    """The body has grown past the bound."""


class BodyLimit:
    """Answers 413 to a body that declares, or turns out, to be too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            await response_of(BodyTooLarge())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise _Exceeded
            return message

        try:
            await self._app(scope, counted, send)
        except _Exceeded:
            await response_of(BodyTooLarge())(scope, receive, send)
