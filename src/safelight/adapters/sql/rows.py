"""Between rows of the tables and what the domain calls them: column names are field names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from safelight.adapters.sql import schema
from safelight.domain.identity import ApiToken, Session, SignInLink, User
from safelight.domain.job import Job, JobStatus
from safelight.domain.photo import Photo, PhotoStatus, Stage

_NAMES = {
    kind: tuple(field.name for field in fields(kind)) for kind in (Photo, Job, User, Session, SignInLink, ApiToken)
}


_PHOTO = tuple(column.name for column in schema.photos.c)
_JOB = tuple(column.name for column in schema.jobs.c)
_USER = tuple(column.name for column in schema.users.c)
_SESSION = tuple(column.name for column in schema.sessions.c)


def photo(row: Sequence[Any]) -> Photo:
    """A photo from all columns of its table, in their order."""
    values = dict(zip(_PHOTO, row, strict=True))
    values["status"] = PhotoStatus(values["status"])
    values["stage"] = Stage(values["stage"]) if values["stage"] else None
    return Photo(**values)


def job(row: Sequence[Any]) -> Job:
    """A job from all columns of its table, in their order."""
    values = dict(zip(_JOB, row, strict=True))
    values["status"] = JobStatus(values["status"])
    return Job(**values)


def user(row: Sequence[Any]) -> User:
    """A user from all columns of the table, in their order."""
    return User(**dict(zip(_USER, row, strict=True)))


def session(row: Sequence[Any]) -> Session:
    """A sign-in from all columns of its table, in their order."""
    return Session(**dict(zip(_SESSION, row, strict=True)))


def values(record: Photo | Job | User | Session | SignInLink | ApiToken) -> dict[str, Any]:
    """The columns of a record; `dataclasses.asdict` would copy deeply, at ten times the cost."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def differences(before: Photo | Job, after: Photo | Job) -> dict[str, Any]:
    """The columns of `after` that are not as in `before`."""
    return {name: now for name in _NAMES[type(after)] if (now := getattr(after, name)) != getattr(before, name)}
