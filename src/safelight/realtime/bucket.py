"""A token bucket: how many frames a client may send. Pure: the clock is an argument."""

from __future__ import annotations

from math import ceil


class Bucket:
    """`rate` tokens a second, at most `burst` of them saved up. `now` is in milliseconds of any steady clock."""

    def __init__(self, rate: float, burst: float, now: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = now

    def take(self, now: int) -> bool:
        """Take one token; False where there is none."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def full(self, now: int) -> bool:
        """Whether as much is saved up as can be: a new bucket would be the same."""
        self._fill(now)
        return self._tokens >= self._burst

    def wait(self) -> int:
        """Seconds, rounded up and at least 1, until half of the burst is there again."""
        return max(1, ceil((self._burst / 2 - self._tokens) / self._rate))

    def _fill(self, now: int) -> None:
        # A clock that seems to go backwards (two connections, one late) gives nothing and takes nothing.
        passed = max(0, now - self._filled)
        self._filled += passed
        self._tokens = min(self._burst, self._tokens + passed * self._rate / 1000)
