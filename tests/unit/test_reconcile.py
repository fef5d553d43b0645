"""The sweep: everything that may have been lost is found, acted on once, and said."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.clock import Clock
from tests.storing import now

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.commands import identity, jobs, library, uploads, work
from safelight.commands.jobs import File
from safelight.commands.sealing import Sent, finalize
from safelight.domain.photo import Developed, Photo, PhotoStatus, Stage
from safelight.errors import StoreUnavailable
from safelight.ports import Doomed, Grant, Ports, Task
from safelight.reconcile import STEPS, Outcome, Reconciler
from safelight.reconcile.finding import BATCH, Page, Step
from safelight.settings import Settings

MiB = 1024 * 1024
MINUTE = 60 * 1000
DAY = 24 * 3600 * 1000
STEP = {step.name: step for step in STEPS}


@dataclass
class World:
    folder: Path
    ports: Ports
    store: DiskStore
    clock: Clock
    user_id: str
    sweep: Reconciler

    async def declare(self, size: int = 10, count: int = 1, expected_count: int | None = None) -> list[Photo]:
        files = [File(filename=f"{n}.jpg", mime_type="image/jpeg", bytes=size) for n in range(count)]
        return (await jobs.create_job(self.ports, self.user_id, files, expected_count=expected_count)).photos

    async def put(self, photo: Photo) -> None:
        """The bytes of a single PUT, as the storage edge writes them."""
        async with self.store.receive(Grant("PUT", photo.storage_key, photo.bytes)) as sink:
            await sink.write(bytes(photo.bytes))

    async def store_whole(self, photo: Photo) -> None:
        await self.put(photo)
        await finalize(self.ports, self.user_id, Sent(photo.id))

    async def put_parts(self, photo: Photo, *numbers: int) -> None:
        assert photo.part_size
        for number in numbers:
            size = min(photo.part_size, photo.bytes - (number - 1) * photo.part_size)
            grant = Grant("PUT", photo.storage_key, size, photo.upload_id, number)
            async with self.store.receive(grant) as sink:
                await sink.write(bytes(size))

    async def now(self, photo: Photo) -> Photo:
        found = await self.ports.db.read(lambda tx: tx.photo(photo.id))
        assert found
        return found

    async def step(self, name: str) -> list[tuple[str, bool | None]]:
        """One round of a step: what it found, and whether acting changed anything."""
        return [(o.finding.subject, o.changed) for o in await self.sweep.advance(STEP[name]) if o.finding]

    def rows(self) -> list[str]:
        """The whole database, as SQL."""
        with sqlite3.connect(self.folder / "s.db") as connection:
            dump = list(connection.iterdump())
        connection.close()
        return dump

    def files(self) -> dict[str, int]:
        """Every file of the store, and its size."""
        return {str(p): p.stat().st_size for p in (self.folder / "store").rglob("*") if p.is_file()}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[World]:
    clock = Clock(now())
    store = DiskStore(folder / "store", base_url="", secret=b"x", clock=clock)
    ports = Ports(
        db=SqliteDatabase(folder / "s.db"),
        store=store,
        broker=MemoryBroker(per_job=2, redeliver_after=60),
        clock=clock,
        settings=Settings(_env_file=None, data_dir=folder, secret="of the test"),
    )
    user = await identity.add_user(ports, "a@example.org", None)
    yield World(folder, ports, store, clock, user.id, Reconciler(ports))
    await ports.broker.close()
    await ports.db.close()
    await ports.store.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


async def _next_task(world: World) -> Task:
    delivery = await anext(world.ports.broker.tasks())
    await delivery.ack()
    return delivery.task


async def test_u8_a_whole_put_is_finalized_for_a_client_that_never_does(world: World) -> None:
    whole, missing = await world.declare(count=2)
    await world.put(whole)
    assert await world.step("finalize") == []
    world.clock.now += MINUTE
    assert await world.step("finalize") == [(whole.id, True)]
    assert (await world.now(whole)).status is PhotoStatus.PROCESSING
    assert (await world.now(missing)).status is PhotoStatus.QUEUED
    assert await world.step("finalize") == []


async def test_u8_whole_parts_that_rest_are_finalized_for_their_client(world: World) -> None:
    whole, missing = await world.declare(20 * MiB, count=2)
    await world.put_parts(whole, 3, 1, 2)
    await world.put_parts(missing, 1, 2)
    assert await world.step("mend") == []
    world.clock.now += 11 * MINUTE
    assert await world.step("mend") == [(whole.id, True)]
    assert (await world.now(whole)).status is PhotoStatus.PROCESSING
    assert (await world.now(missing)).status is PhotoStatus.QUEUED
    assert await world.step("mend") == []


async def test_an_object_that_was_sealed_and_not_recorded_is_recorded(world: World) -> None:
    """As a server leaves it that is killed between the store's answer and the commit."""
    (single,), (large,) = await world.declare(), await world.declare(9 * MiB)
    await world.put(single)
    await world.store.complete_single(single.storage_key)
    await world.put_parts(large, 1, 2)
    assert large.upload_id
    parts = [(part.part_number, part.etag) for part in await world.store.list_parts(large.storage_key, large.upload_id)]
    await world.store.complete_multipart(large.storage_key, large.upload_id, parts, large.bytes)
    world.clock.now += 11 * MINUTE
    assert await world.step("mend") == [(single.id, True), (large.id, True)]
    assert {(await world.now(photo)).status for photo in (single, large)} == {PhotoStatus.PROCESSING}


