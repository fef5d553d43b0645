"""Many machines: what more servers bring, what a photo costs its surroundings, and how long five photos wait for 5,000.

All on this machine: three NATS nodes, PostgreSQL, SeaweedFS, servers, workers and the client share its cores, so that
the figures of more servers than cores show what the machine gives, not what the program would.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from tests.cluster import Cluster, cluster
from tests.feeding import feed
from tests.pictures import jpeg
from tests.running import Client

SERVERS = (1, 2, 4)
AT_ONCE = 16
PHOTOS = 200
SIGNINGS = 400
COUNTED = 100
WAITING = 5_000
FEW = 5
TIMES = 7
REST = 20


def measure() -> dict[str, Any]:
    """Throughput by number of servers, cost of a photo, and fairness."""
    found: dict[str, Any] = {}
    for count in SERVERS:
        print(f"  {count} servers …", file=sys.stderr, flush=True)
        with TemporaryDirectory() as folder, cluster(Path(folder), servers=count, workers=1, nodes=3) as machines:
            found[f"{count}_servers"] = _throughput(machines)
            if count == 1:
                found["one_photo"] = _cost(machines)
                found["a_second_of_rest"] = _rest(machines)
    base = found["1_servers"]
    found["ratio_to_one"] = {
        str(count): {name: round(value / base[name], 2) for name, value in found[f"{count}_servers"].items()}
        for count in SERVERS[1:]
    }
    print("  fairness …", file=sys.stderr, flush=True)
    with TemporaryDirectory() as folder, cluster(Path(folder), servers=2, workers=2, nodes=3) as machines:
        found["fairness"] = _fairness(machines)
    found["holds"] = found["fairness"]["ratio"] <= 3
    return found


def _throughput(machines: Cluster) -> dict[str, float]:
    """Requests a second of `AT_ONCE` clients at once, through the proxy: signing, and finalizing photos sent."""
    with machines.client() as client:
        photos = [jpeg(seed=number) for number in range(PHOTOS)]
        created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
        ids = [item["photoId"] for item in created["items"]]
        signed = _a_second(
            lambda number: _ok(client.post(f"/commands/upload/{ids[number % PHOTOS]}/urls", json={}).status_code, 200),
            SIGNINGS,
        )
        items = created["items"]
        _a_second(lambda number: _put(items[number]["presignedUrl"], photos[number]), PHOTOS)
        finalized = _a_second(
            lambda number: _ok(client.post(f"/commands/upload/{ids[number]}/finalize").status_code, 204), PHOTOS
        )
        began = time.perf_counter()
        machines.until(lambda: client.job(created["jobId"])["status"] == "COMPLETED", "all photos", 300)
        events = client.job(created["jobId"])["seq"]
        ended = time.perf_counter() - began
    return {
        "signings_per_second": round(signed, 1),
        "finalized_per_second": round(finalized, 1),
        "events_per_second_of_one_worker": round(events / ended, 1),
    }


def _cost(machines: Cluster) -> dict[str, float]:
    """Commits, broker messages, and the CPU of server and worker beside decoding, of a photo's life."""
    before, cpu = _counters(machines), _cpu(machines)
    with machines.client() as client:
        photos = [jpeg(seed=number) for number in range(COUNTED)]
        created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
        feed(client, created["items"], photos, AT_ONCE)
        machines.until(lambda: client.job(created["jobId"])["status"] == "COMPLETED", "all photos", 300)
    after, spent = _counters(machines), _cpu(machines)
    return {
        **{name: round((after[name] - before[name]) / COUNTED, 1) for name in after},
        **{name: round(1_000 * (spent[name] - cpu[name]) / COUNTED, 1) for name in spent},
    }


def _cpu(machines: Cluster) -> dict[str, float]:
    return {
        "server_cpu_ms": sum(server.cpu_seconds() for server in machines.servers),
        "worker_cpu_ms": sum(worker.cpu_seconds() for worker in machines.workers),
    }


def _rest(machines: Cluster) -> dict[str, float]:
    """The same, in a second in which nothing happens: what one server and one worker ask to be sure of it."""
    before = _counters(machines)
    time.sleep(REST)
    after = _counters(machines)
    return {name: round((after[name] - before[name]) / REST, 1) for name in after}


def _fairness(machines: Cluster) -> dict[str, Any]:
    """Seconds until five photos are done, on an idle system and while a job of 5,000 waits."""
    with machines.client() as few, machines.client() as many:
        idle = [_seconds_of_few(few, number) for number in range(TIMES)]
        for worker in machines.workers:
            worker.stop()
        photo = jpeg()
        for start in range(0, WAITING, 1_000):
            files = [(f"{number}.jpg", len(photo)) for number in range(start, start + 1_000)]
            created = many.declare(*files)
            feed(many, created["items"], [photo] * 1_000, AT_ONCE)
        for worker in machines.workers:
            worker.start()
        waiting = [_seconds_of_few(few, TIMES + number) for number in range(TIMES)]
        left = sum(
            job["totalCount"] - job["completedCount"]
            for job in many.get("/queries/upload-jobs", params={"status": "active"}).json()["items"]
        )
    return {
        "idle_s": round(median(idle), 2),
        "while_others_wait_s": round(median(waiting), 2),
        "ratio": round(median(waiting) / median(idle), 2),
        "still_waiting_then": left,
    }


def _seconds_of_few(client: Client, seed: int) -> float:
    photos = [jpeg(seed=seed * FEW + number) for number in range(FEW)]
    began = time.perf_counter()
    created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
    feed(client, created["items"], photos)
    while client.job(created["jobId"])["status"] != "COMPLETED":
        time.sleep(0.01)  # the bench's own resolution
    return time.perf_counter() - began


def _counters(machines: Cluster) -> dict[str, int]:
    """What the servers themselves have counted so far."""
    # Of clients alone: what the nodes tell each other is their own affair.
    clients = [each for node in machines.nats.members for each in node.look("connz?limit=1000")["connections"]]
    return {
        "database_commits": machines.commits(),
        "broker_messages_sent": sum(each["in_msgs"] for each in clients),
        "broker_messages_received": sum(each["out_msgs"] for each in clients),
    }


def _a_second(call: Callable[[int], None], count: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(call, range(count)))
    return count / (time.perf_counter() - began)


def _put(url: str, photo: bytes) -> None:
    _ok(httpx.put(url, content=photo).status_code, 200)


def _ok(status: int, wanted: int) -> None:
    assert status == wanted, status
