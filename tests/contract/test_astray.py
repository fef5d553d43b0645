"""Uploads that went astray end well on every store, and what is lost of the library is told or made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.living import World, living
from tests.pictures import big_jpeg, jpeg
from tests.storing import disk_bench, s3_bench

from safelight import queries
from safelight.commands import astray
from safelight.domain.photo import PhotoStatus, thumbnail_key
from safelight.errors import AlreadyStored, UploadGone
from safelight.ports import Ports
from safelight.reconcile import STEPS, Reconciler
from safelight.settings import MiB

LARGE = 8 * MiB + 1_000
MINUTE = 60 * 1000
STEP = {step.name: step for step in STEPS}


@pytest.fixture(params=["disk", "s3"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    disk = request.param == "disk"
    bench = disk_bench(tmp_path) if disk else s3_bench(tmp_path, request.getfixturevalue("seaweed"))
    async with living(bench, tmp_path) as opened:
        yield opened


async def _step(ports: Ports, name: str) -> list[tuple[str, bool | None]]:
    outcomes = await Reconciler(ports).advance(STEP[name])
    assert not [outcome for outcome in outcomes if outcome.error]
    return [(outcome.finding.subject, outcome.changed) for outcome in outcomes if outcome.finding]


async def test_u8_parts_that_all_arrived_end_completed_without_their_client(world: World) -> None:
    data = big_jpeg(LARGE)
    photo = await world.declare(data)
    await world.send(photo, data)
    world.clock.now += 11 * MINUTE
    assert await _step(world.ports, "mend") == [(photo.id, True)]
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED


async def test_u9_parts_are_sent_again_in_the_same_photo_where_the_store_forgot_their_upload(world: World) -> None:
    """As a lifecycle rule of a bucket ends uploads."""
    data = big_jpeg(LARGE)
    photo = await world.declare(data)
    await world.send(photo, data)
    await world.ports.store.abort(photo.storage_key, photo.upload_id)
    with pytest.raises(UploadGone):
        await queries.stored_parts(world.ports, world.user_id, photo.id)
    assert await astray.mend(world.ports, photo.id)
    again, parts = await queries.stored_parts(world.ports, world.user_id, photo.id)
    assert (again.attempt, parts) == (1, [])
    assert not await astray.mend(world.ports, photo.id)
    await world.finalize(again, await world.send(again, data))
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED


@pytest.mark.parametrize("data", [jpeg(), big_jpeg(LARGE)], ids=["single", "multipart"])
async def test_what_was_sealed_but_not_recorded_ends_completed(world: World, data: bytes) -> None:
    """As a server leaves it that dies between the store's answer and the commit."""
    photo = await world.declare(data)
    parts = await world.send(photo, data)
    store = world.ports.store
    if photo.upload_id:
        await store.complete_multipart(photo.storage_key, photo.upload_id, parts, photo.bytes)
    else:
        await store.complete_single(photo.storage_key)
    world.clock.now += 11 * MINUTE
    assert await _step(world.ports, "mend") == [(photo.id, True)]
    assert (await world.ended(photo)).status is PhotoStatus.COMPLETED
    if photo.upload_id:
        with pytest.raises(AlreadyStored):
            await queries.stored_parts(world.ports, world.user_id, photo.id)


async def test_what_is_sent_late_or_for_nobody_is_removed(world: World) -> None:
    data = jpeg()
    photo = await world.declare(data)
    await world.send(photo, data)
    await world.finalize(photo, [])
    await world.ended(photo)
    orphan = await world.ports.store.create_multipart("originals/ph_nobody.1", 8 * MiB)
    assert await _step(world.ports, "orphans") == []
    world.clock.now += 61 * MINUTE
    assert await _step(world.ports, "orphans") == [("originals/ph_nobody.1", True)]
    assert await world.ports.store.list_uploads() == []
    with pytest.raises(UploadGone):
        await world.ports.store.list_parts("originals/ph_nobody.1", orphan)


async def test_j10_a_thumbnail_that_is_gone_is_made_again_and_an_original_is_missed(world: World) -> None:
    data = jpeg()
    photo = await world.declare(data)
    await world.send(photo, data)
    await world.finalize(photo, [])
    await world.ended(photo)
    store = world.ports.store
    assert await _step(world.ports, "audit") == []
    lost = thumbnail_key(photo.id, 1024)
    await store.delete(lost)
    assert await _step(world.ports, "audit") == [(photo.id, True)]
    async with asyncio.timeout(30):
        while await store.head(lost) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await _step(world.ports, "audit") == []
    await store.delete(photo.storage_key)
    assert await _step(world.ports, "audit") == [(photo.id, False)]
    assert (await queries.photo(world.ports, world.user_id, photo.id)).status is PhotoStatus.COMPLETED
