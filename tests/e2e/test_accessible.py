"""WCAG 2.2 AA as far as a machine can tell (axe-core), on every page and state, in both themes, wide and at 360 px."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browsing import Tab, photos, visit
from tests.pictures import big_jpeg, jpeg
from tests.running import Client, Server

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MiB = 1024 * 1024
Open = Callable[..., Tab]


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    with server.client() as person:
        yield person


def _check(page: Page, state: str) -> None:
    """Nothing that axe finds on the page as it is, of whatever weight; and nothing wider than the window."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        "(tags) => axe.run({ runOnly: { type: 'tag', values: tags } }).then(({ violations }) => violations)", RULES
    )
    told = [(rule["id"], rule["impact"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]
    assert told == [], state
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state}: it scrolls sideways"


@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_stands_in_the_way(
    server: Server, person: Client, open_tab: Open, tmp_path: Path, theme: str, width: int
) -> None:
    tab = open_tab(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    page = tab.page
    page.goto(server.url)
    page.get_by_label("Password").wait_for()
    _check(page, "sign-in")
    visit(page, server.url, person)
    page.get_by_role("heading", name="Drop your photos here").wait_for()
    _check(page, "the empty library")

    pick = page.get_by_test_id("pick-files").first
    small = photos(tmp_path / "small", [jpeg(seed=1), b"", jpeg(seed=2)])
    (small / ".DS_Store").touch()
    pick.set_input_files(sorted(small.iterdir()))
    tab.until_counts(Completed=2, Failed=1)
    slow = tab.throttle(MiB)
    pick.set_input_files(sorted(photos(tmp_path / "large", [big_jpeg(20 * MiB, seed=n) for n in range(3)]).iterdir()))
    tab.until_counts(Active=3)
    page.get_by_text("1 file is not sent").click()
    _check(page, "uploads under way, two jobs, the list of what is not sent")
    page.get_by_role("button", name="Dismiss the list").click()
    page.get_by_role("button", name="Pause all").click()
    expect(page.locator(".badge[data-status=PAUSED]").first).to_be_visible()
    _check(page, "paused")
    page.get_by_role("tab", name="Failed").click()
    _check(page, "failed")
    page.get_by_role("button", name="Cancel all").click()
    tab.until_counts(Active=0)
    page.get_by_role("tab", name="All").click()
    slow.detach()
    _check(page, "ended and cancelled")

    page.get_by_label("Job shown").select_option(index=1)
    page.get_by_role("link", name="Job page").click()
    page.get_by_role("button", name="Download as CSV").wait_for()
    _check(page, "the page of a job")
    page.get_by_role("link", name="Library", exact=True).click()
    page.get_by_role("button", name="Settings").click()
    _check(page, "settings")
    page.keyboard.press("Escape")
    page.get_by_label(re.compile("^Open photo-")).first.click()
    page.get_by_role("dialog").wait_for()
    _check(page, "the viewer")
    page.keyboard.press("+")
    expect(page.locator(".viewer-stage[data-zoomed]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    expect(page.get_by_role("toolbar")).to_be_visible()
    _check(page, "a photo selected")
    page.get_by_role("button", name="Move to the trash").click()
    page.get_by_role("button", name="Undo").wait_for()
    _check(page, "a photo in the trash, and the way back")
    page.get_by_role("searchbox").fill("nowhere")
    page.get_by_role("heading", name="No photo for").wait_for()
    _check(page, "nothing found")
    page.get_by_role("link", name="Trash").click()
    page.get_by_text("30 days left").wait_for()
    _check(page, "the trash")
