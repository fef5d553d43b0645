"""Names as parts of NATS subjects. A dot there separates, `*` and `>` mean anything, blanks end the subject."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_-]+")
_OTHER: Final = re.compile(rb"[^A-Za-z0-9_-]")
_CODED: Final = re.compile(rb"=([0-9A-F]{2})")


def token(name: str) -> str:
    """`name` as one token: what is no letter, digit, `_` or `-` becomes `=` and two hexadecimal digits a byte."""
    raw = name.encode()
    if _PLAIN.fullmatch(raw):
        return name
    return _OTHER.sub(lambda found: b"=%02X" % found[0][0], raw).decode() or "="


def name(coded: str) -> str:
    """The name that `token` made a token of."""
    return "" if coded == "=" else _CODED.sub(lambda found: bytes.fromhex(found[1].decode()), coded.encode()).decode()


def topic(name: str) -> str:
    """`name` as tokens, separated where it has dots."""
    return ".".join(map(token, name.split(".")))


def prefix(name: str) -> str:
    """`name`, if it may begin subjects and streams; ValueError where not."""
    if not _PLAIN.fullmatch(name.encode()):
        raise ValueError(f"NATS: the prefix {name!r} may have letters, digits, _ and - only.")
    return name
