"""What goes over the socket between the server and a decoding child, and the findings that come back.

A message is two lengths (of the JSON, of the bytes behind it), a JSON object, and bytes. Nothing is unpickled:
the child has touched untrusted bytes, so what it says is checked like any other input.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

HEADER: Final = struct.Struct("!II")
MAX_JSON: Final = 1 << 20
MAX_BYTES: Final = 64 << 20
# Bytes of a file's head, and as many of its tail, that its probe is made of.
PROBED: Final = 16 << 10


class Garbled(Exception):
    """The child said something that no message of ours is."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The bytes are those declared. `crc32c` is 8, `sha256` 64, `probe` (of head and tail) 16 lower-case hex digits;
    `size` is in bytes.
    """

    media_type: str
    size: int
    crc32c: str
    sha256: str
    probe: str


@dataclass(frozen=True, slots=True)
class Description:
    """What the header tells. Width and height are in pixels, upright: after `orientation` (1-8, EXIF) was applied.

    `taken_at` is local time in ISO 8601, with its offset from UTC where the photo tells it. `decode_bytes` is
    what decoding will take at its height, as estimated from the header.
    """

    media_type: str
    width: int
    height: int
    orientation: int
    taken_at: str | None
    decode_bytes: int
    exif: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Two WebP files in boxes of 256 px and 1024 px, and a ThumbHash in base64."""

    small: bytes
    large: bytes
    thumbhash: str


def pack(message: dict[str, Any], payload: bytes = b"") -> bytes:
    """One message as it goes over the wire."""
    text = orjson.dumps(message)
    return HEADER.pack(len(text), len(payload)) + text + payload


def lengths(header: bytes | bytearray) -> tuple[int, int]:
    """How many bytes of JSON and of payload follow; Garbled where no message of ours is as large."""
    text, payload = HEADER.unpack(header)
    if text > MAX_JSON or payload > MAX_BYTES:
        raise Garbled(f"a message of {text} + {payload} bytes")
    return text, payload


def parse(text: bytes | bytearray) -> dict[str, Any]:
    """The JSON object of a message; Garbled where it is none."""
    try:
        message = orjson.loads(text)
    except ValueError as error:
        raise Garbled(str(error)) from None
    if not isinstance(message, dict):
        raise Garbled("not a JSON object")
    return message


def verified(message: dict[str, Any]) -> Verified:
    """The answer to `verify`; Garbled where it is none."""
    return Verified(
        media_type=_text(message, "media_type"),
        size=_number(message, "size"),
        crc32c=_text(message, "crc32c"),
        sha256=_text(message, "sha256"),
        probe=_text(message, "probe"),
    )


def described(message: dict[str, Any]) -> Description:
    """The answer to `describe`; Garbled where it is none."""
    taken_at, exif = message.get("taken_at"), message.get("exif")
    if not isinstance(exif, dict) or not isinstance(taken_at, str | None):
        raise Garbled("metadata")
    return Description(
        media_type=_text(message, "media_type"),
        width=_number(message, "width"),
        height=_number(message, "height"),
        orientation=_number(message, "orientation"),
        taken_at=taken_at,
        decode_bytes=_number(message, "decode_bytes"),
        exif=exif,
    )


def developed(message: dict[str, Any], payload: bytes) -> Thumbnails:
    """The answer to `thumbnails`; Garbled where it is none."""
    split, thumbhash = _number(message, "small_bytes"), _text(message, "thumbhash")
    try:
        base64.b64decode(thumbhash, validate=True)
    except ValueError:
        raise Garbled("thumbhash") from None
    small, large = payload[:split], payload[split:]
    if not all(image[:4] == b"RIFF" and image[8:12] == b"WEBP" for image in (small, large)):
        raise Garbled("thumbnails")
    return Thumbnails(small=small, large=large, thumbhash=thumbhash)


def as_message(finding: Verified | Description) -> dict[str, Any]:
    """A finding as the JSON object that `verified` and `described` take."""
    return asdict(finding)


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or len(value) > 200:
        raise Garbled(name)
    return value


def _number(message: dict[str, Any], name: str) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Garbled(name)
    return value
