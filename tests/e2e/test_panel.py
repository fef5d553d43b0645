"""The upload panel in a real browser: where it is, what it shows of each photo and job, and what it says aloud."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect
from tests.e2e.browsing import Tab, photos, visit
from tests.e2e.proxy import proxied
from tests.pictures import big_jpeg, jpeg, with_thumbnail
from tests.running import Client, Server

MiB = 1024 * 1024
Open = Callable[..., Tab]
# What the page asks of the system, told to the test: headless Chromium shows neither.
SYSTEM = """
window.shown = [];
window.Notification = class extends EventTarget {
  static permission = 'default';
  static requestPermission = async () => (window.Notification.permission = window.answer ?? 'granted');
  constructor(title, options) { super(); window.shown.push([title, options.body]); }
  close() {}
};
window.locks = [];
navigator.wakeLock.request = async (type) => {
  const lock = Object.assign(new EventTarget(), { released: false, release: async () => { lock.released = true; } });
  window.locks.push(lock);
  return lock;
};
document.hasFocus = () => false;
"""


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    with server.client() as person:
        yield person


def _panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Uploads").first


def _box(page: Page) -> FloatRect:
    box = _panel(page).bounding_box()
    assert box
    return box


def _jobs(tab: Tab, folder: Path) -> None:
    """Two jobs on a slow line: Alps with two large photos, Beach with three."""
    tab.drop(photos(folder / "Alps", [big_jpeg(20 * MiB, seed=n) for n in range(2)], "alp"))
    tab.until_counts(All=2)
    tab.drop(photos(folder / "Beach", [big_jpeg(10 * MiB, seed=n) for n in range(3)], "beach"))
    tab.until_counts(All=5)


def test_one_job_of_several_is_shown_and_acted_on_alone(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    slow = tab.throttle(MiB)
    _jobs(tab, tmp_path)
    pick = page.get_by_label("Job shown")
    expect(pick.get_by_role("option")).to_have_text(["All 2 jobs", "Beach · 3 photos", "Alps · 2 photos"])
    pick.select_option("Alps · 2 photos")
    tab.until_counts(All=2, Active=2)
    expect(page.get_by_text("0 of 2 photos in the library")).to_be_visible()
    page.get_by_role("button", name="Pause all").click()
    expect(_panel(page).get_by_text("Paused", exact=True)).to_have_count(4)  # badge and words of two rows
    expect(page.get_by_role("button", name="Pause all")).to_have_count(0)

    pick.select_option("Beach · 3 photos")
    expect(_panel(page).get_by_text("Paused", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Cancel all").click()
    tab.until_counts(All=3, Active=0)
    page.get_by_role("button", name="Clear ended").click()
    # The job went with its rows: all that is left is shown.
    expect(pick).to_have_count(0)
    tab.until_counts(All=2, Active=2)
    slow.detach()
    page.get_by_role("button", name="Resume all").click()
    tab.until_counts(Completed=2, Active=0)


def test_the_panel_is_dragged_by_mouse_and_keys_and_is_where_it_was_put(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    tab.throttle(MiB)
    tab.drop(photos(tmp_path / "one", [big_jpeg(30 * MiB)]))
    tab.until_counts(All=1)
    handle = page.get_by_role("button", name="Move this panel")
    before = _box(page)
    assert before["x"] + before["width"] == 1280 - 12

    page.mouse.move(before["x"] + 100, before["y"] + 20)
    page.mouse.down()
    page.mouse.move(before["x"] - 200, before["y"] - 80, steps=4)
    page.mouse.up()
    moved = _box(page)
    assert (moved["x"], moved["y"]) == (before["x"] - 300, before["y"] - 100)

    handle.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    moved = _box(page)
    assert (moved["x"], moved["y"]) == (before["x"] - 324, before["y"] - 76)

    # A smaller window pushes it in; a larger one lets it go back.
    page.set_viewport_size({"width": 700, "height": 560})
    tab.until(lambda: _box(page)["x"] >= 12 and _box(page)["y"] >= 12, "it is within the window")
    page.set_viewport_size({"width": 1280, "height": 800})
    tab.until(lambda: (_box(page)["x"], _box(page)["y"]) == (moved["x"], moved["y"]), "it is back where it was put")

    # For whom dragging is hard: a press takes it to the other side, by pointer or by key.
    handle.click()
    tab.until(lambda: _box(page)["x"] == 12, "it is on the left")
    handle.press("Enter")
    tab.until(lambda: _box(page)["x"] == before["x"], "it is on the right")
    kept = _box(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    tab.until_counts(All=1)
    assert (_box(page)["x"], _box(page)["y"]) == (kept["x"], kept["y"])


def test_the_panel_is_dragged_by_touch(server: Server, person: Client, open_tab: Open, tmp_path: Path) -> None:
    tab = open_tab(viewport={"width": 900, "height": 800}, has_touch=True)
    page = visit(tab.page, server.url, person)
    tab.drop(photos(tmp_path / "one", [jpeg()]))
    tab.until_counts(Completed=1)
    before = _box(page)
    cdp = tab.devtools()
    x, y = before["x"] + 120, before["y"] + 20
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 30, "y": y - 30}]),
        ("touchMove", [{"x": x - 150, "y": y - 90}]),
        ("touchEnd", []),
    ):
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    cdp.detach()
    tab.until(
        lambda: (_box(page)["x"], _box(page)["y"]) == (before["x"] - 150, before["y"] - 90), "it followed the finger"
    )


def test_a_row_shows_the_picture_that_the_camera_put_into_the_file(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    folder = photos(tmp_path / "card", [with_thumbnail(jpeg(640, 480), orientation=6), jpeg(640, 480, seed=2)])
    tab.drop(folder)
    tab.until_counts(Completed=2)
    picture = page.locator(".row").first.locator("img")
    expect(picture).to_have_css("transform", "matrix(0, 1, -1, 0, 0, 0)")
    tab.until(lambda: picture.evaluate("(image) => image.naturalWidth") == 160, "the thumbnail is drawn")
    expect(page.locator(".row").nth(1).locator("img")).to_have_count(0)


def test_what_is_not_sent_is_listed_with_its_reason_and_the_rest_goes_on(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    folder = photos(tmp_path / "Card", [jpeg(seed=n) for n in range(3)])
    (folder / "deeper").mkdir()
    twin = folder / "deeper" / "photo-0001.jpg"
    twin.write_bytes(jpeg(seed=1))
    stat = (folder / "photo-0001.jpg").stat()
    os.utime(twin, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    tab.drop(folder)
    tab.until_counts(All=3, Completed=3, Failed=0)
    left = page.get_by_role("group", name="Files that are not sent")
    left.get_by_text("2 files are not sent").click()
    expect(left.get_by_role("listitem")).to_have_text(
        [
            re.compile(r"Card/\.DS_Store\s*Put there by the system, no photo"),
            re.compile(r"Card/photo-0001\.jpg\s*The same photo is in this selection already"),
        ]
    )
    left.get_by_role("button", name="Dismiss").click()
    expect(left).to_have_count(0)


def test_photos_that_are_pasted_are_sent_and_words_are_not(server: Server, person: Client, open_tab: Open) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    paste = """([data, kind]) => {
      const clipboardData = new DataTransfer();
      if (kind === 'file') clipboardData.items.add(new File([new Uint8Array(data)], 'pasted.jpg'));
      else clipboardData.setData('text/plain', 'words');
      const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
      return document.activeElement.dispatchEvent(event);
    }"""
    assert page.evaluate(paste, [[], "words"])  # left to whichever field has the focus
    assert not page.evaluate(paste, [list(jpeg(seed=5)), "file"])
    tab.until_counts(All=1, Completed=1)
    expect(page.get_by_label("Open pasted.jpg")).to_be_visible()


def test_while_it_sends_the_screen_stays_on_the_title_counts_and_the_end_is_told(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    tab.page.add_init_script(SYSTEM)
    page = visit(tab.page, server.url, person)
    assert page.evaluate("Notification.permission") == "default"  # nobody was asked yet
    slow = tab.throttle(2 * MiB)
    tab.drop(photos(tmp_path / "two", [big_jpeg(9 * MiB, seed=n) for n in range(2)]))
    tab.until(lambda: re.fullmatch(r"\d+ % · Safelight", page.title()) is not None, "the title says how far it is")
    page.get_by_role("button", name="Notify me when all is done").click()
    expect(page.get_by_role("button", name="Notify me when all is done")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("locks.map((lock) => lock.released)") == [False]
    slow.detach()
    tab.until_counts(Completed=2, Active=0)
    tab.until(lambda: page.evaluate("shown.length") == 1, "the end is told")
    assert page.evaluate("shown") == [["Safelight", "2 of 2 photos in the library"]]
    tab.until(lambda: page.evaluate("locks.every((lock) => lock.released)"), "the screen may go off")
    assert page.title() == "Safelight"
    expect(page.get_by_role("status").filter(has_text="2 of 2 photos in the library")).to_have_count(1)


def test_where_notifications_are_refused_it_is_said(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    tab.page.add_init_script(SYSTEM + "window.answer = 'denied';")
    page = visit(tab.page, server.url, person)
    tab.drop(photos(tmp_path / "one", [jpeg()]))
    button = page.get_by_role("button", name="Notify me when all is done")
    button.click()
    expect(page.get_by_text("The browser does not allow notifications from this page.")).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_leaving_while_it_sends_asks_first(server: Server, person: Client, open_tab: Open, tmp_path: Path) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    tab.throttle(MiB)
    tab.drop(photos(tmp_path / "one", [big_jpeg(30 * MiB)]))
    tab.until_counts(Active=1)
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", stay)
    page.locator("h1").click()  # browsers ask only whoever has touched the page
    page.reload()
    assert asked == ["beforeunload"]


def test_the_language_is_the_browsers_until_another_is_chosen_and_that_is_kept(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab(locale="de-AT")
    page = tab.page
    page.goto(server.url)
    page.get_by_label("E-Mail-Adresse").fill(person.email)
    page.get_by_label("Passwort").fill("correct horse")
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("heading", name="Bibliothek")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "de"
    tab.drop(photos(tmp_path / "two", [big_jpeg(1_500_000, seed=n) for n in range(2)]))
    expect(page.get_by_text("2 von 2 Fotos in der Bibliothek").first).to_be_visible(timeout=30_000)
    expect(page.locator(".row-figures").first).to_have_text("1,5 MB")

    page.get_by_role("button", name="Einstellungen").click()
    page.get_by_label("Sprache").select_option("English")
    expect(page.get_by_role("dialog", name="Settings")).to_be_visible()  # still open, and in English already
    page.get_by_role("button", name="Done", exact=True).click()
    expect(page.get_by_text("2 of 2 photos in the library").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert json.loads(page.evaluate("localStorage.getItem('safelight.settings')"))["language"] == "en"


def test_the_keyboard_reaches_everything_and_the_tabs_answer_to_arrows(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    page = visit(tab.page, server.url, person)
    tab.drop(photos(tmp_path / "three", [jpeg(seed=1), b"", jpeg(seed=2)]))
    tab.until_counts(Completed=2, Failed=1)
    page.get_by_role("button", name="Move this panel").focus()
    reached = []
    for _ in range(8):
        reached.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText"))
        page.keyboard.press("Tab")
    reached = [re.sub(r"\s+", " ", name) for name in reached]
    assert reached == [
        "Move this panel with the arrow keys",
        "Notify me when all is done",
        "Minimise",
        "All 3",
        reached[4],  # the rows, which scroll by keys
        "Clear photo-0000.jpg from this list",
        "Clear photo-0001.jpg from this list",
        "Clear photo-0002.jpg from this list",
    ]
    page.get_by_role("tab", name="All").focus()
    for key, name in (
        ("Right", "Active"),
        ("Right", "Completed"),
        ("Left", "Active"),
        ("Left", "All"),
        ("Left", "Failed"),
    ):
        page.keyboard.press(f"Arrow{key}")
        expect(page.get_by_role("tab", selected=True)).to_have_text(re.compile(f"^{name}"))
    expect(page.get_by_text("The file is empty (0 bytes)")).to_be_visible()
    page.get_by_role("button", name="Minimise").press("Enter")
    expect(page.get_by_role("tab")).to_have_count(0)
    page.get_by_role("button", name="Show all uploads").press(" ")
    expect(page.get_by_role("tab")).to_have_count(4)


WHEN_LAST_IS_SENT = """() => {
  const [last, before] = [9, 8].map((n) =>
    [...document.querySelectorAll('.row')].find((row) => row.textContent.includes(`photo-000${n}.jpg`)).textContent);
  return last.includes('Waiting for its turn') ? null : before;
}"""


def test_what_is_wanted_first_is_sent_before_what_was_chosen_before_it(
    server: Server, person: Client, open_tab: Open, tmp_path: Path
) -> None:
    with proxied(server.port) as proxy:
        tab = open_tab()
        page = visit(tab.page, proxy.url, person)
        tab.throttle(2 * MiB)
        proxy.hold("^PUT ")
        tab.drop(photos(tmp_path / "many", [big_jpeg(2 * MiB, seed=n) for n in range(10)]))
        tab.until_counts(Active=10)
        page.get_by_role("button", name="Send photo-0009.jpg first").click()
        proxy.release()
        # At one moment: the one before it would soon have its turn, too.
        before = page.wait_for_function(WHEN_LAST_IS_SENT, timeout=60_000).json_value()
        assert "Waiting for its turn" in before
        page.get_by_role("button", name="Cancel all").click()
        tab.until_counts(Active=0)
