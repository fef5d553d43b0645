"""The servers that the contract suites run against beside the embedded adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import Postgres

from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.ports import Database

Open = Callable[[], Database]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests that do it no harm; each makes a database of its own."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The name of a database that is at the newest migration, to make others from."""
    return asyncio.run(_migrated(postgres))


@pytest.fixture
async def database_url(postgres: Postgres, migrated: str) -> AsyncIterator[str]:
    """A database at the newest migration, of the test's own."""
    url = await postgres.create_database(template=migrated)
    yield url
    await postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same database anew each time it is called."""
    if request.param == "sqlite":
        return lambda: SqliteDatabase(tmp_path / "test.db")
    url = request.getfixturevalue("database_url")
    return lambda: PostgresDatabase(url)


async def _migrated(postgres: Postgres) -> str:
    database = PostgresDatabase(await postgres.create_database("migrated"))
    await database.migrate()
    await database.close()
    return "migrated"
