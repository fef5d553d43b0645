"""The library in a real browser: by date, by keys, many at once, near and far, without a jump when photos arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect
from tests.e2e.browsing import Tab, visit
from tests.pictures import dated, jpeg
from tests.running import Client, Server

Open = Callable[..., Tab]
DAYS = ["2024:05:04", "2024:05:03", "2023:12:31"]
EACH = 7


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    with server.client() as person:
        yield person


def ingest(person: Client, names: dict[str, bytes]) -> None:
    for job in [person.ingest(picture, name)[0] for name, picture in names.items()]:
        assert person.ended(job)["status"] == "COMPLETED"


def fill(person: Client) -> None:
    """Seven photos on each of three days, named in the order in which they stand, and one without a date."""
    pictures = {
        f"d{day}-{number}.jpg": dated(f"{date} 12:00:{59 - number}", width=240, height=160, seed=day * EACH + number)
        for day, date in enumerate(DAYS)
        for number in range(EACH)
    }
    ingest(person, {**pictures, "undated.jpg": jpeg(240, 160, seed=99)})


def name_of_focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label')"))


def test_photos_stand_by_date_and_are_found_selected_trashed_and_put_back(
    server: Server, person: Client, open_tab: Open
) -> None:
    fill(person)
    page = visit(open_tab().page, server.url, person)
    headings = page.locator(".section-head h2")
    today = datetime.now(UTC)
    expect(headings).to_have_text(
        [
            f"{today:%A, %B} {today.day}, {today.year}",
            "Saturday, May 4, 2024",
            "Friday, May 3, 2024",
            "Sunday, December 31, 2023",
        ]
    )
    expect(page.get_by_text("1 photo · no capture date, by date of arrival")).to_be_visible()
    page.get_by_role("button", name="Months").click()
    expect(headings.nth(1)).to_have_text("May 2024")

    search = page.get_by_role("searchbox")
    search.fill("nikon 2024-05-03")
    expect(page.get_by_text("7 photos matching “nikon 2024-05-03”")).to_be_visible()
    assert page.url.endswith("?q=nikon+2024-05-03")
    page.reload()
    expect(search).to_have_value("nikon 2024-05-03")
    expect(page.get_by_label("Open d1-0.jpg")).to_be_visible()
    search.fill("d90 2019")
    expect(page.get_by_role("heading", name="No photo for “d90 2019”")).to_be_visible()
    page.get_by_role("button", name="Show all photos").click()
    assert page.url.endswith("/")
    page.get_by_role("button", name="Days").click()

    bar = page.get_by_role("toolbar")
    page.get_by_label("Select d0-2.jpg").click()
    page.get_by_label("Open d1-1.jpg").click(modifiers=["Shift"])
    expect(bar.get_by_text("7 photos selected")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="7 photos selected")).to_have_count(1)
    page.get_by_label("Open d1-0.jpg").click(modifiers=["ControlOrMeta"])
    page.get_by_label("Select all of Sunday, December 31, 2023").click()
    expect(bar.get_by_text("13 photos selected")).to_be_visible()
    bar.get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_text("13 photos moved to the trash.")).to_be_visible()
    expect(headings).to_have_count(3)
    expect(bar).to_have_count(0)
    assert name_of_focused(page).startswith("Open ")
    page.get_by_role("button", name="Undo").click()
    expect(headings).to_have_count(4)
    page.get_by_label("Select undated.jpg").click()
    bar.get_by_role("button", name="Select all 22").click()
    bar.get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_role("heading", name="Drop your photos here")).to_be_visible()

    page.get_by_role("link", name="Trash").click()
    expect(page.get_by_text("22 photos · 30 days left")).to_be_visible()
    page.get_by_label("Select d0-0.jpg").click()
    page.once("dialog", lambda dialog: dialog.accept())
    bar.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("21 photos · 30 days left")).to_be_visible()
    page.get_by_label("Select d0-1.jpg").click()
    bar.get_by_role("button", name="Select all 21").click()
    bar.get_by_role("button", name="Put back").click()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    assert person.get("/queries/photos").json()["totalElements"] == 21


def test_the_viewer_and_the_grid_by_keys_alone(server: Server, person: Client, open_tab: Open) -> None:
    fill(person)
    page = visit(open_tab(viewport={"width": 1000, "height": 700}).page, server.url, person)
    page.get_by_label("Open undated.jpg").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown", "End", "Home", "ArrowRight"):
        page.keyboard.press(key)
    assert name_of_focused(page) == "Open d0-0.jpg"
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("toolbar").get_by_text("3 photos selected")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.get_by_role("toolbar").get_by_text("2 photos selected")).to_be_visible()
    page.keyboard.press("ControlOrMeta+a")
    expect(page.get_by_role("toolbar").get_by_text("22 photos selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("toolbar")).to_have_count(0)

    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer).to_have_attribute("aria-label", "d0-2.jpg")
    expect(viewer.get_by_text("4 of 22")).to_be_visible()
    for fact in ("NIKON D90", "May 4, 2024, 12:00:57, zone not recorded", "240 × 160", "crc32c:"):
        expect(viewer.get_by_text(fact)).to_be_visible()
    page.keyboard.press("i")
    expect(viewer.get_by_text("NIKON D90")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(viewer).to_have_attribute("aria-label", "d0-3.jpg")
    page.keyboard.press("End")
    expect(viewer).to_have_attribute("aria-label", "d2-6.jpg")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    expect(viewer).to_have_attribute("aria-label", "undated.jpg")
    page.keyboard.press("ArrowRight")

    picture = page.locator(".viewer-picture")
    whole = picture.bounding_box()
    page.keyboard.press("+")
    page.keyboard.press("+")
    near = picture.bounding_box()
    assert whole
    assert near
    assert near["width"] == pytest.approx(whole["width"] * 1.96, rel=0.01)
    page.keyboard.press("0")
    page.mouse.move(whole["x"] + 40, whole["y"] + 40)
    page.mouse.wheel(0, -600)
    nearer = picture.bounding_box()
    assert nearer
    assert nearer["width"] > whole["width"] * 2
    page.mouse.down()
    page.mouse.move(whole["x"] + 4_000, whole["y"] + 40)
    page.mouse.up()
    page.keyboard.press("-")
    page.keyboard.press("0")
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename == "d0-0.jpg"

    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    viewer.get_by_role("button", name="Close").focus()
    page.keyboard.press("Delete")
    expect(viewer).to_have_attribute("aria-label", "d0-1.jpg")
    expect(viewer.get_by_text("2 of 21")).to_be_visible()
    viewer.get_by_role("button", name="Undo").click()
    expect(viewer).to_have_attribute("aria-label", "d0-0.jpg")
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_text("3 of 22")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    assert name_of_focused(page) == "Open d0-1.jpg"

    page.go_forward()
    page.keyboard.press("ArrowLeft")
    expect(viewer).to_have_attribute("aria-label", "d0-0.jpg")
    page.go_back()
    expect(viewer).to_have_count(0)
    assert name_of_focused(page) == "Open d0-0.jpg"


def _at_rest(watched: Locator) -> FloatRect:
    """Where it is, once that is the same from one look to the next."""
    before = None
    while (box := watched.bounding_box()) is None or box != before:
        before = box
        watched.page.wait_for_timeout(150)
    return box


def test_what_is_looked_at_stays_in_its_place_while_photos_arrive(
    server: Server, person: Client, open_tab: Open
) -> None:
    fill(person)
    page = visit(open_tab(viewport={"width": 400, "height": 500}).page, server.url, person)
    watched = page.get_by_label("Open d2-0.jpg")
    page.get_by_label("Go to a month").select_option("2023-12-31")
    expect(watched).to_be_in_viewport()
    before = _at_rest(watched)
    ingest(person, {f"new-{n}.jpg": dated(f"2024:05:03 08:00:{n:02}", seed=200 + n) for n in range(9)})
    expect(page.get_by_text("31 photos", exact=True)).to_have_count(1)
    expect(page.get_by_label("Go to a month").get_by_role("option", name="May 2024 (23)")).to_have_count(1)
    assert _at_rest(watched)["y"] == pytest.approx(before["y"], abs=1)
    page.evaluate("scrollTo(0, 0)")
    expect(page.get_by_label("Open undated.jpg")).to_be_visible()
    ingest(person, {"newest.jpg": dated("2030:01:01 00:00:00", seed=300)})
    expect(page.get_by_label("Open newest.jpg")).to_be_in_viewport()
