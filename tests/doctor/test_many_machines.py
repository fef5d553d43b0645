"""The doctor on PostgreSQL and NATS."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import nats as nats_client
import pytest
from nats.js.api import StreamConfig
from tests.examining import finding_of
from tests.servers.nats import BINARY, Nats
from tests.servers.ports import free_ports
from tests.servers.postgres import Postgres
from tests.servers.spoiling import relay

from safelight.doctor import Finding, Verdict, fixes

OTHERS = {"storage_url": "s3://photos?endpoint=http://127.0.0.1:1", "secret": "x" * 40}
NOBODY = {"database_url": "postgresql://127.0.0.1:1/none", "broker_url": "nats://127.0.0.1:1"}


async def found(name: str, folder: Path, **settings: str) -> Finding:
    return await finding_of(name, folder, settings={**OTHERS, **NOBODY, **settings})


async def test_a_database_that_is_well_is_found_so(tmp_path: Path, database_url: str) -> None:
    for name in ("database", "schema", "database latency", "database clock"):
        finding = await found(name, tmp_path, database_url=database_url)
        assert finding.verdict is Verdict.OK, finding


async def test_a_database_that_does_not_answer_is_found(tmp_path: Path) -> None:
    finding = await found("database", tmp_path)
    assert finding.verdict is Verdict.WRONG
    assert "SAFELIGHT_DATABASE_URL" in finding.seen


async def test_a_database_that_is_not_there_is_found(tmp_path: Path, postgres: Postgres) -> None:
    finding = await found("database", tmp_path, database_url=postgres.url_of("nowhere"))
    assert finding.verdict is Verdict.WRONG
    assert '"nowhere" does not exist' in finding.seen


async def test_a_database_without_tables_is_left_without(tmp_path: Path, postgres: Postgres) -> None:
    url = await postgres.create_database()
    for _ in range(2):
        assert (await found("schema", tmp_path, database_url=url)).verdict is Verdict.UNKNOWN


async def test_a_database_far_away_is_found(tmp_path: Path, database_url: str) -> None:
    parts = urlsplit(database_url)
    async with relay(parts.port or 0, seconds=0.03) as way:
        slow = database_url.replace(f":{parts.port}/", f":{way.listening}/")
        finding = await found("database latency", tmp_path, database_url=slow)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.NEAR_DATABASE)


async def test_a_database_with_another_clock_is_found(tmp_path: Path, postgres: Postgres, migrated: str) -> None:
    url = await postgres.create_database("skewed", template=migrated)
    await postgres.sql("ALTER DATABASE skewed SET search_path = wrong, pg_catalog, public")
    clock = "SELECT pg_catalog.clock_timestamp() - interval '10 minutes'"
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA wrong")
    await connection.execute(f"CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $${clock}$$")
    await connection.close()
    finding = await found("database clock", tmp_path, database_url=url)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.CLOCK)
    assert "600 seconds ahead of the database" in finding.seen


async def test_nats_that_is_well_is_found_so(tmp_path: Path, three_nats: Nats) -> None:
    servers = ",".join(url.partition("://")[2] for url in three_nats.urls)
    for name in ("NATS", "broker", "task copies"):
        finding = await found(name, tmp_path, broker_url=f"nats://{servers}")
        assert finding.verdict is Verdict.OK, finding
    assert "3 nodes; safelight-tasks on 3 nodes" in finding.seen


async def test_nats_that_does_not_answer_is_found(tmp_path: Path) -> None:
    finding = await found("NATS", tmp_path)
    assert finding.verdict is Verdict.WRONG
    assert "SAFELIGHT_BROKER_URL" in finding.seen
    finding = await found("broker", tmp_path)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.BROKER)


async def test_nats_without_jetstream_is_found(tmp_path: Path, bare_nats: int) -> None:
    finding = await found("NATS", tmp_path, broker_url=f"nats://127.0.0.1:{bare_nats}")
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.JETSTREAM)


async def test_an_old_nats_is_found(tmp_path: Path, nats: Nats) -> None:
    def aged(data: bytes) -> bytes:
        return data.replace(b'"version":"2.', b'"version":"1.')

    async with relay(nats.members[0].port, down=aged) as way:
        finding = await found("NATS", tmp_path, broker_url=f"nats://127.0.0.1:{way.listening}")
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.NEW_NATS)


async def test_tasks_kept_on_one_node_of_three_are_found(tmp_path: Path, three_nats: Nats) -> None:
    client = await nats_client.connect(three_nats.urls[0])
    try:
        await client.jetstream().add_stream(StreamConfig(name="safelight-lonely", subjects=["lonely.>"]))
        finding = await found("task copies", tmp_path, broker_url=three_nats.urls[0])
        await client.jetstream().delete_stream("safelight-lonely")
    finally:
        await client.close()
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.replicas(["safelight-lonely"]))


async def test_messages_that_do_not_arrive_are_found(tmp_path: Path) -> None:
    deny = (
        'authorization { users: [{ user: u, password: p, permissions: { subscribe: { deny: "safelight.topic.>" } } }] }'
    )
    with Nats(tmp_path / "nats", extra=deny) as deaf:
        finding = await found("broker", tmp_path, broker_url=deaf.urls[0].replace("://", "://u:p@"))
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.NO_FAN_OUT)


@pytest.fixture
def bare_nats() -> Iterator[int]:
    (port,) = free_ports(1)
    process = subprocess.Popen([str(BINARY), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    while not _listens(port):
        assert process.poll() is None
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
