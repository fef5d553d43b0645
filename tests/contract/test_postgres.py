"""What only PostgreSQL can show: other processes on the same database, a server that ends, hangs, or refuses.

A second PostgresDatabase stands for a second process: the two share nothing but the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.clock import Clock
from tests.rows import a_job, a_photo, a_user, adding, seed
from tests.servers.postgres import Postgres

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.postgres import PostgresDatabase
from safelight.commands import identity, jobs, work
from safelight.commands.jobs import File
from safelight.domain.events import Event
from safelight.domain.photo import PhotoStatus
from safelight.errors import (
    DatabaseUnavailable,
    EmailTaken,
    Invalid,
    OutcomeUnknown,
    StorageFull,
)
from safelight.ports import Ports, Task, WriteTransaction
from safelight.settings import Settings

PROCESSING = PhotoStatus.PROCESSING


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[tuple[PostgresDatabase, PostgresDatabase]]:
    """Two processes on one database in which there is a user and a job."""
    both = PostgresDatabase(database_url), PostgresDatabase(database_url)
    await both[0].write(adding(a_user()))
    await seed(both[0])
    yield both
    for database in both:
        await database.close()


def _raise_seq(tx: WriteTransaction) -> int:
    """The job's next event, as a command writes it."""
    job = tx.lock_job("job_1")
    assert job is not None
    tx.save_job(job, replace(job, seq=job.seq + 1))
    tx.add_events([Event("job_1", job.seq + 1, f'{{"by":{time.monotonic_ns()}}}', job_wide=False)], now=1)
    return job.seq + 1


async def _seqs(database: PostgresDatabase) -> list[int]:
    return [seq for seq, _ in await database.read(lambda tx: tx.events_after("job_1", 0, 10_000))]


# --- two processes ---


