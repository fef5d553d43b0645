"""What runs for as long as a process does, and what only one process may be."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from safelight.processing.sandbox import Sandbox
from safelight.settings import MiB, Settings

log = structlog.get_logger()


def sandbox_of(settings: Settings) -> Sandbox:
    """The decoding processes, with the limits that the settings give them; not started yet."""
    return Sandbox(
        size=settings.workers,
        memory_bytes=settings.decode_memory_mb * MiB,
        cpu_seconds=settings.decode_cpu_seconds,
        wall_seconds=settings.decode_wall_seconds,
        max_pixels=settings.max_megapixels * 1_000_000,
        budget_bytes=settings.decode_budget_mb * MiB,
    )


@asynccontextmanager
async def running(parts: dict[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Parts of a process, by name, that run until the context ends. One that ends by an error says so, loudly."""
    tasks = [_spawn(name, work) for name, work in parts.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Photos on a disk and wake-ups in memory belong to one server: a second one on the same folder is refused."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError(
                f"Another Safelight is using {folder.resolve()}. Stop it, or choose another SAFELIGHT_DATA_DIR."
            ) from error
        yield


def _spawn(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.critical("a part of the process ended", part=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task
