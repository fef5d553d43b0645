"""SockJS frames: strings out, JSON in. Pure: no input or output, no clock.

Protocol: https://sockjs.github.io/sockjs-protocol/sockjs-protocol-0.3.3.html, "Protocol and framing" and "JSON
Unicode Encoding".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any, Final
from urllib.parse import parse_qs

from safelight.errors import ProtocolViolation

OPEN: Final = "o"
HEARTBEAT: Final = "h"
# What browsers change on its way, and lone halves of UTF-16 pairs, which UTF-8 cannot carry. Control characters
# below U+0020 are escaped by every JSON encoder.
_MANGLED: Final = re.compile(r"[\ud800-\udfff\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]")
_FORM: Final = "application/x-www-form-urlencoded"

NO_PAYLOAD: Final = "Payload expected."
BROKEN: Final = "Broken JSON encoding."


def quote(text: str) -> str:
    """A message as JSON string, with everything escaped that would not arrive as it was sent."""
    quoted: str = encode_basestring(text)
    if quoted.isascii():
        return quoted
    return _MANGLED.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def array(quoted: Iterable[str]) -> str:
    """The `a` frame of messages that went through `quote`."""
    return f"a[{','.join(quoted)}]"


def close(code: int, reason: str) -> str:
    """The `c` frame."""
    return f"c[{code},{quote(reason)}]"


def decode_array(body: bytes | str) -> list[str]:
    """The messages of an `xhr_send`. ProtocolViolation whose message is the protocol's answer to what is wrong."""
    if not body:
        raise ProtocolViolation(NO_PAYLOAD)
    found = _parse(body)
    if not isinstance(found, list):
        raise ProtocolViolation(NO_PAYLOAD)
    return _strings(found)


def decode_websocket(text: str) -> list[str]:
    """The messages of a WebSocket message: one string or an array, none where it is empty. Else ProtocolViolation."""
    if not text:
        return []
    found = _parse(text)
    return _strings(found if isinstance(found, list) else [found])


def decode_form(body: bytes, content_type: str) -> list[str]:
    """The messages of a `jsonp_send`: the field `d` of a form, or else the bare body. Else ProtocolViolation."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        return decode_array(body)
    try:
        fields = parse_qs(body.decode(), errors="strict", max_num_fields=16)
    except ValueError:
        raise ProtocolViolation(BROKEN) from None
    return decode_array(fields.get("d", [""])[0])


def _parse(body: bytes | str) -> Any:
    try:
        return json.loads(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError):  # a thousand brackets are no message either
        raise ProtocolViolation(BROKEN) from None


def _strings(found: list[Any]) -> list[str]:
    if not all(isinstance(each, str) for each in found):
        raise ProtocolViolation(BROKEN)
    return found
