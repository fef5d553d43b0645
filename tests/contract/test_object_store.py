"""What ports.ObjectStore promises, held against every adapter. A new adapter joins as a parameter of `bench`.

What only a store has whose bytes pass this server is held in test_local_store.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.storing import KEY, Bench, content, digest, disk_bench, s3_bench

from safelight.errors import AlreadyStored, NotUploaded, ObjectMissing, PartMismatch, SizeMismatch, UploadGone

TAIL = 500


@pytest.fixture(params=["disk", "s3"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    opened = {
        "disk": lambda: disk_bench(tmp_path),
        "s3": lambda: s3_bench(tmp_path, request.getfixturevalue("seaweed")),
    }
    made = opened[request.param]()
    made.open()
    yield made
    await made.close()


# --- single PUT ---


async def test_a_put_is_invisible_until_completed(bench: Bench) -> None:
    data = content(2500)
    await bench.put(data)
    assert await bench.unseen()
    sealed = await bench.store.complete_single(KEY)
    assert (sealed.key, sealed.size) == (KEY, 2500)
    assert sealed.crc32c in (None, digest(data))
    assert await bench.store.head(KEY) == sealed
    assert await bench.read() == data
    assert await bench.fetch(bench.store.presign_get(KEY, expires_in=60)) == data


async def test_repeating_a_put_before_completion_replaces_it(bench: Bench) -> None:
    await bench.put(content(900, seed=3))
    await bench.put(content(1100, seed=5))
    assert (await bench.store.complete_single(KEY)).size == 1100
    assert await bench.read() == content(1100, seed=5)


async def test_sealing_twice_is_not_an_error(bench: Bench) -> None:
    await bench.put(content(50))
    assert await bench.store.complete_single(KEY) == await bench.store.complete_single(KEY)


async def test_sealing_at_once_from_two_sides_is_not_an_error(bench: Bench) -> None:
    await bench.put(content(50))
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
    await bench.put(content(100))
    with pytest.raises(SizeMismatch):
        await bench.send(bench.store.presign_put(KEY, 100, expires_in=60), content(99, seed=9))
    await bench.store.complete_single(KEY)
    assert await bench.read() == content(100)


async def test_a_sealed_object_never_changes(bench: Bench) -> None:
    await bench.put(content(100))
    signed = bench.store.presign_put(KEY, 100, expires_in=60)
    await bench.store.complete_single(KEY)
    # S3 takes it, but elsewhere.
    with suppress(AlreadyStored):
        await bench.send(signed, content(100, seed=9))
    assert await bench.read() == content(100)
    await bench.store.complete_single(KEY)
    assert await bench.read() == content(100)
    assert await bench.store.list_uploads() == []


async def test_puts_at_once_leave_one_of_them_whole(bench: Bench) -> None:
    sent = [content(5000, seed) for seed in (3, 5, 7, 11)]
    await asyncio.gather(*(bench.put(data) for data in sent))
    sealed = await bench.store.complete_single(KEY)
    stored = await bench.read()
    assert stored in sent
    assert sealed.crc32c in (None, digest(stored))


# --- multipart ---


async def test_two_creations_give_two_uploads(bench: Bench) -> None:
    first = await bench.store.create_multipart(KEY, bench.part)
    second = await bench.store.create_multipart(KEY, bench.part)
    assert first != second
    await bench.put_part(first, 1, content(10))
    assert await bench.store.list_parts(KEY, second) == []


async def test_parts_in_any_order_become_one_object(bench: Bench) -> None:
    data = content(3 * bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    assert await bench.unseen()
    sealed = await bench.store.complete_multipart(KEY, upload_id, parts, len(data))
    assert sealed.size == len(data)
    assert sealed.crc32c in (None, digest(data))
    assert await bench.store.head(KEY) == sealed
    assert await bench.read() == data
    assert await bench.store.list_uploads() == []


async def test_parts_are_listed_by_number_with_etag_and_size(bench: Bench) -> None:
    upload_id, parts = await bench.upload(content(2 * bench.part + TAIL))
    listed = await bench.store.list_parts(KEY, upload_id)
    assert [(p.part_number, p.etag) for p in listed] == parts
    assert [p.size for p in listed] == [bench.part, bench.part, TAIL]


async def test_more_parts_than_a_page_has_are_all_listed(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, 3)
    for first in range(1, 1_101, 50):
        await asyncio.gather(*(bench.put_part(upload_id, n, b"abc") for n in range(first, first + 50)))
    listed = await bench.store.list_parts(KEY, upload_id)
    assert [p.part_number for p in listed] == list(range(1, 1_101))


async def test_repeating_a_part_replaces_it(bench: Bench) -> None:
    data, other = content(bench.part + TAIL), content(bench.part, seed=7)
    upload_id, parts = await bench.upload(data)
    again = await bench.put_part(upload_id, 1, other)
    assert again != parts[0]
    await bench.store.complete_multipart(KEY, upload_id, [again, parts[1]], len(data))
    assert await bench.read() == other + data[bench.part :]


async def test_completing_again_is_not_an_error(bench: Bench) -> None:
    data = content(bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    first = await bench.store.complete_multipart(KEY, upload_id, parts, len(data))
    assert await bench.store.complete_multipart(KEY, upload_id, parts, len(data)) == first


async def test_completing_at_once_from_two_sides_is_not_an_error(bench: Bench) -> None:
    data = content(bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    completing = (bench.store.complete_multipart(KEY, upload_id, parts, len(data)) for _ in range(2))
    first, second = await asyncio.gather(*completing)
    assert first == second
    assert await bench.read() == data


async def test_a_part_that_does_not_fit_is_named_and_the_upload_stays(bench: Bench) -> None:
    data = content(2 * bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    wrong = [parts[0], (2, "00000000"), parts[2]]
    for named in (wrong, parts[:2], [parts[0], parts[2]], [*parts, (4, "00000000")], parts[::-1], []):
        with pytest.raises(PartMismatch):
            await bench.store.complete_multipart(KEY, upload_id, named, len(data))
        assert len(await bench.store.list_parts(KEY, upload_id)) == 3
        assert await bench.unseen()
    with pytest.raises(PartMismatch) as caught:
        await bench.store.complete_multipart(KEY, upload_id, wrong, len(data))
    assert "part 2" in " ".join(error.message for error in caught.value.errors)
    await bench.store.complete_multipart(KEY, upload_id, parts, len(data))


async def test_fewer_parts_than_the_upload_has_bytes_do_not_fit(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, bench.part)
    part = await bench.put_part(upload_id, 1, content(bench.part))
    with pytest.raises(PartMismatch):
        await bench.store.complete_multipart(KEY, upload_id, [part], 2 * bench.part)
    assert await bench.unseen()


async def test_an_upload_is_listed_known_and_sealed_after_the_store_is_opened_anew(bench: Bench) -> None:
    data = content(bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    await bench.put(content(70), "originals/ph_2.1")
    await bench.store.close()
    bench.open()
    assert len(await bench.store.list_uploads()) == 2
    assert len(await bench.store.list_parts(KEY, upload_id)) == 2
    await bench.store.complete_multipart(KEY, upload_id, parts, len(data))
    await bench.store.complete_single("originals/ph_2.1")
    assert await bench.read() == data
    assert await bench.read("originals/ph_2.1") == content(70)


async def test_an_ended_or_unknown_upload_is_gone(bench: Bench) -> None:
    upload_id, parts = await bench.upload(content(TAIL))
    with pytest.raises(UploadGone):
        await bench.store.list_parts("originals/another.1", upload_id)
    await bench.store.abort(KEY, upload_id)
    for unknown in (upload_id, "neverbegan"):
        with pytest.raises(UploadGone):
            await bench.store.list_parts(KEY, unknown)
        with pytest.raises(UploadGone):
            await bench.store.complete_multipart(KEY, unknown, parts, TAIL)
        with pytest.raises(UploadGone):
            await bench.put_part(unknown, 1, content(TAIL))


async def test_a_part_sent_to_a_sealed_object_is_refused_and_changes_nothing(bench: Bench) -> None:
    data = content(bench.part + TAIL)
    upload_id, parts = await bench.upload(data)
    await bench.store.complete_multipart(KEY, upload_id, parts, len(data))
    with pytest.raises((AlreadyStored, UploadGone)):
        await bench.put_part(upload_id, 1, content(bench.part, seed=7))
    assert await bench.read() == data


async def test_a_part_of_another_size_is_refused_and_not_listed(bench: Bench) -> None:
    upload_id = await bench.store.create_multipart(KEY, bench.part)
    signed = bench.store.presign_part(KEY, upload_id, 1, 1000, expires_in=60)
    for sent in (400, 1001, 0):
        with pytest.raises(SizeMismatch):
            await bench.send(signed, content(sent, seed=7))
    assert await bench.store.list_parts(KEY, upload_id) == []
    await bench.put_part(upload_id, 1, content(1000))
    assert len(await bench.store.list_parts(KEY, upload_id)) == 1


async def test_parts_at_once_are_all_recorded(bench: Bench) -> None:
    size = bench.part
    data = content(6 * size)
    upload_id = await bench.store.create_multipart(KEY, size)
    sending = (bench.put_part(upload_id, n + 1, data[n * size : (n + 1) * size]) for n in range(6))
    await bench.store.complete_multipart(KEY, upload_id, await asyncio.gather(*sending), len(data))
    assert await bench.read() == data


# --- abort, delete, list ---


async def test_abort_forgets_the_upload_and_its_bytes(bench: Bench) -> None:
    upload_id, _ = await bench.upload(content(bench.part + TAIL))
    await bench.put(content(10), "originals/ph_2.1")
    assert len(await bench.store.list_uploads()) == 2
    await bench.store.abort(KEY, upload_id)
    await bench.store.abort("originals/ph_2.1", None)
    assert await bench.store.list_uploads() == []
    with pytest.raises(NotUploaded):
        await bench.store.complete_single("originals/ph_2.1")


async def test_aborting_what_is_unknown_is_not_an_error(bench: Bench) -> None:
    await bench.store.abort(KEY, "neverbegan")
    await bench.store.abort(KEY, None)


async def test_abort_leaves_a_sealed_object(bench: Bench) -> None:
    await bench.put(content(10))
    await bench.store.complete_single(KEY)
    await bench.store.abort(KEY, None)
    assert await bench.read() == content(10)


async def test_uploads_are_listed_with_their_last_change(bench: Bench) -> None:
    upload_id, _ = await bench.upload(content(bench.part + TAIL))
    await bench.put(content(10), "originals/ph_2.1")
    await bench.put(content(10), "originals/ph_3.1")
    await bench.store.complete_single("originals/ph_3.1")
    listed = await bench.store.list_uploads()
    assert {(key, upload) for key, upload, _ in listed} == {(KEY, upload_id), ("originals/ph_2.1", None)}
    assert all(changed > 1_600_000_000_000 for _, _, changed in listed)


async def test_deleting_removes_and_deleting_again_is_not_an_error(bench: Bench) -> None:
    await bench.put(content(10))
    await bench.store.complete_single(KEY)
    await bench.store.delete(KEY)
    await bench.store.delete(KEY)
    assert await bench.unseen()


async def test_deleting_and_sealing_at_once_disturb_each_other_not(bench: Bench) -> None:
    keys = [f"originals/ph_{n}.1" for n in range(20)]
    for key in keys:
        await bench.put(content(10), key)

    async def life(key: str) -> None:
        await bench.store.complete_single(key)
        await bench.store.delete(key)

    await asyncio.gather(*(life(key) for key in keys))
    assert all([await bench.unseen(key) for key in keys])


# --- derived files, reading ---


async def test_put_stores_each_file_whole_and_replaces(bench: Bench) -> None:
    small, large = "derived/ph_1/256.webp", "derived/ph_1/1024.webp"
    await bench.store.put({small: content(30), large: content(300)}, "image/webp")
    await bench.store.put({small: content(40, seed=3)}, "image/webp")
    assert await bench.read(small) == content(40, seed=3)
    assert await bench.read(large) == content(300)
    found = await bench.store.head(small)
    assert found is not None
    assert found.size == 40


async def test_what_is_missing_has_no_head_and_no_copy(bench: Bench) -> None:
    assert await bench.store.head(KEY) is None
    with pytest.raises(ObjectMissing):
        await bench.read()


async def test_check_passes_on_a_store_that_can_be_written_to(bench: Bench) -> None:
    await bench.store.check()


async def test_closing_twice_is_not_an_error(bench: Bench) -> None:
    await bench.store.close()
    await bench.store.close()
