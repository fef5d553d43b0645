"""A look at a PostgreSQL database; apart from that at SQLite, which needs no driver."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from safelight.adapters.sql.failures import cause_of
from safelight.adapters.sql.look import schema_of
from safelight.ports.upkeep import Schema

CONNECT_SECONDS: Final = 5.0


async def look_at_postgres(url: str) -> Schema:
    """The schema of a PostgreSQL database. ValueError, with what to do, where nobody answers or lets us in."""
    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args={"dsn": url, "timeout": CONNECT_SECONDS}, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            version = (await connection.exec_driver_sql("SHOW server_version")).scalar_one()
            return await connection.run_sync(schema_of, f"PostgreSQL {version.split()[0]}")
    except Exception as error:
        said = cause_of(error)
        raise ValueError(
            f"PostgreSQL cannot be used: {str(said) or type(said).__name__}. Check that it runs, that address, name,"
            " user and password in SAFELIGHT_DATABASE_URL are right, and that no firewall stands between."
        ) from error
    finally:
        await engine.dispose()
