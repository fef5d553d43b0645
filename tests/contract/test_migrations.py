"""Migrations: all or nothing, by one process at a time, beside traffic, and with old and new code together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex
from tests.ahead import NEXT, next_migration
from tests.rows import a_job, a_photo, a_user, adding, seed
from tests.servers.postgres import Postgres

from safelight.adapters.sql import migrate
from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.adapters.sql.rolling import upgrade_together
from safelight.adapters.sql.rows import values
from safelight.adapters.sql.schema import metadata
from safelight.adapters.sql.sqlite import SqliteDatabase, upgrade_alone
from safelight.domain.photo import PhotoStatus
from safelight.errors import MigrationBlocked, SchemaTooNew
from safelight.ports import Filter, Page, WriteTransaction

FAILING = """
    op.create_table("albums", sa.Column("id", sa.String(40), primary_key=True))
    op.execute("INSERT INTO no_such_table VALUES (1)")
"""


@pytest.fixture
async def empty_url(postgres: Postgres) -> str:
    """A database in which there is nothing yet."""
    return await postgres.create_database()


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)


def _present(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


# --- every migration ---


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert scripts.get_current_head() == migrate.NEWEST


def test_every_migration_names_the_oldest_code_that_it_serves() -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    in_order = list(scripts.walk_revisions())[::-1]
    assert [script.revision for script in in_order] == [f"{n + 1:04}" for n in range(len(in_order))]
    served = [script.module.oldest for script in in_order]
    assert served == sorted(served)
    assert all(oldest <= script.revision for oldest, script in zip(served, in_order, strict=True))


# SQLAlchemy does not read indexes of expressions from SQLite: of these the text is compared.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_make_the_tables_of_the_schema_in_sqlite(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'test.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        migrate.upgrade(connection)
        captured = next(index for index in metadata.tables["photos"].indexes if index.name == "ix_photos_captured")
        made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": captured.name})
        assert made.scalar_one() == str(CreateIndex(captured).compile(connection))
        assert not compare_metadata(MigrationContext.configure(connection), metadata)


async def test_the_migrations_make_the_tables_of_the_schema_in_postgres(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with _engine(database_url).connect() as connection:
        assert not await connection.run_sync(differences)


async def test_ids_states_and_hashes_are_compared_as_bytes(database_url: str) -> None:
    async with _engine(database_url).connect() as connection:
        found = await connection.execute(
            text(
                "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND data_type = 'character varying' AND collation_name IS DISTINCT FROM 'C'"
                " AND table_name NOT IN ('alembic_version', 'compatibility')"
            )
        )
        assert found.all() == []


def test_a_database_of_the_first_release_is_upgraded(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'test.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(migrate.configuration(connection), "0001")
        connection.execute(text("INSERT INTO users (id, email, created_at) VALUES ('u1', 'a@example.org', 1)"))
    database = SqliteDatabase(tmp_path / "test.db")
    with engine.connect() as connection:
        assert _present(connection) == migrate.NEWEST
        assert connection.execute(text("SELECT email FROM users")).scalar_one() == "a@example.org"
    asyncio.run(database.close())


async def test_photos_of_before_are_put_where_they_were_taken(empty_url: str, tmp_path: Path) -> None:
    sqlite = create_engine(f"sqlite:///{tmp_path / 'test.db'}", poolclass=NullPool)
    with sqlite.begin() as connection:
        assert _filled(connection) == WHERE_TAKEN
    async with _engine(empty_url).begin() as postgres:
        assert await postgres.run_sync(_filled) == WHERE_TAKEN


WHERE_TAKEN = [
    ("ph_1", 86_400_000 - 1, "NIKON D90"),
    ("ph_2", -1_000, None),
    ("ph_3", None, "Sony"),
    ("ph_4", None, None),
]


def _filled(connection: Connection) -> list[tuple[object, ...]]:
    """Where 0004 puts photos that were there before it."""
    command.upgrade(migrate.configuration(connection), "0003")
    names = [column["name"] for column in inspect(connection).get_columns("photos")]
    user, job = {"id": "u1", "email": "a@example.org", "created_at": 1}, values(a_job())
    for table, row in [("users", user), ("jobs", job)]:
        _insert(connection, table, row)
    taken = [
        ("1970-01-01T23:59:59.999-11:00", '{"make":"NIKON","model":"D90","iso":100}'),
        ("1969-12-31T23:59:59", "{}"),
        (None, '{"lensMake":"Sony"}'),
        (None, None),
    ]
    for number, (taken_at, exif) in enumerate(taken, 1):
        photo = values(a_photo(f"ph_{number}", taken_at=taken_at, exif_json=exif))
        _insert(connection, "photos", {name: photo[name] for name in names})
    command.upgrade(migrate.configuration(connection), "0004")
    found = connection.execute(text("SELECT id, taken_ms, camera FROM photos ORDER BY id"))
    return [tuple(row) for row in found]


def _insert(connection: Connection, table: str, row: dict[str, object]) -> None:
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})"), row)  # noqa: S608 - our names


# --- all or nothing, one at a time, beside traffic ---


def test_a_migration_that_fails_leaves_sqlite_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    asyncio.run(SqliteDatabase(path).close())
    failing = next_migration(tmp_path / "versions", steps=FAILING)
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(Exception, match="no_such_table"):
        upgrade_alone(connection, [failing])
    with engine.connect() as connection:
        assert _present(connection) == migrate.NEWEST
        assert "albums" not in inspect(connection).get_table_names()


async def test_a_migration_that_fails_leaves_postgres_as_it_was(database_url: str, tmp_path: Path) -> None:
    engine = _engine(database_url)
    with pytest.raises(Exception, match="no_such_table"):
        await upgrade_together(engine, [next_migration(tmp_path / "versions", steps=FAILING)])
    async with engine.connect() as connection:
        assert await connection.run_sync(_present) == migrate.NEWEST
        assert "albums" not in await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def test_of_servers_that_start_at_once_one_migrates(empty_url: str) -> None:
    starting = [PostgresDatabase(empty_url) for _ in range(6)]
    await asyncio.gather(*(database.migrate() for database in starting))
    for database in starting:
        await database.check()
        await database.close()
    async with _engine(empty_url).connect() as connection:
        assert await connection.run_sync(_present) == migrate.NEWEST


async def test_a_migration_that_waits_for_a_table_lets_the_traffic_pass(own_url: str, tmp_path: Path) -> None:
    database, holder = PostgresDatabase(own_url), await asyncpg.connect(own_url)
    await database.write(adding(a_user()))
    await seed(database)
    reading = holder.transaction()
    await reading.start()
    await holder.execute("SELECT * FROM photos")
    versions = [next_migration(tmp_path / "versions")]
    with pytest.raises(MigrationBlocked):
        await upgrade_together(_engine(own_url), versions, tables_seconds=0.1)
    upgrading = asyncio.create_task(upgrade_together(_engine(own_url), versions))
    slowest = 0.0
    for n in range(20):
        begun = time.monotonic()
        await database.write(lambda tx, n=n: tx.add_photos([a_photo(f"ph_{n}")]))  # type: ignore[misc]
        slowest = max(slowest, time.monotonic() - begun)
        await asyncio.sleep(0.1)
    assert not upgrading.done()
    assert slowest < 10
    await reading.rollback()
    await upgrading
    assert len(await database.read(lambda tx: tx.photos_of_job("job_1"))) == 20
    await holder.close()
    await database.close()


# --- old and new code together ---


def _life(number: int) -> list[Callable[[WriteTransaction], None]]:
    """The transactions of a photo, as this code makes them."""
    name = f"ph_{number}"

    def add(tx: WriteTransaction) -> None:
        tx.lock_job("job_1")
        tx.add_photos([a_photo(name)])

    def complete(tx: WriteTransaction) -> None:
        tx.lock_job("job_1")
        photo = tx.photos([name])[0]
        tx.save_photos([(photo, a_photo(name, status=PhotoStatus.COMPLETED))])

    return [add, complete]


async def test_servers_of_this_code_run_through_an_upgrade_by_the_next(own_url: str, tmp_path: Path) -> None:
    running = PostgresDatabase(own_url)
    await running.write(adding(a_user()))
    await seed(running)
    over, done = asyncio.Event(), 0

    async def traffic() -> None:
        nonlocal done
        while not over.is_set():
            number, done = done, done + 1
            for work in _life(number):
                await running.write(work)
            assert await running.read(lambda tx, number=number: tx.photo(f"ph_{number}"))  # type: ignore[misc]

    busy = asyncio.gather(*(traffic() for _ in range(4)))
    await asyncio.sleep(0.3)
    await upgrade_together(_engine(own_url), [next_migration(tmp_path / "versions")])
    begun = done
    await running.check()
    await asyncio.sleep(0.3)

    starting = PostgresDatabase(own_url)
    await starting.migrate()
    await starting.check()
    await seed(starting, job=a_job("job_2"))
    assert len(await starting.read(lambda tx: tx.library("u1", Filter(), Page(5)))) > 0
    await starting.close()

    over.set()
    await busy
    assert done > begun > 0
    async with _engine(own_url).connect() as connection:
        assert await connection.run_sync(_present) == NEXT
        assert (await connection.execute(text("SELECT DISTINCT priority FROM jobs"))).scalar_one() == 5
    await running.close()


async def test_what_the_next_code_wrote_is_left_alone_by_this_one(own_url: str, tmp_path: Path) -> None:
    await upgrade_together(_engine(own_url), [next_migration(tmp_path / "versions")])
    database = PostgresDatabase(own_url)
    await database.write(adding(a_user()))
    await seed(database, a_photo("ph_1"))
    async with _engine(own_url).begin() as connection:
        await connection.execute(text("UPDATE photos SET rating = 4"))
    await database.write(lambda tx: tx.save_photos([(a_photo("ph_1"), a_photo("ph_1", percent=50))]))
    async with _engine(own_url).begin() as connection:
        assert (await connection.execute(text("SELECT rating, percent FROM photos"))).all() == [(4, 50)]
    await database.close()


async def test_this_code_refuses_a_schema_that_has_left_it_behind(own_url: str, tmp_path: Path) -> None:
    running = PostgresDatabase(own_url)
    await running.check()
    contracting = next_migration(
        tmp_path / "versions", oldest=NEXT, steps='    op.drop_column("photos", "thumbhash")\n'
    )
    await upgrade_together(_engine(own_url), [contracting])
    with pytest.raises(SchemaTooNew, match=f"from migration {NEXT} on"):
        await running.check()
    with pytest.raises(SchemaTooNew, match="Start the newer Safelight"):
        await running.migrate()
    await running.close()


def test_this_code_opens_a_file_of_the_next_and_refuses_one_that_left_it_behind(tmp_path: Path) -> None:
    for name, oldest in (("near", migrate.NEWEST), ("far", NEXT)):
        path = tmp_path / f"{name}.db"
        asyncio.run(SqliteDatabase(path).close())
        engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            upgrade_alone(connection, [next_migration(tmp_path / name, oldest=oldest)])
    asyncio.run(SqliteDatabase(tmp_path / "near.db").close())
    with pytest.raises(SchemaTooNew):
        SqliteDatabase(tmp_path / "far.db")
