"""The library on each database: in the order of capture, by day, by words, and what is done to many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.rows import a_job, a_photo, a_user, adding, seed

from safelight.domain.photo import Photo, PhotoStatus
from safelight.domain.shelf import DAY, Order, wall_clock
from safelight.ports import Database, Day, Filter, Page

pytestmark = pytest.mark.parametrize("open_database", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
async def db(open_database: Callable[[], Database]) -> AsyncIterator[Database]:
    database = open_database()
    await database.migrate()
    await database.write(adding(a_user()))
    yield database
    await database.close()


def done(name: str, taken_at: str | None = None, **more: Any) -> Photo:
    complete = {"status": PhotoStatus.COMPLETED, "completed_at": 5, "taken_ms": wall_clock(taken_at)}
    return a_photo(name, **{**complete, "taken_at": taken_at, **more})


CAPTURED = Filter(order=Order.CAPTURED)
TRASHED = Filter(None, trashed=True, order=Order.DELETED)


async def ids(db: Database, which: Filter, page: Page) -> list[str]:
    found = await db.read(lambda tx: (tx.library("u1", which, page), tx.library_keys("u1", which, page)))
    assert [photo.id for photo in found[0]] == [name for _, name in found[1]]
    return [photo.id for photo in found[0]]


async def days(db: Database, which: Filter) -> list[tuple[int, int, int]]:
    found = await db.read(lambda tx: tx.library_days("u1", which))
    assert all(day.begin % DAY == 0 for day in found)
    return [(day.begin // DAY, day.count, day.undated) for day in found]


async def test_photos_stand_where_they_were_taken_and_the_undated_where_they_arrived(db: Database) -> None:
    await seed(
        db,
        done("ph_a", "1970-01-03T00:00:00+09:00"),
        done("ph_b", "1970-01-02T23:59:59.999"),
        done("ph_c", None, created_at=2 * DAY + 5),
        done("ph_d", "1969-12-31T23:59:59"),
        done("ph_e", "1970-01-01T00:00:00"),
        done("ph_f", "0001-01-01T00:00:00"),
        done("ph_twin", "1970-01-02T10:00:00", duplicate_of="ph_a"),
        done("ph_trash", "1970-01-02T10:00:00", deleted_at=9),
        done("ph_gone", "1970-01-02T10:00:00", deleted_at=9, purged_at=9),
        a_photo("ph_failed", status=PhotoStatus.FAILED),
    )
    assert await ids(db, CAPTURED, Page(9)) == ["ph_c", "ph_a", "ph_b", "ph_e", "ph_d", "ph_f"]
    assert await ids(db, CAPTURED, Page(2, 1)) == ["ph_b", "ph_e"]
    assert await ids(db, CAPTURED, Page(2, after=(2 * DAY, "ph_a"))) == ["ph_b", "ph_e"]
    assert await days(db, CAPTURED) == [(2, 2, 1), (1, 1, 0), (0, 1, 0), (-1, 1, 0), (-719_162, 1, 0)]
    within = Filter(order=Order.CAPTURED, since=0, until=2 * DAY)
    assert await ids(db, within, Page(9)) == ["ph_b", "ph_e"]
    assert await db.read(lambda tx: tx.library_count("u1", within)) == 2
    assert await db.read(lambda tx: tx.library_days("stranger", CAPTURED)) == []


async def test_the_trash_stands_by_the_day_of_deletion(db: Database) -> None:
    await seed(
        db,
        done("ph_1", "1970-01-09T00:00:00", deleted_at=DAY),
        done("ph_2", "1970-01-01T00:00:00", deleted_at=3 * DAY),
        a_photo("ph_3", status=PhotoStatus.FAILED, deleted_at=3 * DAY + 1),
        done("ph_4", "1970-01-01T00:00:00"),
    )
    assert await ids(db, TRASHED, Page(9)) == ["ph_3", "ph_2", "ph_1"]
    assert await days(db, TRASHED) == [(3, 2, 1), (1, 1, 0)]


async def test_l2_each_word_is_looked_for_in_name_folder_camera_and_date(db: Database) -> None:
    await seed(
        db,
        done("ph_1", "2024-05-31T23:59:59", camera="NIKON CORPORATION NIKON D90", filename="DSC_1.JPG"),
        done("ph_2", "2024-06-01T00:00:00", relative_path="Sommer/x.jpg", filename="x.jpg"),
        done("ph_3", "2023-12-31T12:00:00", filename="IMG_2024.jpg"),
        done("ph_4", None, created_at=wall_clock("2024-05-02T00:00:00"), filename="y.jpg"),
        done("ph_5", "2022-01-01T00:00:00", filename="50%_off.jpg"),
    )

    async def found(search: str) -> list[str]:
        return sorted(await ids(db, Filter(search=search, order=Order.CAPTURED), Page(9)))

    assert await found("nikon d90") == ["ph_1"]
    assert await found("2024") == ["ph_1", "ph_2", "ph_3", "ph_4"]
    assert await found("2024-05") == ["ph_1", "ph_4"]
    assert await found("2024-05-31 nikon") == ["ph_1"]
    assert await found("SOMMER 2024-06-01") == ["ph_2"]
    assert await found("2024-13") == await found("2024-02-30") == await found("0000") == []
    assert await found("%_") == ["ph_5"]
    assert await days(db, Filter(search="2024-05", order=Order.CAPTURED)) == [(19_874, 1, 0), (19_845, 1, 1)]


async def test_a_thousand_days_are_counted_in_one_look(db: Database) -> None:
    await seed(db, *(done(f"ph_{n:05}", None, created_at=n * DAY // 3, position=n) for n in range(3_000)), job=a_job())
    found = await db.read(lambda tx: tx.library_days("u1", CAPTURED))
    assert found[0] == Day(999 * DAY, 3, 3)
    assert len(found) == 1_000