async def test_u9_an_upload_that_the_store_has_forgotten_begins_anew_in_the_same_photo(world: World) -> None:
    (photo,) = await world.declare(20 * MiB)
    await world.put_parts(photo, 1)
    await world.store.abort(photo.storage_key, photo.upload_id)
    world.clock.now += 11 * MINUTE
    assert await world.step("mend") == [(photo.id, True)]
    again = await world.now(photo)
    assert (again.status, again.attempt, again.storage_key) == (photo.status, photo.attempt, photo.storage_key)
    assert again.upload_id != photo.upload_id
    await world.put_parts(again, 1, 2, 3)
    world.clock.now += 11 * MINUTE
    assert await world.step("mend") == [(photo.id, True)]
    assert (await world.now(photo)).status is PhotoStatus.PROCESSING
    assert await world.store.list_uploads() == []


async def test_two_that_begin_an_upload_anew_at_once_leave_one(world: World) -> None:
    (photo,) = await world.declare(20 * MiB)
    await world.store.abort(photo.storage_key, photo.upload_id)
    world.clock.now += 11 * MINUTE
    other = Reconciler(world.ports)
    await asyncio.gather(world.sweep.advance(STEP["mend"]), other.advance(STEP["mend"]))
    again = await world.now(photo)
    assert [(key, upload) for key, upload, _ in await world.store.list_uploads()] == [
        (photo.storage_key, again.upload_id)
    ]


async def test_j8_a_lost_task_is_queued_again_and_a_held_one_is_not(world: World) -> None:
    first, second = await world.declare(count=2)
    for photo in (first, second):
        await world.store_whole(photo)
        await _next_task(world)
    assert await work.claim(world.ports, Task(second.id, second.job_id, 1), "w1")
    assert await world.step("requeue") == []
    world.clock.now += 6_000
    assert await world.step("requeue") == [(first.id, True)]
    assert (await _next_task(world)).photo_id == first.id
    world.clock.now += 31_000
    assert await world.step("requeue") == [(first.id, True), (second.id, True)]
    assert {(await _next_task(world)).photo_id for _ in range(2)} == {first.id, second.id}


async def test_j6_a_photo_taken_three_times_without_an_end_fails_with_the_reason(world: World) -> None:
    (photo,) = await world.declare()
    await world.store_whole(photo)
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
    assert await world.step("expire") == [(photo.job_id, True)]
    expired = await world.now(photo)
    assert (expired.status, expired.error_code) == (PhotoStatus.FAILED, "upload-expired")
    assert await world.ports.store.list_uploads() == []
    job = await world.ports.db.read(lambda tx: tx.job(photo.job_id))
    assert job
    assert (job.status, job.expected_count) == ("FAILED", 1)
    assert await world.step("expire") == []


