"""The stages of a photo on a real store, in order, and what is left when one fails."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import crc32c
import pytest
from tests.unit.processing.samples import encoded, picture

from safelight.adapters.disk import DiskStore
from safelight.domain.photo import Developed
from safelight.errors import ChecksumMismatch, ObjectMissing, UnsupportedType
from safelight.processing.pipeline import PhotoToProcess, process
from safelight.processing.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")
JPEG = encoded(picture(), "JPEG")


async def stored(folder: Path, data: bytes, *, crc: str | None = None) -> tuple[DiskStore, PhotoToProcess]:
    store = DiskStore(folder, base_url="", secret=b"secret", clock=lambda: 0)
    await store.put({"originals/ph_1.1": data}, "image/jpeg")
    checksum = crc or f"{crc32c.crc32c(data):08x}"
    sha256 = hashlib.sha256(data).hexdigest()
    return store, PhotoToProcess("ph_1", "originals/ph_1.1", len(data), checksum, sha256)


async def run(photo: PhotoToProcess, store: DiskStore, sandbox: Sandbox) -> tuple[Developed, list[str]]:
    stages: list[str] = []

    async def on_stage(stage: str) -> None:
        stages.append(stage)

    return await process(photo, store, sandbox, on_stage), stages


async def test_a_photo_goes_through_all_stages(sandbox: Sandbox, tmp_path: Path) -> None:
    store, photo = await stored(tmp_path, JPEG)
    done, stages = await run(photo, store, sandbox)
    assert stages == ["VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING"]
    assert (done.media_type, done.width, done.height) == ("image/jpeg", 1600, 1200)
    assert done.crc32c == photo.crc32c
    for key in ("derived/ph_1/256.webp", "derived/ph_1/1024.webp"):
        async with store.local_copy(key) as path:
            data = await asyncio.to_thread(path.read_bytes)
        assert data[8:12] == b"WEBP"
    assert await run(photo, store, sandbox) == (done, stages)
    await store.close()


async def test_nothing_is_derived_from_bytes_that_are_not_those_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    store, photo = await stored(tmp_path, JPEG, crc="01234567")
    with pytest.raises(ChecksumMismatch):
        await run(photo, store, sandbox)
    assert await store.head("derived/ph_1/256.webp") is None
    await store.close()


async def test_what_is_no_photo_ends_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    store, photo = await stored(tmp_path, b"not a photo")
    with pytest.raises(UnsupportedType):
        await run(photo, store, sandbox)
    await store.close()


async def test_an_original_that_is_gone_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    store, photo = await stored(tmp_path, JPEG)
    await store.delete(photo.key)
    with pytest.raises(ObjectMissing):
        await run(photo, store, sandbox)
    await store.close()


async def test_photos_in_parallel_share_the_children(sandbox: Sandbox, tmp_path: Path) -> None:
    store, photo = await stored(tmp_path, JPEG)
    found = await asyncio.gather(*(run(photo, store, sandbox) for _ in range(4)))
    assert len({done.thumbhash for done, _ in found}) == 1
    assert len(sandbox.pids()) == 1
    await store.close()
