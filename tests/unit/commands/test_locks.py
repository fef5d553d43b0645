"""Whoever locks several jobs does so in one order, so that no two processes wait for each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.adapters.sql.writing import SqlWrite
from safelight.app.opening import close_ports, open_ports
from safelight.commands import identity, jobs, work
from safelight.commands.jobs import File
from safelight.commands.progress import ProgressBoard
from safelight.commands.sealing import Sent, finalize
from safelight.domain.job import Job
from safelight.domain.photo import Photo, Stage
from safelight.ports import Grant, LocalStore, Ports, ReadTransaction, Task, WriteTransaction
from safelight.settings import Settings

T = TypeVar("T")


class _Noting(SqlWrite):
    """Notes which jobs are locked."""

    locks: list[str]

    def lock_job(self, job_id: str, user_id: str | None = None) -> Job | None:
        self.locks.append(job_id)
        return super().lock_job(job_id, user_id)


@dataclass
class Watched:
    """A database that tells which jobs each transaction locked, in order."""

    inner: SqliteDatabase
    locks: list[list[str]] = field(default_factory=list)

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        def noting(tx: WriteTransaction) -> T:
            assert isinstance(tx, SqlWrite)
            watched = _Noting(tx._sql)
            watched.locks = []
            self.locks.append(watched.locks)
            return work(watched)

        return await self.inner.write(noting)

    async def read(self, work: Callable[[ReadTransaction], T]) -> T:
        return await self.inner.read(work)

    def exclusively(self, name: str) -> AbstractAsyncContextManager[bool]:
        return self.inner.exclusively(name)

    async def migrate(self) -> None:
        await self.inner.migrate()

    async def now(self) -> int:
        return await self.inner.now()

    async def check(self) -> None:
        await self.inner.check()

    async def close(self) -> None:
        await self.inner.close()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[Ports, Watched]]:
    opened = open_ports(Settings(_env_file=None, data_dir=tmp_path))
    assert isinstance(opened.db, SqliteDatabase)
    database = Watched(opened.db)
    yield replace(opened, db=database), database
    await close_ports(opened)


async def _photos_of_three_jobs(ports: Ports) -> tuple[str, list[Photo]]:
    """One photo of each: in the order of the photos' ids, the newest job comes first."""
    user = await identity.add_user(ports, "a@example.org", None)
    file = File(filename="a.jpg", mime_type="image/jpeg", bytes=100)
    made = [(await jobs.create_job(ports, user.id, [file])).job.id for _ in range(3)]
    added = [await jobs.add_files(ports, user.id, job_id, [file]) for job_id in reversed(made)]
    return user.id, [each.photos[0] for each in added]


async def test_progress_of_many_jobs_locks_them_in_order(watched: tuple[Ports, Watched]) -> None:
    ports, database = watched
    user_id, found = await _photos_of_three_jobs(ports)
    board = ProgressBoard(ports)
    await board.report(user_id, {photo.id: 50 for photo in found})
    await board.flush()
    assert database.locks[-1] == sorted(photo.job_id for photo in found)


async def test_stages_of_many_jobs_lock_them_in_order(watched: tuple[Ports, Watched]) -> None:
    ports, database = watched
    user_id, found = await _photos_of_three_jobs(ports)
    store: LocalStore = ports.store  # type: ignore[assignment]
    leased = []
    for photo in found:
        async with store.receive(Grant("PUT", photo.storage_key, photo.bytes)) as sink:
            await sink.write(bytes(100))
        await finalize(ports, user_id, Sent(photo.id))
        held = await work.claim(ports, Task(photo.id, photo.job_id, 1), "w")
        assert held
        leased.append(held)
    assert await work.enter(ports, [(photo, Stage.METADATA) for photo in leased], "w") == set()
    assert database.locks[-1] == sorted(photo.job_id for photo in found)
