"""The contract of ports.Database and its transactions, held by every adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.rows import a_job, a_photo, a_user, adding, seed

from safelight.domain.events import Event
from safelight.domain.identity import ApiToken, Session, SignInLink
from safelight.domain.job import JobStatus
from safelight.domain.photo import Photo, PhotoStatus, Stage
from safelight.ports import Database, Doomed, Filter, Known, Page, ReadTransaction, WriteTransaction

Open = Callable[[], Database]
pytestmark = pytest.mark.parametrize("open_database", ["sqlite", "postgres", "postgres ahead"], indirect=True)


@pytest.fixture
async def db(open_database: Open) -> AsyncIterator[Database]:
    database = open_database()
    await database.write(lambda tx: tx.add_user(a_user()))
    yield database
    await database.close()


async def test_what_was_written_is_there_after_reopening(db: Database, open_database: Open) -> None:
    await seed(db, a_photo("ph_1", relative_path="a/b.jpg", content_hash="sha256:x"))
    await db.close()
    again = open_database()
    assert await again.read(lambda tx: tx.job("job_1")) == a_job()
    assert await again.read(lambda tx: tx.photo("ph_1")) == a_photo(
        "ph_1", relative_path="a/b.jpg", content_hash="sha256:x"
    )
    await again.close()


async def test_an_error_rolls_back_its_own_work_and_nothing_else(db: Database) -> None:
    def broken(tx: WriteTransaction) -> None:
        tx.add_user(a_user("u2"))
        raise RuntimeError("half way")

    results = await asyncio.gather(
        db.write(lambda tx: tx.add_user(a_user("u3"))),
        db.write(broken),
        db.write(lambda tx: tx.add_user(a_user("u4"))),
        return_exceptions=True,
    )
    assert isinstance(results[1], RuntimeError)
    assert [user.id for user in await db.read(lambda tx: tx.users())] == ["u1", "u3", "u4"]


async def test_a_broken_constraint_is_an_error_for_its_own_work_alone(db: Database) -> None:
    results = await asyncio.gather(
        *(db.write(adding(a_user(name))) for name in ("u2", "u1", "u3")), return_exceptions=True
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert len(await db.read(lambda tx: tx.users())) == 3


async def test_results_of_one_job_come_in_the_order_of_commit(db: Database) -> None:
    await seed(db)
    order: list[int] = []

    async def one() -> None:
        order.append(await db.write(_raise_seq))

    await asyncio.gather(*(one() for _ in range(200)))
    assert order == list(range(1, 201))


async def test_concurrent_work_on_one_job_loses_no_update(db: Database) -> None:
    await seed(db)
    await asyncio.gather(*(db.write(_raise_seq) for _ in range(100)))
    job = await db.read(lambda tx: tx.job("job_1"))
    assert job is not None
    assert job.seq == 100


def _raise_seq(tx: WriteTransaction) -> int:
    job = tx.lock_job("job_1")
    assert job is not None
    tx.save_job(job, replace(job, seq=job.seq + 1))
    return job.seq + 1


async def test_a_read_that_writes_is_an_error(db: Database) -> None:
    def cheat(tx: ReadTransaction) -> None:
        assert not hasattr(tx, "add_user")
        tx._sql.exec_driver_sql("DELETE FROM users")  # type: ignore[attr-defined]

    with pytest.raises(Exception, match=r"read-?only"):
        await db.read(cheat)
    assert len(await db.read(lambda tx: tx.users())) == 1


async def test_a_write_that_nobody_waits_for_any_more_still_commits(db: Database, open_database: Open) -> None:
    task = asyncio.create_task(db.write(lambda tx: tx.add_user(a_user("u2"))))
    await asyncio.sleep(0)
    task.cancel()
    await db.close()
    assert task.cancelled()
    again = open_database()
    assert [user.id for user in await again.read(lambda tx: tx.users())] == ["u1", "u2"]
    await again.close()


async def test_reads_that_nobody_waits_for_any_more_do_no_harm(db: Database) -> None:
    await seed(db, *(a_photo(f"ph_{n}", position=n) for n in range(100)))
    for round_ in range(15):
        tasks = [asyncio.create_task(db.read(lambda tx: tx.photos_of_job("job_1"))) for _ in range(10)]
        await asyncio.sleep(round_ / 3000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(await db.read(lambda tx: tx.photos_of_job("job_1"))) == 100


async def test_an_exclusive_name_is_one_holders_at_a_time(db: Database) -> None:
    async with db.exclusively("sweep") as mine:
        assert mine
        async with db.exclusively("sweep") as theirs, db.exclusively("another") as other:
            assert not theirs
            assert other
        async with db.exclusively("sweep") as still:
            assert not still
    with pytest.raises(RuntimeError):
        await _hold_and_fail(db)
    async with db.exclusively("sweep") as free:
        assert free


async def _hold_and_fail(db: Database) -> None:
    async with db.exclusively("sweep"):
        raise RuntimeError("left by an error")


async def test_the_database_tells_that_it_is_well(db: Database) -> None:
    await db.check()


async def test_a_foreign_row_is_as_if_it_did_not_exist(db: Database) -> None:
    await seed(db, a_photo("ph_1"))
    assert await db.read(lambda tx: tx.job("job_1", "stranger")) is None
    assert await db.read(lambda tx: tx.photo("ph_1", "stranger")) is None
    assert await db.write(lambda tx: tx.lock_job("job_1", "stranger")) is None
    assert await db.read(lambda tx: tx.photo("ph_1", "u1")) is not None


async def test_the_library_filters_searches_and_pages(db: Database) -> None:
    done = PhotoStatus.COMPLETED
    await seed(
        db,
        *(a_photo(f"ph_{n}", status=done, created_at=n, position=n, relative_path=f"mai/{n}.jpg") for n in range(5)),
        a_photo("ph_queued"),
        a_photo("ph_twin", status=done, duplicate_of="ph_1"),
        a_photo("ph_trash", status=done, deleted_at=5),
        a_photo("ph_gone", status=done, deleted_at=5, purged_at=6),
        a_photo("ph_100%_", status=done),
    )

    async def ids(which: Filter, page: Page) -> list[str]:
        return [p.id for p in await db.read(lambda tx: tx.library("u1", which, page))]

    assert await ids(Filter(), Page(3)) == ["ph_4", "ph_3", "ph_2"]
    assert await ids(Filter(), Page(3, 1)) == ["ph_100%_", "ph_1", "ph_0"]
    assert await ids(Filter(), Page(3, after=(2, "ph_2"))) == ["ph_100%_", "ph_1", "ph_0"]
    assert await ids(Filter(None, trashed=True), Page(9)) == ["ph_trash"]
    assert await ids(Filter(search="MAI 3"), Page(9)) == ["ph_3"]
    assert await ids(Filter(search="%_"), Page(9)) == ["ph_100%_"]
    assert await db.read(lambda tx: tx.library_count("u1", Filter())) == 6
    assert await db.read(lambda tx: tx.library_count("stranger", Filter())) == 0


async def test_jobs_come_newest_first_by_cursor(db: Database) -> None:
    for n in range(4):
        status = JobStatus.COMPLETED if n == 2 else JobStatus.IN_PROGRESS
        await seed(db, job=a_job(f"job_{n}", created_at=n, status=status))
    listed = await db.read(lambda tx: tx.jobs("u1", active=False, before=None, limit=2))
    assert [job.id for job in listed] == ["job_3", "job_2"]
    rest = await db.read(lambda tx: tx.jobs("u1", active=False, before=(2, "job_2"), limit=2))
    assert [job.id for job in rest] == ["job_1", "job_0"]
    active = await db.read(lambda tx: tx.jobs("u1", active=True, before=None, limit=9))
    assert [job.id for job in active] == ["job_3", "job_1", "job_0"]


async def test_events_come_in_order_and_are_trimmed_with_their_job_only(db: Database) -> None:
    await seed(db)
    events = [Event("job_1", seq, f'{{"seq":{seq}}}', job_wide=False) for seq in (1, 2, 3)]
    await db.write(lambda tx: tx.add_events(events, now=10))
    assert [seq for seq, _ in await db.read(lambda tx: tx.events_after("job_1", 1, 10))] == [2, 3]
    assert await db.read(lambda tx: tx.jobs_with_old_events(50, "", 9)) == []
    assert await db.write(lambda tx: tx.trim_events("job_1", 50)) == 0
    await db.write(lambda tx: tx.save_job(a_job(), a_job(status=JobStatus.COMPLETED)))
    assert await db.read(lambda tx: tx.jobs_with_old_events(50, "", 9)) == ["job_1"]
    assert await db.read(lambda tx: tx.jobs_with_old_events(50, "job_1", 9)) == []
    assert await db.write(lambda tx: tx.trim_events("job_1", 50)) == 3
    assert await db.read(lambda tx: tx.jobs_with_old_events(50, "", 9)) == []


async def test_what_the_reconciler_asks(db: Database) -> None:
    processing, completed = PhotoStatus.PROCESSING, PhotoStatus.COMPLETED
    await seed(
        db,
        a_photo("ph_free", status=processing),
        a_photo("ph_fresh", status=processing, updated_at=9),
        a_photo("ph_held", status=processing, lease_owner="w", lease_until=50),
        a_photo("ph_lost", status=processing, lease_owner="w", lease_until=5),
        a_photo("ph_rests", bytes_sent=10, updated_at=1),
        a_photo("ph_moves", bytes_sent=5, updated_at=40),
        a_photo("ph_parts", part_count=3, updated_at=1),
        a_photo("ph_done", status=completed, completed_at=1),
        a_photo("ph_trash", status=completed, completed_at=1, deleted_at=2),
        a_photo("ph_gone", status=completed, completed_at=1, deleted_at=2, purged_at=3),
        a_photo("ph_twin", status=completed, completed_at=1, duplicate_of="ph_done"),
    )

    async def ids(ask: Callable[[ReadTransaction], list[Photo]]) -> list[str]:
        return [photo.id for photo in await db.read(ask)]

    assert await ids(lambda tx: tx.unleased(10, 5, "", 9)) == ["ph_free", "ph_lost"]
    assert await ids(lambda tx: tx.unleased(10, 5, "ph_free", 9)) == ["ph_lost"]
    assert await db.read(lambda tx: tx.waiting(10, 9)) == 3
    assert await db.read(lambda tx: tx.waiting(10, 2)) == 2
    assert await ids(lambda tx: tx.awaiting_bytes(10, "", 9)) == ["ph_parts", "ph_rests"]
    assert await ids(lambda tx: tx.awaiting_bytes(10, "", 1)) == ["ph_parts"]
    assert await ids(lambda tx: tx.completed("", 9)) == ["ph_done", "ph_trash"]
    assert await ids(lambda tx: tx.completed("ph_done", 9)) == ["ph_trash"]
    assert await ids(lambda tx: tx.trashed_before(10, "", 9)) == ["ph_trash"]
    assert await ids(lambda tx: tx.trashed_before(10, "ph_trash", 9)) == []
    assert await db.read(lambda tx: tx.overdue(100, "", 9)) == []
    assert [job.id for job in await db.read(lambda tx: tx.overdue(101, "", 9))] == ["job_1"]
    assert await db.read(lambda tx: tx.overdue(101, "job_1", 9)) == []
    await db.write(lambda tx: tx.renew_leases("w", ["ph_lost", "ph_free"], 99))
    assert await ids(lambda tx: tx.unleased(60, 5, "", 9)) == ["ph_free", "ph_held"]
    await db.write(lambda tx: tx.void_leases())
    assert await ids(lambda tx: tx.unleased(0, 5, "", 9)) == ["ph_free", "ph_held", "ph_lost"]


async def test_doomed_bytes_are_noted_once_and_buried_once(db: Database) -> None:
    items = [Doomed("a", upload=False), Doomed("b", upload=True, upload_id="up")]
    for _ in range(2):
        await db.write(lambda tx: tx.doom(items))
    assert await db.read(lambda tx: tx.doomed("", 9)) == items
    assert await db.read(lambda tx: tx.doomed("a", 9)) == items[1:]
    await db.write(lambda tx: tx.buried(items[:1]))
    assert await db.read(lambda tx: tx.doomed("", 9)) == items[1:]


async def test_links_work_once_and_in_time(db: Database) -> None:
    await db.write(lambda tx: tx.add_link(SignInLink(code_hash="good", user_id="u1", expires_at=100)))
    await db.write(lambda tx: tx.add_link(SignInLink(code_hash="late", user_id="u1", expires_at=5)))
    assert await db.write(lambda tx: tx.use_link("late", 10)) is None
    assert await db.write(lambda tx: tx.use_link("good", 10)) == "u1"
    assert await db.write(lambda tx: tx.use_link("good", 10)) is None


async def test_sessions_and_tokens_end(db: Database) -> None:
    session = Session(id="s", user_id="u1", cookie_hash="c", created_at=1, expires_at=50)
    token = ApiToken(id="t", user_id="u1", name="n", token_hash="h", created_at=1, expires_at=None)
    await db.write(lambda tx: tx.add_session(session))
    await db.write(lambda tx: tx.add_api_token(token))
    assert await db.read(lambda tx: tx.session_of_cookie("c")) == session
    assert await db.read(lambda tx: tx.expired_sign_ins(50)) == 0
    assert await db.read(lambda tx: tx.expired_sign_ins(51)) == 1
    await db.write(lambda tx: tx.forget_expired(51))
    assert await db.read(lambda tx: tx.expired_sign_ins(51)) == 0
    assert await db.read(lambda tx: tx.session("s")) is None
    assert await db.read(lambda tx: tx.api_token("h")) == token
    assert not await db.write(lambda tx: tx.revoke_api_token("t", "stranger"))
    assert await db.write(lambda tx: tx.revoke_api_token("t", "u1"))
    assert await db.read(lambda tx: tx.api_tokens("u1")) == []


async def test_originals_are_the_owners_completed_ones_outside_the_trash(db: Database) -> None:
    done = PhotoStatus.COMPLETED
    await seed(
        db,
        a_photo("ph_1", status=done, content_hash="h1"),
        a_photo("ph_2", status=PhotoStatus.QUEUED, content_hash="h2"),
        a_photo("ph_3", status=done, content_hash="h3", deleted_at=1),
        a_photo("ph_4", status=done, content_hash="h4", duplicate_of="ph_1"),
    )
    hashes = [f"h{n}" for n in range(2_000)]
    assert await db.read(lambda tx: tx.originals("u1", hashes)) == {"h1": "ph_1"}
    assert await db.read(lambda tx: tx.originals("stranger", hashes)) == {}


async def test_known_are_the_owners_completed_ones_of_that_name_and_size(db: Database) -> None:
    done = PhotoStatus.COMPLETED
    sums = {"status": done, "content_hash": "sha256:x", "probe": "0" * 16}
    await seed(
        db,
        a_photo("ph_1", filename="a.jpg", bytes=10, last_modified="5", **sums),
        a_photo("ph_2", filename="a.jpg", bytes=10, **sums),
        a_photo("ph_3", filename="a.jpg", bytes=11, **sums),
        a_photo("ph_4", filename="b.jpg", bytes=10, **sums),
        a_photo("ph_5", filename="a.jpg", bytes=10, **{**sums, "status": PhotoStatus.PROCESSING}),
        a_photo("ph_6", filename="a.jpg", bytes=10, **{**sums, "probe": None}),
        a_photo("ph_7", filename="a.jpg", bytes=10, deleted_at=1, **sums),
        a_photo("ph_8", filename="a.jpg", bytes=10, duplicate_of="ph_1", **sums),
    )
    asked = [("a.jpg", 10), ("b.jpg", 11), *((f"{n}.jpg", n) for n in range(2_000))]
    found = await db.read(lambda tx: tx.known("u1", asked))
    assert sorted(each.photo_id for each in found) == ["ph_1", "ph_2"]
    assert next(each for each in found if each.photo_id == "ph_1") == Known(
        "ph_1", "a.jpg", 10, "5", "sha256:x", "0" * 16
    )
    assert await db.read(lambda tx: tx.known("stranger", asked)) == []


@pytest.mark.parametrize("count", [0, 1, 5, 17, 300, 1_003])
async def test_photos_are_found_by_however_many_ids_each_once(db: Database, count: int) -> None:
    names = [f"ph_{n:04}" for n in range(count)]
    await seed(db, *(a_photo(name, position=at) for at, name in enumerate(names)), a_photo("ph_other"))
    found = await db.read(lambda tx: tx.photos([*names, "ph_unknown"]))
    assert sorted(photo.id for photo in found) == names


async def test_saving_writes_what_differs_and_nothing_else(db: Database) -> None:
    await seed(db, a_photo("ph_1"), a_photo("ph_2"), a_photo("ph_3"))

    def work(tx: WriteTransaction) -> None:
        first, second, third = sorted(tx.photos(["ph_1", "ph_2", "ph_3"]), key=lambda photo: photo.id)
        tx.save_photos([(first, replace(first, width=3)), (second, replace(second, width=4)), (third, third)])
        tx.save_photos([(replace(first, width=3), replace(first, width=3, stage=Stage.METADATA))])

    await db.write(work)
    found = await db.read(lambda tx: tx.photos_of_job("job_1"))
    assert {photo.id: (photo.width, photo.stage) for photo in found} == {
        "ph_1": (3, Stage.METADATA),
        "ph_2": (4, None),
        "ph_3": (None, None),
    }


async def test_of_two_that_add_the_same_key_one_finds_the_others(open_database: Open, db: Database) -> None:
    """As create_job does it in two processes with the same Idempotency-Key."""
    other = open_database()

    def declaring(name: str, key: str) -> Callable[[WriteTransaction], str]:
        def work(tx: WriteTransaction) -> str:
            if known := tx.job_of_key("u1", key):
                return known.id
            tx.add_job(a_job(name, idempotency_key=key))
            return name

        return work

    keys = [f"k{n}" for n in range(30)]
    asked = [
        database.write(declaring(f"job_{key}_{side}", key)) for key in keys for side, database in enumerate((db, other))
    ]
    given = await asyncio.gather(*asked)
    assert [given[at] for at in range(0, 60, 2)] == [given[at] for at in range(1, 60, 2)]
    await other.close()


async def test_it_tells_the_time(db: Database) -> None:
    before = time.time_ns() // 1_000_000
    told = await db.now()
    assert before - 1_000 < told < time.time_ns() // 1_000_000 + 1_000
