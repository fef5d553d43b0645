"""A look at a database without opening it as Safelight does, which may bring its schema up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from safelight.adapters.sql.migrate import configuration
from safelight.ports.upkeep import Schema


async def look_at_sqlite(path: Path) -> Schema:
    """The schema of a SQLite file, which need not be there yet."""
    return await asyncio.to_thread(_read, path)


def schema_of(connection: Connection, server: str) -> Schema:
    """How far the database has come that this connection leads to."""
    known = [script.revision for script in ScriptDirectory.from_config(configuration(connection)).walk_revisions()]
    present = MigrationContext.configure(connection).get_current_revision()
    if present is None:
        return Schema(server, None, known[0], len(known))
    return Schema(server, present, known[0], known.index(present) if present in known else None)


def _read(path: Path) -> Schema:
    if not path.exists():
        return Schema(f"SQLite; {path} is not there yet", None, "", 0)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    with engine.connect() as connection:
        return schema_of(connection, f"SQLite {sqlite3.sqlite_version} in {path}")
