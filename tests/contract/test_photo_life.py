"""A photo's whole life, commands to worker, on every store: nothing on the way may know which one it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.proxy import Proxy
from tests.living import World, living
from tests.pictures import big_jpeg, jpeg
from tests.servers.seaweed import SeaweedFS
from tests.storing import S3_PART, Bench, OverHttp, digest, disk_bench, now, s3_bench, s3_store

from safelight import queries
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.commands import identity, jobs, uploads
from safelight.commands.jobs import File
from safelight.domain.photo import PhotoStatus, thumbnail_key
from safelight.errors import PartMismatch, StoreRefused
from safelight.ports import Ports
from safelight.reconcile import Reconciler
from safelight.settings import MiB, Settings

LARGE = 8 * MiB + 1_000


@pytest.fixture(params=["disk", "s3"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    benches = {
        "disk": lambda: disk_bench(tmp_path),
        "s3": lambda: s3_bench(tmp_path, request.getfixturevalue("seaweed")),
    }
    async with living(benches[request.param](), tmp_path) as world:
        yield world


@pytest.mark.parametrize("data", [jpeg(), big_jpeg(LARGE)], ids=["single", "multipart"])
async def test_a_photo_is_sent_sealed_verified_and_shown(world: World, data: bytes) -> None:
    photo = await world.declare(data)
    await world.finalize(photo, await world.send(photo, data), f"crc32c:{digest(data)}")
    done = await world.ended(photo)
    assert (done.status, done.width, done.crc32c) == (PhotoStatus.COMPLETED, 64, digest(data))
    original = await queries.download_url(world.ports, world.user_id, photo.id)
    assert await world.bench.fetch(original) == data
    small = world.ports.store.presign_get(thumbnail_key(photo.id, 256), expires_in=60, content_type="image/webp")
    shown = await world.bench.fetch(small)
    assert shown
    assert shown[8:12] == b"WEBP"
    assert await world.ports.store.list_uploads() == []


@pytest.mark.parametrize("data", [jpeg(), big_jpeg(LARGE)], ids=["single", "multipart"])
async def test_bytes_that_changed_on_their_way_are_found_and_a_retry_sends_them_again(
    world: World, data: bytes
) -> None:
    """The store takes what comes. Whether it is what was sent, finalize's checksum tells: at once, or in VERIFYING."""
    photo = await world.declare(data)
    corrupted = data[:-1] + bytes([data[-1] ^ 1])
    parts = await world.send(photo, corrupted)
    with suppress(Exception):
        await world.finalize(photo, parts, f"crc32c:{digest(data)}")
    failed = await world.ended(photo)
    assert (failed.status, failed.error_code) == (PhotoStatus.FAILED, "checksum-mismatch")
    await uploads.retry_photo(world.ports, world.user_id, photo.id)
    again = await queries.photo(world.ports, world.user_id, photo.id)
    assert again.status is PhotoStatus.QUEUED
    await world.finalize(again, await world.send(again, data), f"crc32c:{digest(data)}")
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED
    assert await world.ports.store.head(photo.storage_key) is None


async def test_finalize_with_another_etag_leaves_the_upload_and_says_which_part(world: World) -> None:
    data = big_jpeg(LARGE)
    photo = await world.declare(data)
    parts = await world.send(photo, data)
    with pytest.raises(PartMismatch) as caught:
        await world.finalize(photo, [parts[0], (2, "d41d8cd98f00b204e9800998ecf8427e")])
    assert [error.message for error in caught.value.errors] == ["part 2 is not stored with this ETag"]
    _, stored = await queries.stored_parts(world.ports, world.user_id, photo.id)
    assert [(part.part_number, part.etag) for part in stored] == parts
    await world.finalize(photo, parts)
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED


@pytest.mark.parametrize("data", [jpeg(), big_jpeg(LARGE)], ids=["single", "multipart"])
async def test_what_was_sent_of_a_cancelled_photo_is_removed(world: World, data: bytes) -> None:
    photo = await world.declare(data)
    await world.send(photo, data)
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    assert await world.ports.store.list_uploads() == []
    assert await world.ports.db.read(lambda tx: tx.doomed("", 10)) == []


async def test_u8_a_whole_put_is_finalized_for_a_client_that_never_does(world: World) -> None:
    data = jpeg()
    photo = await world.declare(data)
    await world.send(photo, data)
    world.clock.now += 10_000
    await Reconciler(world.ports).round(slow=False)
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED


async def test_a_job_whose_store_is_away_is_refused_at_once_and_leaves_nothing_running(
    seaweed: SeaweedFS, tmp_path: Path
) -> None:
    with Proxy(seaweed.ports[0]) as proxy:
        proxy.answer("^POST", 403, "<Error><Code>AccessDenied</Code></Error>")
        settings = Settings(data_dir=tmp_path, secret="of the test")
        store = s3_store(seaweed, tmp_path, tmp_path.name, proxy.url)
        ports = Ports(SqliteDatabase(tmp_path / "s.db"), store, MemoryBroker(), now, settings)
        user = await identity.add_user(ports, "a@example.org", None)
        files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=LARGE) for n in range(300)]
        with pytest.raises(StoreRefused, match="does not allow the access key"):
            await jobs.create_job(ports, user.id, files)
        asked = proxy.count("^POST")
        await asyncio.sleep(0.2)
        assert proxy.count("^POST") == asked < 300
        for part in (ports.broker, ports.db, store):
            await part.close()


async def test_a_photo_waits_while_the_store_refuses_and_is_not_failed(seaweed: SeaweedFS, tmp_path: Path) -> None:
    data = jpeg()
    with Proxy(seaweed.ports[0]) as proxy:
        bench = Bench(lambda: s3_store(seaweed, tmp_path, tmp_path.name, proxy.url), OverHttp(), S3_PART)
        async with living(bench, tmp_path) as world:
            photo = await world.declare(data)
            await world.send(photo, data)
            proxy.answer("^GET", 403, "<Error><Code>AccessDenied</Code></Error>", times=1)
            await world.finalize(photo, [])
            done = await world.ended(photo)
    assert (done.status, done.attempt, done.tries) == (PhotoStatus.COMPLETED, 1, 1)
