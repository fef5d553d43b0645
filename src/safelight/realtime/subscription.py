"""One SUBSCRIBE in force, and the text of what goes out under it. Pure."""

from __future__ import annotations

from typing import Literal

from safelight.realtime import stomp
from safelight.realtime.stomp import Frame

AckMode = Literal["auto", "client", "client-individual"]


class Subscription:
    """One SUBSCRIBE in force, and the MESSAGE frames that go out under it."""

    def __init__(self, key: str, frame: Frame, ack: AckMode, version: str, sent: int) -> None:
        self.key = key
        self.destination = frame.get("destination") or ""
        self.ack = ack
        self.sent = sent
        id_ = frame.get("id")
        line = "" if id_ is None else f"subscription:{stomp.escape(id_, version)}\n"
        self.form = f"{self.destination}\n{line}{version}"
        """Subscriptions of one form are sent the same text, where they do not acknowledge."""
        self._head = f"MESSAGE\n{line}message-id:"
        self._suffix = stomp.escape(f"@{key}", version)
        # Only 1.2 acknowledges by a header of its own; 1.0 and 1.1 name the message-id.
        self._ack_header = version == "1.2" and ack != "auto"

    def message(self, tail: str, extra: str = "", number: int | None = None) -> str:
        """A MESSAGE frame of a `tail` (from `message_tail`) and further header lines, each ended by LF.

        `number` names it for all readers alike; a subscription that acknowledges counts its own.
        """
        if number is None or self.ack != "auto":
            number = self.sent + 1
        self.wrote(number)
        ack = f"ack:{number}{self._suffix}\n" if self._ack_header else ""
        return f"{self._head}{number}{self._suffix}\n{ack}{extra}{tail}"

    def wrote(self, number: int) -> None:
        """A message of that number was sent."""
        if number > self.sent:
            self.sent = number


def message_tail(destination: str, body: str) -> str:
    """What the MESSAGE frames of one JSON body have in common, encoded once for all readers and versions.

    `destination` must not contain what a version would escape, as Safelight's own destinations never do.
    """
    length = len(body) if body.isascii() else len(body.encode())
    return f"destination:{destination}\ncontent-type:application/json\ncontent-length:{length}\n\n{body}\0"
