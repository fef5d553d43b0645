"""Rows to test with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from safelight.domain import photo as photos
from safelight.domain.identity import User
from safelight.domain.job import Job
from safelight.domain.photo import Photo
from safelight.ports import Database, WriteTransaction


def a_user(name: str = "u1") -> User:
    return User(id=name, email=f"{name}@example.org", password_hash=None, created_at=1)


def adding(user: User) -> Callable[[WriteTransaction], None]:
    return lambda tx: tx.add_user(user)


def a_job(name: str = "job_1", **more: object) -> Job:
    return replace(Job(id=name, user_id="u1", created_at=1, updated_at=1, expires_at=100), **more)  # type: ignore[arg-type]


def a_photo(name: str, **more: object) -> Photo:
    photo = Photo(
        id=name,
        job_id="job_1",
        user_id="u1",
        position=0,
        filename=f"{name}.jpg",
        mime_type="image/jpeg",
        bytes=10,
        storage_key=photos.storage_key(name, 1),
        created_at=1,
        updated_at=1,
    )
    return replace(photo, **more)  # type: ignore[arg-type]


async def seed(db: Database, *rows: Photo, job: Job | None = None) -> None:
    def work(tx: WriteTransaction) -> None:
        tx.add_job(job or a_job())
        tx.add_photos(rows)

    await db.write(work)
