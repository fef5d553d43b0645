"""The two ends of a call: what each has heard from the other, and what it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from safelight.adapters.nats.frames import Frame, Kind, Pieces


@dataclass(slots=True, eq=False)
class Calling:
    """The caller's end of a call to `home`. `parts` brings its parts, DONE, NOBODY, or why it is lost."""

    home: str
    parts: asyncio.Queue[bytes | Kind | str] = field(default_factory=asyncio.Queue)
    received: int = 0
    answered: int = 0
    refused: bool = False
    opened: bool = False
    _pieces: Pieces = field(default_factory=Pieces)

    def heard(self, frame: Frame) -> None:
        """Something from the holder. A part that is there already, sent again, is passed over: `state` answers it."""
        match frame.kind:
            case Kind.PART if frame.number == self.received + 1:
                if (part := self._pieces.take(frame)) is not None:
                    self.received += 1
                    self.parts.put_nowait(part)
            case Kind.DONE | Kind.NOBODY:
                self.parts.put_nowait(frame.kind)
            case Kind.BROKEN:
                self.parts.put_nowait("its holder gave it up")

    def nobody_listens(self) -> None:
        """The holder's process is not there: before it began, the name is nobody's."""
        self.parts.put_nowait("its holder is gone" if self.received else Kind.NOBODY)

    def lose(self, reason: str) -> None:
        """It will not be answered."""
        self.parts.put_nowait(reason)

    def state(self) -> tuple[int, int, bool]:
        """What the holder is told every other second, in case something was lost."""
        return self.received, self.answered, self.refused


@dataclass(slots=True, eq=False)
class Serving:
    """The holder's end: one part is out at a time, until `taken` says what became of it."""

    caller: str
    serial: int
    heard_at: float
    pieces: Pieces = field(default_factory=Pieces)
    task: asyncio.Task[None] | None = None
    sent: int = 0
    sent_at: float = 0.0
    unanswered: list[bytes] = field(default_factory=list)
    taken: asyncio.Future[None] | None = None

    def answered(self, number: int, *, refused: bool) -> None:
        """The caller has dealt with a part."""
        if number != self.sent or self.taken is None or self.taken.done():
            return
        self.unanswered = []
        if refused:
            self.taken.set_exception(ConnectionResetError("the far end does not take the answer"))
        else:
            self.taken.set_result(None)

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if self.task is not None:
            self.task.cancel()
