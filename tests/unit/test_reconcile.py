"""The sweep: everything that may have been lost is found, acted on once, and said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.clock import Clock

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.commands import identity, jobs, library, uploads, work
from safelight.commands.jobs import File
from safelight.domain.photo import Developed, Photo, PhotoStatus, Stage
from safelight.ports import Database, Doomed, Ports, Task
from safelight.reconcile import Reconciler
from safelight.settings import Settings

MiB = 1024 * 1024
DAY = 24 * 3600 * 1000


@dataclass
class World:
    ports: Ports
    clock: Clock
    user_id: str
    sweep: Reconciler

    async def declare(self, size: int = 10, count: int = 1, expected_count: int | None = None) -> list[Photo]:
        files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=size) for n in range(count)]
        return (await jobs.create_job(self.ports, self.user_id, files, expected_count=expected_count)).photos

    async def put(self, photo: Photo) -> None:
        """The bytes of a single PUT, as the storage edge writes them."""
        await self.ports.store.put({photo.storage_key: bytes(photo.bytes)}, "image/jpeg")

    async def now(self, photo: Photo) -> Photo:
        found = await self.ports.db.read(lambda tx: tx.photo(photo.id))
        assert found
        return found


@pytest.fixture
async def world(tmp_path: Path, open_database: Callable[[], Database]) -> AsyncIterator[World]:
    clock = Clock()
    settings = Settings(data_dir=tmp_path, secret="of the test")
    ports = Ports(
        db=open_database(),
        store=DiskStore(tmp_path / "store", base_url="", secret=b"x", clock=clock),
        broker=MemoryBroker(per_job=2, redeliver_after=60),
        clock=clock,
        settings=settings,
    )
    user = await identity.add_user(ports, "a@example.org", None)
    yield World(ports, clock, user.id, Reconciler(ports))
    await ports.broker.close()
    await ports.db.close()
    await ports.store.close()


async def _next_task(world: World) -> Task:
    delivery = await anext(world.ports.broker.tasks())
    await delivery.ack()
    return delivery.task


async def test_u8_a_whole_put_is_finalized_for_a_client_that_never_does(world: World) -> None:
    whole, missing = await world.declare(count=2)
    await world.put(whole)
    await world.sweep.finalize_resting()
    assert (await world.now(whole)).status is PhotoStatus.QUEUED
    world.clock.now += 6_000
    await world.sweep.finalize_resting()
    assert (await world.now(whole)).status is PhotoStatus.PROCESSING
    assert (await world.now(missing)).status is PhotoStatus.QUEUED


async def test_j8_a_lost_task_is_queued_again_and_a_held_one_is_not(world: World) -> None:
    first, second = await world.declare(count=2)
    for photo in (first, second):
        await world.put(photo)
        await uploads.finalize(world.ports, world.user_id, photo.id)
        await _next_task(world)
    assert await work.claim(world.ports, Task(second.id, second.job_id, 1), "w1")
    await world.sweep.requeue()
    assert (await _next_task(world)).photo_id == first.id
    world.clock.now += 31_000
    await world.sweep.requeue()
    assert {(await _next_task(world)).photo_id for _ in range(2)} == {first.id, second.id}


async def test_j6_a_photo_taken_three_times_without_an_end_fails_with_the_reason(world: World) -> None:
    (photo,) = await world.declare()
    await world.put(photo)
    await uploads.finalize(world.ports, world.user_id, photo.id)
    task = Task(photo.id, photo.job_id, 1)
    for _ in range(3):
        assert await work.claim(world.ports, task, "w1")
        assert await work.claim(world.ports, task, "w2") is None
        world.clock.now += 31_000
    assert await work.claim(world.ports, task, "w3") is None
    failed = await world.now(photo)
    assert (failed.status, failed.error_code) == (PhotoStatus.FAILED, "decoder-crashed")
    await uploads.retry_photo(world.ports, world.user_id, photo.id)
    assert (await world.now(photo)).status is PhotoStatus.PROCESSING


async def test_j8_an_upload_past_its_deadline_fails_and_its_parts_are_gone(world: World) -> None:
    (photo,) = await world.declare(20 * MiB, expected_count=3)
    world.clock.now += 8 * DAY
    await world.sweep.expire_jobs()
    expired = await world.now(photo)
    assert (expired.status, expired.error_code) == (PhotoStatus.FAILED, "upload-expired")
    assert await world.ports.store.list_uploads() == []
    job = await world.ports.db.read(lambda tx: tx.job(photo.job_id))
    assert job
    assert (job.status, job.expected_count) == ("FAILED", 1)


async def test_bytes_doomed_before_a_crash_are_buried_later(world: World) -> None:
    (photo,) = await world.declare()
    await world.put(photo)
    await uploads.finalize(world.ports, world.user_id, photo.id)
    await world.ports.db.write(lambda tx: tx.doom([Doomed(photo.storage_key, upload=False)]))
    await world.sweep.bury_doomed()
    assert await world.ports.store.head(photo.storage_key) is None
    assert await world.ports.db.read(lambda tx: tx.doomed(9)) == []


async def test_the_trash_is_emptied_in_time(world: World) -> None:
    (photo,) = await world.declare()
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    await library.trash(world.ports, world.user_id, photo.id)
    await world.sweep.empty_trash()
    assert (await world.now(photo)).purged_at is None
    world.clock.now += 31 * DAY
    await world.sweep.empty_trash()
    assert (await world.now(photo)).purged_at


async def test_a_cancelled_photo_is_left_by_its_worker(world: World) -> None:
    (photo,) = await world.declare()
    await world.put(photo)
    await uploads.finalize(world.ports, world.user_id, photo.id)
    leased = await work.claim(world.ports, Task(photo.id, photo.job_id, 1), "w1")
    assert leased
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    assert await work.enter(world.ports, [(leased, Stage.METADATA)], "w1") == {photo.id}
    facts = Developed("image/jpeg", 1, 1, None, {}, "", "00000000")
    assert not await work.publish(world.ports, leased, facts, "w1")
    assert (await world.now(photo)).status is PhotoStatus.CANCELLED


async def test_a_lease_that_was_lost_moves_nothing(world: World) -> None:
    (photo,) = await world.declare()
    await world.put(photo)
    await uploads.finalize(world.ports, world.user_id, photo.id)
    task = Task(photo.id, photo.job_id, 1)
    sleeper = await work.claim(world.ports, task, "sleeper")
    assert sleeper
    world.clock.now += 31_000
    assert await work.claim(world.ports, task, "other")
    facts = Developed("image/jpeg", 1, 1, None, {}, "", "00000000")
    assert not await work.publish(world.ports, replace(sleeper), facts, "sleeper")
