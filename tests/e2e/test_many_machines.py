"""The whole of it on many machines: servers without a worker, workers on their own, PostgreSQL, NATS and S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tests.ahead import RATING, next_release
from tests.cluster import Cluster, cluster, restart
from tests.e2e.browsing import Tab, photos, visit
from tests.e2e.live import TRANSPORTS, each_came_once, listed, until_by
from tests.feeding import feed
from tests.pictures import big_jpeg, jpeg
from tests.running import Client

MIB = 1024 * 1024
LIFE = ["QUEUED", "UPLOADING", "PROCESSING", "VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING", "COMPLETED"]

Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(
        tmp_path_factory.mktemp("machines"), servers=2, workers=2, settings={"lease_seconds": "10"}
    ) as running:
        yield running


def test_photos_dropped_are_stored_processed_and_shown(
    machines: Cluster, open_tab: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pictures = [jpeg(320, 240, seed=number) for number in range(12)] + [big_jpeg(20 * MIB)]
    folder = photos(tmp_path_factory.mktemp("photos"), pictures)
    tab = open_tab()
    with machines.client() as person:
        visit(tab.page, machines.url, person)
        tab.drop(folder)
        tab.until_counts(Completed=len(pictures), seconds=90)
        tab.until(lambda: len(tab.lives()) == len(pictures), "every photo's life was told")
        assert list(tab.lives().values()) == [LIFE] * len(pictures)
        tab.page.locator(".library img").first.wait_for()
        items = person.get("/queries/photos", params={"size": 50}).json()["items"]
        assert len(items) == len(pictures)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport_works_whichever_server_a_request_reaches(
    machines: Cluster, open_tab: Open, transport: str
) -> None:
    tab = open_tab()
    with machines.client() as person:
        page = visit(tab.page, machines.url, person, transport)
        until_by(page, transport)
        batch, seen = listed(tab, person, 4)
        tab.until_counts(Completed=batch.send(4), seconds=60)
        each_came_once(page, batch, seen)


def test_a_server_and_a_worker_killed_cost_no_photo(machines: Cluster) -> None:
    with machines.client() as person:
        pictures = [jpeg(320, 240, seed=number) for number in range(16)]
        ids = [person.ingest(picture)[0] for picture in pictures[:8]]
        machines.servers[0].kill()
        machines.workers[0].kill()
        ids += [person.ingest(picture)[0] for picture in pictures[8:]]
        for job_id in ids:
            machines.until(lambda job_id=job_id: person.job(job_id)["status"] == "COMPLETED", job_id, 90)  # type: ignore[misc]
        machines.servers[0].start()
        machines.workers[0].start()


def test_an_upgrade_rolls_through_while_photos_are_sent(machines: Cluster, tmp_path: Path) -> None:
    coming = next_release(tmp_path)
    pictures = [jpeg(320, 240, seed=number) for number in range(4)]
    over = Event()
    answers: list[int] = []

    def keep_sending(person: Client) -> list[str]:
        person.event_hooks["response"].append(lambda answer: answers.append(answer.status_code))
        sent = []
        while not over.is_set():
            created = person.declare(*((f"{number}.jpg", len(each)) for number, each in enumerate(pictures)))
            feed(person, created["items"], pictures, 2)
            sent.append(created["jobId"])
            over.wait(0.2)
        return sent

    def ratings() -> set[int | None]:
        return {row["rating"] for row in machines.query("SELECT rating FROM photos ORDER BY id DESC LIMIT 16")}

    with machines.client() as one, machines.client() as other, ThreadPoolExecutor(2) as pool:
        sending = [pool.submit(keep_sending, person) for person in (one, other)]
        try:
            for process in (machines.servers[0], machines.workers[0]):
                restart(process, coming)
            # The old ones find the newer schema when they start anew.
            for process in (machines.servers[1], machines.workers[1]):
                restart(process)
            machines.until(lambda: ratings() == {None, RATING}, "photos declared by either release")
        finally:
            over.set()
        for person, sent in zip((one, other), sending, strict=True):
            for job_id in sent.result():
                assert person.ended(job_id)["status"] == "COMPLETED"
    assert set(answers) == {200, 201, 204}
