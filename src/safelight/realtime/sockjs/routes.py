"""Which address under the base URL means what. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from safelight.realtime.sockjs.transports import RECEIVING, SENDING, Receiving, Sending

_IFRAME: Final = re.compile(r"/iframe[^/]*\.html")
# "The server must accept any value in `server` and `session` fields … but not an empty string, anything containing
# dots or paths with less or more parts."
_SESSION: Final = re.compile(r"/([^/.]+)/([^/.]+)/([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Greeting:
    """The base URL itself; a WebSocket upgrade on it is raw, like RawWebSocket."""


@dataclass(frozen=True, slots=True)
class Iframe:
    """`/iframe*.html`."""


@dataclass(frozen=True, slots=True)
class Info:
    """`/info`."""


@dataclass(frozen=True, slots=True)
class RawWebSocket:
    """`/websocket`: no framing of ours."""


@dataclass(frozen=True, slots=True)
class FramedWebSocket:
    """`/server/session/websocket`. The session is the connection: its name in the address means nothing."""


@dataclass(frozen=True, slots=True)
class Receive:
    """`/server/session/…` of a transport's way to the client. `server` is the load balancer's, and ignored."""

    session_id: str
    transport: Receiving


@dataclass(frozen=True, slots=True)
class Dispatch:
    """`/server/session/…_send`."""

    session_id: str
    transport: Sending


Route = Greeting | Iframe | Info | RawWebSocket | FramedWebSocket | Receive | Dispatch


def find(path: str) -> Route | None:
    """What a path below the base URL (unquoted; empty for the base URL itself) leads to, None for a 404."""
    if path in ("", "/"):
        return Greeting()
    if path == "/info":
        return Info()
    if path == "/websocket":
        return RawWebSocket()
    if _IFRAME.fullmatch(path):
        return Iframe()
    if (match := _SESSION.fullmatch(path)) is None:
        return None
    _, session_id, name = match.groups()
    if name == "websocket":
        return FramedWebSocket()
    if name in RECEIVING:
        return Receive(session_id, RECEIVING[name])
    if name in SENDING:
        return Dispatch(session_id, SENDING[name])
    return None
