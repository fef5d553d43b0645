"""The live connections of this process: who has them, how many a user may have, and how to find one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from safelight.errors import SafelightError, TooManyConnections, TooManySubscriptions
from safelight.realtime.bucket import Bucket

# Other connections end by themselves: a tab that was closed is noticed within about this many seconds.
_COME_BACK: Final = 30
_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Quota:
    """What one user may have at once, in this process."""

    connections: int = 100
    subscriptions: int = 1_000
    frames_per_second: float = 100.0
    frames_at_once: float = 1_000.0


@dataclass(frozen=True, slots=True)
class Watched:
    """One subscription, and how many durable events it is behind."""

    id: str
    destination: str
    backlog: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A connection at this moment. `since` is Unix milliseconds, `lag_ms` what its last flush took from the commit
    to its socket, or has been waiting for it.
    """

    id: str
    transport: str
    user_id: str | None
    email: str | None
    since: int
    subscriptions: list[Watched]
    backlog: int
    lag_ms: float
    bytes_sent: int


class Live(Protocol):
    """What the registry needs of a connection."""

    @property
    def id(self) -> str: ...

    @property
    def user_id(self) -> str | None: ...

    @property
    def credential(self) -> str | None:
        """What its identity rests on: a session's id, or the SHA-256 of an API token."""

    @property
    def subscriptions(self) -> int: ...

    def standing(self) -> Standing: ...

    def end(self, error: SafelightError) -> None:
        """Tell the client why, and close."""


class Registry:
    """Who is connected. A long poll that waits counts as a connection of its user."""

    def __init__(self, quota: Quota | None = None) -> None:
        self._quota = quota or Quota()
        self._live: dict[str, Live] = {}
        self._users: defaultdict[str, set[str]] = defaultdict(set)
        self._polls: Counter[str] = Counter()
        self._subscriptions: Counter[str | None] = Counter()
        self._buckets: dict[str, Bucket] = {}

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def get(self, connection_id: str) -> Live | None:
        """The connection of that id."""
        return self._live.get(connection_id)

    def add(self, live: Live) -> None:
        """A connection begins, of whom is not known yet."""
        self._live[live.id] = live

    def sign_in(self, live: Live, user_id: str, now: int) -> Bucket:
        """It is this user's; TooManyConnections where that would be one too many. Returns the user's frame bucket."""
        self._make_room(user_id)
        self._users[user_id].add(live.id)
        if len(self._buckets) >= _BUCKETS:
            self._buckets = {user: bucket for user, bucket in self._buckets.items() if not bucket.full(now)}
        quota = self._quota
        return self._buckets.setdefault(user_id, Bucket(quota.frames_per_second, quota.frames_at_once, now))

    def discard(self, live: Live) -> None:
        """A connection has ended, and its subscriptions with it. An unknown one is not an error."""
        self._live.pop(live.id, None)
        user_id = live.user_id
        if user_id is None or (own := self._users.get(user_id)) is None or live.id not in own:
            return
        own.discard(live.id)
        self.unsubscribe(live, live.subscriptions)
        if not own:
            del self._users[user_id]

    @contextmanager
    def poll(self, user_id: str) -> Iterator[None]:
        """A long poll of this user waits, for as long as the context lasts; TooManyConnections."""
        self._make_room(user_id)
        self._polls[user_id] += 1
        try:
            yield
        finally:
            self._polls[user_id] -= 1
            if not self._polls[user_id]:
                del self._polls[user_id]

    def subscribe(self, live: Live) -> None:
        """Its user has one subscription more; TooManySubscriptions where there are as many as are allowed."""
        most = self._quota.subscriptions
        if self._subscriptions[live.user_id] >= most:
            raise TooManySubscriptions(
                f"This account has {most} live subscriptions. End one, or subscribe to /topic/jobs."
            )
        self._subscriptions[live.user_id] += 1

    def unsubscribe(self, live: Live, count: int = 1) -> None:
        """So many of its subscriptions have ended, or came to nothing."""
        self._subscriptions[live.user_id] -= count
        if not self._subscriptions[live.user_id]:
            del self._subscriptions[live.user_id]

    def _make_room(self, user_id: str) -> None:
        most = self._quota.connections
        if len(self._users.get(user_id, ())) + self._polls[user_id] >= most:
            raise TooManyConnections(
                f"This account has {most} live connections open. Close one, or connect again in {_COME_BACK} seconds.",
                retry_after=_COME_BACK,
            )
