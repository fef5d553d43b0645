from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from safelight.errors import ConnectionEnded, SafelightError, TooManyConnections, TooManySubscriptions
from safelight.realtime.registry import Quota, Registry, Standing


@dataclass(eq=False)
class Tab:
    """A connection of which nothing but its accounting is asked."""

    id: str
    user_id: str | None = None
    credential: str | None = None
    subscriptions: int = 0
    ended: list[SafelightError] = field(default_factory=list)

    def standing(self) -> Standing:
        return Standing(self.id, "websocket", self.user_id, None, 0, [], 0, 0.0, 0)

    def end(self, error: SafelightError) -> None:
        self.ended.append(error)


def enter(registry: Registry, name: str, user_id: str = "usr_a") -> Tab:
    tab = Tab(name)
    registry.add(tab)
    registry.sign_in(tab, user_id, 0)
    tab.user_id = user_id
    return tab


def test_e26_connections_are_counted_by_user_and_long_polls_with_them() -> None:
    registry = Registry(Quota(connections=2))
    first = enter(registry, "1")
    with registry.poll("usr_a"):
        with pytest.raises(TooManyConnections) as refused:
            enter(registry, "2")
        assert refused.value.retry_after == 30
        with pytest.raises(TooManyConnections), registry.poll("usr_a"):
            pass
        enter(registry, "3", "usr_b")
    enter(registry, "4")
    registry.discard(first)
    registry.discard(first)
    enter(registry, "5")


def test_e26_who_was_refused_leaves_no_trace() -> None:
    registry = Registry(Quota(connections=1))
    first, second = enter(registry, "1"), Tab("2")
    registry.add(second)
    with pytest.raises(TooManyConnections):
        registry.sign_in(second, "usr_a", 0)
    registry.discard(second)
    registry.discard(first)
    assert len(registry) == 0
    enter(registry, "3")


def test_e26_subscriptions_are_counted_over_all_connections_of_a_user() -> None:
    registry = Registry(Quota(subscriptions=5))
    one, other = enter(registry, "1"), enter(registry, "2")
    stranger = enter(registry, "3", "usr_b")
    for _ in range(5):
        registry.subscribe(one)
    one.subscriptions, other.subscriptions = 2, 3
    with pytest.raises(TooManySubscriptions):
        registry.subscribe(one)
    registry.subscribe(stranger)
    registry.unsubscribe(one)
    registry.subscribe(one)
    for _ in range(2):  # an end is an end once
        registry.discard(one)
    for _ in range(2):
        registry.subscribe(other)
    with pytest.raises(TooManySubscriptions):
        registry.subscribe(one)


def test_e26_the_connections_of_a_user_share_one_bucket_and_a_new_one_is_no_way_round() -> None:
    registry = Registry(Quota(frames_per_second=1, frames_at_once=2))
    tab = Tab("1")
    registry.add(tab)
    bucket = registry.sign_in(tab, "usr_a", 0)
    assert bucket.take(0)
    assert bucket.take(0)
    tab.user_id = "usr_a"
    registry.discard(tab)
    again = Tab("2")
    registry.add(again)
    assert not registry.sign_in(again, "usr_a", 0).take(0)


def test_a_connection_is_found_by_its_id() -> None:
    registry = Registry()
    tab = enter(registry, "1")
    found = registry.get("1")
    assert found is tab
    found.end(ConnectionEnded())
    assert [error.code for error in tab.ended] == ["connection-ended"]
    assert registry.get("2") is None
    assert list(registry) == [tab]
