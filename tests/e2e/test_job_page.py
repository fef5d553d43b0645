"""A job on a page of its own: watched from a second device, and its receipt."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import crc32c
import pytest
from playwright.sync_api import expect
from tests.e2e.browsing import Tab, photos, visit
from tests.e2e.live import Batch
from tests.pictures import big_jpeg, jpeg
from tests.running import Client, Server

MiB = 1024 * 1024
Open = Callable[..., Tab]


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    with server.client() as person:
        yield person


def test_a_second_device_watches_live_and_can_do_nothing_to_it(server: Server, person: Client, open_tab: Open) -> None:
    batch = Batch(person, 5)
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    page.goto(f"{server.url}/jobs/{batch.job_id}")
    job = page.get_by_role("main")
    expect(job.get_by_role("heading", name="0.jpg · 5 photos")).to_be_visible()
    expect(job.get_by_role("listitem")).to_have_count(5)
    expect(job.get_by_text("Waiting for its turn")).to_have_count(5)
    expect(job.get_by_role("listitem").get_by_role("button")).to_have_count(0)
    batch.send(2)
    expect(job.get_by_role("tab", name="Completed")).to_have_text(re.compile("2"))
    # What is cleared from this device's own panel stays on the page: it shows the job as the server has it.
    page.get_by_role("button", name="Clear ended").click()
    batch.send(3)
    expect(job.get_by_text("5 of 5 photos in the library")).to_be_visible()
    expect(job.locator(".library-head .badge")).to_have_text("Completed")
    expect(job.get_by_role("listitem")).to_have_count(5)


def test_an_ended_job_is_shown_and_goes_on_when_it_is_opened_again(
    server: Server, person: Client, open_tab: Open
) -> None:
    first = jpeg(seed=1)
    job_id, _ = person.ingest(first)
    person.ended(job_id)
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    page.goto(f"{server.url}/jobs/{job_id}")
    job = page.get_by_role("main")
    expect(job.get_by_text("1 of 1 photo in the library")).to_be_visible()
    more = person.post(f"/commands/upload-jobs/{job_id}/files", json={"files": [{"filename": "empty.jpg", "bytes": 0}]})
    assert more.status_code == 200
    expect(job.get_by_role("tab", name="Failed")).to_have_text(re.compile("1"))
    expect(job.get_by_text("The file is empty (0 bytes)")).to_be_visible()
    expect(job.locator(".library-head .badge")).to_have_text("Completed with errors")


def test_the_receipt_names_every_file(server: Server, person: Client, open_tab: Open, tmp_path: Path) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    pictures = [jpeg(seed=1), b"", big_jpeg(9 * MiB, seed=2)]
    tab.drop(photos(tmp_path / "Trip", pictures))
    tab.until_counts(Completed=2, Failed=1, Active=0)
    page.get_by_role("link", name="Job page").click()
    expect(page.get_by_role("heading", name="Trip · 3 photos")).to_be_visible()
    with page.expect_download() as as_json:
        page.get_by_role("button", name="Download as JSON").click()
    receipt = json.loads(Path(as_json.value.path()).read_text())
    assert [line["path"] for line in receipt["files"]] == [f"Trip/photo-000{n}.jpg" for n in range(3)]
    assert [line.get("checksum") for line in receipt["files"]] == [
        f"crc32c:{crc32c.crc32c(picture):08x}" if picture else None for picture in pictures
    ]
    with page.expect_download() as as_csv:
        page.get_by_role("button", name="Download as CSV").click()
    assert as_csv.value.suggested_filename == f"safelight-{receipt['jobId']}.csv"
    content = Path(as_csv.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["status"] for row in rows] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert all(row["endedAt"] for row in rows)


def test_a_job_that_is_not_ones_own_does_not_exist(server: Server, person: Client, open_tab: Open) -> None:
    with server.client() as other:
        job_id, _ = other.ingest(jpeg(seed=9))
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    for name in (job_id, "job_none"):
        page.goto(f"{server.url}/jobs/{name}")
        expect(page.get_by_text("There is no such job, or it is not yours.")).to_be_visible()
