"""What the S3 store does when the store, the way to it, or its own key fails: real SeaweedFS behind a proxy of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from botocore.credentials import ReadOnlyCredentials
from tests.e2e.proxy import Proxy
from tests.running import free_port
from tests.servers.seaweed import BUCKET, SeaweedFS
from tests.storing import KEY, MIB, Bench, OverHttp, content, now, s3_store

from safelight.adapters.s3 import S3Store
from safelight.errors import NotUploaded, ObjectMissing, StorageFull, StoreRefused, StoreUnavailable

COPY = r"^PUT .*x-amz-copy-source:"
DOWNLOAD = rf"^GET /\S*{KEY} "
RESUMED = rf"{DOWNLOAD}.*\nrange: bytes=[1-9]"
SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@pytest.fixture
def proxy(seaweed: SeaweedFS) -> Iterator[Proxy]:
    with Proxy(seaweed.ports[0]) as proxy:
        yield proxy


@pytest.fixture
async def bench(tmp_path: Path, seaweed: SeaweedFS, proxy: Proxy) -> AsyncIterator[Bench]:
    """The store through the proxy."""
    bench = Bench(lambda: s3_store(seaweed, tmp_path, tmp_path.name, proxy.url), OverHttp(), 0)
    bench.open()
    yield bench
    await bench.close()


async def arrive(proxy: Proxy, pattern: str) -> None:
    """Wait until such a request has come."""
    async with asyncio.timeout(10):
        while not proxy.count(pattern):  # noqa: ASYNC110 - it runs in a thread of its own
            await asyncio.sleep(0.01)


# --- the store has trouble ---


async def test_a_few_503_are_repeated_and_not_seen(bench: Bench, proxy: Proxy) -> None:
    await bench.put(content(100))
    proxy.answer("^HEAD", 503, times=2)
    proxy.answer(COPY, 503, SLOW_DOWN, times=1)
    assert (await bench.store.complete_single(KEY)).size == 100
    assert proxy.count(COPY) == 2
    assert await bench.read() == content(100)


async def test_trouble_that_lasts_is_told_within_a_bounded_time(bench: Bench, proxy: Proxy) -> None:
    proxy.answer(".", 503)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="The store answers 503") as caught:
        await bench.store.check()
    assert time.monotonic() - start < 8
    assert caught.value.retry_after
    proxy.heal()
    await bench.store.check()


async def test_a_store_that_does_not_answer_is_told_within_a_bounded_time(bench: Bench, proxy: Proxy) -> None:
    proxy.swallow(".")
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer in time"):
        await bench.store.check()
    assert time.monotonic() - start < 8


async def test_a_store_without_room_is_full(bench: Bench, proxy: Proxy) -> None:
    body = "<Error><Code>XMinioStorageFull</Code><Message>Storage backend has reached its limit.</Message></Error>"
    proxy.answer("^PUT", 507, body)
    with pytest.raises(StorageFull, match="has reached its limit"):
        await bench.store.put({KEY: b"abc"}, "image/webp")


async def test_a_store_that_is_killed_and_comes_back_costs_a_pause(tmp_path: Path) -> None:
    with SeaweedFS(tmp_path / "own") as own:
        bench = Bench(lambda: s3_store(own, tmp_path), OverHttp(), 0)
        bench.open()
        await bench.put(content(100))
        own.kill()
        sealing = asyncio.create_task(bench.store.complete_single(KEY))
        await asyncio.sleep(0.5)
        assert not sealing.done()
        await asyncio.to_thread(own.start)
        assert (await sealing).size == 100
        await bench.close()


# --- the way to it has trouble ---


async def sealed(bench: Bench, size: int) -> bytes:
    data = content(size)
    await bench.put(data)
    await bench.store.complete_single(KEY)
    return data


async def test_a_transfer_that_breaks_off_goes_on_where_it_broke(bench: Bench, proxy: Proxy) -> None:
    data = await sealed(bench, 3 * MIB)
    proxy.cut_after(DOWNLOAD, 900_000, times=3)
    async with bench.store.local_copy(KEY) as path:
        assert path.read_bytes() == data
    assert not path.exists()
    assert proxy.count(RESUMED) >= 3


async def test_a_transfer_that_never_gets_on_is_told(bench: Bench, proxy: Proxy, tmp_path: Path) -> None:
    await sealed(bench, MIB)
    proxy.cut_after(DOWNLOAD, 0)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await bench.read()
    assert [path.name for path in (tmp_path / "scratch").glob("*/*")] == [".lock"]


async def test_an_object_that_goes_while_it_is_read_is_missing(bench: Bench, proxy: Proxy) -> None:
    await sealed(bench, 3 * MIB)
    proxy.cut_after(DOWNLOAD, MIB, times=1)
    proxy.hold(RESUMED)
    reading = asyncio.create_task(bench.read())
    await arrive(proxy, RESUMED)
    await bench.store.delete(KEY)
    await bench.put(content(100, seed=5))
    await bench.store.complete_single(KEY)
    proxy.release()
    with pytest.raises(ObjectMissing):
        await reading


async def test_no_more_calls_are_under_way_than_connections_were_granted(
    seaweed: SeaweedFS, proxy: Proxy, tmp_path: Path
) -> None:
    url = seaweed.url(tmp_path.name, proxy.url)
    key = ReadOnlyCredentials(seaweed.access_key, seaweed.secret_key, None)
    store = S3Store(url, scratch=tmp_path / "scratch", clock=now, connections=3, credentials=key)
    await asyncio.gather(*(store.head(f"originals/ph_{n}.1") for n in range(30)))
    assert 1 < proxy.most_at_once <= 3
    await store.close()


# --- sealing while something else happens ---


async def test_a_put_between_looking_and_copying_is_the_one_that_is_sealed(bench: Bench, proxy: Proxy) -> None:
    await bench.put(content(100))
    proxy.hold(COPY)
    sealing = asyncio.create_task(bench.store.complete_single(KEY))
    await arrive(proxy, COPY)
    await bench.put(content(90, seed=5))
    proxy.release()
    assert (await sealing).size == 90
    assert await bench.read() == content(90, seed=5)
    assert await bench.store.list_uploads() == []


async def test_one_who_seals_late_changes_nothing(
    bench: Bench, proxy: Proxy, tmp_path: Path, seaweed: SeaweedFS
) -> None:
    """Both have looked; the other one's copy comes when a new PUT is there already."""
    await bench.put(content(100))
    proxy.hold(COPY)
    late = asyncio.create_task(bench.store.complete_single(KEY))
    await arrive(proxy, COPY)
    direct = s3_store(seaweed, tmp_path, tmp_path.name)
    first = await direct.complete_single(KEY)
    await bench.put(content(100, seed=9))
    proxy.release()
    assert await late == first
    assert await bench.read() == content(100)
    assert await bench.store.list_uploads() == []
    await direct.close()


