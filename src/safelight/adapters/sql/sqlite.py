"""SQLite: one writer thread that commits what has gathered together, and a few reader threads.

WAL with synchronous=FULL: a commit is on the disk before anybody is told of it. While one fsync runs, further
work queues up and shares the next one (group commit), each piece in a savepoint of its own, so that one that
fails takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from safelight.adapters.sql.migrate import upgrade
from safelight.adapters.sql.reading import SqlRead
from safelight.adapters.sql.writing import SqlWrite
from safelight.adapters.threads import Call, Threads
from safelight.errors import StorageFull
from safelight.ports import ReadTransaction, WriteTransaction

T = TypeVar("T")
READERS = 4
BATCH = 64
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    # Rows of photos under way are rewritten six times within seconds: checkpoints so far apart (16 MiB) write each
    # page once, and a cache of 32 MiB never reads one again.
    "wal_autocheckpoint=4000",
    "cache_size=-32768",
)


class SqliteDatabase:
    """ports.Database on one SQLite file. Opening it applies the migrations; it belongs to one process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(path)
        with self._engine.connect() as connection:
            upgrade_alone(connection)
        self._requests: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="sqlite-writer", daemon=True)
        self._writer.start()
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._readers = Threads(READERS, "sqlite-reader")
        self._held: set[str] = set()
        self._closed = False

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        request = Call(work)
        self._requests.put(request)
        result: T = await request.future
        return result

    async def read(self, work: Callable[[ReadTransaction], T]) -> T:
        return await self._readers.call(partial(self._read, work))

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[bool]:
        # The file belongs to this process, so it is enough to remember here who holds what.
        if name in self._held:
            yield False
            return
        self._held.add(name)
        try:
            yield True
        finally:
            self._held.discard(name)

    async def migrate(self) -> None:
        """Opening it did that."""

    async def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def check(self) -> None:
        await self.read(lambda tx: tx.doomed("", 1))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._requests.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.close)
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    def _read(self, work: Callable[[ReadTransaction], T]) -> T:
        connection = self._reader_connection()
        raw = _raw(connection)
        raw.execute("BEGIN")
        try:
            return work(SqlRead(connection))
        finally:
            raw.execute("COMMIT")

    def _reader_connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect()
            connection.exec_driver_sql("PRAGMA query_only=ON")
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def _write_loop(self) -> None:
        with self._engine.connect() as connection:
            while (request := self._requests.get()) is not None:
                batch = [request, *self._gathered()]
                self._commit(connection, batch)
                for request in batch:
                    request.done()

    def _gathered(self) -> Iterator[Call]:
        for _ in range(BATCH - 1):
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return
            if request is None:
                self._requests.put(None)
                return
            yield request

    def _commit(self, connection: Connection, batch: list[Call]) -> None:
        # Transactions are begun and ended on the driver itself: SQLAlchemy would take longer for it than SQLite.
        raw = _raw(connection)
        try:
            raw.execute("BEGIN IMMEDIATE")
            if len(batch) == 1:
                batch[0].value = batch[0].work(SqlWrite(connection))
            else:
                for request in batch:
                    _run(connection, raw, request)
            raw.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every waiter of the batch gets it
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            for request in batch:
                request.error = _translated(error)


def upgrade_alone(connection: Connection, versions: Sequence[Path] = ()) -> None:
    """`migrate.upgrade`, all or nothing, by one process at a time: a command may open the file beside a server."""
    raw = _raw(connection)
    raw.execute("BEGIN IMMEDIATE")
    try:
        upgrade(connection, versions)
        raw.execute("COMMIT")
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")


def _run(connection: Connection, raw: sqlite3.Connection, request: Call) -> None:
    raw.execute("SAVEPOINT work")
    try:
        request.value = request.work(SqlWrite(connection))
    except Exception as error:
        if not raw.in_transaction:
            # SQLite itself rolled everything back (disk full, input/output error): the whole batch failed.
            raise
        raw.execute("ROLLBACK TO work")
        request.error = _translated(error)
    raw.execute("RELEASE work")


def _translated(error: Exception) -> Exception:
    told = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(told, sqlite3.Error) and told.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return StorageFull()
    return error


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _engine(path: Path) -> Engine:
    # Transactions are begun and ended by hand, so the driver must not begin its own.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": 30, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _configure(raw: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")

    return engine
