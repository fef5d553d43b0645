"""The read side of a transaction, on one SQLAlchemy connection (ports.ReadTransaction)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, func, not_, or_, select, tuple_

from safelight.adapters.sql import library, rows
from safelight.adapters.sql.prepared import ByIds, Prepared
from safelight.adapters.sql.schema import (
    api_tokens,
    doomed,
    events,
    jobs,
    photos,
    sessions,
    sign_in_links,
    users,
)
from safelight.domain.identity import ApiToken, Session, User
from safelight.domain.job import ACTIVE, Job
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus
from safelight.ports import Day, Doomed, Filter, Known, Page

T = TypeVar("T")

# SQLite takes 32,766 parameters a statement, PostgreSQL 32,767; a chunk stays far below either.
CHUNK = 1_000

_JOB = Prepared(select(jobs).where(jobs.c.id == bindparam("id")))
_PHOTO = Prepared(select(photos).where(photos.c.id == bindparam("id")))
_PHOTOS = ByIds(photos)
_PHOTOS_OF_JOB = Prepared(select(photos).where(photos.c.job_id == bindparam("id")).order_by(photos.c.position))
_EVENTS = Prepared(
    select(events.c.seq, events.c.body)
    .where(events.c.job_id == bindparam("id"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("limit"))
)
_SESSION = Prepared(select(sessions).where(sessions.c.id == bindparam("id")))
_USER = Prepared(select(users).where(users.c.id == bindparam("id")))


class SqlRead:
    """Reads. One of these lives as long as its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    # --- jobs and photos ---

    def job(self, job_id: str, user_id: str | None = None) -> Job | None:
        return self._job(_JOB, job_id, user_id)

    def job_of_key(self, user_id: str, idempotency_key: str) -> Job | None:
        query = select(jobs).where(jobs.c.user_id == user_id, jobs.c.idempotency_key == idempotency_key)
        row = self._sql.execute(query).one_or_none()
        return rows.job(row) if row is not None else None

    def jobs(self, user_id: str, *, active: bool, before: tuple[int, str] | None, limit: int) -> list[Job]:
        query = select(jobs).where(jobs.c.user_id == user_id)
        if active:
            query = query.where(jobs.c.status.in_(ACTIVE))
        if before:
            query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < tuple_(*before))
        query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        return [rows.job(row) for row in self._sql.execute(query)]

    def photo(self, photo_id: str, user_id: str | None = None) -> Photo | None:
        found = _PHOTO.rows(self._sql, {"id": photo_id})
        photo = rows.photo(found[0]) if found else None
        return photo if photo and user_id in (None, photo.user_id) else None

    def photos(self, photo_ids: Sequence[str]) -> list[Photo]:
        return [rows.photo(row) for row in _PHOTOS.rows(self._sql, photo_ids)]

    def photos_of_job(self, job_id: str) -> list[Photo]:
        return [rows.photo(row) for row in _PHOTOS_OF_JOB.rows(self._sql, {"id": job_id})]

    # --- the library ---

    def library(self, user_id: str, which: Filter, page: Page) -> list[Photo]:
        return [rows.photo(row) for row in self._sql.execute(library.page_of(select(photos), user_id, which, page))]

    def library_count(self, user_id: str, which: Filter) -> int:
        query = select(func.count()).select_from(photos).where(*library.matching(user_id, which))
        return self._sql.execute(query).scalar_one()

    def library_days(self, user_id: str, which: Filter) -> list[Day]:
        return [Day(*row) for row in self._sql.execute(library.days_of(user_id, which))]

    def library_keys(self, user_id: str, which: Filter, page: Page) -> list[tuple[int, str]]:
        query = select(library.PLACES[which.order], photos.c.id)
        return [(place, id_) for place, id_ in self._sql.execute(library.page_of(query, user_id, which, page))]

    def originals(self, user_id: str, content_hashes: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for chunk in _chunks(content_hashes):
            query = select(photos.c.content_hash, photos.c.id).where(
                photos.c.user_id == user_id,
                photos.c.content_hash.in_(chunk),
                photos.c.status == PhotoStatus.COMPLETED,
                photos.c.duplicate_of.is_(None),
                photos.c.deleted_at.is_(None),
            )
            found |= {row.content_hash: row.id for row in self._sql.execute(query)}
        return found

    def known(self, user_id: str, files: Sequence[tuple[str, int]]) -> list[Known]:
        columns = (
            *(photos.c.id, photos.c.filename, photos.c.bytes),
            *(photos.c.last_modified, photos.c.content_hash, photos.c.probe),
        )
        found: list[Known] = []
        for chunk in _chunks(files):
            query = select(*columns).where(
                photos.c.user_id == user_id,
                photos.c.bytes.in_({size for _, size in chunk}),
                photos.c.filename.in_({name for name, _ in chunk}),
                photos.c.status == PhotoStatus.COMPLETED,
                photos.c.probe.is_not(None),
                photos.c.duplicate_of.is_(None),
                photos.c.deleted_at.is_(None),
            )
            wanted = set(chunk)
            found += [Known(*row) for row in self._sql.execute(query) if (row.filename, row.bytes) in wanted]
        return found

    def events_after(self, job_id: str, after: int, limit: int) -> list[tuple[int, str]]:
        found = _EVENTS.rows(self._sql, {"id": job_id, "after": after, "limit": limit})
        return [(seq, body) for seq, body in found]

    # --- what the reconciler asks ---

    def unleased(self, now: int, quiet_since: int, after: str, limit: int) -> list[Photo]:
        return self._photos_behind(after, limit, *_free(now), photos.c.updated_at <= quiet_since)

    def awaiting_bytes(self, quiet_since: int, after: str, limit: int) -> list[Photo]:
        return self._photos_behind(
            after, limit, photos.c.status.in_(AWAITING_BYTES), photos.c.updated_at <= quiet_since
        )

    def completed(self, after: str, limit: int) -> list[Photo]:
        # By `completed_at`: most photos are COMPLETED, so that an index of the status would only mislead.
        gone = or_(photos.c.duplicate_of.is_not(None), photos.c.purged_at.is_not(None))
        return self._photos_behind(after, limit, photos.c.completed_at.is_not(None), not_(gone))

    def overdue(self, now: int, after: str, limit: int) -> list[Job]:
        query = select(jobs).where(jobs.c.status.in_(ACTIVE), jobs.c.expires_at < now, jobs.c.id > after)
        return [rows.job(row) for row in self._sql.execute(query.order_by(jobs.c.id).limit(limit))]

    def trashed_before(self, when: int, after: str, limit: int) -> list[Photo]:
        return self._photos_behind(after, limit, photos.c.deleted_at < when, photos.c.purged_at.is_(None))

    def doomed(self, after: str, limit: int) -> list[Doomed]:
        query = select(doomed).where(doomed.c.key > after).order_by(doomed.c.key).limit(limit)
        return [Doomed(row.key, row.upload, row.upload_id) for row in self._sql.execute(query)]

    def jobs_with_old_events(self, before: int, after: str, limit: int) -> list[str]:
        # Of the events, of which few are old, rather than of the jobs, of which most are.
        query = (
            select(events.c.job_id)
            .distinct()
            .join(jobs, jobs.c.id == events.c.job_id)
            .where(events.c.created_at < before, events.c.job_id > after, *ended_before(before))
        )
        return [row.job_id for row in self._sql.execute(query.order_by(events.c.job_id).limit(limit))]

    def expired_sign_ins(self, now: int) -> int:
        counts = [
            select(func.count()).select_from(table).where(table.c.expires_at < now)
            for table in (sessions, sign_in_links)
        ]
        return sum(self._sql.execute(count).scalar_one() for count in counts)

    def waiting(self, now: int, limit: int) -> int:
        found = select(photos.c.id).where(*_free(now)).limit(limit).subquery()
        return self._sql.execute(select(func.count()).select_from(found)).scalar_one()

    # --- identity ---

    def user(self, user_id: str) -> User | None:
        return next((rows.user(row) for row in _USER.rows(self._sql, {"id": user_id})), None)

    def user_of_email(self, email: str) -> User | None:
        row = self._sql.execute(select(users).where(users.c.email == email)).one_or_none()
        return User(**row._asdict()) if row is not None else None

    def users(self) -> list[User]:
        return [User(**row._asdict()) for row in self._sql.execute(select(users).order_by(users.c.id))]

    def session(self, session_id: str) -> Session | None:
        return next((rows.session(row) for row in _SESSION.rows(self._sql, {"id": session_id})), None)

    def session_of_cookie(self, cookie_hash: str) -> Session | None:
        row = self._sql.execute(select(sessions).where(sessions.c.cookie_hash == cookie_hash)).one_or_none()
        return Session(**row._asdict()) if row is not None else None

    def api_token(self, token_hash: str) -> ApiToken | None:
        row = self._sql.execute(select(api_tokens).where(api_tokens.c.token_hash == token_hash)).one_or_none()
        return ApiToken(**row._asdict()) if row is not None else None

    def api_tokens(self, user_id: str) -> list[ApiToken]:
        query = select(api_tokens).where(api_tokens.c.user_id == user_id).order_by(api_tokens.c.id)
        return [ApiToken(**row._asdict()) for row in self._sql.execute(query)]

    def _photos_behind(self, after: str, limit: int, *conditions: ColumnElement[bool]) -> list[Photo]:
        query = select(photos).where(*conditions, photos.c.id > after).order_by(photos.c.id).limit(limit)
        return [rows.photo(row) for row in self._sql.execute(query)]

    def _job(self, statement: Prepared, job_id: str, user_id: str | None) -> Job | None:
        found = statement.rows(self._sql, {"id": job_id})
        job = rows.job(found[0]) if found else None
        return job if job and user_id in (None, job.user_id) else None


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def ended_before(when: int) -> tuple[ColumnElement[bool], ...]:
    """Jobs that have not been active since `when`."""
    return jobs.c.status.not_in(ACTIVE), jobs.c.updated_at < when


def _free(now: int) -> tuple[ColumnElement[bool], ...]:
    """Photos that wait for a worker."""
    free = or_(photos.c.lease_until.is_(None), photos.c.lease_until < now)
    return photos.c.status == PhotoStatus.PROCESSING, free
