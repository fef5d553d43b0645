"""Calls in threads: results and errors come back, nothing asked is lost, nobody hears of what he gave up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from safelight.adapters.threads import Threads


async def test_a_call_gives_its_result_or_raises_its_error() -> None:
    threads = Threads(2, "test")
    assert await threads.call(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0)
    assert await threads.call(lambda: 7) == 7
    threads.close()


async def test_one_thread_takes_calls_in_the_order_asked() -> None:
    threads = Threads(1, "test")
    order: list[int] = []
    await asyncio.gather(*(threads.call(lambda n=n: order.append(n)) for n in range(50)))  # type: ignore[misc]
    assert order == list(range(50))
    threads.close()


async def test_calls_run_side_by_side() -> None:
    threads = Threads(2, "test")
    meeting = threading.Barrier(2)
    await asyncio.gather(threads.call(lambda: meeting.wait(10)), threads.call(lambda: meeting.wait(10)))
    threads.close()


async def test_a_call_given_up_still_ends_and_harms_nobody() -> None:
    threads = Threads(1, "test")
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(10)
        ended.set()

    given_up = threads.call(work)
    await asyncio.to_thread(began.wait, 10)
    given_up.cancel()
    go_on.set()
    assert await threads.call(lambda: "the next") == "the next"
    assert ended.is_set()
    threads.close()


async def test_closing_waits_for_all_that_was_asked_and_refuses_more() -> None:
    threads = Threads(2, "test")
    done: list[int] = []
    calls = [threads.call(lambda n=n: done.append(n)) for n in range(20)]  # type: ignore[misc]
    await asyncio.to_thread(threads.close)
    assert sorted(done) == list(range(20))
    await asyncio.gather(*calls)
    with pytest.raises(RuntimeError, match="have ended"):
        threads.call(lambda: None)
    threads.close()


def test_a_result_that_comes_after_its_loop_ended_is_dropped() -> None:
    threads = Threads(1, "test")
    go_on = threading.Event()

    async def ask() -> None:
        threads.call(lambda: go_on.wait(10))

    asyncio.run(ask())
    go_on.set()
    threads.close()
