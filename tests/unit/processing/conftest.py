"""One sandbox for the tests that do it no harm, and photos as files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from safelight.processing.sandbox import Sandbox
from safelight.processing.wire import Description, Thumbnails

MiB = 1024 * 1024


def make_sandbox(**limits: float) -> Sandbox:
    """A sandbox with the limits of a server, but for those named."""
    return Sandbox(
        size=int(limits.get("size", 1)),
        memory_bytes=int(limits.get("memory_bytes", 1024 * MiB)),
        cpu_seconds=limits.get("cpu_seconds", 30.0),
        wall_seconds=limits.get("wall_seconds", 60.0),
        max_pixels=int(limits.get("max_pixels", 250_000_000)),
        budget_bytes=int(limits.get("budget_bytes", 1024 * MiB)),
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    shared = make_sandbox()
    await shared.start()
    yield shared
    await shared.close()


@dataclass
class Developed:
    """All that a child found out about a photo."""

    described: Description
    made: Thumbnails


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write a photo to a file whose name says nothing."""

    def to_file(data: bytes) -> Path:
        path = tmp_path / "original"
        path.write_bytes(data)
        return path

    return to_file


async def develop(sandbox: Sandbox, path: Path) -> Developed:
    """Verify, describe and decode a file, as the pipeline does."""
    async with sandbox.child() as child:
        verified = await child.verify(path, size=path.stat().st_size, crc32c=None, sha256=None)  # noqa: ASYNC240
        described = await child.describe(path, verified.media_type)
        return Developed(described, await child.thumbnails(path, described))
