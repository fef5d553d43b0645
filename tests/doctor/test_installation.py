"""The doctor on settings, data folder and database of one machine: what is wrong is named, with its fix."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.examining import finding_of

from safelight.adapters.sql.migrate import NEWEST
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.doctor import Verdict, fixes


async def test_a_short_secret_is_found(tmp_path: Path) -> None:
    found = await finding_of("secret", tmp_path, settings={"secret": "short"})
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.secret(32))
    assert "5 characters" in found.seen
    assert (await finding_of("secret", tmp_path, settings={"secret": "x" * 32})).verdict is Verdict.OK


async def test_a_secret_that_others_may_read_is_found(tmp_path: Path) -> None:
    kept = tmp_path / "data" / "secret"
    kept.parent.mkdir()
    kept.write_text("s" * 64)
    kept.chmod(0o644)
    found = await finding_of("secret", tmp_path)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.private(kept))
    kept.chmod(0o600)
    assert (await finding_of("secret", tmp_path)).verdict is Verdict.OK


@pytest.mark.parametrize("address", ["photos.example.org", "ftp://photos.example.org", "https://a.example/?x=1"])
async def test_a_public_url_that_is_no_address_is_found(tmp_path: Path, address: str) -> None:
    found = await finding_of("public URL", tmp_path, settings={"public_url": address})
    assert found.verdict is Verdict.WRONG
    assert "SAFELIGHT_PUBLIC_URL=https://" in found.fix
    right = await finding_of("public URL", tmp_path, settings={"public_url": "https://a.example"})
    assert right.verdict is Verdict.OK


async def test_a_data_folder_that_cannot_be_written_to_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    found = await finding_of("data folder", tmp_path)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.folder(tmp_path / "data"))


async def test_a_data_folder_is_not_made_by_looking(tmp_path: Path) -> None:
    assert (await finding_of("data folder", tmp_path)).verdict is Verdict.OK
    assert not (tmp_path / "data").exists()


async def test_a_disk_too_small_for_one_photo_is_found(tmp_path: Path) -> None:
    found = await finding_of("disk space", tmp_path, settings={"max_file_mb": 10**9})
    assert found.verdict is Verdict.WRONG
    assert "SAFELIGHT_MAX_FILE_MB=" in found.fix
    assert (await finding_of("disk space", tmp_path, settings={"max_file_mb": 1})).verdict is Verdict.OK


async def test_a_database_that_is_not_there_yet_is_not_made_by_looking(tmp_path: Path) -> None:
    assert "not there yet" in (await finding_of("database", tmp_path)).seen
    assert (await finding_of("schema", tmp_path)).verdict is Verdict.UNKNOWN
    assert not (tmp_path / "data").exists()


async def test_a_file_that_is_no_database_is_found(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"nothing of the kind" * 1000)
    found = await finding_of("database", tmp_path, settings={"database_url": f"sqlite:///{path}"})
    assert found.verdict is Verdict.WRONG
    assert "not a database" in found.seen


@pytest.mark.parametrize(
    ("migration", "oldest", "verdict"),
    [
        ("0001", None, Verdict.WRONG),
        ("0002", None, Verdict.WRONG),
        (NEWEST, None, Verdict.OK),
        ("9999", "0002", Verdict.OK),
        ("9999", "9999", Verdict.WRONG),
    ],
)
async def test_the_schema_is_compared_and_left_as_it_is(
    tmp_path: Path, migration: str, oldest: str | None, verdict: Verdict
) -> None:
    path = tmp_path / "kept.db"
    await SqliteDatabase(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (migration,))
        if oldest:
            raw.execute("UPDATE compatibility SET oldest = ?", (oldest,))
        raw.commit()
        found = await finding_of("schema", tmp_path, settings={"database_url": f"sqlite:///{path}"})
        assert found.verdict is verdict
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(migration,)]
    if migration == "0001":
        assert "3 migrations behind" in found.seen
        assert found.fix == fixes.MIGRATE


async def test_a_broker_in_memory_and_a_database_on_this_disk_are_tried(tmp_path: Path) -> None:
    assert (await finding_of("broker", tmp_path)).verdict is Verdict.OK
    assert (await finding_of("database latency", tmp_path)).verdict is Verdict.OK


@pytest.mark.parametrize("name", ["store", "single PUT", "ETag", "signed size", "multipart", "checksums"])
async def test_the_disk_store_is_tried_and_left_empty(tmp_path: Path, name: str) -> None:
    found = await finding_of(name, tmp_path)
    assert found.verdict is Verdict.OK, found
    store = tmp_path / "data" / "store"
    assert [path for path in store.rglob("*") if path.is_file()] == []


async def test_a_store_that_cannot_be_opened_is_found(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    found = await finding_of("store", tmp_path, settings={"storage_url": f"file://{tmp_path / 'store'}"})
    assert found.verdict is Verdict.WRONG
    assert str(tmp_path / "store") in found.seen
