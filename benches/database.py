"""What the database does in a second: the transactions of a photo's life, on SQLite and on PostgreSQL in the same run.

The store answers at once and nobody watches, so that nothing is measured but commands and the database. Both are
durable at each commit. On PostgreSQL the statements and round trips of a photo's life are counted on the wire.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from tests.servers.postgres import Postgres

from benches.wire import Counter, counted
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.commands import identity, jobs, work
from safelight.commands.jobs import File
from safelight.commands.sealing import Sent, finalize
from safelight.domain.photo import Developed, Photo, Stage
from safelight.ports import Database, ObjectStore, Ports, StoredObject, Task
from safelight.settings import Settings

ROUNDS = 3
FILES = 100
# Commands under way at once, and the jobs over which they are spread.
AT_ONCE = 16
JOBS = 8
SIZE = 1_000

Life = dict[str, float]


def measure() -> dict[str, Any]:
    """Transactions a second by command, and what a photo's life costs on the wire."""
    with TemporaryDirectory() as folder:
        sqlite = asyncio.run(_rounds(SqliteDatabase(Path(folder) / "bench.db"), Path(folder)))
        server = Postgres()
        try:
            server.start()
            return {"sqlite": sqlite, **asyncio.run(_postgres(server, Path(folder)))}
        finally:
            server.remove()


async def _postgres(server: Postgres, folder: Path) -> dict[str, Any]:
    url = await server.create_database()
    database = PostgresDatabase(url)
    await database.migrate()
    figures = await _rounds(database, folder)
    counter = Counter()
    async with counted(url, counter) as by_way:
        wire = await _counting(PostgresDatabase(by_way), folder, counter)
    return {"postgres": figures, "postgres_wire": wire}


async def _rounds(database: Database, folder: Path) -> dict[str, Any]:
    async with _world(database, folder) as (ports, user_id):
        rounds = [await _round(ports, user_id, JOBS) for _ in range(ROUNDS)]
        alone = [await _round(ports, user_id, 1) for _ in range(ROUNDS)]
    return {
        f"{JOBS}_jobs_per_second": {name: _spread([each[name] for each in rounds]) for name in rounds[0]},
        "1_job_per_second": {name: _spread([each[name] for each in alone]) for name in alone[0]},
    }


async def _round(ports: Ports, user_id: str, count: int) -> Life:
    """Commands a second: jobs of 100 files declared, then their photos finalized, claimed, moved on and published."""
    declared, elapsed = await _timed(
        [lambda: jobs.create_job(ports, user_id, _files()) for _ in range(count)],
    )
    # The photos of all jobs in turn, as those of several users come.
    photos = [photo for row in zip(*(each.photos for each in declared), strict=True) for photo in row]
    figures = {"declare_100_files": count / elapsed}
    for name, step in _steps(ports, user_id).items():
        _, elapsed = await _timed([_call(step, photo) for photo in photos])
        figures[name] = len(photos) / elapsed
    return figures


async def _counting(database: Database, folder: Path, counter: Counter) -> dict[str, Any]:
    """Statements and round trips of each command, once the connections are made and the statements prepared."""
    found: dict[str, Any] = {}
    async with _world(database, folder) as (ports, user_id):
        await _round(ports, user_id, 1)
        before = (counter.statements, counter.round_trips)
        photos = (await jobs.create_job(ports, user_id, _files())).photos
        found["declare_100_files"] = _since(counter, before)
        whole = (counter.statements, counter.round_trips)
        for name, step in _steps(ports, user_id).items():
            before = (counter.statements, counter.round_trips)
            await step(photos[0])
            found[name] = _since(counter, before)
        found["a_photo_from_finalize_to_the_end"] = _since(counter, whole)
    return found


def _steps(ports: Ports, user_id: str) -> dict[str, Callable[[Photo], Awaitable[Any]]]:
    return {
        "finalize": lambda photo: finalize(ports, user_id, Sent(photo.id)),
        "claim": lambda photo: work.claim(ports, Task(photo.id, photo.job_id, photo.attempt), "bench"),
        "stage": lambda photo: work.enter(ports, [(photo, Stage.METADATA), (photo, Stage.THUMBNAILS)], "bench"),
        "publish": lambda photo: work.publish(ports, photo, _DEVELOPED, "bench"),
    }


_DEVELOPED = Developed(
    media_type="image/jpeg",
    width=6000,
    height=4000,
    taken_at=None,
    exif={},
    thumbhash="aGFzaA==",
    crc32c="0",
    sha256="",
    probe="",
)


class _Store:
    """Every object is there, whole."""

    async def complete_single(self, key: str) -> StoredObject:
        return StoredObject(key, SIZE, "00000000", "00000000")

    async def close(self) -> None:
        return


@asynccontextmanager
async def _world(database: Database, folder: Path) -> AsyncIterator[tuple[Ports, str]]:
    settings = Settings(data_dir=folder, secret="of the bench")  # noqa: S106 - signs nothing
    broker = MemoryBroker(per_job=100, redeliver_after=60)
    ports = Ports(database, cast(ObjectStore, _Store()), broker, lambda: time.time_ns() // 1_000_000, settings)
    user = await identity.add_user(ports, f"{time.monotonic_ns()}@example.org", None)
    yield ports, user.id
    await broker.close()
    await database.close()


async def _timed(calls: list[Callable[[], Awaitable[Any]]]) -> tuple[list[Any], float]:
    """The results, and the seconds that it took to call them all, some at once."""
    results: list[Any] = [None] * len(calls)
    waiting = list(enumerate(calls))[::-1]

    async def keep_calling() -> None:
        while waiting:
            at, call = waiting.pop()
            results[at] = await call()

    begun = time.perf_counter()
    await asyncio.gather(*(keep_calling() for _ in range(AT_ONCE)))
    return results, time.perf_counter() - begun


def _call(step: Callable[[Photo], Awaitable[Any]], photo: Photo) -> Callable[[], Awaitable[Any]]:
    return lambda: step(photo)


def _files() -> list[File]:
    return [File(filename=f"DSC_{n:05}.jpg", mime_type="image/jpeg", bytes=SIZE) for n in range(FILES)]


def _since(counter: Counter, before: tuple[int, int]) -> dict[str, int]:
    return {"statements": counter.statements - before[0], "round_trips": counter.round_trips - before[1]}


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values)), "min": round(min(values)), "max": round(max(values))}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
