"""The long poll over a real server (E30)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.running import Client, Server


@pytest.fixture
def narrow(start: Callable[..., Server]) -> Iterator[Client]:
    """A client that may have one connection."""
    with start(max_connections="1").client() as client:
        yield client


def events(client: Client, job_id: str, after: int, wait: float, **options: float) -> httpx.Response:
    query = {"after": after, "waitSeconds": wait}
    return client.get(f"/queries/upload-jobs/{job_id}/events", params=query, **options)  # type: ignore[arg-type]


def test_e30_what_is_there_comes_at_once_and_what_is_not_when_it_happens(client: Client) -> None:
    job_id = client.declare(("a.jpg", 5))["jobId"]
    began = time.monotonic()
    there = events(client, job_id, 0, 25).json()
    assert ([event["seq"] for event in there["events"]], there["seq"]) == ([1, 2], 2)
    assert time.monotonic() - began < 10
    with ThreadPoolExecutor() as pool:
        polling = pool.submit(events, client, job_id, 2, 25)
        time.sleep(0.3)
        client.post(f"/commands/upload-jobs/{job_id}/cancel")
        found = polling.result().json()
    assert found["events"][0]["seq"] == 3
    assert time.monotonic() - began < 15


def test_e30_when_the_time_is_up_nothing_came_and_a_future_seq_is_a_reset(client: Client) -> None:
    job_id = client.declare(("a.jpg", 5))["jobId"]
    assert events(client, job_id, 2, 0.1).json() == {"events": [], "seq": 2}
    assert events(client, job_id, 99, 25).json() == {"events": [], "seq": 2, "reset": True}


def test_e26_waiting_polls_are_counted_and_e30_who_hangs_up_waits_no_more(narrow: Client) -> None:
    job_id = narrow.declare(("a.jpg", 5))["jobId"]

    def hang_up() -> None:
        while events(narrow, job_id, 2, 25, timeout=1.0).status_code == 429:
            pass  # the place was taken by the other poll of this test

    deadline = time.monotonic() + 20
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(hang_up)
        while (refused := events(narrow, job_id, 2, 0.01)).status_code != 429:
            assert time.monotonic() < deadline
        assert refused.json()["code"] == "too-many-connections"
        assert refused.headers["retry-after"] == "30"
        assert events(narrow, job_id, 0, 25).status_code == 200, "what is there needs no place to wait"
        assert isinstance(waiting.exception(), httpx.ReadTimeout)
    while events(narrow, job_id, 2, 0.01).status_code != 200:
        assert time.monotonic() < deadline
