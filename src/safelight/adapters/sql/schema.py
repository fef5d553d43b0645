"""The tables. Times are Unix milliseconds; every change here needs a migration beside it.

Ids, states and hashes are ASCII: PostgreSQL is told to compare them as bytes, as SQLite does, whatever language the
database was made for. That orders them alike everywhere, and an index of them is half the work.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    func,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _ascii(length: int) -> String:
    """Text compared as bytes."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


users = Table(
    "users",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("email", _ascii(320), nullable=False, unique=True),
    Column("password_hash", Text),
    Column("created_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("cookie_hash", _ascii(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("code_hash", _ascii(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("token_hash", _ascii(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("status", _ascii(24), nullable=False),
    Column("expected_count", Integer),
    Column("total_count", Integer, nullable=False),
    Column("completed_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("cancelled_count", Integer, nullable=False),
    Column("bytes_total", BigInteger, nullable=False),
    Column("bytes_sent", BigInteger, nullable=False),
    Column("work_total", BigInteger, nullable=False),
    Column("work_done", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("idempotency_key", _ascii(255)),
    Column("request_hash", _ascii(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
Index("ix_jobs_user_created", jobs.c.user_id, jobs.c.created_at, jobs.c.id)
Index("ix_jobs_user_key", jobs.c.user_id, jobs.c.idempotency_key, unique=True)
Index("ix_jobs_status_expires", jobs.c.status, jobs.c.expires_at)

photos = Table(
    "photos",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("filename", Text, nullable=False),
    Column("relative_path", Text),
    Column("mime_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("last_modified", _ascii(40)),
    Column("content_hash", _ascii(80)),
    Column("probe", _ascii(16)),
    Column("duplicate_of", _ascii(40)),
    Column("status", _ascii(16), nullable=False),
    Column("stage", _ascii(16)),
    Column("percent", Integer, nullable=False),
    Column("bytes_sent", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("error_code", _ascii(64)),
    Column("error_message", Text),
    Column("storage_key", Text, nullable=False),
    Column("upload_id", Text),
    Column("part_size", BigInteger),
    Column("part_count", Integer),
    Column("crc32c", _ascii(8)),
    Column("stored_at", BigInteger),
    Column("tries", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("media_type", _ascii(64)),
    Column("width", Integer),
    Column("height", Integer),
    Column("taken_at", _ascii(40)),
    Column("taken_ms", BigInteger),
    Column("camera", Text),
    Column("exif_json", Text),
    Column("thumbhash", _ascii(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("deleted_at", BigInteger),
    Column("purged_at", BigInteger),
)
Index("ix_photos_job_position", photos.c.job_id, photos.c.position)
Index("ix_photos_library", photos.c.user_id, photos.c.status, photos.c.created_at, photos.c.id)
Index("ix_photos_hash", photos.c.user_id, photos.c.content_hash)
# What a client may have already: an entry is made once, when the photo is complete.
_RECOGNISABLE = and_(photos.c.probe.is_not(None), photos.c.deleted_at.is_(None))
Index(
    "ix_photos_known",
    *(photos.c.user_id, photos.c.bytes),
    sqlite_where=_RECOGNISABLE,
    postgresql_where=_RECOGNISABLE,
)
# The library in the order in which photos were taken: an entry is made once, when the photo is complete.
captured = func.coalesce(photos.c.taken_ms, photos.c.created_at)
shown = and_(
    photos.c.completed_at.is_not(None),
    photos.c.duplicate_of.is_(None),
    photos.c.deleted_at.is_(None),
    photos.c.purged_at.is_(None),
)
Index(
    "ix_photos_captured",
    *(photos.c.user_id, captured, photos.c.id),
    sqlite_where=shown,
    postgresql_where=shown,
)
# By status alone: with the time in it, every stage of every photo would move an entry.
Index("ix_photos_status", photos.c.status)
_IN_TRASH = and_(photos.c.deleted_at.is_not(None), photos.c.purged_at.is_(None))
Index(
    "ix_photos_trash",
    *(photos.c.user_id, photos.c.created_at, photos.c.id),
    sqlite_where=_IN_TRASH,
    postgresql_where=_IN_TRASH,
)
Index("ix_photos_trashed", photos.c.deleted_at, sqlite_where=_IN_TRASH, postgresql_where=_IN_TRASH)

events = Table(
    "events",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    # SQLite keeps such a table as its primary key's tree, where it would otherwise write a row and a key apart.
    sqlite_with_rowid=False,
)

doomed = Table(
    "doomed",
    metadata,
    Column("key", Text, primary_key=True),
    Column("upload", Boolean, nullable=False),
    Column("upload_id", Text),
)

# One row: the oldest migration whose code may use this database (migrate.py).
compatibility = Table("compatibility", metadata, Column("oldest", String(32), primary_key=True))
