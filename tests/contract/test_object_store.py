"""What ports.ObjectStore promises, held against every adapter. A new adapter joins as a parameter of `bench`.

Bytes reach an embedded store through `receive`, another one by HTTP: `Bench.send` hides the difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from crc32c import crc32c

from safelight.adapters.disk import DiskStore
from safelight.errors import (
    AlreadyStored,
    Conflict,
    NotUploaded,
    ObjectMissing,
    PartMismatch,
    SignatureExpired,
    SignatureInvalid,
    SizeMismatch,
    UploadGone,
)
from safelight.ports import Grant, LocalStore, ObjectStore, SignedUrl

KEY = "originals/ph_1.1"
PART = 1000
START = 1_700_000_000_000


@dataclass
class Bench:
    """A store, a clock that the test turns, and a client's way to send to a signed URL and read from one."""

    make: Callable[[], ObjectStore]
    now: int = START
    store: ObjectStore = field(init=False)

    def open(self) -> None:
        """Open the store, or the same one anew."""
        self.store = self.make()

    async def send(self, signed: SignedUrl, data: bytes) -> str:
        """PUT `data`; returns the ETag."""
        store = local(self.store)
        async with store.receive(self.grant("PUT", signed)) as sink:
            for start in range(0, len(data), 300):
                await sink.write(data[start : start + 300])
        return f"{sink.crc:08x}"

    async def fetch(self, signed: SignedUrl) -> bytes | None:
        """GET; None where there is nothing."""
        path = local(self.store).object_path(self.grant("GET", signed).key)
        return path.read_bytes() if path else None

    def grant(self, method: str, signed: SignedUrl) -> Grant:
        path, _, query = signed.url.partition("?")
        return local(self.store).grant(method, path, query)


def local(store: ObjectStore) -> LocalStore:
    assert isinstance(store, DiskStore)
    return store


