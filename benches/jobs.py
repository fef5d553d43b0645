"""What a job costs: creating one of 1,000 files, and the server's CPU per photo beside bytes and decoding.

The CPU per photo is that of the server process (its children, which decode, are not counted) over a job of small
photos, less what the same process spends on receiving the same bytes by signed PUT alone.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.pictures import jpeg
from tests.running import Client, Server

ROUNDS = 5
PHOTOS = 300
LIMIT_CREATE_SECONDS = 0.5
LIMIT_CPU_MS = 5.0


def measure() -> dict[str, Any]:
    """Both figures, each as the median of several rounds with its spread."""
    with TemporaryDirectory() as folder, Server(Path(folder)) as server, server.client() as client:
        creating = [_create(client) for _ in range(ROUNDS)]
        whole = [_cpu(server, partial(_life, client, round_)) for round_ in range(ROUNDS)]
        # Only then: their files are removed after each, and ext4 without a journal passes over every inode that was
        # freed of late when it makes a file.
        bytes_alone = [_bytes_alone(server, client) for _ in range(ROUNDS)]
    beside = [(each - statistics.median(bytes_alone)) / PHOTOS * 1000 for each in whole]
    return {
        "create_1000_files_seconds": _spread(creating),
        "create_limit_seconds": LIMIT_CREATE_SECONDS,
        "server_cpu_ms_per_photo": _spread(beside),
        "server_cpu_limit_ms": LIMIT_CPU_MS,
        "photos_per_round": PHOTOS,
    }


def _create(client: Client) -> float:
    files = [(f"DSC_{n:05}.jpg", 3_000_000 + n) for n in range(1000)]
    start = time.perf_counter()
    created = client.declare(*files)
    elapsed = time.perf_counter() - start
    client.post(f"/commands/upload-jobs/{created['jobId']}/cancel")
    return elapsed


def _life(client: Client, round_: int) -> None:
    """Declare, PUT, finalize and process a job of small photos."""
    photos = [jpeg(seed=round_ * PHOTOS + n) for n in range(PHOTOS)]
    created = client.declare(*((f"{n}.jpg", len(photo)) for n, photo in enumerate(photos)))

    def send(item: dict[str, Any], photo: bytes) -> None:
        assert client.put(item["presignedUrl"], content=photo).status_code == 200
        assert client.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, created["items"], photos))
    _until_completed(client, created["jobId"])


def _until_completed(client: Client, job_id: str) -> None:
    """By long poll, as a client without the live channel would: looking at snapshots would be measured too."""
    after = 0
    while True:
        path = f"/queries/upload-jobs/{job_id}/events?after={after}&waitSeconds=5"
        news = client.get(path).json()
        after = news["seq"]
        if any(event["status"] == "COMPLETED" and "photoId" not in event for event in news["events"]):
            return
        time.sleep(0.5)


def _bytes_alone(server: Server, client: Client) -> float:
    job_id, urls = _declared(client)
    used = _cpu(server, partial(_puts, client, urls))
    client.post(f"/commands/upload-jobs/{job_id}/cancel")
    return used


def _declared(client: Client) -> tuple[str, list[str]]:
    created = client.declare(*((f"{n}.jpg", len(jpeg())) for n in range(PHOTOS)))
    return created["jobId"], [item["presignedUrl"] for item in created["items"]]


def _puts(client: Client, urls: list[str]) -> None:
    """The bytes alone: the same signed PUTs, nothing finalized."""
    photo = jpeg()
    with ThreadPoolExecutor(8) as pool:
        statuses = pool.map(lambda url: client.put(url, content=photo).status_code, urls)
    assert set(statuses) == {200}


def _cpu(server: Server, work: Callable[[], None]) -> float:
    before = server.cpu_seconds()
    work()
    return server.cpu_seconds() - before


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
