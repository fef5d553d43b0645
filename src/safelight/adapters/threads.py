"""Threads for calls that block, at a third of the cost of `run_in_executor`.

A photo's way has a dozen such calls of a few microseconds each. For each, asyncio makes a future of its own and one
of concurrent.futures, and chains them under locks; here a call is queued, run, and its result handed to the loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Call:
    """Work for a thread, and the future that waits for its `value` or `error` in the loop that asked."""

    __slots__ = ("_loop", "error", "future", "value", "work")

    def __init__(self, work: Callable[..., Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self.work = work
        self.future: asyncio.Future[Any] = self._loop.create_future()
        self.value: Any = None
        self.error: BaseException | None = None

    def done(self) -> None:
        """In the thread: have the loop hand out the result."""
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            return  # the loop has ended, and nobody waits there

    def _deliver(self) -> None:
        if self.future.done():
            return  # nobody waits any more
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Threads:
    """`count` threads that start with the first call and take calls in the order asked."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        self._started = self._closed = False

    def call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run `work` in a thread; awaiting the result raises what it raised.

        Cancelling the future does not stop the work.
        """
        if self._closed:
            raise RuntimeError("these threads have ended")
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        call = Call(work)
        self._calls.put(call)
        return call.future

    def close(self) -> None:
        """Wait until everything asked was done. Closing twice is not an error."""
        if self._closed:
            return
        self._closed = True
        if self._started:
            for _ in self._threads:
                self._calls.put(None)
            for thread in self._threads:
                thread.join()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call.value = call.work()
            except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
                call.error = error
            call.done()
            del call  # or the last result would be kept until the next call
