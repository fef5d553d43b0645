"""One session as a state machine: what waits in either direction, who receives, and when it ends. Pure.

The clock is an argument: `now` is in seconds of any steady clock. Receivers pull: whoever has attached asks for the
next frame, writes it, and says that it was written.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from safelight.realtime.sockjs import frames
from safelight.realtime.sockjs.options import Options

GO_AWAY: Final = (3000, "Go away!")
INTERRUPTED: Final = (1002, "Connection interrupted")
ANOTHER: Final = frames.close(2010, "Another connection still open")
# What a message costs besides its characters: a million empty strings are not nothing.
_OVERHEAD: Final = 16


class SessionState:
    """A session between its first request and its end. `framed` is False for raw WebSockets only."""

    def __init__(self, options: Options, now: float, *, framed: bool = True) -> None:
        self.gone = False
        """Whether nothing is left of it: its name may be another session's."""
        self.farewell: tuple[int, str] | None = None
        """Why it ended: code and reason."""
        self.bytes_sent = 0
        self.options = options
        self._framed = framed
        self._opened = not framed
        self._attached = False
        self._since = now  # of the last write, or of the last coming or going of a receiver
        self._outbox: deque[str] = deque()
        self._outbox_size = 0
        self._inbox: deque[str] = deque()
        self._inbox_size = 0

    # --- from the client ---

    @property
    def ended(self) -> bool:
        """Whether the handler gets no more than what came already."""
        return self.gone or self.farewell is not None

    @property
    def full(self) -> bool:
        """Whether the client must wait before it sends more."""
        return not self.ended and self._inbox_size >= self.options.inbox

    def accept(self, messages: list[str]) -> None:
        """Messages of the client. After the end they go nowhere, as with WebSocket."""
        if not self.ended:
            self._inbox.extend(messages)
            self._inbox_size += sum(map(len, messages)) + _OVERHEAD * len(messages)

    def take(self) -> str | None:
        """The handler's next message, None while there is none."""
        if not self._inbox:
            return None
        message = self._inbox.popleft()
        self._inbox_size -= len(message) + _OVERHEAD
        return message

    # --- from the handler ---

    @property
    def crowded(self) -> bool:
        """Whether the handler must wait before it sends more."""
        return self._outbox_size >= self.options.outbox

    def put(self, text: str) -> None:
        """A message to the client; nothing after the end."""
        if not self.ended:
            message = frames.quote(text) if self._framed else text
            self._outbox.append(message)
            self._outbox_size += len(message) if message.isascii() else len(message.encode(errors="surrogatepass"))

    def close(self, code: int, reason: str) -> None:
        """End it: what waits is delivered first, then the `c` frame, to everybody who asks. Only the first counts."""
        if not self.ended:
            self.farewell = (code, reason)

    # --- the receiver ---

    def attach(self, now: float) -> str | None:
        """Become the receiver. Where that is refused: the only frame to send instead.

        "The server must not allow two receiving connections to wait on a single session"; but of a session that is
        closing, the new one "should receive an application close message".
        """
        if self._attached:
            return frames.close(*self.farewell) if self.farewell else ANOTHER
        self._attached = True
        self._since = now
        return None

    def next_frame(self, now: float) -> str | None:
        """What the receiver must write now, None while there is nothing. A `c` frame is its last."""
        if not self._opened:
            self._opened = True
            return frames.OPEN
        if self._outbox:
            frame = frames.array(self._outbox)
            self._outbox.clear()
            self._outbox_size = 0
            return frame
        if self.farewell:
            return frames.close(*self.farewell)
        return frames.HEARTBEAT if now >= self._since + self.options.heartbeat else None

    def next_message(self) -> str | None:
        """What a raw receiver must write now: a message as it was put. There are no heartbeats."""
        if not self._outbox:
            return None
        message = self._outbox.popleft()
        self._outbox_size -= len(message) if message.isascii() else len(message.encode(errors="surrogatepass"))
        return message

    def wrote(self, size: int, now: float) -> None:
        """The receiver wrote `size` bytes."""
        self.bytes_sent += size
        self._since = now

    def detach(self, now: float) -> None:
        """The receiver is about to finish in order. Another may come within the disconnect delay."""
        self._attached = False
        self._since = now

    def interrupt(self, now: float) -> None:
        """The receiver was lost: "we're in an undefined state. Some messages may have been lost"; so it ends."""
        self.detach(now)
        self._outbox.clear()
        self._outbox_size = 0
        self.close(*INTERRUPTED)

    def drop(self) -> None:
        """Nothing is left, at once: of a WebSocket after its connection, of all when the server stops."""
        self.gone = True
        self._attached = False
        self.farewell = self.farewell or INTERRUPTED

    # --- time ---

    def deadline(self) -> float:
        """When `tick` is due, in seconds of the clock; infinite while only events matter."""
        if self.gone:
            return math.inf
        if not self._attached:
            return self._since + self.options.disconnect_delay
        return self._since + self.options.heartbeat if self._framed and not self.ended else math.inf

    def tick(self, now: float) -> None:
        """Without a receiver for too long it is gone. A heartbeat that is due is the receiver's `next_frame`."""
        if not self._attached and now >= self.deadline():
            self.drop()
