"""Which code may use the database, and what the sweeps look for found without reading every photo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
# The code of 0001 knows no newer schema than its own, and refuses this one.
oldest = "0002"

IN_TRASH = sa.text("deleted_at IS NOT NULL AND purged_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "compatibility",
        sa.Column("oldest", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("oldest", name=op.f("pk_compatibility")),
    )
    op.create_index(
        "ix_photos_trash",
        "photos",
        ["user_id", "created_at", "id"],
        if_not_exists=True,
        sqlite_where=IN_TRASH,
        postgresql_where=IN_TRASH,
    )
    op.create_index(
        "ix_photos_trashed",
        "photos",
        ["deleted_at"],
        if_not_exists=True,
        sqlite_where=IN_TRASH,
        postgresql_where=IN_TRASH,
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], if_not_exists=True)
