"""What is committed stands, whether or not the broker can be told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.running import free_port

from safelight.adapters.memory import MemoryBroker
from safelight.app.opening import close_ports, open_ports
from safelight.commands import identity, jobs, record, uploads
from safelight.commands.jobs import File
from safelight.commands.progress import ProgressBoard
from safelight.commands.sealing import Sent, finalize
from safelight.domain.checksum import Checksum
from safelight.domain.photo import Photo, PhotoStatus
from safelight.errors import ChecksumMismatch
from safelight.ports import Grant, LocalStore, Ports, Subscription, Task
from safelight.settings import Settings


class Remote(MemoryBroker):
    """A broker behind a connection: what is sent goes there first, each message by a line and an answer."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    async def _send(self, text: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"{text}\n".encode())
            await reader.readline()
        finally:
            writer.close()

    async def publish(self, topic: str, payload: bytes) -> None:
        await self._send(topic)
        await super().publish(topic, payload)

    async def enqueue(self, task: Task) -> None:
        await self._send(task.photo_id)
        await super().enqueue(task)

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        return await super().subscribe(topics)


@asynccontextmanager
async def opened(folder: Path, port: int) -> AsyncIterator[Ports]:
    found = open_ports(Settings(_env_file=None, data_dir=folder))
    yield replace(found, broker=Remote(port))
    await close_ports(found)


async def _every_command(ports: Ports) -> list[Photo]:
    """Declare, send, report, finalize, refuse, retry, cancel; the photos as they ended."""
    user = await identity.add_user(ports, "a@example.org", None)
    files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=100) for n in range(3)]
    declared = await jobs.create_job(ports, user.id, files)
    fine, wrong, other = declared.photos
    store: LocalStore = ports.store  # type: ignore[assignment]
    for photo in (fine, wrong):
        async with store.receive(Grant("PUT", photo.storage_key, 100)) as sink:
            await sink.write(bytes(100))
    board = ProgressBoard(ports)
    await board.report(user.id, {fine.id: 10})
    await board.flush()
    await board.report(user.id, {fine.id: 50})
    await board.flush()
    await finalize(ports, user.id, Sent(fine.id))
    with pytest.raises(ChecksumMismatch):
        await finalize(ports, user.id, Sent(wrong.id, checksum=Checksum.parse("crc32c:00000000")))
    await jobs.retry_job(ports, user.id, declared.job.id)
    await uploads.cancel_photo(ports, user.id, other.id)
    return sorted(await ports.db.read(lambda tx: tx.photos_of_job(declared.job.id)), key=lambda photo: photo.position)


async def test_j9_no_command_fails_because_the_broker_is_away(tmp_path: Path) -> None:
    async with opened(tmp_path, free_port()) as ports:
        with capture_logs() as logs:
            ended = await _every_command(ports)
    assert [photo.status for photo in ended] == [PhotoStatus.PROCESSING, PhotoStatus.QUEUED, PhotoStatus.CANCELLED]
    told = [line for line in logs if line["event"].startswith("broker away")]
    assert {line["log_level"] for line in told} == {"warning"}
    assert all("ConnectionRefusedError" in line["reason"] for line in told)
    assert {line["event"].partition(": ")[2].partition(";")[0] for line in told} == {
        "news not told",
        "progress not told",
        "photos not queued",
    }


async def test_a_broker_that_does_not_answer_keeps_nobody_waiting_for_long(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = asyncio.get_running_loop().time()
    async with server, opened(tmp_path, port) as ports:
        user = await identity.add_user(ports, "a@example.org", None)
        declared = await jobs.create_job(ports, user.id, [File(filename="a.jpg", mime_type="image/jpeg", bytes=100)])
        assert declared.job.total_count == 1
    took = asyncio.get_running_loop().time() - began
    assert record.NEWS_SECONDS <= took < record.NEWS_SECONDS + 5
