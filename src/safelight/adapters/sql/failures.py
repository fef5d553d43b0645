"""What an error of PostgreSQL, or of the way to it, means: try again, tell, or pass on.

By SQLSTATE class (PostgreSQL's appendix A), as asyncpg's exceptions name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, EmulatedDBAPIException
from sqlalchemy.exc import TimeoutError as PoolTimeout

from safelight.errors import DatabaseUnavailable, Invalid, StorageFull

log = structlog.get_logger()

RETRY_AFTER = 2

# The server ends, begins, or has no place left: another connection, a little later.
_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # No host of several is the primary; or asyncpg lost count of a connection that ended while it was made.
    asyncpg.InternalClientError,
)
# Statements prepared before a migration that changed what they give: another connection prepares them anew.
_STALE = (asyncpg.InvalidCachedStatementError,)
# Two transactions in each other's way, of which this one gave in.
_CROSSED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
# No text that PostgreSQL could store.
_NOT_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
# Too slow, or not to be entered: trying again at once would not help.
_REFUSED = (
    PoolTimeout,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


def cause_of(error: BaseException) -> BaseException:
    """What asyncpg or the system raised; SQLAlchemy wraps it, once or twice."""
    while True:
        if isinstance(error, DBAPIError) and error.orig is not None:
            error = error.orig
        elif isinstance(error, EmulatedDBAPIException) and error.__cause__ is not None:
            error = error.__cause__
        else:
            return error


class ConnectionLost(Exception):
    """The connection broke, or is of no use any more; its `__cause__` says why."""


def breaks_connection(error: BaseException) -> bool:
    """Whether the connection is of no use after this error, whatever it says of itself."""
    return isinstance(cause_of(error), (*_AWAY, *_STALE))


def demoted(error: BaseException) -> bool:
    """The server takes no writes: it has become a standby, and another is the primary now."""
    return isinstance(cause_of(error), asyncpg.ReadOnlySQLTransactionError)


def passes(error: BaseException) -> bool:
    """Whether the same work may well succeed when it is tried again."""
    return isinstance(error, ConnectionLost) or isinstance(cause_of(error), (*_AWAY, *_STALE, *_CROSSED))


def collided(error: BaseException) -> bool:
    """A unique key was taken, perhaps between this transaction's look and its insert."""
    return isinstance(cause_of(error), asyncpg.UniqueViolationError)


@contextmanager
def telling() -> Iterator[None]:
    """Errors as callers are told them, the one that happened as their cause; why the database is away is logged."""
    try:
        yield
    except Exception as error:
        told = _told(error)
        if told is error:
            raise
        if isinstance(told, DatabaseUnavailable):
            reason = error.__cause__ if isinstance(error, ConnectionLost) else error
            log.warning("database unavailable", reason=repr(cause_of(reason or error)))
        raise told from error


def _told(error: Exception) -> Exception:
    cause = cause_of(error)
    if isinstance(cause, asyncpg.DiskFullError):
        return StorageFull()
    if isinstance(cause, _NOT_TEXT):
        return Invalid("A text in this request contains the character NUL (U+0000). Remove it and send the rest again.")
    if passes(error) or isinstance(cause, _REFUSED):
        return DatabaseUnavailable(retry_after=RETRY_AFTER)
    return error
