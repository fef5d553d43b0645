"""uvicorn's WebSocket protocol, with small buffers for readers that stall, and a last word for messages too large.

It also lets whole frames by, for the fan-out (docs/decisions/0007-one-encoding-one-write.md).
"""

from __future__ import annotations

from asyncio.transports import BaseTransport, Transport
from http import HTTPStatus
from typing import Final, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from safelight.errors import FrameTooLarge
from safelight.realtime.buffers import narrow
from safelight.realtime.pipe import WRITER
from safelight.realtime.session import Session, Write

PATHS: Final = frozenset({"/ws", "/ws/websocket"})
# The rest of a message too large is read and thrown away until nothing has come for so many seconds, and no longer than
# so many in all: closing with something unread sends a reset, which overtakes the ERROR on its way to a slow sender.
LINGER: Final = 2.0
LINGER_MOST: Final = 30.0


class LiveProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    _lingers_until: float | None = None
    _room = True

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        narrow(cast(Transport, transport))

    def data_received(self, data: bytes) -> None:
        if self._lingers_until is None:
            super().data_received(data)
        else:
            self._linger(self._lingers_until)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._room = False

    def resume_writing(self) -> None:
        super().resume_writing()
        self._room = True

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # Of what type an extension is, its name says (ASGI).
            cast(dict[str, object], self.scope["extensions"])[WRITER] = self

    def write_now(self, data: bytes) -> bool:
        """Whole frames, past everything that `send` asks and does for each; see Outlet.write."""
        if not self._room or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    async def send(self, message: ASGISendEvent) -> None:
        # Closed by the protocol itself, which the application has yet to read: it is not the application's mistake.
        if self.close_sent and message["type"] == "websocket.send":
            raise ClientDisconnected
        await super().send(message)

    def handle_parser_exception(self) -> None:
        """A message is broken or too large: uvicorn closes, but a STOMP client is owed an ERROR before."""
        close = self.conn.close_sent
        if close is None or close.code != CloseCode.MESSAGE_TOO_BIG or self.scope["path"] not in PATHS:
            super().handle_parser_exception()
            return
        self.stop_keepalive()
        self.transport.write(Frame(Opcode.TEXT, _too_large(self.config.ws_max_size)).serialize(mask=False))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.close_sent = True
        self._lingers_until = self.loop.time() + LINGER_MOST
        self._linger(self._lingers_until)

    def _linger(self, until: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_at(min(self.loop.time() + LINGER, until), self.transport.close)


def _too_large(limit: int) -> bytes:
    error, *_ = Session(0).fail(FrameTooLarge(f"A WebSocket message has more than {limit} bytes. Send less at once."))
    assert isinstance(error, Write)  # noqa: S101 - by `fail`'s own contract
    return error.data.encode()