@pytest.fixture(params=["disk"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    opened: list[ObjectStore] = []

    def disk() -> ObjectStore:
        opened.append(DiskStore(tmp_path / "store", base_url="", secret=b"secret", clock=lambda: made.now))
        return opened[-1]

    made = Bench({"disk": disk}[request.param])
    made.open()
    yield made
    for store in opened:
        await store.close()


def content(size: int, seed: int = 1) -> bytes:
    return bytes((index * seed + index // 251) % 256 for index in range(size))


def digest(data: bytes) -> str:
    return f"{crc32c(data):08x}"


async def put(bench: Bench, data: bytes, key: str = KEY) -> str:
    return await bench.send(bench.store.presign_put(key, len(data), expires_in=60), data)


async def put_part(bench: Bench, upload_id: str, number: int, data: bytes, key: str = KEY) -> tuple[int, str]:
    signed = bench.store.presign_part(key, upload_id, number, len(data), expires_in=60)
    return number, await bench.send(signed, data)


async def read(bench: Bench, key: str = KEY) -> bytes:
    async with bench.store.local_copy(key) as path:
        return path.read_bytes()


async def unseen(bench: Bench, key: str = KEY) -> bool:
    with suppress(ObjectMissing):
        await read(bench, key)
        return False
    signed = bench.store.presign_get(key, expires_in=60)
    return await bench.store.head(key) is None and await bench.fetch(signed) is None


# --- single PUT ---


async def test_a_put_is_invisible_until_completed(bench: Bench) -> None:
    data = content(2500)
    await put(bench, data)
    assert await unseen(bench)
    sealed = await bench.store.complete_single(KEY)
    assert (sealed.key, sealed.size, sealed.crc32c) == (KEY, 2500, digest(data))
    assert await bench.store.head(KEY) == sealed
    assert await read(bench) == data
    assert await bench.fetch(bench.store.presign_get(KEY, expires_in=60)) == data


async def test_repeating_a_put_before_completion_replaces_it(bench: Bench) -> None:
    await put(bench, content(900, seed=3))
    await put(bench, content(1100, seed=5))
    assert (await bench.store.complete_single(KEY)).size == 1100
    assert await read(bench) == content(1100, seed=5)


async def test_sealing_twice_is_not_an_error(bench: Bench) -> None:
    await put(bench, content(50))
    assert await bench.store.complete_single(KEY) == await bench.store.complete_single(KEY)


async def test_sealing_at_once_from_two_sides_is_not_an_error(bench: Bench) -> None:
    await put(bench, content(50))
    first, second = await asyncio.gather(bench.store.complete_single(KEY), bench.store.complete_single(KEY))
    assert first == second


async def test_sealing_without_a_put_is_not_uploaded(bench: Bench) -> None:
    with pytest.raises(NotUploaded):
        await bench.store.complete_single(KEY)


@pytest.mark.parametrize("sent", [99, 101, 0, 5000])
async def test_a_put_of_another_size_leaves_nothing(bench: Bench, sent: int) -> None:
    with pytest.raises(SizeMismatch):
        await bench.send(bench.store.presign_put(KEY, 100, expires_in=60), content(sent))
    with pytest.raises(NotUploaded):
        await bench.store.complete_single(KEY)
    assert await bench.store.list_uploads() == []


async def test_a_failed_put_leaves_the_one_before(bench: Bench) -> None:
    await put(bench, content(100))
    with pytest.raises(SizeMismatch):
        await bench.send(bench.store.presign_put(KEY, 100, expires_in=60), content(99, seed=9))
    await bench.store.complete_single(KEY)
    assert await read(bench) == content(100)


async def test_a_sealed_object_never_changes(bench: Bench) -> None:
    await put(bench, content(100))
    signed = bench.store.presign_put(KEY, 100, expires_in=60)
    await bench.store.complete_single(KEY)
    with pytest.raises(AlreadyStored):
        await bench.send(signed, content(100, seed=9))
    assert await read(bench) == content(100)
    assert await bench.store.list_uploads() == []


async def test_a_put_that_ends_after_sealing_changes_nothing(bench: Bench) -> None:
    await put(bench, content(100))
    store = local(bench.store)
    grant = bench.grant("PUT", bench.store.presign_put(KEY, 100, expires_in=60))

    async def send_late() -> None:
        async with store.receive(grant) as late:
            await late.write(content(50, seed=9))
            await bench.store.complete_single(KEY)
            await late.write(content(50, seed=9))

    with pytest.raises(AlreadyStored):
        await send_late()
    assert await read(bench) == content(100)


async def test_puts_at_once_leave_one_of_them_whole(bench: Bench) -> None:
    sent = [content(5000, seed) for seed in (3, 5, 7, 11)]
    etags = await asyncio.gather(*(put(bench, data) for data in sent))
    assert etags == [digest(data) for data in sent]
    sealed = await bench.store.complete_single(KEY)
    stored = await read(bench)
    assert stored in sent
    assert sealed.crc32c == digest(stored)


# --- multipart ---


async def uploaded(bench: Bench, data: bytes) -> tuple[str, list[tuple[int, str]]]:
    upload_id = await bench.store.create_multipart(KEY, len(data), PART)
    numbers = range(1, -(-len(data) // PART) + 1)
    parts = [await put_part(bench, upload_id, n, data[(n - 1) * PART : n * PART]) for n in reversed(numbers)]
    return upload_id, sorted(parts)


async def test_two_creations_give_two_uploads(bench: Bench) -> None:
    first = await bench.store.create_multipart(KEY, 10, PART)
    second = await bench.store.create_multipart(KEY, 10, PART)
    assert first != second
    await put_part(bench, first, 1, content(10))
    assert await bench.store.list_parts(KEY, second) == []


async def test_parts_in_any_order_become_one_object(bench: Bench) -> None:
    data = content(3456)
    upload_id, parts = await uploaded(bench, data)
    assert await unseen(bench)
    sealed = await bench.store.complete_multipart(KEY, upload_id, parts)
    assert sealed.size == 3456
    assert sealed.crc32c in (None, digest(data))
    assert await read(bench) == data
    assert await bench.store.list_uploads() == []


async def test_parts_are_listed_by_number_with_etag_and_size(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(2500))
    listed = await bench.store.list_parts(KEY, upload_id)
    assert [(p.part_number, p.etag) for p in listed] == parts
    assert [p.size for p in listed] == [1000, 1000, 500]


async def test_repeating_a_part_replaces_it(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    again = await put_part(bench, upload_id, 1, content(1000, seed=7))
    assert again != parts[0]
    await bench.store.complete_multipart(KEY, upload_id, [again, parts[1]])
    assert await read(bench) == content(1000, seed=7) + content(1500)[1000:]


async def test_completing_again_is_not_an_error(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    first = await bench.store.complete_multipart(KEY, upload_id, parts)
    assert await bench.store.complete_multipart(KEY, upload_id, parts) == first


async def test_a_part_that_does_not_fit_is_named_and_the_upload_stays(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(2500))
    wrong = [parts[0], (2, "00000000"), parts[2]]
    for named in (wrong, parts[:2], [parts[0], parts[2]], [*parts, (4, "00000000")], []):
        with pytest.raises(PartMismatch):
            await bench.store.complete_multipart(KEY, upload_id, named)
        assert len(await bench.store.list_parts(KEY, upload_id)) == 3
        assert await unseen(bench)
    with pytest.raises(PartMismatch) as caught:
        await bench.store.complete_multipart(KEY, upload_id, wrong)
    assert "part 2" in " ".join(error.message for error in caught.value.errors)
    await bench.store.complete_multipart(KEY, upload_id, parts)


async def test_fewer_parts_than_the_upload_has_bytes_do_not_fit(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, 2000, PART)
    part = await put_part(bench, upload_id, 1, content(1000))
    with pytest.raises(PartMismatch):
        await bench.store.complete_multipart(KEY, upload_id, [part])
    assert await unseen(bench)


async def test_an_upload_is_listed_known_and_sealed_after_the_store_is_opened_anew(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(2500))
    await put(bench, content(70), "originals/ph_2.1")
    await bench.store.close()
    bench.open()
    assert len(await bench.store.list_parts(KEY, upload_id)) == 3
    await bench.store.complete_multipart(KEY, upload_id, parts)
    await bench.store.complete_single("originals/ph_2.1")
    assert await read(bench) == content(2500)


async def test_an_ended_or_unknown_upload_is_gone(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    with pytest.raises(UploadGone):
        await bench.store.list_parts("originals/another.1", upload_id)
    await bench.store.abort(KEY, upload_id)
    for unknown in (upload_id, "neverbegan"):
        with pytest.raises(UploadGone):
            await bench.store.list_parts(KEY, unknown)
        with pytest.raises(UploadGone):
            await bench.store.complete_multipart(KEY, unknown, parts)
        with pytest.raises(UploadGone):
            await put_part(bench, unknown, 1, content(1000))


async def test_a_part_sent_to_a_sealed_object_changes_nothing(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    await bench.store.complete_multipart(KEY, upload_id, parts)
    with pytest.raises(AlreadyStored):
        await put_part(bench, upload_id, 1, content(1000, seed=7))
    assert await read(bench) == content(1500)


async def test_while_a_part_is_sent_anew_the_upload_cannot_be_sealed(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    grant = bench.grant("PUT", bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60))
    async with local(bench.store).receive(grant) as sink:
        await sink.write(content(500, seed=7))
        with pytest.raises(PartMismatch):
            await bench.store.complete_multipart(KEY, upload_id, parts)
        await sink.write(content(1000, seed=7)[500:])
    again = (1, digest(content(1000, seed=7)))
    await bench.store.complete_multipart(KEY, upload_id, [again, parts[1]])


async def test_a_part_that_failed_is_not_listed(bench: Bench) -> None:
    upload_id, parts = await uploaded(bench, content(1500))
    signed = bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60)
    with pytest.raises(SizeMismatch):
        await bench.send(signed, content(400, seed=7))
    assert [p.part_number for p in await bench.store.list_parts(KEY, upload_id)] == [2]
    assert await put_part(bench, upload_id, 1, content(1000)) == parts[0]


async def test_of_two_who_send_the_same_part_the_newer_wins(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, 1000, PART)
    grant = bench.grant("PUT", bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60))

    async def send_twice() -> None:
        async with local(bench.store).receive(grant) as older:
            await older.write(content(500, seed=3))
            await put_part(bench, upload_id, 1, content(1000, seed=5))
            await older.write(content(500, seed=3))

    with pytest.raises(Conflict):
        await send_twice()
    await bench.store.complete_multipart(KEY, upload_id, [(1, digest(content(1000, seed=5)))])
    assert await read(bench) == content(1000, seed=5)


async def test_parts_at_once_are_all_recorded(bench: Bench) -> None:
    data = content(20 * PART)
    upload_id = await bench.store.create_multipart(KEY, len(data), PART)
    sending = (put_part(bench, upload_id, n + 1, data[n * PART : (n + 1) * PART]) for n in range(20))
    await bench.store.complete_multipart(KEY, upload_id, await asyncio.gather(*sending))
    assert await read(bench) == data


# --- abort, delete, list ---


async def test_abort_forgets_the_upload_and_its_bytes(bench: Bench) -> None:
    upload_id, _ = await uploaded(bench, content(1500))
    await put(bench, content(10), "originals/ph_2.1")
    assert len(await bench.store.list_uploads()) == 2
    await bench.store.abort(KEY, upload_id)
    await bench.store.abort("originals/ph_2.1", None)
    assert await bench.store.list_uploads() == []
    with pytest.raises(NotUploaded):
        await bench.store.complete_single("originals/ph_2.1")


async def test_aborting_what_is_unknown_is_not_an_error(bench: Bench) -> None:
    await bench.store.abort(KEY, "neverbegan")
    await bench.store.abort(KEY, None)


@pytest.mark.parametrize("multipart", [True, False])
async def test_abort_ends_what_is_arriving(bench: Bench, multipart: bool) -> None:
    if multipart:
        upload_id = await bench.store.create_multipart(KEY, 1000, PART)
        signed = bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60)
    else:
        upload_id, signed = "", bench.store.presign_put(KEY, 1000, expires_in=60)

    async def send_until_aborted() -> None:
        async with local(bench.store).receive(bench.grant("PUT", signed)) as sink:
            await sink.write(content(500))
            await bench.store.abort(KEY, upload_id or None)
            await sink.write(content(500))

    with pytest.raises(UploadGone):
        await send_until_aborted()
    assert await bench.store.list_uploads() == []


async def test_abort_leaves_a_sealed_object(bench: Bench) -> None:
    await put(bench, content(10))
    await bench.store.complete_single(KEY)
    await bench.store.abort(KEY, None)
    assert await read(bench) == content(10)


async def test_uploads_are_listed_with_their_last_change(bench: Bench) -> None:
    upload_id, _ = await uploaded(bench, content(1500))
    await put(bench, content(10), "originals/ph_2.1")
    await put(bench, content(10), "originals/ph_3.1")
    await bench.store.complete_single("originals/ph_3.1")
    listed = await bench.store.list_uploads()
    assert {(key, upload) for key, upload, _ in listed} == {(KEY, upload_id), ("originals/ph_2.1", None)}
    assert all(changed > 1_600_000_000_000 for _, _, changed in listed)


async def test_deleting_removes_and_deleting_again_is_not_an_error(bench: Bench) -> None:
    await put(bench, content(10))
    await bench.store.complete_single(KEY)
    await bench.store.delete(KEY)
    await bench.store.delete(KEY)
    assert await unseen(bench)


async def test_deleting_and_sealing_at_once_disturb_each_other_not(bench: Bench) -> None:
    keys = [f"originals/ph_{n}.1" for n in range(20)]
    for key in keys:
        await put(bench, content(10), key)

    async def life(key: str) -> None:
        await bench.store.complete_single(key)
        await bench.store.delete(key)

    await asyncio.gather(*(life(key) for key in keys))
    assert all([await unseen(bench, key) for key in keys])


# --- derived files, reading ---


async def test_put_stores_each_file_whole_and_replaces(bench: Bench) -> None:
    small, large = "derived/ph_1/256.webp", "derived/ph_1/1024.webp"
    await bench.store.put({small: content(30), large: content(300)}, "image/webp")
    await bench.store.put({small: content(40, seed=3)}, "image/webp")
    assert await read(bench, small) == content(40, seed=3)
    assert await read(bench, large) == content(300)
    found = await bench.store.head(small)
    assert found is not None
    assert found.size == 40


async def test_what_is_missing_has_no_head_and_no_copy(bench: Bench) -> None:
    assert await bench.store.head(KEY) is None
    with pytest.raises(ObjectMissing):
        await read(bench)


async def test_check_passes_on_a_store_that_can_be_written_to(bench: Bench) -> None:
    await bench.store.check()


async def test_closing_twice_is_not_an_error(bench: Bench) -> None:
    await bench.store.close()
    await bench.store.close()


# --- signatures of stores whose URLs lead to this server ---


async def test_a_url_allows_what_was_signed_until_it_expires(bench: Bench) -> None:
    signed = bench.store.presign_part(KEY, "up1", 3, 1000, expires_in=60)
    assert signed.expires_at == START + 60_000
    assert bench.grant("PUT", signed) == Grant("PUT", KEY, size=1000, upload_id="up1", part_number=3)
    bench.now = signed.expires_at
    with pytest.raises(SignatureExpired):
        bench.grant("PUT", signed)


async def test_a_filename_of_any_kind_survives_signing(bench: Bench) -> None:
    name = 'Ümlaut & "quote" 100%+=#\u202e\U0001f4f7.jpg'
    signed = bench.store.presign_get(KEY, expires_in=60, filename=name, content_type="image/jpeg")
    assert bench.grant("GET", signed) == Grant("GET", KEY, filename=name, content_type="image/jpeg")


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


async def test_a_url_of_another_secret_is_invalid(bench: Bench, tmp_path: Path) -> None:
    other = DiskStore(tmp_path / "other", base_url="", secret=b"other", clock=lambda: START)
    with pytest.raises(SignatureInvalid):
        bench.grant("GET", other.presign_get(KEY, expires_in=60))
    await other.close()


async def test_head_reads_by_the_url_of_get(bench: Bench) -> None:
    assert bench.grant("HEAD", bench.store.presign_get(KEY, expires_in=60)).method == "GET"