async def test_two_processes_lose_no_update_and_leave_no_gap(two: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    async def keep_writing(database: PostgresDatabase) -> list[int]:
        return [await database.write(_raise_seq) for _ in range(25)]

    told = await asyncio.gather(*(keep_writing(two[n % 2]) for n in range(8)))
    assert all(each == sorted(each) for each in told)
    assert sorted(seq for each in told for seq in each) == list(range(1, 201))
    assert await _seqs(two[1]) == list(range(1, 201))


async def test_a_read_sees_one_moment_however_long_it_takes(two: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    reading, other = two

    async def write_meanwhile() -> None:
        await asyncio.sleep(0.1)
        await other.write(_raise_seq)

    def look_twice(tx: object) -> tuple[int, int]:
        before = tx.job("job_1").seq  # type: ignore[attr-defined]
        tx._sql.exec_driver_sql("SELECT pg_sleep(0.4)")  # type: ignore[attr-defined]
        return before, tx.job("job_1").seq  # type: ignore[attr-defined]

    seen, _ = await asyncio.gather(reading.read(look_twice), write_meanwhile())
    assert seen == (0, 0)
    assert (await reading.read(look_twice)) == (1, 1)


@pytest.fixture
async def two_workers(
    two: tuple[PostgresDatabase, PostgresDatabase], tmp_path: Path
) -> AsyncIterator[tuple[Ports, Ports]]:
    clock = Clock()
    settings = Settings(data_dir=tmp_path, secret="of the test")
    store = DiskStore(tmp_path / "store", base_url="", secret=b"x", clock=clock)
    broker = MemoryBroker(per_job=2, redeliver_after=60)
    first, second = (Ports(database, store, broker, clock, settings) for database in two)
    yield first, second
    await broker.close()
    await store.close()


async def test_of_workers_that_claim_a_photo_at_once_one_gets_it(two_workers: tuple[Ports, Ports]) -> None:
    names = [f"ph_{n}" for n in range(40)]
    await two_workers[0].db.write(lambda tx: tx.add_photos([a_photo(name, status=PROCESSING) for name in names]))

    async def claim(worker: int, name: str) -> tuple[str, str | None]:
        photo = await work.claim(two_workers[worker % 2], Task(name, "job_1", 1), f"w{worker}")
        return name, photo.lease_owner if photo else None

    claimed = await asyncio.gather(*(claim(worker, name) for name in names for worker in range(4)))
    winners = dict(won for won in claimed if won[1])
    assert len([owner for _, owner in claimed if owner]) == len(winners) == len(names)
    held = await two_workers[0].db.read(lambda tx: tx.photos(names))
    assert {photo.id: photo.lease_owner for photo in held} == winners


async def test_the_same_idempotency_key_at_once_makes_one_job(two_workers: tuple[Ports, Ports]) -> None:
    files = [File(filename="a.jpg", mime_type="image/jpeg", bytes=3)]

    async def create(ports: Ports, key: str) -> str:
        return (await jobs.create_job(ports, "u1", files, idempotency_key=key)).job.id

    for round_ in range(10):
        made = await asyncio.gather(*(create(two_workers[n % 2], f"key {round_}") for n in range(6)))
        assert len(set(made)) == 1


async def test_the_same_address_at_once_makes_one_account(two_workers: tuple[Ports, Ports]) -> None:
    made = await asyncio.gather(
        *(identity.add_user(two_workers[n % 2], "one@example.org", None) for n in range(6)), return_exceptions=True
    )
    assert [isinstance(each, EmailTaken) for each in made].count(True) == 5


async def test_servers_that_start_at_once_have_one_local_owner(two_workers: tuple[Ports, Ports]) -> None:
    found = await asyncio.gather(*(identity.local_owner(two_workers[n % 2]) for n in range(6)))
    assert len({owner.id for owner in found}) == 1


async def test_transactions_in_each_others_way_both_get_through(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    await seed(two[0], job=a_job("job_2"))

    def crossing(first: str, second: str) -> Callable[[WriteTransaction], str]:
        def work(tx: WriteTransaction) -> str:
            tx.lock_job(first)
            tx._sql.exec_driver_sql("SELECT pg_sleep(0.3)")  # type: ignore[attr-defined]
            tx.lock_job(second)
            return first

        return work

    done = await asyncio.gather(two[0].write(crossing("job_1", "job_2")), two[1].write(crossing("job_2", "job_1")))
    assert list(done) == ["job_1", "job_2"]


async def test_an_exclusive_name_is_one_processs_and_ends_with_its_connection(
    two: tuple[PostgresDatabase, PostgresDatabase], postgres: Postgres
) -> None:
    async with two[0].exclusively("sweep") as mine:
        async with two[1].exclusively("sweep") as theirs:
            assert mine
            assert not theirs
        await postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        async with two[1].exclusively("sweep") as now_theirs:
            assert now_theirs


# --- what PostgreSQL refuses ---


async def test_a_text_with_nul_is_refused_in_words(two: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    with pytest.raises(Invalid, match="NUL"):
        await two[0].read(lambda tx: tx.user_of_email("a\0b"))
    with pytest.raises(Invalid, match="NUL"):
        await two[0].write(lambda tx: tx.add_photos([a_photo("ph_1", last_modified="\0")]))


async def test_a_full_disk_is_told_as_such(own_url: str) -> None:
    # The server's own error for it, raised by a trigger: filling a real disk takes a disk to fill.
    database = PostgresDatabase(own_url)
    await _sql(
        database,
        "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';"
        " END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER full_disk BEFORE INSERT ON users EXECUTE FUNCTION full_disk()",
    )
    with pytest.raises(StorageFull):
        await database.write(adding(a_user()))
    await database.close()


async def test_what_takes_too_long_is_given_up(database_url: str) -> None:
    database = PostgresDatabase(database_url, statement_seconds=0.3)
    with pytest.raises(DatabaseUnavailable):
        await _sql(database, "SELECT pg_sleep(60)")
    await database.check()
    await database.close()


async def test_a_statement_is_prepared_once_a_connection(database_url: str) -> None:
    database = PostgresDatabase(database_url, readers=1, writers=1)
    await database.write(adding(a_user()))
    await seed(database)
    for _ in range(10):
        await database.read(lambda tx: tx.photo("ph_none"))
        await database.write(_raise_seq)

    def most_used(tx: object, words: str) -> int:
        asked = "SELECT max(generic_plans + custom_plans) FROM pg_prepared_statements WHERE statement LIKE %s"
        found: int = tx._sql.exec_driver_sql(asked.replace("%s", f"'{words}'")).scalar_one()  # type: ignore[attr-defined]
        return found

    assert await database.read(lambda tx: most_used(tx, "%FROM photos%")) >= 10
    assert await database.write(lambda tx: most_used(tx, "%FOR UPDATE%")) >= 10
    assert await database.write(lambda tx: most_used(tx, "INSERT INTO events%")) >= 10
    await database.close()


async def test_the_url_may_say_more(database_url: str) -> None:
    database = PostgresDatabase(f"{database_url}?sslmode=disable&application_name=the%20test&statement_timeout=1234")

    def settings(tx: object) -> list[str]:
        names = ("application_name", "statement_timeout", "transaction_isolation", "transaction_read_only")
        return [tx._sql.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]  # type: ignore[attr-defined]

    assert await database.read(settings) == ["the test", "1234ms", "repeatable read", "on"]
    assert (await database.write(settings))[2:] == ["read committed", "off"]
    await database.close()
    refused = PostgresDatabase(f"{database_url}?sslmode=require", patience=0.2)
    with pytest.raises(DatabaseUnavailable):
        await refused.check()
    await refused.close()


async def _sql(database: PostgresDatabase, *statements: str) -> None:
    def work(tx: object) -> None:
        for statement in statements:
            tx._sql.exec_driver_sql(statement)  # type: ignore[attr-defined]

    await database.write(work)


# --- a connection that breaks during COMMIT ---


class Cut:
    """Before the server: passes everything, and breaks a connection at its next COMMIT, before or after passing it."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._serving: set[asyncio.Task[None]] = set()
        self.how: str | None = None
        self.cuts = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://{self._target.username}@127.0.0.1:{port}{self._target.path}?sslmode=disable"
        server.close()
        await asyncio.gather(*self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
        back = asyncio.create_task(_pass(answers, writer))
        while data := await reader.read(65536):
            if self.how and b"COMMIT;" in data:
                how, self.how = self.how, None
                self.cuts += 1
                back.cancel()
                await asyncio.wait([back])
                if how == "after":
                    to_server.write(data)
                    await answers.read(65536)
                break
            to_server.write(data)
        for end in (writer, to_server):
            end.transport.abort()
        await asyncio.wait([back])


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
        sink.close()


@pytest.fixture
async def cut(
    two: tuple[PostgresDatabase, PostgresDatabase], database_url: str
) -> AsyncIterator[tuple[Cut, PostgresDatabase]]:
    """A database behind a proxy that breaks COMMITs when told to; it has one connection to write by."""
    proxy = Cut(database_url)
    async with proxy.listening() as url:
        database = PostgresDatabase(url, writers=1)
        yield proxy, database
        await database.close()


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_commit_that_was_cut_off_has_happened_once(cut: tuple[Cut, PostgresDatabase], how: str) -> None:
    proxy, database = cut
    assert await database.write(_raise_seq) == 1
    proxy.how = how
    assert await database.write(_raise_seq) == 2
    assert proxy.cuts == 1
    assert await database.write(_raise_seq) == 3
    assert await _seqs(database) == [1, 2, 3]


async def test_a_commit_that_nothing_tells_of_is_told_as_unknown(cut: tuple[Cut, PostgresDatabase]) -> None:
    proxy, database = cut
    await database.write(_raise_seq)
    proxy.how = "after"
    with pytest.raises(OutcomeUnknown):
        await database.write(lambda tx: tx.save_password("u1", "new"))
    user = await database.read(lambda tx: tx.user("u1"))
    assert user is not None
    assert user.password_hash == "new"


# --- a server that ends, comes back, or hangs ---


@pytest.fixture
async def harmed() -> AsyncIterator[tuple[Postgres, PostgresDatabase]]:
    """A server of the test's own, and a patient process on it."""
    server = Postgres().start()
    database = PostgresDatabase(server.url, patience=30, statement_seconds=2)
    await database.migrate()
    await database.write(adding(a_user()))
    await seed(database)
    yield server, database
    await database.close()
    server.remove()


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_restart_of_the_server_loses_nothing_and_doubles_nothing(
    harmed: tuple[Postgres, PostgresDatabase], how: str
) -> None:
    server, database = harmed
    over = asyncio.Event()

    async def keep_writing() -> list[int]:
        told = []
        while not over.is_set():
            told.append(await database.write(_raise_seq))
            await database.read(lambda tx: tx.job("job_1"))
        return told

    writing = asyncio.gather(*(keep_writing() for _ in range(12)))
    for _ in range(3):
        await asyncio.sleep(0.3)
        if how == "kill":
            server.kill()
        else:
            await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    await asyncio.sleep(0.3)
    over.set()
    told = sorted(seq for each in await writing for seq in each)
    assert told == list(range(1, len(told) + 1))
    assert await _seqs(database) == told


async def test_a_server_that_is_gone_is_told_in_time_and_used_again(
    harmed: tuple[Postgres, PostgresDatabase],
) -> None:
    server, _ = harmed
    database = PostgresDatabase(server.url, patience=0.5)
    await database.check()
    server.kill()
    begun = time.monotonic()
    for asked in (database.write(_raise_seq), database.read(lambda tx: tx.job("job_1")), database.check()):
        with pytest.raises(DatabaseUnavailable) as told:
            await asked
        assert told.value.retry_after
    assert time.monotonic() - begun < 10
    with pytest.raises(DatabaseUnavailable):
        async with database.exclusively("sweep"):
            pass
    server.start()
    await database.check()
    assert await database.write(_raise_seq) == 1
    await database.close()


async def test_a_server_that_hangs_is_told_in_time_and_used_again(
    harmed: tuple[Postgres, PostgresDatabase],
) -> None:
    server, _ = harmed
    database = PostgresDatabase(server.url, patience=0.5, statement_seconds=0.5)
    await asyncio.gather(database.check(), database.write(_raise_seq))
    server.pause()
    begun = time.monotonic()
    asked = [database.write(_raise_seq), database.read(lambda tx: tx.job("job_1")), database.check()]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, DatabaseUnavailable) for each in told] == [True, True, True]
    assert time.monotonic() - begun < 15
    server.resume()
    await database.check()
    assert await database.write(_raise_seq) >= 2
    await database.close()


async def test_a_process_that_vanishes_in_a_transaction_does_not_keep_its_job(
    harmed: tuple[Postgres, PostgresDatabase],
) -> None:
    server, database = harmed
    vanished = PostgresDatabase(server.url, statement_seconds=0.5)
    connection = await vanished._writers.connect()
    await connection.exec_driver_sql("SELECT * FROM jobs FOR UPDATE")
    begun = time.monotonic()
    assert await database.write(_raise_seq) == 1
    assert 0.2 < time.monotonic() - begun < 10
    await connection.invalidate()
    await connection.close()
    await vanished.close()