async def test_what_a_crash_left_between_copy_and_delete_is_cleared_by_sealing_again(
    bench: Bench, proxy: Proxy
) -> None:
    await bench.put(content(100))
    proxy.answer("^DELETE", 403, times=1)
    first = await bench.store.complete_single(KEY)
    assert [(key, upload) for key, upload, _ in await bench.store.list_uploads()] == [(KEY, None)]
    assert await bench.store.complete_single(KEY) == first
    assert await bench.store.list_uploads() == []
    assert await bench.read() == content(100)


async def test_a_copy_whose_answer_was_lost_is_found_done(bench: Bench, proxy: Proxy) -> None:
    await bench.put(content(100))
    proxy.cut_after(COPY, None, times=1)
    assert (await bench.store.complete_single(KEY)).size == 100
    assert await bench.read() == content(100)


async def test_an_upload_whose_completion_was_not_heard_of_is_found_complete(bench: Bench, proxy: Proxy) -> None:
    upload_id = await bench.store.create_multipart(KEY, MIB)
    part = await bench.put_part(upload_id, 1, content(1000))
    proxy.cut_after("^POST .*uploadId", None, times=1)
    assert (await bench.store.complete_multipart(KEY, upload_id, [part], 1000)).size == 1000
    assert await bench.read() == content(1000)


# --- the key ---


def profile(path: Path, access_key: str, secret_key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n")


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the ordinary AWS chain reads, and nothing else for it to find."""
    path = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return path


async def test_a_rotated_key_is_read_anew_without_a_restart(
    credentials: Path, seaweed: SeaweedFS, tmp_path: Path
) -> None:
    profile(credentials, "AKOLD", "old")
    store = S3Store(seaweed.url(tmp_path.name), scratch=tmp_path / "scratch", clock=now)
    profile(credentials, seaweed.access_key, seaweed.secret_key)
    with pytest.raises(NotUploaded):
        await store.complete_single(KEY)
    signed = store.presign_put(KEY, 3, expires_in=60)
    way = OverHttp()
    await way.send(store, signed, b"abc")
    await way.close()
    assert (await store.complete_single(KEY)).size == 3
    await store.close()


async def test_a_key_that_is_refused_is_named_and_its_secret_is_not(
    credentials: Path, seaweed: SeaweedFS, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profile(credentials, seaweed.access_key, "another hidden secret")
    store = S3Store(seaweed.url(tmp_path.name), scratch=tmp_path / "scratch", clock=now)
    for attempt in (store.check(), store.create_multipart(KEY, 1), store.list_uploads()):
        with pytest.raises(StoreRefused, match=f"refuses the access key {seaweed.access_key}") as caught:
            await attempt
        assert "hidden" not in str(caught.value) + repr(caught.value.__cause__) + caplog.text
    await store.close()


def test_a_server_without_any_key_says_where_to_put_one(credentials: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        S3Store("s3://photos?endpoint=http://127.0.0.1:1", scratch=tmp_path, clock=now)


async def test_a_clock_that_is_wrong_is_told_with_its_seconds(bench: Bench, proxy: Proxy) -> None:
    body = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"
    date = format_datetime(datetime.now(UTC) - timedelta(minutes=20), usegmt=True)
    proxy.answer("^HEAD", 403, date=date)
    proxy.answer("^GET", 403, body, date=date)
    with pytest.raises(StoreRefused, match=r"clock is 1,(199|200|201|202) seconds ahead of that of the store"):
        await bench.store.check()


# --- the address ---


async def test_what_is_wrong_with_the_address_is_told(seaweed: SeaweedFS, tmp_path: Path) -> None:
    key = ReadOnlyCredentials(seaweed.access_key, seaweed.secret_key, None)
    said = {
        f"s3://nobody?endpoint={seaweed.endpoint}": "There is no bucket nobody at http://127.0.0.1",
        f"s3://{BUCKET}?endpoint=http://127.0.0.1:{free_port()}": "cannot be reached: .*[Cc]onnect",
        f"s3://{BUCKET}?endpoint=https://127.0.0.1:{seaweed.ports[0]}": "cannot be reached|not trusted",
    }

    async def told(url: str, sentence: str) -> None:
        store = S3Store(url, scratch=tmp_path / "scratch", clock=now, credentials=key)
        with pytest.raises(StoreUnavailable, match=sentence):
            await store.check()
        await store.close()

    await asyncio.gather(*(told(url, sentence) for url, sentence in said.items()))
