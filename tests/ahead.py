"""What comes after this code: a schema that is one migration ahead, and a release that has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import safelight
from safelight.adapters.sql.migrate import NEWEST

NEXT = f"{int(NEWEST) + 1:04}"
RATING = 3
EXPANDING = """
    op.add_column("photos", sa.Column("rating", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="5"))
    op.create_table("albums", sa.Column("id", sa.String(40), primary_key=True))
    op.create_index("ix_photos_rating", "photos", ["user_id", "rating"])
"""


def next_migration(folder: Path, *, oldest: str = NEWEST, steps: str = EXPANDING) -> Path:
    """A folder with the migration after the newest, whose schema serves code from `oldest` on."""
    folder.mkdir(exist_ok=True)
    head = f"""
        import sqlalchemy as sa
        from alembic import op

        revision = {NEXT!r}
        down_revision = {NEWEST!r}
        branch_labels = depends_on = None
        oldest = {oldest!r}


        def upgrade() -> None:
    """
    (folder / f"{NEXT}_next.py").write_text(dedent(head).strip() + "\n" + steps)
    return folder


def next_release(folder: Path) -> dict[str, str]:
    """A copy of the program in `folder` with that migration, that gives each photo it declares a rating of `RATING`.

    Returns the environment to run it in.
    """
    package = folder / "safelight"
    shutil.copytree(Path(safelight.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    sql = package / "adapters" / "sql"
    next_migration(sql / "migrations" / "versions")
    _edit(sql / "migrate.py", f'NEWEST: Final = "{NEWEST}"', f'NEWEST: Final = "{NEXT}"')
    last = '    Column("purged_at", BigInteger),\n'
    _edit(sql / "schema.py", last, last + '    Column("rating", Integer),\n')
    last = "    purged_at: int | None = None\n"
    _edit(package / "domain" / "photo.py", last, last + f"    rating: int | None = {RATING}\n")
    return {"PYTHONPATH": str(folder)}


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} in {path}"
    path.write_text(text.replace(old, new))
