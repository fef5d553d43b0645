"""STOMP 1.0, 1.1 and 1.2 frames: bytes in, frames out, and back. Pure: no input or output, no clock.

Specification: https://stomp.github.io/stomp-specification-1.2.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from safelight.errors import FrameTooLarge, ProtocolViolation

VERSIONS: Final = ("1.2", "1.1", "1.0")
SUBPROTOCOLS: Final = ("v12.stomp", "v11.stomp", "v10.stomp")
CLIENT_COMMANDS: Final = frozenset(
    {"CONNECT", "STOMP", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK"} | {"BEGIN", "COMMIT", "ABORT", "DISCONNECT"}
)
SERVER_COMMANDS: Final = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})
_COMMANDS: Final = CLIENT_COMMANDS | SERVER_COMMANDS
# "CONNECT and CONNECTED frames do not escape … in order to remain backward compatible with STOMP 1.0"; and
# "servers MUST handle a STOMP frame in the same manner as a CONNECT frame".
_UNESCAPED: Final = frozenset({"CONNECT", "STOMP", "CONNECTED"})

_DECODE: Final = {
    "1.2": {"\\n": "\n", "\\c": ":", "\\\\": "\\", "\\r": "\r"},
    "1.1": {"\\n": "\n", "\\c": ":", "\\\\": "\\"},
}
_ESCAPE: Final = re.compile(r"\\.?", re.DOTALL)
# What a version cannot say in a header becomes a space: better a blank than a second header.
_ENCODE: Final = {
    "1.2": str.maketrans({"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c", "\0": " "}),
    "1.1": str.maketrans({"\\": "\\\\", "\r": " ", "\n": "\\n", ":": "\\c", "\0": " "}),
    "1.0": str.maketrans({"\r": " ", "\n": " ", "\0": " "}),
}
_LF: Final = 0x0A
_NUL: Final = 0x00


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one frame may have: `headers` in number, `line` and `body` in bytes."""

    headers: int = 64
    line: int = 8 * 1024
    body: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its headers unescaped and in the order sent."""

    command: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """A header's value; of a repeated one the first, as "only the first header entry SHOULD be used"."""
        return next((value for key, value in self.headers if key == name), None)

    def get_or(self, name: str, default: str) -> str:
        """A header's value, or the default where it is missing; one that is there and empty is not missing."""
        value = self.get(name)
        return default if value is None else value


def escape(text: str, version: str) -> str:
    """A header's name or value as `version` writes it."""
    return text.translate(_ENCODE[version])


def unescape(text: str, version: str) -> str:
    """The reverse of `escape`. ProtocolViolation for an escape that the version does not define."""
    if version == "1.0" or "\\" not in text:
        return text
    known = _DECODE[version]

    def plain(match: re.Match[str]) -> str:
        try:
            return known[match[0]]
        except KeyError:
            raise ProtocolViolation(
                f"STOMP {version} has no header escape {match[0]!r}. Escape a backslash as \\\\."
            ) from None

    return _ESCAPE.sub(plain, text)


def encode(frame: Frame, version: str) -> str:
    """A frame as text, with `content-length` (in bytes) where it has a body and none was given."""
    headers = frame.headers
    if frame.body and frame.get("content-length") is None:
        headers = (*headers, ("content-length", str(len(frame.body))))
    how = "1.0" if frame.command in _UNESCAPED else version
    lines = [f"{escape(name, how)}:{escape(value, how)}\n" for name, value in headers]
    return f"{frame.command}\n{''.join(lines)}\n{frame.body.decode()}\0"


class Parser:
    """Frames out of whatever pieces they come in. `version` may change between two frames."""

    def __init__(self, limits: Limits, version: str = "1.0") -> None:
        self.version = version
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0  # where the search for the next LF or NUL goes on: one byte at a time stays linear
        self._command: str | None = None
        self._headers: list[tuple[str, str]] = []
        self._length: int | None = None
        self._in_body = False

    @property
    def receipt(self) -> str | None:
        """The receipt that the frame being read asks for, as far as it was read: an ERROR must name it."""
        return next((value for name, value in self._headers if name == "receipt"), None)

    def push(self, data: bytes) -> None:
        """Take in more bytes. They are held at most until a limit is passed, which `pop` says."""
        self._buffer += data

    def pop(self) -> Frame | None:
        """The next whole frame, None while it is not whole. ProtocolViolation ends the stream."""
        if not self._in_body:
            if self._command is None:
                self._skip_heart_beats()
            self._read_head()
            if not self._in_body:
                return None
        body = self._read_body()
        if body is None:
            return None
        frame = Frame(self._command or "", tuple(self._headers), body)
        self._command, self._headers, self._length, self._in_body = None, [], None, False
        return frame

    def _skip_heart_beats(self) -> None:
        count = 0
        while count < len(self._buffer) and self._buffer[count] in b"\r\n":
            count += 1
        if count:
            self._consume(count)

    def _consume(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0

    def _read_head(self) -> None:
        while (line := self._read_line()) is not None:
            if self._command is None:
                if line not in _COMMANDS:
                    raise ProtocolViolation(f"There is no STOMP command {line[:40]!r}.")
                self._command = line
            elif line:
                self._read_header(line)
            else:
                self._length = self._content_length()
                self._in_body = True
                return

    def _read_line(self) -> str | None:
        end = self._buffer.find(_LF, self._scanned)
        length = len(self._buffer) if end < 0 else end
        if length > self._limits.line:
            raise FrameTooLarge(f"A header line is longer than {self._limits.line} bytes.")
        if self._buffer.find(_NUL, self._scanned, length) >= 0:
            raise ProtocolViolation("A frame ended before the blank line that must follow its headers.")
        if end < 0:
            self._scanned = length
            return None
        raw = bytes(self._buffer[:end])
        self._consume(end + 1)
        try:
            return raw.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise ProtocolViolation("A header is not UTF-8.") from None

    def _read_header(self, line: str) -> None:
        if len(self._headers) >= self._limits.headers:
            raise FrameTooLarge(f"A frame has more than {self._limits.headers} headers.")
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise ProtocolViolation(f"The header line {line[:40]!r} is not of the form name:value.")
        if "\r" in line and self.version == "1.2":
            raise ProtocolViolation("A carriage return within a header must be escaped as \\r.")
        if self._command not in _UNESCAPED:
            name, value = unescape(name, self.version), unescape(value, self.version)
            # 1.0's examples pad, so servers trim; later ones "MUST never trim or pad headers with spaces".
            if self.version == "1.0":
                name, value = name.strip(), value.strip()
        self._headers.append((name, value))

    def _content_length(self) -> int | None:
        value = next((value for name, value in self._headers if name == "content-length"), None)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,15}", value.strip()):
            raise ProtocolViolation(f"content-length {value[:40]!r} is not a number of bytes.")
        length = int(value)
        if length > self._limits.body:
            raise FrameTooLarge(f"A body has more than {self._limits.body} bytes.")
        return length

    def _read_body(self) -> bytes | None:
        if self._length is None:
            end = self._buffer.find(_NUL, self._scanned)
            if (len(self._buffer) if end < 0 else end) > self._limits.body:
                raise FrameTooLarge(f"A body has more than {self._limits.body} bytes.")
            if end < 0:
                self._scanned = len(self._buffer)
                return None
        else:
            end = self._length
            if len(self._buffer) <= end:
                return None
            if self._buffer[end] != _NUL:
                raise ProtocolViolation("No NUL follows the body where its content-length says that it ends.")
        body = bytes(self._buffer[:end])
        self._consume(end + 1)
        return body
