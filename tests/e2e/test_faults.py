"""kill -9 of decoders and of the server amid a hundred photos: all end COMPLETED, none twice, seq whole."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import httpx
from tests.pictures import jpeg
from tests.running import Client, Server

PHOTOS = 100


def _ingest(client: Client, photos: list[bytes]) -> dict[str, Any]:
    created = client.declare(*((f"{n}.jpg", len(photo)) for n, photo in enumerate(photos)))

    def send(item: dict[str, Any], photo: bytes) -> None:
        assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
        assert client.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, created["items"], photos))
    return created


def _account_is_whole(client: Client, created: dict[str, Any], photos: list[bytes]) -> None:
    """Every photo COMPLETED and in the library once; every event there once, in order; every byte as it was sent."""
    job = client.job(created["jobId"])
    assert job["status"] == "COMPLETED", [p for p in job["photos"] if p["status"] != "COMPLETED"]
    assert job["completedCount"] == len(photos)
    listed = client.get("/queries/photos", params={"size": 500}).json()["items"]
    assert sorted(p["photoId"] for p in listed) == sorted(item["photoId"] for item in created["items"])
    events = client.get(f"/queries/upload-jobs/{created['jobId']}/events?after=0").json()["events"]
    assert [event["seq"] for event in events] == list(range(1, job["seq"] + 1))
    for item in created["items"]:
        life = [e for e in events if e.get("photoId") == item["photoId"]]
        assert [e["status"] for e in life].count("COMPLETED") == 1
        assert life[-1]["status"] == "COMPLETED"
        percents = [e["progressPercent"] for e in life]
        assert percents == sorted(percents)
        stages = [e["stage"] for e in life if "stage" in e]
        assert stages == ["VERIFYING", "METADATA", "THUMBNAILS", "PUBLISHING"]
    for item, photo in zip(created["items"][::10], photos[::10], strict=True):
        url = client.get(f"/queries/photos/{item['photoId']}/download-url").json()["url"]
        assert httpx.get(url).content == photo


@contextmanager
def _killing_children(server: Server, seed: int) -> Iterator[list[int]]:
    """Kill a random decoder every now and then; never so often that one photo could use up its three tries."""
    killed: list[int] = []
    enough = Event()

    def kill() -> None:
        chance = random.Random(seed)
        while not enough.wait(0.4):
            children = server.children()
            if children and len(killed) < 5:
                victim = chance.choice(children)
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    thread = Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        enough.set()
        thread.join()


def test_decoders_killed_while_a_hundred_photos_are_processed(start: Callable[..., Server]) -> None:
    server = start()
    photos = [jpeg(1600, 1200, seed=n) for n in range(PHOTOS)]
    with server.client() as client:
        with _killing_children(server, seed=1) as killed:
            created = _ingest(client, photos)
            client.ended(created["jobId"], seconds=120)
        assert killed
        _account_is_whole(client, created, photos)


def test_the_server_killed_while_a_hundred_photos_are_processed(start: Callable[..., Server]) -> None:
    server = start()
    photos = [jpeg(1600, 1200, seed=n) for n in range(PHOTOS)]
    with server.client() as client:
        created = _ingest(client, photos)
        for _ in range(2):
            server.kill()
            server.start()
            time.sleep(0.3)  # long enough for some photos to be in hand again
        client.ended(created["jobId"], seconds=120)
        _account_is_whole(client, created, photos)


def test_no_decoder_outlives_its_server(start: Callable[..., Server]) -> None:
    server = start()
    children = server.children()
    assert children
    server.kill()
    deadline = time.monotonic() + 10
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(child) for child in children)


def test_u9_a_half_sent_file_goes_on_after_kill_9_with_what_is_missing(start: Callable[..., Server]) -> None:
    part = 8 * 1024 * 1024
    photo = jpeg(seed=1) + os.urandom(5 * part)
    server = start()
    with server.client() as client:
        created = client.declare(("large.jpg", len(photo)))
        item = created["items"][0]
        for url in item["multipart"]["partUrls"][:3]:
            first = (url["partNumber"] - 1) * part
            assert httpx.put(url["presignedUrl"], content=photo[first : first + url["size"]]).status_code == 200
        server.kill()
        server.start()
        known = client.get(f"/queries/upload/{item['photoId']}/parts").json()
        assert [p["partNumber"] for p in known["parts"]] == [1, 2, 3]
        missing = [n for n in range(1, known["partCount"] + 1) if n > 3]
        urls = client.post(f"/commands/upload/{item['photoId']}/urls", json={"partNumbers": missing}).json()
        parts = [{"partNumber": p["partNumber"], "etag": p["etag"]} for p in known["parts"]]
        for url in urls["partUrls"]:
            first = (url["partNumber"] - 1) * part
            answer = httpx.put(url["presignedUrl"], content=photo[first : first + url["size"]])
            parts.append({"partNumber": url["partNumber"], "etag": answer.headers["etag"]})
        body = {"uploadId": known["uploadId"], "parts": parts}
        assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
        assert client.ended(created["jobId"])["status"] == "COMPLETED"
        url = client.get(f"/queries/photos/{item['photoId']}/download-url").json()["url"]
        assert httpx.get(url).content == photo


def test_a_server_told_to_stop_ends_in_order(start: Callable[..., Server]) -> None:
    server = start()
    with server.client() as client:
        photos = [jpeg(1600, 1200, seed=n) for n in range(20)]
        created = _ingest(client, photos)
        server.stop()
        assert "ended, with everything written" in server.log
        server.start()
        client.ended(created["jobId"])
        _account_is_whole(client, created, photos)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
