"""An event loop on a thread of its own: for servers of tests that wait themselves, for a browser or a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_SECONDS: Final = 10

T = TypeVar("T")


class Beside:
    """Runs from `start` to `stop`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """What this gives, once it is done there: within ten seconds, or TimeoutError."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)

    def stop(self) -> None:
        """Cancel whatever still runs there, and end."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_SECONDS)
        self.loop.run_until_complete(_end())
        self.loop.close()


async def _end() -> None:
    await asyncio.sleep(0)  # a connection that was just made begins its task
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
