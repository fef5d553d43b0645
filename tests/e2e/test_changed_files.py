"""Files that are no longer what they were when they were dropped, in a real browser: known before they are sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect
from tests.e2e.browsing import Tab, photos
from tests.pictures import big_jpeg, jpeg
from tests.running import Server

MiB = 1024 * 1024


def test_a_file_that_changed_or_vanished_while_it_waited_is_told_and_never_sent(
    start: Callable[..., Server], open_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    server, tab = start(), open_tab()
    tab.page.add_init_script("""localStorage.setItem('safelight.settings', '{"limit": 1}')""")
    tab.sign_in(server)
    slow = tab.throttle(MiB)
    sizes = [4 * MiB, 9 * MiB, MiB, MiB, MiB, MiB]
    folder = photos(tmp_path / "edited", [big_jpeg(size, seed=n) for n, size in enumerate(sizes)])
    tab.drop(folder)
    tab.until(lambda: tab.page.get_by_text("Sending", exact=True).count() > 0, "the first one being sent")
    (folder / "photo-0002.jpg").write_bytes(big_jpeg(MiB, seed=99))
    (folder / "photo-0003.jpg").write_bytes(b"")
    (folder / "photo-0004.jpg").unlink()
    slow.detach()
    tab.until_counts(Completed=3, Failed=3, Active=0)
    rows = tab.page.locator(".row[data-group=failed]")
    words = {name: rows.filter(has_text=name) for name in ("photo-0002", "photo-0003", "photo-0004")}
    expect(words["photo-0002"]).to_contain_text("changed on the disk")
    expect(words["photo-0003"]).to_contain_text("changed on the disk")
    expect(words["photo-0004"]).to_contain_text("no longer where it was chosen")
    stored = [path.stat().st_size for path in (server.folder / "data" / "store").rglob("originals.*")]
    assert sorted(stored) == sorted([4 * MiB, 9 * MiB, MiB])


def test_a_large_file_that_changes_between_its_parts_becomes_no_photo(
    start: Callable[..., Server], open_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    server, tab = start(), open_tab()
    tab.page.add_init_script("""localStorage.setItem('safelight.settings', '{"limit": 1}')""")
    tab.sign_in(server)
    slow = tab.throttle(8 * MiB)
    folder = photos(tmp_path / "large", [big_jpeg(40 * MiB, seed=1), jpeg()])
    tab.drop(folder)
    uploads = server.folder / "data" / "store" / "uploads"
    tab.until(lambda: any(path.stat().st_size > 0 for path in uploads.glob("*/parts")), "the first part", 60)
    with (folder / "photo-0000.jpg").open("r+b") as photo:
        photo.seek(39 * MiB)
        photo.write(b"another end")
    slow.detach()
    tab.until_counts(Completed=1, Failed=1, Active=0)
    expect(tab.page.locator(".row[data-group=failed]")).to_contain_text("changed on the disk")
