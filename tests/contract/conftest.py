"""The servers that the contract suites run against beside the embedded adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.ports import Database

Open = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgres"])
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same database anew each time it is called."""
    if request.param == "sqlite":
        return lambda: SqliteDatabase(tmp_path / "test.db")
    url = request.getfixturevalue("database_url")
    return lambda: PostgresDatabase(url)
