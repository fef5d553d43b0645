"""The two WebSocket addresses: framed under a session's name, and raw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.types import Message, Receive, Scope, Send

from safelight.errors import ProtocolViolation
from safelight.realtime.sockjs import frames
from safelight.realtime.sockjs.answers import Answer
from safelight.realtime.sockjs.session import RESTART, Interrupted, Receiver, SockJSSession

NORMAL: Final = (1000, "Normal closure")
_REASON: Final = 123  # bytes, RFC 6455, 5.5


async def refuse(scope: Scope, send: Send, answer: Answer) -> None:
    """An HTTP answer instead of the upgrade, where the server can; else its 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": answer.body})


def chosen(offered: Sequence[str], known: Sequence[str]) -> str | None:
    """The subprotocol to speak: the first of ours that the client offers."""
    return next((each for each in known if each in offered), None)


async def converse(session: SockJSSession, receive: Receive, send: Send, begin: Callable[[], None]) -> None:
    """Accept the upgrade, `begin` the handler, and be the session's connection both ways until either side ends it."""
    receiver = session.attach()
    if isinstance(receiver, str):
        raise TypeError("a WebSocket's session is its own")
    connection = _Connection(session, receiver, send)
    reading: asyncio.Task[None] | None = None
    try:
        await send({"type": "websocket.accept", "subprotocol": session.subprotocol, "headers": []})
        begin()
        reading = asyncio.create_task(connection.read(receive))
        await connection.write()
    except (Interrupted, OSError, TimeoutError):
        session.interrupt(receiver)
    finally:
        session.drop()
        if reading is not None:
            reading.cancel()
            await asyncio.wait([reading])
    if reading is not None and not reading.cancelled():
        reading.result()


class _Connection:
    def __init__(self, session: SockJSSession, receiver: Receiver, send: Send) -> None:
        self._session = session
        self._receiver = receiver
        self._send = send
        self._framed = session.transport == "websocket"
        self._violation: tuple[int, str] | None = None

    async def read(self, receive: Receive) -> None:
        """Take in what the client sends, at the pace of the handler."""
        try:
            while (message := await receive())["type"] == "websocket.receive":
                try:
                    self._session.accept(self._messages(message))
                except _Unacceptable as error:
                    self._violation = error.code, error.reason
                    break
                await self._session.room()
            else:
                if message.get("code") == RESTART[0]:
                    self._session.end(*RESTART)
        finally:
            self._session.hang_up(self._receiver)

    def _messages(self, message: Message) -> list[str]:
        text = message.get("text")
        if text is None:
            try:
                text = message["bytes"].decode()
            except UnicodeDecodeError:
                raise _Unacceptable(1007, "Not UTF-8") from None
        # Characters, of which UTF-8 has no more than bytes: the server has a bound of its own on those.
        if len(text) > self._session.options.max_message:
            raise _Unacceptable(1009, "Message too big")
        if not self._framed:
            return [text]
        try:
            return frames.decode_websocket(text)
        except ProtocolViolation:
            raise _Unacceptable(1002, frames.BROKEN) from None

    async def write(self) -> None:
        """Send frames, or messages, until the session ends; then close."""
        try:
            farewell = await (self._write_frames() if self._framed else self._write_messages())
        except Interrupted:
            if self._violation is None:
                raise
            farewell = self._violation  # "the server must abruptly terminate the ws connection": no `c` frame
        await self._within(_close(*farewell))
        if self._violation is not None:
            raise Interrupted

    async def _write_frames(self) -> tuple[int, str]:
        while True:
            frame = await self._session.frame(self._receiver)
            await self._text(frame)
            if frame.startswith("c"):
                return NORMAL

    async def _write_messages(self) -> tuple[int, str]:
        while (message := await self._session.message(self._receiver)) is not None:
            await self._text(message)
        return self._session.state.farewell or NORMAL

    async def _text(self, text: str) -> None:
        text = text if text.isascii() else text.encode(errors="replace").decode()
        await self._within({"type": "websocket.send", "text": text})
        self._session.wrote(len(text) if text.isascii() else len(text.encode()))

    async def _within(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._session.options.send_within):
            await self._send(message)


class _Unacceptable(Exception):
    """What came ends the connection, with this close code (RFC 6455, 7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def _close(code: int, reason: str) -> dict[str, Any]:
    # Codes that WebSocket does not let anybody send are the SockJS frame's only.
    sendable = code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014) or 3000 <= code < 5000
    short = reason.encode(errors="replace")[:_REASON].decode(errors="ignore")
    return {"type": "websocket.close", "code": code if sendable else NORMAL[0], "reason": short}
