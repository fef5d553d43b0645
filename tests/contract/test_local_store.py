"""What ports.LocalStore promises beside what every store does: bytes pass this very server, and it signs by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.clock import Clock
from tests.storing import KEY, Bench, content, digest, disk_bench, granted, local

from safelight.adapters.disk import DiskStore
from safelight.errors import (
    AlreadyStored,
    Conflict,
    PartMismatch,
    SignatureExpired,
    SignatureInvalid,
    SizeMismatch,
    UploadGone,
)
from safelight.ports import Grant, SignedUrl


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bench(tmp_path: Path, clock: Clock) -> AsyncIterator[Bench]:
    made = disk_bench(tmp_path, clock)
    made.open()
    yield made
    await made.close()


def grant(bench: Bench, method: str, signed: SignedUrl) -> Grant:
    return granted(local(bench.store), method, signed)


# --- receiving ---


async def test_the_etag_is_the_checksum_of_the_bytes(bench: Bench) -> None:
    sent = [content(5000, seed) for seed in (3, 5, 7, 11)]
    assert await asyncio.gather(*(bench.put(data) for data in sent)) == [digest(data) for data in sent]
    sealed = await bench.store.complete_single(KEY)
    assert sealed.crc32c == sealed.etag == digest(await bench.read())


async def test_bytes_that_come_drop_by_drop_are_all_kept(bench: Bench) -> None:
    data = content(2_000_000)
    await bench.put(data)
    await bench.store.complete_single(KEY)
    assert await bench.read() == data


async def test_a_put_to_a_sealed_object_is_refused(bench: Bench) -> None:
    await bench.put(content(100))
    signed = bench.store.presign_put(KEY, 100, expires_in=60)
    await bench.store.complete_single(KEY)
    with pytest.raises(AlreadyStored):
        await bench.send(signed, content(100, seed=9))
    assert await bench.store.list_uploads() == []


async def test_a_put_that_ends_after_sealing_changes_nothing(bench: Bench) -> None:
    await bench.put(content(100))
    store = local(bench.store)
    allowed = grant(bench, "PUT", bench.store.presign_put(KEY, 100, expires_in=60))

    async def send_late() -> None:
        async with store.receive(allowed) as late:
            await late.write(content(50, seed=9))
            await bench.store.complete_single(KEY)
            await late.write(content(50, seed=9))

    with pytest.raises(AlreadyStored):
        await send_late()
    assert await bench.read() == content(100)


async def test_while_a_part_is_sent_anew_the_upload_cannot_be_sealed(bench: Bench) -> None:
    upload_id, parts = await bench.upload(content(1500))
    allowed = grant(bench, "PUT", bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60))
    async with local(bench.store).receive(allowed) as sink:
        await sink.write(content(500, seed=7))
        with pytest.raises(PartMismatch):
            await bench.store.complete_multipart(KEY, upload_id, parts, 1500)
        await sink.write(content(1000, seed=7)[500:])
    again = (1, digest(content(1000, seed=7)))
    await bench.store.complete_multipart(KEY, upload_id, [again, parts[1]], 1500)


async def test_of_two_who_send_the_same_part_the_newer_wins(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, bench.part)
    allowed = grant(bench, "PUT", bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60))

    async def send_twice() -> None:
        async with local(bench.store).receive(allowed) as older:
            await older.write(content(500, seed=3))
            await bench.put_part(upload_id, 1, content(1000, seed=5))
            await older.write(content(500, seed=3))

    with pytest.raises(Conflict):
        await send_twice()
    await bench.store.complete_multipart(KEY, upload_id, [(1, digest(content(1000, seed=5)))], 1000)
    assert await bench.read() == content(1000, seed=5)


async def test_a_part_that_failed_takes_the_one_before_with_it(bench: Bench) -> None:
    upload_id, parts = await bench.upload(content(1500))
    signed = bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60)
    with pytest.raises(SizeMismatch):
        await bench.send(signed, content(400, seed=7))
    assert [p.part_number for p in await bench.store.list_parts(KEY, upload_id)] == [2]
    assert await bench.put_part(upload_id, 1, content(1000)) == parts[0]


@pytest.mark.parametrize("multipart", [True, False])
async def test_abort_ends_what_is_arriving(bench: Bench, multipart: bool) -> None:
    if multipart:
        upload_id = await bench.store.create_multipart(KEY, bench.part)
        signed = bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60)
    else:
        upload_id, signed = "", bench.store.presign_put(KEY, 1000, expires_in=60)

    async def send_until_aborted() -> None:
        async with local(bench.store).receive(grant(bench, "PUT", signed)) as sink:
            await sink.write(content(500))
            await bench.store.abort(KEY, upload_id or None)
            await sink.write(content(500))

    with pytest.raises(UploadGone):
        await send_until_aborted()
    assert await bench.store.list_uploads() == []


# --- signatures ---


async def test_a_url_allows_what_was_signed_until_it_expires(bench: Bench, clock: Clock) -> None:
    signed = bench.store.presign_part(KEY, "up1", 3, 1000, expires_in=60)
    assert signed.expires_at == clock.now + 60_000
    assert grant(bench, "PUT", signed) == Grant("PUT", KEY, size=1000, upload_id="up1", part_number=3)
    clock.now = signed.expires_at
    with pytest.raises(SignatureExpired):
        grant(bench, "PUT", signed)


async def test_a_filename_of_any_kind_survives_signing(bench: Bench) -> None:
    name = 'Ümlaut & "quote" 100%+=#\u202e\U0001f4f7.jpg'
    signed = bench.store.presign_get(KEY, expires_in=60, filename=name, content_type="image/jpeg")
    assert grant(bench, "GET", signed) == Grant("GET", KEY, filename=name, content_type="image/jpeg")


async def test_an_altered_url_is_invalid(bench: Bench) -> None:
    url = bench.store.presign_put(KEY, 1000, expires_in=60).url
    path, _, query = url.partition("?")
    altered = [
        (path + "x", query),
        (path, query.replace("size=1000", "size=1001")),
        (path, query.replace("expires=1", "expires=2")),
        (path, "part=1&" + query),
        (path, query[:-1] + ("0" if query[-1] != "0" else "1")),
        (path, query.rpartition("&")[0]),
        (path, query + "&part=1"),
        (path, ""),
    ]
    for changed_path, changed_query in altered:
        with pytest.raises(SignatureInvalid):
            local(bench.store).grant("PUT", changed_path, changed_query)
    for method in ("GET", "HEAD"):
        with pytest.raises(SignatureInvalid):
            local(bench.store).grant(method, path, query)


async def test_a_url_of_another_secret_is_invalid(bench: Bench, tmp_path: Path, clock: Clock) -> None:
    other = DiskStore(tmp_path / "other", base_url="", secret=b"other", clock=clock)
    with pytest.raises(SignatureInvalid):
        grant(bench, "GET", other.presign_get(KEY, expires_in=60))
    await other.close()


async def test_head_reads_by_the_url_of_get(bench: Bench) -> None:
    assert grant(bench, "HEAD", bench.store.presign_get(KEY, expires_in=60)).method == "GET"
