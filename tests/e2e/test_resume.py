"""What was begun goes on: after a tab is closed, in another browser, with a file that has changed; and what the library
has is not sent again. Counted in bytes by the server.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect
from tests.e2e.browsing import Tab, photos, visit
from tests.pictures import big_jpeg
from tests.received import received
from tests.running import Client, Server

MiB = 1024 * 1024
SMALL = 20
LARGE = 48 * MiB

Open = Callable[..., Tab]
Start = Callable[..., Server]


def test_u15_a_closed_tab_goes_on_by_one_click_and_sends_no_byte_twice(
    start: Start, open_tab: Open, tmp_path: Path
) -> None:
    server, tab = start(log_level="debug"), open_tab()
    with server.client() as person:
        visit(tab.page, server.url, person)
        # The browser's leave to read files lasts as long as any tab of the page is open; after that it would ask.
        _visit_again(tab.page.context.new_page(), server)
        folder = _half_sent(server, tab, tmp_path)
        _close(tab, server)
        again = Tab(tab.page.context)
        _visit_again(again.page, server)
        again.page.get_by_role("button", name=re.compile(r"^Resume \d+ photos?$")).click()
        _all_arrive(again, folder)
        _sent_once(server, folder)
        _stored_as_they_are(person, folder)


def test_u15_a_folder_dropped_again_in_another_browser_goes_on(start: Start, open_tab: Open, tmp_path: Path) -> None:
    server, tab, elsewhere = start(log_level="debug"), open_tab(), open_tab()
    with server.client() as person:
        visit(tab.page, server.url, person)
        folder = _half_sent(server, tab, tmp_path)
        _close(tab, server)
        visit(elsewhere.page, server.url, person)
        elsewhere.drop(folder)
        _all_arrive(elsewhere, folder)
        _sent_once(server, folder)
        _stored_as_they_are(person, folder)


def test_u15_a_file_that_has_changed_is_sent_anew_and_never_mixed(start: Start, open_tab: Open, tmp_path: Path) -> None:
    server, tab = start(log_level="debug"), open_tab()
    with server.client() as person:
        visit(tab.page, server.url, person)
        folder = _half_sent(server, tab, tmp_path)
        _close(tab, server)
        large = folder / "large-0000.jpg"
        before = large.stat()
        # Of the same size and time: head and tail tell.
        large.write_bytes(big_jpeg(LARGE, seed=7))
        os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
        again = Tab(tab.page.context)
        _visit_again(again.page, server)
        again.until_counts(All=SMALL + 1)
        again.drop(folder)
        expect(
            again.page.get_by_text(re.compile(r"has changed since its upload began: .*large-0000\.jpg"))
        ).to_be_visible()
        again.until_counts(All=SMALL + 2, Completed=SMALL + 1, Active=1)
        again.page.get_by_role("button", name="Cancel large-0000.jpg").click()
        again.until_counts(Active=0)
        assert received(server).again == 0
        _stored_as_they_are(person, folder)


def test_u16_a_folder_that_the_library_has_is_recognised_and_not_sent(
    start: Start, open_tab: Open, tmp_path: Path
) -> None:
    server, tab, elsewhere = start(log_level="debug"), open_tab(), open_tab()
    with server.client() as person:
        folder = photos(tmp_path / "holiday", [big_jpeg(50_000, seed=n) for n in range(30)])
        visit(tab.page, server.url, person)
        tab.drop(folder)
        tab.until_counts(Completed=30, Active=0)
        sent = received(server).whole
        # Elsewhere one has lost its time, one has changed in its midst and its time, one is new.
        os.utime(folder / "photo-0001.jpg", (1, 1))
        changed = bytearray((folder / "photo-0002.jpg").read_bytes())
        changed[25_000] ^= 1
        (folder / "photo-0002.jpg").write_bytes(changed)
        os.utime(folder / "photo-0002.jpg", (1, 1))
        photos(folder, [big_jpeg(60_000, seed=99)], name="new")
        visit(elsewhere.page, server.url, person)
        elsewhere.drop(folder)
        elsewhere.until_counts(All=31, Completed=31, Active=0)
        assert received(server).whole - sent == 50_000 + 60_000
        assert person.get("/queries/photos").json()["totalElements"] == 32


def _half_sent(server: Server, tab: Tab, tmp_path: Path) -> Path:
    """A folder of which some photos, and some parts of a large one, have arrived."""
    folder = photos(tmp_path / "holiday", [big_jpeg(200_000, seed=n) for n in range(SMALL)])
    photos(folder, [big_jpeg(LARGE, seed=99)], name="large")
    tab.throttle(12 * MiB)
    tab.drop(folder)
    tab.until(lambda: received(server).whole > 20 * MiB, "some of it")
    assert received(server).whole < SMALL * 200_000 + LARGE
    return folder


def _close(tab: Tab, server: Server) -> None:
    """Close the tab, and let what it had on its way come to its end: to arrive after all, or to be cut off."""
    tab.page.close(run_before_unload=False)
    before = None
    while (now := received(server)) != before:
        before = now
        time.sleep(0.5)


def _visit_again(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Add photos").first.wait_for()


def _all_arrive(tab: Tab, folder: Path) -> None:
    count = sum(1 for _ in folder.iterdir())
    tab.until_counts(All=count, Completed=count, Active=0)


def _sent_once(server: Server, folder: Path) -> None:
    """Whatever arrived whole did so once; what was cut off is no more than was in flight."""
    account = received(server)
    assert (account.whole, account.again) == (sum(path.stat().st_size for path in folder.iterdir()), 0)
    assert account.in_part < 6 * 8 * MiB


def _stored_as_they_are(person: Client, folder: Path) -> None:
    """Every file of the folder is in the library, byte for byte."""
    items = person.get("/queries/photos", params={"size": 500}).json()["items"]
    assert sorted(item["filename"] for item in items) == sorted(path.name for path in folder.iterdir())
    for item in items:
        url = person.get(f"/queries/photos/{item['photoId']}/download-url").json()["url"]
        assert httpx.get(url).content == (folder / item["filename"]).read_bytes(), item["filename"]
