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
        whole, bytes_alone, put_only = [], [], []
        for round_ in range(ROUNDS):
            whole.append(_cpu(server, partial(_life, client, round_)))
            job_id, urls = _declared(client)
            bytes_alone.append(_cpu(server, partial(_puts, client, urls)))
            put_only.append(job_id)
        # Not between the rounds: ext4 without a journal seeks past every inode deleted of late when it makes a file.
        for job_id in put_only:
            client.post(f"/commands/upload-jobs/{job_id}/cancel")
    beside = [(w - b) / PHOTOS * 1000 for w, b in zip(whole, bytes_alone, strict=True)]
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