async def test_a_job_past_its_deadline_that_is_being_processed_is_left_alone(world: World) -> None:
    (photo,) = await world.declare()
    await world.store_whole(photo)
    world.clock.now += 8 * DAY
    assert await world.step("expire") == []


async def test_bytes_doomed_before_a_crash_are_buried_later(world: World) -> None:
    (photo,) = await world.declare()
    await world.store_whole(photo)
    await world.ports.db.write(lambda tx: tx.doom([Doomed(photo.storage_key, upload=False)]))
    assert await world.step("bury") == [(photo.storage_key, True)]
    assert await world.ports.store.head(photo.storage_key) is None
    assert await world.ports.db.read(lambda tx: tx.doomed("", 9)) == []


async def test_uploads_that_no_photo_waits_for_are_aborted_once_they_are_old(world: World) -> None:
    (waiting,) = await world.declare(20 * MiB)
    orphan = await world.store.create_multipart("originals/ph_nobody.1", 8 * MiB)
    lost = replace(waiting, storage_key="originals/ph_somebody.1")
    await world.put(replace(lost, bytes=10))
    await world.store.create_multipart("somebody/elses", 8 * MiB)
    assert await world.step("orphans") == []
    world.clock.now += 61 * MINUTE
    assert await world.step("orphans") == [("originals/ph_nobody.1", True), ("originals/ph_somebody.1", True)]
    left = {(key, upload) for key, upload, _ in await world.store.list_uploads()}
    assert (waiting.storage_key, waiting.upload_id) in left
    assert ("originals/ph_nobody.1", orphan) not in left
    assert {key for key, _ in left} == {waiting.storage_key, "somebody/elses"}
    assert await world.step("orphans") == []


async def test_the_trash_is_emptied_in_time(world: World) -> None:
    (photo,) = await world.declare()
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    await library.trash(world.ports, world.user_id, photo.id)
    assert await world.step("trash") == []
    assert (await world.now(photo)).purged_at is None
    world.clock.now += 31 * DAY
    assert await world.step("trash") == [(photo.id, True)]
    assert (await world.now(photo)).purged_at
    assert await world.step("trash") == []


async def test_old_events_and_sign_ins_are_forgotten(world: World) -> None:
    (photo,), (active,) = await world.declare(), await world.declare()
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    user = await world.ports.db.read(lambda tx: tx.user(world.user_id))
    assert user
    await identity.make_link(world.ports, user)
    assert await world.step("events") == await world.step("sign-ins") == []
    world.clock.now += 31 * DAY
    assert await world.step("events") == [(photo.job_id, True)]
    assert await world.step("sign-ins") == [("sign-ins", True)]
    assert await world.ports.db.read(lambda tx: tx.events_after(photo.job_id, 0, 9)) == []
    assert await world.ports.db.read(lambda tx: tx.events_after(active.job_id, 0, 9)) != []
    assert await world.step("events") == await world.step("sign-ins") == []


async def _amiss(world: World) -> dict[str, str]:
    """Something for every step; returns what each is to find."""
    (overdue,) = await world.declare(20 * MiB)
    (trashed,) = await world.declare()
    await uploads.cancel_photo(world.ports, world.user_id, trashed.id)
    await library.trash(world.ports, world.user_id, trashed.id)
    user = await world.ports.db.read(lambda tx: tx.user(world.user_id))
    assert user
    await identity.make_link(world.ports, user)
    world.clock.now += 31 * DAY
    arrived, stored, done = await world.declare(count=3)
    (forgotten,) = await world.declare(20 * MiB)
    await world.store.abort(forgotten.storage_key, forgotten.upload_id)
    await world.put(arrived)
    await world.store_whole(stored)
    await world.store_whole(done)
    leased = await work.claim(world.ports, Task(done.id, done.job_id, 1), "w")
    assert leased
    assert await work.publish(
        world.ports, leased, Developed("image/jpeg", 1, 1, None, {}, "", "00000000", "0" * 64, "0" * 16), "w"
    )
    await world.store.delete(done.storage_key)
    await world.ports.db.write(lambda tx: tx.doom([Doomed("originals/ph_x.1", upload=False)]))
    await world.store.create_multipart("originals/ph_nobody.1", 8 * MiB)
    world.clock.now += 61 * MINUTE
    return {
        "requeue": stored.id,
        "finalize": arrived.id,
        "bury": "originals/ph_x.1",
        "mend": forgotten.id,
        "expire": overdue.job_id,
        "trash": trashed.id,
        "orphans": "originals/ph_nobody.1",
        "events": trashed.job_id,
        "sign-ins": "sign-ins",
        "audit": done.id,
    }


