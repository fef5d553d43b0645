"""What a real Chromium is told of a job by each transport, and through a server that is killed: events expected, seen,
missed and doubled (the last two must be 0).

The page is the one that Safelight ships; a small page of another origin has the npm clients as they are published.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, Playwright, expect, sync_playwright
from tests.e2e import live
from tests.e2e.browsing import Tab, launch, visit
from tests.feeding import cancel, feed
from tests.pictures import jpeg
from tests.running import Client, Server

from benches.foreign_page import ForeignPage

# Each is cancelled: two events.
PHOTOS = 500
EVENTS = 2 * PHOTOS
KILLS = 3
BROWSERS = 5
PATIENCE = 300.0
ADMIN = "root@example.org"
# What the page may be told to take. Those that begin with `iframe-` are what sockjs-client takes on pages of other
# origins, where the plain ones do not work.
TRANSPORTS = [*live.TRANSPORTS, "iframe-eventsource", "iframe-htmlfile", "iframe-xhr-polling"]
# Durable events alone: byte progress has no number, and may be skipped.
DELIVERED = """
([jobId, after]) => window.delivered.filter((event) => event.jobId === jobId && event.seq > after)
"""
REACHED = """
(jobId) => Math.max(0, ...window.delivered.map((event) => (event.jobId === jobId && event.seq) || 0))
"""
ABROAD = [name for name in TRANSPORTS if name not in ("htmlfile", "long-poll")]


def measure() -> dict[str, Any]:
    """The account of each transport, on both pages, and of each browser."""
    found: dict[str, Any] = {"events": EVENTS}
    with sync_playwright() as playwright:
        found["chromium"] = _version(playwright)
        for name, run in (("page", _page), ("page_of_another_origin", _abroad), ("server_killed", _killed)):
            print(f"  {name} …", file=sys.stderr, flush=True)
            began = time.perf_counter()
            with TemporaryDirectory() as folder:
                found[name] = run(playwright, Path(folder))
            found[name]["seconds"] = round(time.perf_counter() - began, 1)
    accounts = [*found["page"]["transports"].values(), *found["page_of_another_origin"]["transports"].values()]
    browsers = found["server_killed"]["browsers"].values()
    found["holds"] = {
        "every_transport_told_all_of_the_same_events_once_and_in_order": all(
            _whole(each) and each["expected"] == EVENTS for each in accounts
        ),
        "every_browser_was_told_all_once_and_in_order_through_the_kills": all(map(_whole, browsers)),
    }
    return found


def _page(playwright: Playwright, folder: Path) -> dict[str, Any]:
    """Safelight's own page, in as many profiles as there are transports, all with the same job."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(folder, {"admins": ADMIN}))
        client = stack.enter_context(server.client(ADMIN))
        browser = launch(playwright)
        stack.callback(browser.close)
        tabs = {name: Tab(browser.new_context()) for name in TRANSPORTS}
        for name, tab in tabs.items():
            visit(tab.page, server.url, client, forced=name)
            _until_over(tab.page, name)
        job_id, ids = _declared(client)
        for tab in tabs.values():
            tab.until_counts(PATIENCE, Active=PHOTOS)
        after = client.job(job_id)["seq"]
        carried = _carried(client)
        cancel(client, ids)
        return {
            "transports": _told(client, job_id, after, {name: tab.page for name, tab in tabs.items()}),
            "connections_by_the_servers_account": carried,
        }


def _abroad(playwright: Playwright, folder: Path) -> dict[str, Any]:
    """A page of another origin: @stomp/stompjs and sockjs-client as npm has them, the transport named to SockJS."""
    with ExitStack() as stack:
        page = stack.enter_context(ForeignPage())
        server = stack.enter_context(Server(folder, {"admins": ADMIN, "allowed_origins": page.origin}))
        client = stack.enter_context(server.client(ADMIN))
        browser = launch(playwright)
        stack.callback(browser.close)
        job_id, ids = _declared(client)
        after = client.job(job_id)["seq"]
        pages = {name: browser.new_context().new_page() for name in ABROAD}
        for name, each in pages.items():
            each.goto(page.origin)
            taken = each.evaluate("(told) => watch(told)", [server.url, name, client.token, job_id, after])
            assert taken == name.removeprefix("sockjs-"), f"{name} was asked for, {taken} was taken"
        carried = _carried(client)
        cancel(client, ids)
        return {
            "transports": _told(client, job_id, after, pages),
            "connections_by_the_servers_account": carried,
        }


