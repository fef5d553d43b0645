"""Upgrades of a PostgreSQL database that others are using: one process at a time, and none that blocks the traffic."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from safelight.adapters.sql.failures import cause_of
from safelight.adapters.sql.migrate import upgrade
from safelight.errors import MigrationBlocked

log = structlog.get_logger()

# The advisory lock of whoever migrates; any number will do.
LOCK: Final = 1_525_487_239
# A statement that waits for a table makes everybody wait who comes after it, so it gives up soon, and comes again.
TABLE_LOCK: Final = "2s"
TABLES_SECONDS: Final = 60.0
# How long another process may be at it: building an index of a large table takes its time.
OTHERS_SECONDS: Final = 1800.0


async def upgrade_together(
    engine: AsyncEngine, versions: Sequence[Path] = (), *, tables_seconds: float = TABLES_SECONDS
) -> None:
    """`migrate.upgrade`, by one process at a time; the others wait, and find nothing left to do.

    MigrationBlocked where other transactions hold the tables for `tables_seconds`, or another process migrates for
    half an hour.
    """
    begun = time.monotonic()
    while True:
        try:
            async with engine.begin() as connection:
                if await connection.run_sync(_alone):
                    await connection.run_sync(upgrade, versions)
                    return
        except Exception as error:
            # Of a migration and the traffic that hold tables of each other, the migration gives in, or the traffic.
            if not isinstance(cause_of(error), (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)):
                raise
            log.warning("a migration waits for tables that other transactions hold")
            if time.monotonic() - begun > tables_seconds:
                raise MigrationBlocked from error
        if time.monotonic() - begun > OTHERS_SECONDS:
            raise MigrationBlocked("Another process has been upgrading this database for half an hour. Is it alive?")
        await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - the traffic that had to wait passes in between


def _alone(connection: Connection) -> bool:
    connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK}'"))
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}).scalar_one())