async def test_a_dry_run_finds_everything_and_changes_nothing(world: World) -> None:
    wanted = await _amiss(world)
    rows, files = world.rows(), world.files()
    found: dict[str, Outcome] = {}
    async for outcome in world.sweep.sweep(act=False):
        assert outcome.finding
        assert (outcome.changed, outcome.error) == (None, None)
        found[outcome.step] = outcome
    assert {step: outcome.finding.subject for step, outcome in found.items() if outcome.finding} == wanted
    assert wanted.keys() == STEP.keys()
    assert (world.rows(), world.files()) == (rows, files)


async def test_sweeping_twice_changes_nothing_the_second_time(world: World) -> None:
    wanted = await _amiss(world)
    done = {o.step: o.changed async for o in world.sweep.sweep(act=True)}
    # A photo whose original is gone is told of, and stays what it was.
    assert done == {step: step != "audit" for step in wanted}
    rows, files = world.rows(), world.files()
    again = [o async for o in Reconciler(world.ports).sweep(act=True)]
    # What waits for a worker is queued once however often it is found, and the audit goes on telling.
    assert {o.step for o in again} == {"requeue", "audit"}
    assert (world.rows(), world.files()) == (rows, files)


async def test_what_is_found_and_done_is_counted_by_step(world: World) -> None:
    await _amiss(world)
    await world.sweep.round()
    registry = world.sweep.meters.registry
    for step in STEPS:
        labels = {"step": step.name}
        assert registry.get_sample_value("safelight_reconcile_findings_total", labels) == 1, step
        acted = registry.get_sample_value("safelight_reconciled_total", labels)
        assert acted == (step.name != "audit"), step
        assert registry.get_sample_value("safelight_reconcile_failures_total", labels) == 0


async def test_a_photo_whose_original_is_gone_is_told_of_loudly_and_stays(world: World) -> None:
    wanted = await _amiss(world)
    with capture_logs() as logs:
        assert await world.step("audit") == [(wanted["audit"], False)]
    (told,) = [line for line in logs if line["log_level"] == "error"]
    assert (told["photo"], told["wrong"]) == (wanted["audit"], "its original is gone from the store")
    photo = await world.ports.db.read(lambda tx: tx.photo(wanted["audit"]))
    assert photo
    assert photo.status is PhotoStatus.COMPLETED


async def test_one_that_cannot_be_helped_does_not_keep_the_others_waiting(world: World) -> None:
    """One key of three cannot be removed, round after round; the others are."""
    keys = [f"originals/ph_{n}.1" for n in range(3)]
    await world.ports.db.write(lambda tx: tx.doom([Doomed(key, upload=False) for key in keys]))
    in_the_way = world.store._object(keys[1])
    in_the_way.mkdir()
    with capture_logs() as logs:
        outcomes = await world.sweep.advance(STEP["bury"])
        assert [outcome.changed for outcome in outcomes] == [True, None, True]
        assert outcomes[1].error
        assert [o.error is None for o in await world.sweep.advance(STEP["bury"])] == [False]
    assert len(logs) == 2
    assert {(line["log_level"], line["first"], line["count"]) for line in logs} == {("warning", keys[1], 1)}
    in_the_way.rmdir()
    assert await world.step("bury") == [(keys[1], True)]


