"""PostgreSQL: each piece of work is a transaction on one of a few connections, its function run in a greenlet.

Reads are REPEATABLE READ READ ONLY, so that each sees one snapshot and waits for nobody. Writes are READ COMMITTED:
whoever changes a job or its photos locks the job's row first, and what it reads after that is the newest.

A connection that breaks before COMMIT was sent costs a new attempt on another one. One that breaks during COMMIT
leaves open what happened: the events that the transaction wrote tell, since nobody else could have written the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog
from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, Pool

from safelight.adapters.sql import failures
from safelight.adapters.sql.failures import ConnectionLost
from safelight.adapters.sql.migrate import accept
from safelight.adapters.sql.reading import SqlRead
from safelight.adapters.sql.rolling import upgrade_together
from safelight.adapters.sql.turns import Turn, Turns
from safelight.adapters.sql.writing import SqlWrite
from safelight.domain.events import Event
from safelight.domain.job import Job
from safelight.errors import DatabaseUnavailable, OutcomeUnknown
from safelight.ports import ReadTransaction, WriteTransaction

log = structlog.get_logger()

T = TypeVar("T")
CONNECT_SECONDS = 5.0
# How long work waits for a free connection.
QUEUE_SECONDS = 10.0
# Statements that a connection keeps prepared: more than there are.
STATEMENTS = 500


class PostgresDatabase:
    """ports.Database on a PostgreSQL server, of which any number of processes may use the same database.

    `url` is libpq's (`postgresql://user:password@host:port/name?sslmode=verify-full&…`). `writers` and `readers` are
    the connections that this process opens at most, apart so that reads never wait for writes. A statement may take
    `statement_seconds`; what failed for a reason that may pass is tried again for `patience` seconds. Nothing is
    connected before it is needed; `migrate` is to be called once before anything else.
    """

    def __init__(
        self,
        url: str,
        *,
        writers: int = 8,
        readers: int = 8,
        statement_seconds: float = 15.0,
        patience: float = 5.0,
        application_name: str = "safelight",
    ) -> None:
        self._patience = patience
        self._dial: dict[str, Any] = {
            "dsn": url,
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds + 1,
            "statement_cache_size": STATEMENTS,
            "max_cached_statement_lifetime": 0,
            "server_settings": _session(url, statement_seconds, application_name),
        }
        self._writers = self._engine(writers, "READ COMMITTED", readonly=False)
        self._readers = self._engine(readers, "REPEATABLE READ", readonly=True)
        self._turns = Turns()
        self._begun: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        return await self._finished(partial(self._write, work))

    async def read(self, work: Callable[[ReadTransaction], T]) -> T:
        return await self._finished(partial(self._read, work))

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[bool]:
        # An advisory lock belongs to a session: to a connection of its own, so that it ends with whoever holds it.
        key = _key(name)
        with failures.telling():
            connection = await asyncpg.connect(**self._dial)
        held = False
        try:
            with failures.telling():
                held = await connection.fetchval("SELECT pg_try_advisory_lock($1)", key)
            yield held
        finally:
            if held and not await _unlocked(connection, key):
                log.warning("an exclusive hold ended early, with its connection; another may have begun", name=name)
            await _hang_up(connection)

    async def check(self) -> None:
        with failures.telling():
            async with self._connection(self._readers) as connection:
                await connection.run_sync(accept)

    async def now(self) -> int:
        with failures.telling():
            async with self._connection(self._readers) as connection:
                found = await connection.exec_driver_sql(
                    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
                )
                return int(found.scalar_one())

    async def migrate(self) -> None:
        """Bring the schema up to this code, unless it is there or beyond; of many that begin at once, one does it.

        SchemaTooNew where it is so far beyond that this code must not use it; MigrationBlocked where others hold the
        tables for longer than a minute.
        """
        dial = {**self._dial, "command_timeout": None}
        dial["server_settings"] = {**self._dial["server_settings"], "statement_timeout": "0"}
        engine = create_async_engine("postgresql+asyncpg://", connect_args=dial, poolclass=NullPool)
        try:
            with failures.telling():
                await upgrade_together(engine)
        finally:
            await engine.dispose()

    async def close(self) -> None:
        while self._begun:
            await asyncio.wait(self._begun)
        await self._writers.dispose()
        await self._readers.dispose()

    async def _finished(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """In a task of its own: a caller that is cancelled takes back no write, and breaks no connection off."""
        begun = asyncio.create_task(self._told(attempt))
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        return await asyncio.shield(begun)

    async def _told(self, attempt: Callable[[], Awaitable[T]]) -> T:
        with failures.telling():
            return await self._persist(attempt)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt until it succeeds, or fails for a reason that does not pass, or patience is at its end."""
        until = time.monotonic() + self._patience
        pause, collided = 0.01, False
        while True:
            try:
                return await attempt()
            except Exception as error:
                # Work that found a key taken looks again: what it did not see then, it sees now, and decides anew.
                again = failures.passes(error) or (failures.collided(error) and not collided)
                if not again or time.monotonic() + pause > until:
                    raise
                collided = failures.collided(error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that not all come at once
            pause = min(pause * 2, 1.0)

    async def _read(self, work: Callable[[Any], T]) -> T:
        async with self._connection(self._readers) as connection, connection.begin():
            return await connection.run_sync(lambda sync: work(SqlRead(sync)))

    async def _write(self, work: Callable[[WriteTransaction], T]) -> T:
        with self._turns.turn() as turn:
            try:
                value = await self._commit(work, turn)
            except _CommitLost as lost:
                await self._find_out(lost)
                value = lost.value
            await turn.come()
        return value

    async def _commit(self, work: Callable[[WriteTransaction], T], turn: Turn) -> T:
        async with self._connection(self._writers) as connection:
            transaction = await connection.begin()
            value, written = await connection.run_sync(partial(_run, work, turn))
            try:
                await transaction.commit()
            except Exception as error:
                if _broken(connection, error):
                    raise _CommitLost(value, written.witness) from error
                raise
        return value

    async def _find_out(self, lost: _CommitLost) -> None:
        """Return where the lost COMMIT has happened; ConnectionLost where it has not, OutcomeUnknown where nobody can
        tell.
        """
        witness = lost.witness
        if witness is None:
            raise OutcomeUnknown(retry_after=failures.RETRY_AFTER) from lost
        try:
            committed = await self._told(partial(self._find, witness))
        except DatabaseUnavailable as error:
            raise OutcomeUnknown(retry_after=failures.RETRY_AFTER) from error
        if not committed:
            raise ConnectionLost from lost.__cause__

    async def _find(self, witness: Event) -> bool:
        """Whether an event is in the table, once no transaction is at work on its job."""

        def look(sync: Connection) -> bool:
            tx = SqlWrite(sync)
            tx.lock_job(witness.job_id)
            return (witness.seq, witness.body) in tx.events_after(witness.job_id, witness.seq - 1, 1)

        async with self._connection(self._writers) as connection, connection.begin():
            return await connection.run_sync(look)

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection, which is thrown away where it breaks: ConnectionLost then, with the reason."""
        try:
            connected = await engine.connect()
        except asyncpg.InterfaceError as error:
            raise ConnectionLost from error  # it ended while it was made ready
        async with aclosing(connected) as connection:
            try:
                yield connection
            except _CommitLost as lost:
                await connection.invalidate(lost)
                raise
            except Exception as error:
                if _broken(connection, error) or (engine is self._writers and failures.demoted(error)):
                    await connection.invalidate(error)
                    raise ConnectionLost from error
                raise

    def _engine(self, size: int, isolation: str, *, readonly: bool) -> AsyncEngine:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            connect_args={**self._dial, "prepared_statement_cache_size": STATEMENTS},
            isolation_level=isolation,
            pool_size=size,
            max_overflow=0,
            pool_timeout=QUEUE_SECONDS,
            pool_use_lifo=True,
        )
        pool: Pool = engine.pool

        @event.listens_for(pool, "connect")
        def _configure(raw: Any, _record: object) -> None:
            raw.readonly = readonly

        @event.listens_for(pool, "checkout")
        def _alive(raw: Any, _record: object, _proxy: object) -> None:
            # The system tells of a server that has ended: to ask costs no round trip, as a ping would.
            if raw.driver_connection.is_closed():
                raise DisconnectionError

        return engine


class _CommitLost(Exception):
    """The connection broke during COMMIT, which may have happened: of work that returned `value` and whose last event
    is `witness`.
    """

    def __init__(self, value: Any, witness: Event | None) -> None:
        super().__init__(witness)
        self.value = value
        self.witness = witness


class _Write(SqlWrite):
    """Takes a turn at each job that it locks, and remembers the last event that it wrote."""

    def __init__(self, connection: Connection, turn: Turn) -> None:
        super().__init__(connection)
        self.witness: Event | None = None
        self._turn = turn

    def lock_job(self, job_id: str, user_id: str | None = None) -> Job | None:
        job = super().lock_job(job_id, user_id)
        self._turn.take(job_id)
        return job

    def add_events(self, events_: Sequence[Event], now: int) -> None:
        super().add_events(events_, now)
        self.witness = events_[-1] if events_ else self.witness


def _run(work: Callable[[WriteTransaction], T], turn: Turn, connection: Connection) -> tuple[T, _Write]:
    transaction = _Write(connection, turn)
    return work(transaction), transaction


def _broken(connection: AsyncConnection, error: Exception) -> bool:
    sync = connection.sync_connection
    raw = None if sync is None or sync.invalidated else sync.connection.driver_connection
    return failures.breaks_connection(error) or raw is None or raw.is_closed()


def _session(url: str, statement_seconds: float, application_name: str) -> dict[str, str]:
    """What each connection asks of the server, save what the URL asks otherwise.

    A process that vanishes without a word (its machine, or the way to it) holds rows until the server notices: at
    the latest when its transaction has idled for too long, or 30 seconds of keepalives went unanswered.
    """
    milliseconds = str(round(statement_seconds * 1000))
    wanted = {
        "application_name": application_name,
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "tcp_keepalives_idle": "15",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        # Compiling pays for long reports, not for statements of a millisecond.
        "jit": "off",
    }
    return {name: value for name, value in wanted.items() if name not in parse_qs(urlsplit(url).query)}


def _key(name: str) -> int:
    """An advisory lock's number: 64 bits, signed, the same in every process."""
    return int.from_bytes(hashlib.blake2b(f"safelight:{name}".encode(), digest_size=8).digest(), signed=True)


async def _unlocked(connection: asyncpg.Connection, key: int) -> bool:
    try:
        return bool(await connection.fetchval("SELECT pg_advisory_unlock($1)", key, timeout=CONNECT_SECONDS))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def _hang_up(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
