"""WebSocket as browsers spoke it before RFC 6455: the drafts hixie-75 and -76. Pure: bytes in, text out, and back.

Drafts: https://datatracker.ietf.org/doc/html/draft-hixie-thewebsocketprotocol-75 and -76. The drafts hybi-07 to -12
differ from RFC 6455 in two headers only, which `modernised` sets right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safelight.errors import FrameTooLarge, ProtocolViolation

NONCE: Final = 8  # bytes, behind the request of -76
CLOSE: Final = b"\xff\x00"
_HYBI: Final = (b"7", b"8")  # as Sec-WebSocket-Version; hybi-09 to -12 sent 8, too
_TEXT_END: Final = 0xFF


def modernised(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an upgrade as RFC 6455 has them, where they are of hybi-07 or later; else as they are."""
    if not any(name == b"sec-websocket-version" and value in _HYBI for name, value in headers):
        return headers
    changed = {b"sec-websocket-version": (b"sec-websocket-version", b"13")}
    if not any(name == b"origin" for name, _ in headers):
        # Whoever guards against foreign pages looks for the header of today.
        changed |= {name: (b"origin", value) for name, value in headers if name == b"sec-websocket-origin"}
    return [changed.get(name, (name, value)) for name, value in headers]


@dataclass(frozen=True, slots=True)
class Handshake:
    """The upgrade of a hixie draft. `keys` are those of -76, None in -75."""

    origin: str
    location: str
    keys: tuple[str, str] | None

    def head(self, protocol: str | None) -> bytes:
        """The response's head, which "must support writing response headers before receiving -76 nonce"."""
        prefix = "Sec-" if self.keys else ""
        lines = [
            "HTTP/1.1 101 WebSocket Protocol Handshake",
            "Upgrade: WebSocket",
            "Connection: Upgrade",
            f"{prefix}WebSocket-Origin: {self.origin}",
            f"{prefix}WebSocket-Location: {self.location}",
        ]
        if protocol is not None:
            lines.append(f"{prefix}WebSocket-Protocol: {protocol}")
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")

    def proof(self, nonce: bytes) -> bytes:
        """The 16 bytes behind the head: that the server understood keys and nonce. ProtocolViolation for bad keys."""
        if self.keys is None:
            return b""
        numbers = b"".join(_number(key).to_bytes(4, "big") for key in self.keys)
        return hashlib.md5(numbers + nonce, usedforsecurity=False).digest()


def handshake_of(headers: Mapping[str, str], scheme: str, target: str) -> Handshake | None:
    """The upgrade that a request for `target` (path and query) means; None where it is of a later protocol."""
    if "sec-websocket-key" in headers or "sec-websocket-version" in headers or "origin" not in headers:
        return None
    keys = [headers[name] for name in ("sec-websocket-key1", "sec-websocket-key2") if name in headers]
    if len(keys) == 1:
        return None
    location = f"{scheme}://{headers.get('host', '')}{target}"
    return Handshake(headers["origin"], location, (keys[0], keys[1]) if keys else None)


def encode(text: str) -> bytes:
    """A text frame."""
    return b"\x00" + text.encode(errors="replace") + b"\xff"


class Parser:
    """Texts out of whatever pieces they come in; `limit` bounds one in bytes."""

    def __init__(self, limit: int) -> None:
        self.closed = False
        """Whether the client has begun to close."""
        self._limit = limit
        self._buffer = bytearray()

    def push(self, data: bytes) -> list[str]:
        """The texts that are whole now. ProtocolViolation for other frames, FrameTooLarge beyond the limit."""
        found: list[str] = []
        self._buffer += data
        while self._buffer and not self.closed:
            if self._buffer[0] != 0x00:
                self.closed = self._closing()
                break
            end = self._buffer.find(_TEXT_END, 1)
            if (len(self._buffer) if end < 0 else end) > self._limit + 1:
                raise FrameTooLarge(f"A WebSocket message has more than {self._limit} bytes.")
            if end < 0:
                break
            found.append(self._buffer[1:end].decode(errors="replace"))
            del self._buffer[: end + 1]
        return found

    def _closing(self) -> bool:
        if not CLOSE.startswith(bytes(self._buffer[:2])):
            raise ProtocolViolation("Only frames of text can be taken from a WebSocket of this draft.")
        return len(self._buffer) >= len(CLOSE)


def _number(key: str) -> int:
    # Draft -76, 5.2: the digits make a number, which is divided by how many spaces there are.
    digits, spaces = re.sub(r"[^0-9]", "", key), key.count(" ")
    if not digits or len(digits) > 10 or not spaces or int(digits) % spaces or int(digits) >= 1 << 32:
        raise ProtocolViolation("A key of this WebSocket handshake is not as its draft has it.")
    return int(digits) // spaces
