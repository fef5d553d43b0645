"""The page's live channel in a real browser: which way it takes, and that each event comes once by whichever it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect
from tests.e2e.browsing import COLLECT, Tab, visit
from tests.e2e.live import (
    TRANSPORTS,
    Batch,
    delivered,
    each_came_once,
    listed,
    state_of,
    until_by,
    until_over,
    until_state,
)
from tests.e2e.proxy import EVERYTHING_LIVE, WEBSOCKET, Proxy, proxied
from tests.running import Client, Server

Open = Callable[..., Tab]
Start = Callable[..., Server]


@pytest.fixture
def server(start: Start) -> Server:
    return start()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxied(server.port) as running:
        yield running


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


def test_everything_blocked_it_polls_and_unblocked_it_is_live_with_nothing_missed_or_twice(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    page = visit(tab.page, proxy.url, person)
    until_over(page, "websocket")
    batch, seen = listed(tab, person, 9)
    tab.until_counts(Completed=batch.send(3))

    proxy.block(EVERYTHING_LIVE)
    batch.send(1)  # while nobody has found out yet
    until_state(page, "polling")
    expect(state_of(page)).to_have_text(re.compile("^Polling"))
    tab.until_counts(Completed=batch.send(2))

    proxy.block(None)
    batch.send(1)
    until_state(page, "live", seconds=30)
    until_over(page, "websocket", seconds=40)
    tab.until_counts(Completed=batch.send(2), Active=0)
    each_came_once(page, batch, seen)


def test_a_proxy_that_swallows_the_upgrade_costs_seconds(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    proxy.swallow(WEBSOCKET)
    tab = open_tab()
    page = visit(tab.page, proxy.url, person)
    expect(state_of(page)).to_have_attribute("data-state", re.compile("live|polling"), timeout=15_000)
    batch, seen = listed(tab, person, 4)
    tab.until_counts(Completed=batch.send(2))
    proxy.swallow(None)
    until_over(page, "websocket", seconds=40)
    tab.until_counts(Completed=batch.send(2), Active=0)
    each_came_once(page, batch, seen)


def test_a_cut_line_is_live_again_within_five_seconds(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    page = visit(tab.page, proxy.url, person)
    until_over(page, "websocket")
    batch, seen = listed(tab, person, 6)
    for _ in range(3):
        before = proxy.count(WEBSOCKET)
        proxy.cut(WEBSOCKET)
        batch.send(2)
        tab.until(lambda before=before: proxy.count(WEBSOCKET) > before, "another connection", 5)  # type: ignore[misc]
        until_over(page, "websocket")
    tab.until_counts(Completed=6, Active=0)
    each_came_once(page, batch, seen)


def test_the_server_gone_is_said_and_what_happened_meanwhile_is_told_afterwards(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    page = visit(tab.page, proxy.url, person)
    until_over(page, "websocket")
    batch, seen = listed(tab, person, 4)
    tab.until_counts(Completed=batch.send(2))
    server.kill()
    until_state(page, "offline")
    expect(state_of(page)).to_have_text(re.compile("^Offline"))
    expect(page.get_by_role("status").filter(has_text="Offline")).to_have_count(1, timeout=5_000)
    server.start()
    batch.send(2)
    until_over(page, "websocket")
    tab.until_counts(Completed=4, Active=0)
    each_came_once(page, batch, seen)


def test_two_tabs_share_one_connection_and_the_second_goes_on_when_the_first_is_closed(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    first = visit(tab.page, proxy.url, person)
    until_over(first, "websocket")
    second = first.context.new_page()
    second.add_init_script(COLLECT)
    second.goto(proxy.url)
    until_over(second, "websocket")
    assert proxy.alive(WEBSOCKET) == proxy.count(WEBSOCKET) == 1
    assert proxy.count("/assets/sockjs") == 0  # what is not needed is not fetched

    batch, seen = listed(tab, person, 6)
    expect(second.get_by_role("tab", name=re.compile("Active"))).to_have_text(re.compile("6"))
    tab.until_counts(Completed=batch.send(2))
    late = first.context.new_page()
    late.add_init_script(COLLECT)
    late.goto(proxy.url)
    until_over(late, "websocket")
    first.close()
    batch.send(2)
    for page in (second, late):
        until_over(page, "websocket")
    batch.send(2)
    for page in (second, late):
        expect(page.get_by_role("tab", name=re.compile("Completed"))).to_have_text(re.compile("6"), timeout=20_000)
    assert proxy.alive(WEBSOCKET) == 1
    assert proxy.count(WEBSOCKET) == 2
    each_came_once(second, batch, seen)
    joined = delivered(late, batch.job_id)
    assert joined == [seq for seq in batch.numbered() if seq >= joined[0]]


def test_over_plain_http_from_another_machine_each_tab_has_a_connection_of_its_own(
    server: Server, person: Client, open_tab: Open
) -> None:
    # An address of this machine that a browser does not take for its own, and so not for a secure context.
    with proxied(server.port, host="0.0.0.0") as proxy:  # noqa: S104
        tab = open_tab()
        first = visit(tab.page, proxy.url, person)
        until_over(first, "websocket")
        assert not first.evaluate("isSecureContext || 'locks' in navigator")
        second = first.context.new_page()
        second.goto(proxy.url)
        until_over(second, "websocket")
        assert proxy.alive(WEBSOCKET) == 2
        batch, seen = listed(tab, person, 2)
        tab.until_counts(Completed=batch.send(2), Active=0)
        each_came_once(first, batch, seen)


def test_different_people_in_one_browser_mirror_nothing_of_each_other(
    server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    first = visit(tab.page, proxy.url, person)
    until_over(first, "websocket")
    batch, _ = listed(tab, person, 2)
    # Somebody else signs in in another tab: all tabs are theirs from then on, and nothing of the first is shown.
    second = first.context.new_page()
    with server.client() as other:
        second.add_init_script("localStorage.removeItem('safelight.session')")
        visit(second, proxy.url, other)
        until_over(second, "websocket")
        batch.send(2)
        theirs = Batch(other, 1)
        theirs.send(1)
        expect(second.get_by_role("tab", name=re.compile("Completed"))).to_have_text(re.compile("1"))
        assert delivered(second, batch.job_id) == []


def test_e33_the_iframe_of_sockjs_finds_its_script_on_the_same_server(server: Server) -> None:
    page = httpx.get(f"{server.url}/ws/iframe.html")
    (script,) = re.findall(r'<script src="([^"]+)"', page.text)
    answer = httpx.get(f"{server.url}{script}")
    assert answer.status_code == 200
    assert "bootstrap_iframe" in answer.text


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_e34_each_transport_delivers_the_same_events_with_the_same_seq(
    transport: str, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    tab = open_tab()
    page = visit(tab.page, proxy.url, person, forced=transport)
    until_by(page, transport)
    batch, seen = listed(tab, person, 5)
    tab.until_counts(Completed=batch.send(5), Active=0)
    each_came_once(page, batch, seen)


@pytest.mark.parametrize(
    ("blocked", "taken"),
    [
        (WEBSOCKET, "xhr-streaming"),
        (rf"{WEBSOCKET}|/xhr_streaming", "eventsource"),
        (rf"{WEBSOCKET}|/xhr_streaming|/eventsource", "xhr-polling"),
    ],
)
def test_what_is_blocked_is_passed_by_and_taken_again_once_it_is_open(
    blocked: str, taken: str, server: Server, proxy: Proxy, person: Client, open_tab: Open
) -> None:
    proxy.block(blocked)
    tab = open_tab()
    page = visit(tab.page, proxy.url, person)
    until_over(page, taken, seconds=30)
    batch, seen = listed(tab, person, 6)
    tab.until_counts(Completed=batch.send(3))
    proxy.block(None)
    batch.send(1)
    until_over(page, "websocket", seconds=40)
    tab.until_counts(Completed=batch.send(2), Active=0)
    each_came_once(page, batch, seen)