async def test_a_round_looks_at_so_many_and_the_next_goes_on_behind_them(world: World) -> None:
    keys = [f"originals/ph_{n:05}.1" for n in range(BATCH + 5)]
    for key in keys:
        world.store._object(key).mkdir()
    await world.ports.db.write(lambda tx: tx.doom([Doomed(key, upload=False) for key in keys]))
    first, second, third = [[subject for subject, _ in await world.step("bury")] for _ in range(3)]
    assert (first, second, third) == (keys[:BATCH], keys[BATCH:], keys[:BATCH])


def _breaking(error: Exception) -> Step:
    async def find(_ports: Ports, _after: str) -> Page:
        raise error

    return Step("mend", find)


@pytest.mark.parametrize(("error", "traceback"), [(StoreUnavailable(), [False, False]), (KeyError(1), [True, False])])
async def test_a_step_that_cannot_look_is_one_line_of_the_log(
    world: World, error: Exception, traceback: list[bool]
) -> None:
    with capture_logs() as logs:
        for _ in traceback:
            (outcome,) = await world.sweep.advance(_breaking(error))
            assert outcome.error == f"{type(error).__name__}: {error}"
    assert [bool(line["exc_info"]) for line in logs] == traceback
    assert {(line["step"], line["log_level"]) for line in logs} == {("mend", "warning")}
    labels = {"step": "mend"}
    assert world.sweep.meters.registry.get_sample_value("safelight_reconcile_failures_total", labels) == 2


async def test_a_database_that_is_closed_ends_no_round(world: World) -> None:
    await world.ports.db.close()
    with capture_logs() as logs:
        await asyncio.wait_for(world.sweep.round(slow=True), 30)
    assert {line["step"] for line in logs} == STEP.keys()
    assert len(logs) == len(STEP)


async def test_only_one_at_a_time_sweeps_and_another_follows_when_it_ends(world: World) -> None:
    ports = replace(world.ports, settings=world.ports.settings.model_copy(update={"sweep_seconds": 0.01}))
    first, second = Reconciler(ports), Reconciler(ports)

    def looks(reconciler: Reconciler) -> float:
        value = reconciler.meters.registry.get_sample_value("safelight_reconcile_findings_total", {"step": "bury"})
        assert value is not None
        return value

    # Nobody can remove this, so every round finds it.
    world.store._object("originals/ph_1.1").mkdir()
    await ports.db.write(lambda tx: tx.doom([Doomed("originals/ph_1.1", upload=False)]))
    async with ports.db.exclusively("reconciler"), asyncio.timeout(10):
        running = [asyncio.create_task(each.run()) for each in (first, second)]
        await asyncio.sleep(0.2)
        assert looks(first) == looks(second) == 0
    async with asyncio.timeout(10):
        while not (looks(first) or looks(second)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        leader, follower = (first, second) if looks(first) else (second, first)
        assert looks(follower) == 0
        running[leader is second].cancel()
        while not looks(follower):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_cancelled_photo_is_left_by_its_worker(world: World) -> None:
    (photo,) = await world.declare()
    await world.store_whole(photo)
    leased = await work.claim(world.ports, Task(photo.id, photo.job_id, 1), "w1")
    assert leased
    await uploads.cancel_photo(world.ports, world.user_id, photo.id)
    assert await work.enter(world.ports, [(leased, Stage.METADATA)], "w1") == {photo.id}
    facts = Developed("image/jpeg", 1, 1, None, {}, "", "00000000", "0" * 64, "0" * 16)
    assert not await work.publish(world.ports, leased, facts, "w1")
    assert (await world.now(photo)).status is PhotoStatus.CANCELLED


async def test_a_lease_that_was_lost_moves_nothing(world: World) -> None:
    (photo,) = await world.declare()
    await world.store_whole(photo)
    task = Task(photo.id, photo.job_id, 1)
    sleeper = await work.claim(world.ports, task, "sleeper")
    assert sleeper
    world.clock.now += 31_000
    assert await work.claim(world.ports, task, "other")
    facts = Developed("image/jpeg", 1, 1, None, {}, "", "00000000", "0" * 64, "0" * 16)
    assert not await work.publish(world.ports, replace(sleeper), facts, "sleeper")
