"""Bring a database to the newest schema (Alembic), and know whether code may use one that is newer than itself.

A migration expands, or it takes away what no code in use needs any more; each names the `oldest` migration whose code
still works with it (docs/decisions/0011). The database keeps that name for code that does not know its newest
migration.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, select

from safelight.adapters.sql.schema import compatibility
from safelight.errors import SchemaTooNew

MIGRATIONS: Final = Path(__file__).parent / "migrations"
# The newest migration that this code knows: the columns of schema.py.
NEWEST: Final = "0004"


def configuration(connection: Connection | None = None, versions: Sequence[Path] = ()) -> Config:
    """Alembic's configuration for this connection; no ini file is needed. `versions` are more folders of them."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, [MIGRATIONS / "versions", *versions])))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, versions: Sequence[Path] = ()) -> None:
    """Apply every migration not yet applied, in the transaction at hand; none where the database is ahead.

    SchemaTooNew where it is so far ahead that this code must not use it.
    """
    config = configuration(connection, versions)
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_revision("head")
    present = MigrationContext.configure(connection).get_current_revision()
    if present not in {None, *(script.revision for script in scripts.walk_revisions())}:
        accept(connection)
    elif present != head.revision:
        command.upgrade(config, "head")
        connection.execute(delete(compatibility))
        connection.execute(insert(compatibility), {"oldest": head.module.oldest})


def accept(connection: Connection) -> None:
    """SchemaTooNew where this code must not use the database."""
    oldest = connection.execute(select(compatibility.c.oldest)).scalar_one()
    if oldest > NEWEST:
        raise SchemaTooNew(
            f"This database serves code from migration {oldest} on, and this Safelight ends at migration {NEWEST}."
            " Start the newer Safelight here, too."
        )
