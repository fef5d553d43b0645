"""The two pure paces: what a client may send, and how often a reader is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.realtime.bucket import Bucket
from safelight.realtime.tempo import Tempo


def test_e26_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(499)
    assert bucket.take(500)
    assert not bucket.take(500)
    assert [bucket.take(10**9) for _ in range(4)] == [True, True, True, False]


def test_e26_a_bucket_says_how_long_to_wait_and_when_it_may_be_forgotten() -> None:
    bucket = Bucket(rate=10, burst=100, now=0)
    assert bucket.full(0)
    while bucket.take(0):
        pass
    assert bucket.wait() == 5
    assert not bucket.full(9_999)
    assert bucket.full(10_000)
    assert bucket.wait() == 1


@given(st.lists(st.integers(min_value=0, max_value=5_000), max_size=200))
def test_e26_no_clock_makes_a_bucket_give_more_than_it_has(times: list[int]) -> None:
    bucket = Bucket(rate=10, burst=5, now=0)
    taken = sum(bucket.take(now) for now in times)
    assert taken <= 5 + 10 * max(times, default=0) / 1000


def test_e17_a_free_socket_has_no_pause_of_its_own() -> None:
    tempo = Tempo(fastest=1 / 60)
    for _ in range(100):
        tempo.took(0.0005)
    assert tempo.pause == 0


@pytest.mark.parametrize(("took", "pause"), [(0.1, 0.2), (0.5, 1.0), (60, 2.0)])
def test_e17_a_slow_write_doubles_into_a_pause_at_once(took: float, pause: float) -> None:
    tempo = Tempo(fastest=1 / 60)
    tempo.took(took)
    assert tempo.pause == pause


def test_e17_what_a_slow_write_taught_is_forgotten_slowly() -> None:
    tempo = Tempo(fastest=1 / 60)
    tempo.took(1)
    pauses = []
    while tempo.pause:
        pauses.append(tempo.pause)
        tempo.took(0)
    assert pauses == sorted(pauses, reverse=True)
    assert 30 < len(pauses) < 40
