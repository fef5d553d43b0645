"""Between rows of the tables and what the domain calls them: column names are field names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Row

from safelight.domain.identity import ApiToken, Session, SignInLink, User
from safelight.domain.job import Job, JobStatus
from safelight.domain.photo import Photo, PhotoStatus, Stage

_NAMES = {
    kind: tuple(field.name for field in fields(kind)) for kind in (Photo, Job, User, Session, SignInLink, ApiToken)
}


def photo(row: Row[Any]) -> Photo:
    values = row._asdict()
    values["status"] = PhotoStatus(values["status"])
    values["stage"] = Stage(values["stage"]) if values["stage"] else None
    return Photo(**values)


def job(row: Row[Any]) -> Job:
    values = row._asdict()
    values["status"] = JobStatus(values["status"])
    return Job(**values)


def values(record: Photo | Job | User | Session | SignInLink | ApiToken) -> dict[str, Any]:
    """The columns of a record; `dataclasses.asdict` would copy deeply, at ten times the cost."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}
