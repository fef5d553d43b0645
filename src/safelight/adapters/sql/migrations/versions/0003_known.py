"""What a photo is recognised by before it is sent again: the probe of its head and tail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
# A column and an index more: the code of 0002 does not see them. Photos that it completes have no probe, and are sent
# again where a newer server would know them.
oldest = "0002"

RECOGNISABLE = sa.text("probe IS NOT NULL AND deleted_at IS NULL")


def upgrade() -> None:
    ascii_ = sa.String(16).with_variant(sa.String(16, collation="C"), "postgresql")
    op.add_column("photos", sa.Column("probe", ascii_, nullable=True))
    op.create_index(
        "ix_photos_known",
        "photos",
        ["user_id", "bytes"],
        sqlite_where=RECOGNISABLE,
        postgresql_where=RECOGNISABLE,
    )
