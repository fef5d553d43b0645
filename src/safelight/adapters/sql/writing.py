"""The write side of a transaction, on one SQLAlchemy connection (ports.WriteTransaction)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, select, update

from safelight.adapters.sql import rows
from safelight.adapters.sql.prepared import Prepared, Rewrite
from safelight.adapters.sql.reading import SqlRead, ended_before
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
from safelight.domain.events import Event
from safelight.domain.identity import ApiToken, Session, SignInLink, User
from safelight.domain.job import Job
from safelight.domain.photo import Photo
from safelight.ports import Doomed

_LOCK_JOB = Prepared(select(jobs).where(jobs.c.id == bindparam("id")).with_for_update())
_ADD_PHOTOS = Prepared(insert(photos))
_ADD_EVENTS = Prepared(insert(events))
_REWRITE_JOB = Rewrite(jobs)
_REWRITE_PHOTO = Rewrite(photos)
_BURY = delete(doomed).where(doomed.c.key == bindparam("row_key"))


class SqlWrite(SqlRead):
    """Reads and writes. One of these lives as long as its transaction."""

    def lock_job(self, job_id: str, user_id: str | None = None) -> Job | None:
        return self._job(_LOCK_JOB, job_id, user_id)

    def add_job(self, job: Job) -> None:
        self._sql.execute(insert(jobs), rows.values(job))

    def save_job(self, before: Job, after: Job) -> None:
        _REWRITE_JOB.run(self._sql, [after.id], [rows.differences(before, after)])

    def add_photos(self, photos_: Sequence[Photo]) -> None:
        if photos_:
            _ADD_PHOTOS.run(self._sql, [rows.values(photo) for photo in photos_])

    def save_photos(self, changes: Sequence[tuple[Photo, Photo]]) -> None:
        differences = [rows.differences(before, after) for before, after in changes]
        _REWRITE_PHOTO.run(self._sql, [after.id for _, after in changes], differences)

    def add_events(self, events_: Sequence[Event], now: int) -> None:
        if events_:
            _ADD_EVENTS.run(
                self._sql,
                [{"job_id": e.job_id, "seq": e.seq, "body": e.body, "created_at": now} for e in events_],
            )

    def trim_events(self, job_id: str, before: int) -> int:
        ended = select(jobs.c.id).where(jobs.c.id == job_id, *ended_before(before))
        result = self._sql.execute(delete(events).where(events.c.created_at < before, events.c.job_id.in_(ended)))
        return result.rowcount

    def doom(self, doomed_: Sequence[Doomed]) -> None:
        if doomed_:
            self.buried(doomed_)
            self._sql.execute(
                insert(doomed), [{"key": d.key, "upload": d.upload, "upload_id": d.upload_id} for d in doomed_]
            )

    def buried(self, doomed_: Sequence[Doomed]) -> None:
        self._sql.execute(_BURY, [{"row_key": d.key} for d in doomed_])

    def renew_leases(self, owner: str, photo_ids: Sequence[str], until: int) -> None:
        self._sql.execute(
            update(photos).where(photos.c.id.in_(photo_ids), photos.c.lease_owner == owner).values(lease_until=until)
        )

    def void_leases(self) -> None:
        self._sql.execute(
            update(photos).where(photos.c.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None)
        )

    # --- identity ---

    def add_user(self, user: User) -> None:
        self._sql.execute(insert(users), rows.values(user))

    def save_password(self, user_id: str, password_hash: str) -> None:
        self._sql.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    def add_session(self, session: Session) -> None:
        self._sql.execute(insert(sessions), rows.values(session))

    def end_session(self, session_id: str) -> None:
        self._sql.execute(delete(sessions).where(sessions.c.id == session_id))

    def add_link(self, link: SignInLink) -> None:
        self._sql.execute(insert(sign_in_links), rows.values(link))

    def use_link(self, code_hash: str, now: int) -> str | None:
        row = self._sql.execute(
            delete(sign_in_links)
            .where(sign_in_links.c.code_hash == code_hash)
            .returning(sign_in_links.c.user_id, sign_in_links.c.expires_at)
        ).one_or_none()
        return row.user_id if row is not None and row.expires_at > now else None

    def add_api_token(self, token: ApiToken) -> None:
        self._sql.execute(insert(api_tokens), rows.values(token))

    def revoke_api_token(self, token_id: str, user_id: str) -> bool:
        mine = (api_tokens.c.id == token_id) & (api_tokens.c.user_id == user_id)
        return self._sql.execute(delete(api_tokens).where(mine)).rowcount > 0

    def forget_expired(self, now: int) -> None:
        self._sql.execute(delete(sessions).where(sessions.c.expires_at < now))
        self._sql.execute(delete(sign_in_links).where(sign_in_links.c.expires_at < now))
