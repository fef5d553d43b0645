"""Bytes on their way are counted for the attempt that sends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from safelight.app.opening import close_ports, open_ports
from safelight.commands import identity, jobs
from safelight.commands.jobs import File
from safelight.commands.progress import ProgressBoard
from safelight.commands.sealing import Sent, finalize
from safelight.domain.checksum import Checksum
from safelight.domain.photo import PhotoStatus
from safelight.errors import ChecksumMismatch
from safelight.ports import Grant, LocalStore
from safelight.settings import Settings


async def test_u7_what_was_sent_before_a_retry_counts_for_nothing_after_it(tmp_path: Path) -> None:
    ports = open_ports(Settings(_env_file=None, data_dir=tmp_path))
    board = ProgressBoard(ports)
    user = await identity.add_user(ports, "a@example.org", None)
    declared = await jobs.create_job(ports, user.id, [File(filename="a.jpg", mime_type="image/jpeg", bytes=100)])
    photo = declared.photos[0]
    store: LocalStore = ports.store  # type: ignore[assignment]
    async with store.receive(Grant("PUT", photo.storage_key, 100)) as sink:
        await sink.write(bytes(100))
    # Heard of, and not yet written when the attempt ends.
    board.arrived(photo.storage_key, None, None, 100)
    await board.report(user.id, {photo.id: 100})
    with pytest.raises(ChecksumMismatch):
        await finalize(ports, user.id, Sent(photo.id, checksum=Checksum.parse("crc32c:00000000")))
    await jobs.retry_job(ports, user.id, declared.job.id)
    await board.flush()
    [again] = await ports.db.read(lambda tx: tx.photos([photo.id]))
    assert (again.status, again.bytes_sent, again.percent) == (PhotoStatus.QUEUED, 0, 0)

    board.arrived(again.storage_key, None, None, 30)
    await board.flush()
    [sending] = await ports.db.read(lambda tx: tx.photos([photo.id]))
    assert (sending.status, sending.bytes_sent) == (PhotoStatus.UPLOADING, 30)
    await close_ports(ports)
