"""How often byte progress goes to one reader: as often as its socket is free, and less often when it is not. Pure."""

from __future__ import annotations

from typing import Final

# A socket is kept free for two thirds of the time, so that an end or a stage finds room in it at once.
_REST: Final = 2.0
# What a slow write taught is forgotten slowly: by an eighth at each write that was not.
_EASE: Final = 7 / 8


class Tempo:
    """The pause between two flushes of byte progress, in seconds; 0 where the topic's own pace is slow enough."""

    def __init__(self, fastest: float, slowest: float = 2.0) -> None:
        self.pause = 0.0
        self._fastest = fastest
        self._slowest = slowest

    def took(self, seconds: float) -> None:
        """A flush was `seconds` on its way into the socket."""
        pause = seconds * _REST
        if self.pause * _EASE > pause:
            pause = self.pause * _EASE
        self.pause = min(pause, self._slowest) if pause > self._fastest else 0.0
