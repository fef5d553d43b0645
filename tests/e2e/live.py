"""What a page shows of its live channel, and a job that another device sends meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
from playwright.sync_api import Page, expect
from tests.e2e.browsing import Tab
from tests.pictures import jpeg
from tests.running import Client

TRANSPORTS = [
    "websocket",
    "sockjs-websocket",
    "xhr-streaming",
    "eventsource",
    "htmlfile",
    "xhr-polling",
    "jsonp-polling",
    "long-poll",
]


def state_of(page: Page) -> Any:
    return page.locator(".library-head [data-state]")


def until_state(page: Page, state: str, seconds: float = 15) -> None:
    expect(state_of(page)).to_have_attribute("data-state", state, timeout=seconds * 1000)


def until_over(page: Page, transport: str, seconds: float = 15) -> None:
    expect(state_of(page)).to_have_attribute("data-over", transport, timeout=seconds * 1000)


def until_by(page: Page, transport: str) -> None:
    """Wait until it is told by this transport."""
    if transport == "long-poll":
        until_state(page, "polling")
    else:
        until_over(page, transport)


class Batch:
    """A job that another device sends, photo by photo."""

    def __init__(self, person: Client, count: int) -> None:
        self._person = person
        self._photos = [jpeg(320, 240, seed=n) for n in range(count)]
        created = person.declare(*((f"{n}.jpg", len(photo)) for n, photo in enumerate(self._photos)))
        self.job_id: str = created["jobId"]
        self._items = created["items"]
        self._sent = 0

    def send(self, count: int) -> int:
        """Send the next photos; returns how many were sent in all."""
        for number in range(self._sent, self._sent + count):
            item, photo = self._items[number], self._photos[number]
            assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
            assert self._person.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204
        self._sent += count
        return self._sent

    def numbered(self) -> list[int]:
        """The `seq` of all that happened, as the server has it."""
        events = self._person.get(f"/queries/upload-jobs/{self.job_id}/events").json()["events"]
        return [event["seq"] for event in events]


def delivered(page: Page, job_id: str) -> list[int]:
    """The `seq` of every durable event that the page was given, in the order given."""
    events: list[dict[str, Any]] = page.evaluate("window.delivered")
    return [event["seq"] for event in events if event["jobId"] == job_id and "seq" in event]


def each_came_once(page: Page, batch: Batch, after: int) -> None:
    """Every event after the snapshot that the page began with came once and in order."""
    assert delivered(page, batch.job_id) == [seq for seq in batch.numbered() if seq > after]


def listed(tab: Tab, person: Client, count: int) -> tuple[Batch, int]:
    """A job whose photos the page shows, none of which was sent yet; and the seq that the page has seen."""
    batch = Batch(person, count)
    tab.until_counts(Active=count)
    return batch, person.job(batch.job_id)["seq"]