def _killed(playwright: Playwright, folder: Path) -> dict[str, Any]:
    """Chromium processes that watch one job of real photos, while the server is killed -9 and started again."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(folder))
        client = stack.enter_context(server.client())
        tabs = []
        for _ in range(BROWSERS):
            browser = launch(playwright)
            stack.callback(browser.close)
            tabs.append(Tab(browser.new_context()))
            visit(tabs[-1].page, server.url, client)
            _until_over(tabs[-1].page, "websocket")
        photos = [jpeg(seed=number) for number in range(PHOTOS)]
        created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
        job_id = created["jobId"]
        for tab in tabs:
            tab.until_counts(PATIENCE, Active=PHOTOS)
        after = client.job(job_id)["seq"]
        with ThreadPoolExecutor(1) as pool:
            feeding = pool.submit(feed, client, created["items"], photos)
            for kill in range(1, KILLS + 1):
                due = kill * PHOTOS // (KILLS + 1)
                tabs[0].until(lambda due=due: tabs[0].counts()["Completed"] >= due, f"{due} photos", PATIENCE)  # type: ignore[misc]
                server.kill()
                server.start()
            while not feeding.done():
                tabs[0].page.wait_for_timeout(100)  # Playwright lives in this thread: it must have its turns
            feeding.result()
        job = client.ended(job_id, PATIENCE)
        for tab in tabs:
            tab.until_counts(PATIENCE, Active=0, Completed=job["completedCount"])
        pages = {str(number): tab.page for number, tab in enumerate(tabs, 1)}
        return {"photos": PHOTOS, "kills": KILLS, "browsers": _told(client, job_id, after, pages)}


# --- what all have in common ---


def _version(playwright: Playwright) -> str:
    browser = launch(playwright)
    try:
        return browser.version
    finally:
        browser.close()


def _declared(client: Client) -> tuple[str, list[str]]:
    created = client.declare(*((f"{number}.jpg", 1_000) for number in range(PHOTOS)))
    return created["jobId"], [item["photoId"] for item in created["items"]]


def _until_over(page: Page, transport: str) -> None:
    state = page.locator(".library-head [data-state]")
    if transport == "long-poll":
        expect(state).to_have_attribute("data-state", "polling", timeout=60_000)
    else:
        expect(state).to_have_attribute("data-over", transport, timeout=60_000)


def _carried(client: Client) -> dict[str, int]:
    """Who is connected by which transport, as the server has it. A long poll is a request, not a connection."""
    items = client.get("/api/admin/connections").json()["items"]
    return dict(sorted(Counter(item["transport"] for item in items).items()))


def _told(client: Client, job_id: str, after: int, pages: dict[str, Page]) -> dict[str, dict[str, Any]]:
    """The account of every page, once each was told the last event, or has had its time."""
    last = client.ended(job_id, PATIENCE)["seq"]
    truth = client.get(f"/queries/upload-jobs/{job_id}/events", params={"after": after}).json()["events"]
    assert [event["seq"] for event in truth] == list(range(after + 1, last + 1))
    deadline = time.monotonic() + PATIENCE
    for page in pages.values():
        while page.evaluate(REACHED, job_id) < last and time.monotonic() < deadline:
            page.wait_for_timeout(100)
    return {name: _account(truth, page.evaluate(DELIVERED, [job_id, after])) for name, page in pages.items()}


def _account(truth: Sequence[dict[str, Any]], delivered: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was delivered, by comparison with the server's table. A snapshot on the way would be told as events missed:
    nobody is ever as far behind as that.
    """
    numbers = [event["seq"] for event in delivered]
    expected = {event["seq"]: event for event in truth}
    return {
        "expected": len(truth),
        "seen": len(expected.keys() & set(numbers)),
        "missed": len(expected.keys() - set(numbers)),
        "doubled": len(numbers) - len(set(numbers)),
        "out_of_order": sum(later < earlier for earlier, later in pairwise(numbers)),
        "otherwise": sum(event != expected.get(event["seq"]) for event in delivered),
    }


def _whole(account: dict[str, Any]) -> bool:
    """Every event, once, in order, and as the server has it."""
    faults = ("missed", "doubled", "out_of_order", "otherwise")
    return account["seen"] == account["expected"] and not any(account[fault] for fault in faults)
