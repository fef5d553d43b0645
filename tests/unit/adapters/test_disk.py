"""What the disk store does with what a kill, or another process, left or is leaving on the disk."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crc32c import crc32c

from safelight.adapters.disk import DiskStore, ledger
from safelight.errors import UploadGone
from safelight.ports import Grant

KEY = "originals/ph_1.1"
OUTSIDE = ["../outside", "/etc/passwd", "originals/../../outside", "originals//x", "..", "", ".hidden", "a/b\n", "a\\b"]


def opened(root: Path) -> DiskStore:
    return DiskStore(root, base_url="", secret=b"secret", clock=lambda: 1_700_000_000_000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    store = opened(tmp_path / "store")
    yield store
    await store.close()


async def test_a_store_opened_beside_a_server_leaves_alone_what_arrives(store: DiskStore, tmp_path: Path) -> None:
    async with store.receive(Grant("PUT", KEY, size=6)) as sink:
        await sink.write(b"abc")
        await opened(tmp_path / "store").close()
        await sink.write(b"def")
    assert (await store.complete_single(KEY)).size == 6


async def test_recovering_removes_what_was_arriving_and_nothing_else(store: DiskStore, tmp_path: Path) -> None:
    async with store.receive(Grant("PUT", KEY, size=3)) as sink:
        await sink.write(b"abc")
    upload_id = await store.create_multipart("originals/ph_2.1", 3)
    arriving = tmp_path / "store" / "arriving"
    (arriving / "cut short").write_bytes(b"ab")
    (arriving / "half removed").mkdir()
    (arriving / "half removed" / "data").touch()
    await store.recover()
    assert list(arriving.iterdir()) == []
    assert (await store.complete_single(KEY)).size == 3
    assert await store.list_parts("originals/ph_2.1", upload_id) == []


async def test_what_was_staged_before_a_kill_is_sealed_with_the_checksum_of_its_bytes(
    store: DiskStore, tmp_path: Path
) -> None:
    async with store.receive(Grant("PUT", KEY, size=6)) as sink:
        await sink.write(b"abcdef")
    after_a_kill = opened(tmp_path / "store")
    assert [(key, upload) for key, upload, _ in await after_a_kill.list_uploads()] == [(KEY, None)]
    assert (await after_a_kill.complete_single(KEY)).crc32c == f"{crc32c(b'abcdef'):08x}"
    assert await after_a_kill.list_uploads() == []
    await after_a_kill.close()


@pytest.mark.parametrize("key", OUTSIDE)
async def test_no_key_leads_out_of_the_root(store: DiskStore, key: str) -> None:
    with pytest.raises(ValueError, match="neither a key"):
        await store.put({key: b"x"}, "image/webp")
    with pytest.raises(ValueError, match="neither a key"):
        await store.abort(key, None)
    with pytest.raises(ValueError, match="neither a key"):
        async with store.receive(Grant("PUT", key, size=1)):
            pass


@pytest.mark.parametrize("upload_id", OUTSIDE[:-3])
async def test_no_upload_id_leads_out_of_its_folder(store: DiskStore, tmp_path: Path, upload_id: str) -> None:
    with pytest.raises(ValueError, match="neither a key"):
        await store.list_parts(KEY, upload_id)
    with pytest.raises(ValueError, match="neither a key"):
        await store.abort(KEY, upload_id)
    assert (tmp_path / "store" / "uploads").is_dir()


def test_a_record_that_a_kill_cut_short_is_not_there_and_does_not_hide_the_next(tmp_path: Path) -> None:
    path = tmp_path / "parts"
    path.touch()
    ledger.append(path, 1, 100, 0xAAAA)
    ledger.append(path, 2, 200, 0xBBBB)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert ledger.read(path) == {1: (100, 0xAAAA)}
    ledger.append(path, 3, 300, 0xCCCC)
    assert ledger.read(path) == {1: (100, 0xAAAA), 3: (300, 0xCCCC)}


def test_a_record_with_altered_bytes_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "parts"
    path.touch()
    ledger.append(path, 1, 100, 0xAAAA)
    ledger.append(path, 2, 200, 0xBBBB)
    damaged = bytearray(path.read_bytes())
    damaged[3] ^= 1
    path.write_bytes(damaged)
    assert ledger.read(path) == {2: (200, 0xBBBB)}


def test_a_withdrawn_part_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "parts"
    path.touch()
    ledger.append(path, 1, 100, 0xAAAA)
    ledger.withdraw(path, 1)
    assert ledger.read(path) == {}


async def test_what_is_pulled_follows_what_was_written(store: DiskStore, tmp_path: Path) -> None:
    data = os.urandom(9 * 1024 * 1024 + 5)
    source = io.BytesIO(data[5:])
    async with store.receive(Grant("PUT", KEY, size=len(data))) as sink:
        await sink.write(data[:5])
        while sink.received < len(data):
            await sink.pull(lambda into: source.readinto(into[:100_000]))
    assert sink.crc == crc32c(data)
    await store.complete_single(KEY)
    async with store.local_copy(KEY) as path:
        assert path.read_bytes() == data


async def test_nothing_to_pull_is_no_end(store: DiskStore) -> None:
    pieces = [b"", b"abc", b"", b"def"]

    def read(into: memoryview) -> int:
        piece = pieces.pop(0)
        into[: len(piece)] = piece
        return len(piece)

    async with store.receive(Grant("PUT", KEY, size=6)) as sink:
        await sink.pull(read)
        assert sink.received == 0
        await sink.pull(read)
        assert sink.received == 3
        await sink.pull(read)
    assert sink.crc == crc32c(b"abcdef")


async def test_a_source_that_fails_leaves_nothing(store: DiskStore, tmp_path: Path) -> None:
    def read(_into: memoryview) -> int:
        raise ConnectionResetError

    async def send() -> None:
        async with store.receive(Grant("PUT", KEY, size=6)) as sink:
            await sink.write(b"abc")
            await sink.pull(read)

    with pytest.raises(ConnectionResetError):
        await send()
    assert list((tmp_path / "store" / "arriving").iterdir()) == []
    assert await store.list_uploads() == []


async def test_pulling_what_was_aborted_ends(store: DiskStore) -> None:
    upload_id = await store.create_multipart(KEY, 6)
    grant = Grant("PUT", KEY, size=6, upload_id=upload_id, part_number=1)

    async def send_until_aborted() -> None:
        async with store.receive(grant) as sink:
            await store.abort(KEY, upload_id)
            await sink.pull(lambda _into: 3)

    with pytest.raises(UploadGone):
        await send_until_aborted()
