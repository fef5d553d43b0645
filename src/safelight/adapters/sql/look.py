"""A look at a database without opening it as Safelight does, which would bring its schema up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from safelight.adapters.sql.migrate import configuration
from safelight.ports.upkeep import Schema

CONNECT_SECONDS: Final = 5.0


async def look_at_sqlite(path: Path) -> Schema:
    """The schema of a SQLite file, which need not be there yet. sqlite3.Error where it cannot be read."""
    return await asyncio.to_thread(_read_sqlite, path)


async def look_at_postgres(url: str) -> Schema:
    """The schema of a PostgreSQL database. ValueError, with what to do, where nobody answers or lets us in."""
    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args={"dsn": url, "timeout": CONNECT_SECONDS}, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            version = (await connection.exec_driver_sql("SHOW server_version")).scalar_one()
            return await connection.run_sync(_schema, f"PostgreSQL {version.split()[0]}")
    except (OSError, TimeoutError) as error:
        raise ValueError(
            f"PostgreSQL cannot be reached: {str(error) or 'no answer'}. Check that it runs, that its address in"
            " SAFELIGHT_DATABASE_URL is right, and that no firewall stands between."
        ) from error
    finally:
        await engine.dispose()


def _read_sqlite(path: Path) -> Schema:
    if not path.exists():
        return Schema(f"SQLite; {path} is not there yet", None, "", 0)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    with engine.connect() as connection:
        return _schema(connection, f"SQLite {sqlite3.sqlite_version} in {path}")


def _schema(connection: Connection, server: str) -> Schema:
    scripts = [script.revision for script in ScriptDirectory.from_config(configuration(connection)).walk_revisions()]
    present = MigrationContext.configure(connection).get_current_revision()
    if present is None:
        return Schema(server, None, scripts[0], len(scripts))
    return Schema(server, present, scripts[0], scripts.index(present) if present in scripts else None)
