"""The administrator's page of live connections, in a real browser on a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Tab
from tests.running import Server

Open = Callable[..., Tab]
Start = Callable[..., Server]

# A connection is back before a look from outside would notice that it was gone.
WATCH_STATES = """
window.states = [];
const shown = document.querySelector('.library-head .connection');
const note = () => window.states.push(shown.dataset.state);
new MutationObserver(note).observe(shown, { attributes: true, attributeFilter: ['data-state'] });
note();
"""


def _menu(page: Page) -> Locator:
    """The account menu, opened, once the server has said whether there is more in it."""
    with page.expect_response(re.compile("/api/admin/connections$")):
        page.get_by_role("button", name=re.compile("^Signed in as")).click()
    return page.locator(".account-menu")


def _fits(page: Page) -> bool:
    """Whether nothing hangs out of the window at its side."""
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits


def test_e31_the_owner_sees_the_own_connection_ends_it_and_is_live_again(start: Start, open_tab: Open) -> None:
    server, tab = start(), open_tab()
    tab.sign_in(server)
    page = tab.page
    _menu(page).get_by_role("link", name="Live connections").click()
    expect(page).to_have_url(f"{server.url}/connections")
    heading = page.get_by_role("heading", name="Live connections")
    expect(heading).to_be_focused()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(row).to_have_count(1)
    expect(row).to_contain_text("WebSocket")
    expect(row).to_contain_text(re.compile(r"[1-9]\d* B|kB"))
    expect(page.get_by_text("1 connection: 1 WebSocket")).to_be_visible()
    row.get_by_text(re.compile("^1")).first.click()
    expect(row.get_by_role("listitem").first).to_contain_text("/")

    page.set_viewport_size({"width": 360, "height": 740})
    assert _fits(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator(".library-head .connection")).to_have_attribute("data-state", "live")
    page.evaluate(WATCH_STATES)
    since = row.locator("time").get_attribute("datetime")
    row.get_by_role("button", name=re.compile("^End the WebSocket connection of")).press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(row.get_by_role("button", name=re.compile("^End"))).to_be_focused()
    # Closed, and still there for a moment, it would not open anew.
    expect(page.locator("dialog .connection-choice")).to_have_count(0)
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="End connection").press("Enter")

    tab.until(lambda: page.evaluate("window.states.length") >= 3, "gone and live again", 15)
    expect(page.locator(".library-head .connection")).to_have_attribute("data-state", "live", timeout=15_000)
    states = page.evaluate("window.states")
    assert states[0] == states[-1] == "live"
    assert "reconnecting" in states
    expect(row).to_have_count(1)
    expect(row.locator("time")).not_to_have_attribute("datetime", str(since))
    assert page.evaluate("document.activeElement !== document.body")
    assert tab.loads == 1


def test_e31_a_row_of_somebody_who_left_goes_and_a_server_that_is_away_is_said(start: Start, open_tab: Open) -> None:
    server, tab, other = start(), open_tab(), open_tab()
    tab.sign_in(server)
    page = tab.page
    page.goto(f"{server.url}/connections")
    with server.client() as client:
        _sign_in(other.page, server, client.email)
        rows = page.get_by_role("rowheader")
        expect(rows).to_have_count(2)
        expect(rows.last).to_have_text(client.email)
        button = page.get_by_role("button", name=re.compile(f"^End .*{client.email}"))
        button.focus()
        other.page.close()
        expect(rows).to_have_count(1, timeout=15_000)
        expect(page.get_by_role("button", name=re.compile("^End the"))).to_be_focused()
    server.kill()
    expect(page.get_by_role("alert")).to_contain_text("This is how it was at")
    expect(rows).to_have_count(1)
    server.start()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=15_000)


def test_e31_for_everybody_else_there_is_no_link_and_nothing_here(start: Start, open_tab: Open) -> None:
    server, tab = start(), open_tab()
    page = tab.page
    with server.client() as client:
        _sign_in(page, server, client.email)
        menu = _menu(page)
        expect(menu.get_by_role("button", name="Sign out")).to_be_visible()
        expect(menu.get_by_role("link")).to_have_count(0)
        page.goto(f"{server.url}/connections")
        expect(page.get_by_role("main")).to_have_text("There is nothing here.")
        expect(page.get_by_role("table")).to_have_count(0)


def _sign_in(page: Page, server: Server, email: str) -> None:
    page.goto(server.url)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Add photos").first.wait_for()
