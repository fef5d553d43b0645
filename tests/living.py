"""A world to live a photo's life in: any store and the way to it, SQLite, the memory broker, a clock, and a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from safelight import queries
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.app.running import sandbox_of
from safelight.commands import identity, jobs, uploads
from safelight.commands.jobs import File
from safelight.commands.sealing import Sent, finalize
from safelight.domain.checksum import Checksum
from safelight.domain.photo import Photo
from safelight.ports import Ports
from safelight.settings import Settings
from safelight.worker import Worker
from tests.clock import Clock
from tests.storing import Bench, now


@dataclass
class World:
    bench: Bench
    ports: Ports
    user_id: str
    clock: Clock

    async def declare(self, data: bytes) -> Photo:
        file = File(filename="a.jpg", mime_type="image/jpeg", bytes=len(data))
        return (await jobs.create_job(self.ports, self.user_id, [file])).photos[0]

    async def send(self, photo: Photo, data: bytes) -> list[tuple[int, str]]:
        """All that the plan asks for; the parts, where it has any."""
        urls = uploads.sign(self.ports, photo)
        if urls.single:
            await self.bench.send(urls.single, data)
            return []
        at, parts = 0, []
        for part in urls.parts:
            parts.append((part.part_number, await self.bench.send(part.signed, data[at : at + part.size])))
            at += part.size
        return parts

    async def finalize(self, photo: Photo, parts: list[tuple[int, str]], checksum: str | None = None) -> None:
        wanted = Checksum.parse(checksum) if checksum else None
        await finalize(self.ports, self.user_id, Sent(photo.id, photo.upload_id, parts or None, wanted))

    async def ended(self, photo: Photo) -> Photo:
        async with asyncio.timeout(30):
            while not (found := await queries.photo(self.ports, self.user_id, photo.id)).terminal:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def living(bench: Bench, folder: Path) -> AsyncIterator[World]:
    """A world around a store, with a worker at work."""
    bench.open()
    clock = Clock(now())
    settings = Settings(_env_file=None, data_dir=folder, secret="of the test", workers=1)
    ports = Ports(SqliteDatabase(folder / "s.db"), bench.store, MemoryBroker(), clock, settings)
    sandbox = sandbox_of(settings)
    await sandbox.start()
    user = await identity.add_user(ports, "a@example.org", None)
    worker = asyncio.create_task(Worker(ports, sandbox).run())
    yield World(bench, ports, user.id, clock)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    await sandbox.close()
    await ports.broker.close()
    await ports.db.close()
    await bench.close()
