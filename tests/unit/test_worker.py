"""A worker told to end finishes what it has in hand, and hands back what it does not finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.pictures import jpeg

from safelight.app.opening import close_ports, open_ports
from safelight.app.running import sandbox_of
from safelight.commands import identity, jobs
from safelight.commands.jobs import File
from safelight.commands.sealing import Sent, finalize
from safelight.domain.photo import Photo, PhotoStatus
from safelight.ports import Grant, LocalStore, Ports
from safelight.processing.sandbox import Sandbox
from safelight.settings import Settings
from safelight.worker import Worker

Open = Callable[..., Ports]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Ports]]:
    made: list[Ports] = []

    def open_one(**more: float) -> Ports:
        made.append(open_ports(Settings(_env_file=None, data_dir=tmp_path, workers=1, **more)))  # type: ignore[arg-type]
        return made[-1]

    yield open_one
    for ports in made:
        await close_ports(ports)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    made = sandbox_of(Settings(_env_file=None, data_dir=tmp_path, workers=1))
    await made.start()
    yield made
    await made.close()


async def stored(ports: Ports, count: int) -> list[str]:
    """So many photos that wait for a worker, by id."""
    user = await identity.add_user(ports, "a@example.org", "correct horse")
    pictures = [jpeg(1_200, 900, seed=number) for number in range(count)]
    files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=len(each)) for n, each in enumerate(pictures)]
    declared = await jobs.create_job(ports, user.id, files)
    store: LocalStore = ports.store  # type: ignore[assignment]
    for photo, picture in zip(declared.photos, pictures, strict=True):
        async with store.receive(Grant("PUT", photo.storage_key, photo.bytes)) as sink:
            await sink.write(picture)
        await finalize(ports, user.id, Sent(photo.id))
    return [photo.id for photo in declared.photos]


async def rows(ports: Ports, ids: list[str]) -> list[Photo]:
    return await ports.db.read(lambda tx: tx.photos(ids))


async def until(ports: Ports, ids: list[str], holds: Callable[[list[Photo]], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if holds(await rows(ports, ids)):
                return
            await asyncio.sleep(0.005)


async def until_taken(ports: Ports, ids: list[str]) -> None:
    await until(ports, ids, lambda found: any(photo.lease_owner for photo in found))


async def test_it_finishes_what_it_has_in_hand_and_takes_no_more(opened: Open, sandbox: Sandbox) -> None:
    ports = opened()
    ids = await stored(ports, 12)
    worker = Worker(ports, sandbox)
    running = asyncio.create_task(worker.run())
    await until_taken(ports, ids)
    await worker.end()
    await running
    found = await rows(ports, ids)
    assert not [photo for photo in found if photo.lease_owner and photo.status is PhotoStatus.PROCESSING]
    states = [photo.status for photo in found]
    assert states.count(PhotoStatus.COMPLETED) > 0
    assert states.count(PhotoStatus.PROCESSING) > 0
    assert worker.ending


async def test_what_it_does_not_finish_in_time_it_hands_back(opened: Open, sandbox: Sandbox) -> None:
    ports = opened(finish_seconds=0.0)
    ids = await stored(ports, 6)
    worker = Worker(ports, sandbox)
    running = asyncio.create_task(worker.run())
    await until_taken(ports, ids)
    await worker.end()
    await running
    found = await rows(ports, ids)
    assert not [photo for photo in found if photo.status is PhotoStatus.PROCESSING and photo.lease_owner]
    assert {photo.tries for photo in found if photo.status is PhotoStatus.PROCESSING} <= {0}

    another = asyncio.create_task(Worker(ports, sandbox).run())
    await until(ports, ids, lambda found: all(photo.status is PhotoStatus.COMPLETED for photo in found))
    another.cancel()
    with suppress(asyncio.CancelledError):
        await another
