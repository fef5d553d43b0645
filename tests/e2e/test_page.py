"""What a person does with the page, in a real browser on a real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect
from tests.e2e.browsing import Tab, photos
from tests.pictures import big_jpeg, jpeg
from tests.received import received
from tests.running import Server

MiB = 1024 * 1024
LIFE = ["QUEUED", "UPLOADING", "PROCESSING", "VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING", "COMPLETED"]

Open = Callable[..., Tab]
Start = Callable[..., Server]


def test_a_dropped_folder_arrives_is_processed_and_fills_the_grid_live(
    start: Start, open_tab: Open, tmp_path: Path
) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    pictures = [jpeg(800, 600, seed=n, orientation=n % 8 + 1) for n in range(24)] + [big_jpeg(9 * MiB, seed=99)]
    folder = photos(tmp_path / "holiday", pictures)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "notes.jpg").write_text("no photo at all " * 50)
    (folder / "README.md").write_text("# words")
    loads = tab.loads
    tab.drop(folder)
    tab.until_counts(All=27, Completed=25, Failed=2, Active=0)
    assert tab.loads == loads
    expect(tab.page.get_by_role("heading", name="Library")).to_be_visible()
    expect(tab.page.get_by_text("25 photos", exact=True)).to_be_visible()
    expect(tab.page.get_by_label(re.compile("^Open photo-"))).not_to_have_count(0)
    lives = tab.lives()
    assert [life for life in lives.values() if life[-1] == "COMPLETED"] == [LIFE] * 25
    seqs = sorted({event["seq"] for event in tab.events if "seq" in event})
    assert seqs == list(range(1, seqs[-1] + 1))


def test_a_failure_is_told_in_the_words_of_the_api(start: Start, open_tab: Open, tmp_path: Path) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    folder = photos(tmp_path / "mixed", [jpeg(), b"", jpeg(400, 300, seed=2)[:900]])
    tab.drop(folder)
    tab.until_counts(Completed=1, Failed=2)
    tab.page.get_by_role("tab", name=re.compile("Failed")).click()
    panel = tab.page.get_by_label("Uploads").first
    for sentence in ("The file is empty (0 bytes)", "The photo is damaged or ends early"):
        expect(panel.get_by_text(sentence)).to_be_visible()


def test_the_photo_opens_with_its_metadata_and_goes_to_the_trash_and_back(
    start: Start, open_tab: Open, tmp_path: Path
) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    tab.drop(photos(tmp_path / "one", [jpeg(640, 480, seed=1)]))
    tab.until_counts(Completed=1)
    page = tab.page
    page.get_by_label("Open photo-0000.jpg").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_text("640 × 480")).to_be_visible()
    with page.expect_download() as download:
        viewer.get_by_role("button", name=re.compile("Download")).click()
    assert download.value.suggested_filename == "photo-0000.jpg"
    assert Path(download.value.path()).read_bytes() == jpeg(640, 480, seed=1)
    viewer.get_by_role("button", name=re.compile("trash", re.IGNORECASE)).click()
    expect(page.get_by_label("Open photo-0000.jpg")).to_have_count(0)
    page.get_by_role("link", name="Trash").click()
    expect(page.get_by_text("30 days left")).to_be_visible()
    page.get_by_label("Open photo-0000.jpg").click()
    page.get_by_role("dialog").get_by_role("button", name="Put back into the library").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Library").click()
    expect(page.get_by_label("Open photo-0000.jpg")).to_be_visible()


def test_pause_stops_resume_goes_on_and_cancel_ends(start: Start, open_tab: Open, tmp_path: Path) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    slow = tab.throttle(4 * MiB)
    tab.drop(photos(tmp_path / "large", [big_jpeg(20 * MiB, seed=n) for n in range(2)]))
    tab.until_counts(Active=2)
    page = tab.page
    page.get_by_role("button", name="Pause all").click()
    expect(page.get_by_text("Paused").first).to_be_visible()
    page.get_by_role("button", name=re.compile("Cancel photo-0001")).click()
    slow.detach()
    page.get_by_role("button", name="Resume all").click()
    tab.until_counts(Completed=1, Active=0)
    page.get_by_role("button", name="Clear ended").click()
    expect(page.get_by_text("photo-0001.jpg")).to_have_count(0)


def test_a_file_half_sent_goes_on_by_itself_after_kill_9_and_sends_only_what_is_missing(
    start: Start, open_tab: Open, tmp_path: Path
) -> None:
    size = 80 * MiB
    server, tab = start(log_level="debug"), open_tab()
    tab.sign_in(server)
    slow = tab.throttle(20 * MiB)
    tab.drop(photos(tmp_path / "large", [big_jpeg(size, seed=3)]))
    tab.until(lambda: received(server).whole > size // 2, "half of the bytes", 60)
    server.kill()
    server.start()
    slow.detach()
    tab.until_counts(Completed=1, seconds=90)
    # What was in flight when the server died was on no record and is sent again; no part that was whole is.
    assert received(server).whole == size
    stored = next((server.folder / "data" / "store" / "objects").rglob("originals.*"))
    assert stored.read_bytes() == big_jpeg(size, seed=3)


def test_the_state_of_the_connection_is_always_said(start: Start, open_tab: Open) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    state = tab.page.locator("[data-state]").first
    expect(state).to_have_text("Live")
    server.kill()
    expect(state).not_to_have_text("Live", timeout=15_000)
    server.start()
    expect(state).to_have_text("Live", timeout=20_000)
