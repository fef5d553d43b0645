"""What tests share: real servers, on free ports, in temporary folders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.adapters.sql.rolling import upgrade_together
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.ports import Database
from tests.ahead import next_migration
from tests.running import Client, Server
from tests.servers.nats import Nats
from tests.servers.postgres import Postgres
from tests.servers.seaweed import SeaweedFS

# Whoever is still connected is cut; a copy of a database for every test would write 16 MB.
EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DO $$ BEGIN EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'compatibility')
    ); END $$;
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do it no harm; each signs in with an account of its own."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """One S3 store for all tests that do it no harm; each keeps to a prefix of its own."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """One NATS for all tests that do it no harm; each keeps to a prefix of its own."""
    with Nats(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="session")
def three_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A cluster of three. Whoever kills a node starts it again."""
    with Nats(tmp_path_factory.mktemp("three_nats"), nodes=3) as running:
        yield running


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
    return asyncio.run(_migrated(postgres, "migrated"))


@pytest.fixture(scope="session")
def shared_url(postgres: Postgres, migrated: str) -> str:
    return asyncio.run(postgres.create_database("shared", template=migrated))


@pytest.fixture(scope="session")
def shared_url_ahead(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    versions = next_migration(tmp_path_factory.mktemp("versions"))
    return postgres.url_of(asyncio.run(_migrated(postgres, "ahead", versions)))


@pytest.fixture
async def database_url(postgres: Postgres, shared_url: str) -> AsyncIterator[str]:
    """An empty database at the newest migration, whose schema the test leaves as it is."""
    yield shared_url
    await postgres.sql(EMPTY, shared_url)


@pytest.fixture
async def url_ahead(postgres: Postgres, shared_url_ahead: str) -> AsyncIterator[str]:
    """An empty database that a newer release has upgraded, whose schema the test leaves as it is."""
    yield shared_url_ahead
    await postgres.sql(EMPTY, shared_url_ahead)


@pytest.fixture
async def own_url(postgres: Postgres, migrated: str) -> str:
    """An empty database at the newest migration, of the test's own."""
    return await postgres.create_database(template=migrated)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of the test's own, with settings: to be killed, filled up, starved."""
    started: list[Server] = []

    def begin(**settings: str) -> Server:
        running = Server(tmp_path / f"server{len(started)}", settings).start()
        started.append(running)
        return running

    yield begin
    for running in started:
        running.kill()


@pytest.fixture(params=["sqlite", "postgres"])
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Opens the same database anew each time it is called."""
    if request.param == "sqlite":
        return lambda: SqliteDatabase(tmp_path / "test.db")
    url = request.getfixturevalue("url_ahead" if request.param == "postgres ahead" else "database_url")
    return lambda: PostgresDatabase(url)


async def _migrated(postgres: Postgres, name: str, *versions: Path) -> str:
    engine = create_async_engine((await postgres.create_database(name)).replace("://", "+asyncpg://"))
    await upgrade_together(engine, versions)
    await engine.dispose()
    return name
