"""Bytes in: 8 MiB parts and 3 MB photos, 8 in flight, through the signed PUT, beside other servers on this machine.

All servers run at once and take turns, each round begun by another, so that whatever else the machine does meets each.
Safelight's figure contains the signature, the record in its ledger and the CRC32C, which the client compares.
"""

from __future__ import annotations

import json
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from crc32c import crc32c
from tests.running import Client, Server

from benches.load import IN_FLIGHT, Payload, Request, send_all
from benches.rivals import Rival, all_rivals

ROUNDS = 10
MiB = 1024 * 1024
BODIES = {"part_8_mib": (8 * MiB, 48), "photo_3_mb": (3_000_000, 96)}
PARTS_A_FILE = 16
LEAST = {"nginx": 0.5, "copyparty": 2.0, "tuspyserver": 2.0}


def measure() -> dict[str, Any]:
    """MB/s of every server and Safelight's ratio to each, as medians over the rounds with their spread."""
    result: dict[str, Any] = {"in_flight": IN_FLIGHT, "rounds": ROUNDS}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        rivals = {name: stack.enter_context(rival) for name, rival in all_rivals(home).items()}
        server = stack.enter_context(Server(home / "safelight"))
        client = stack.enter_context(server.client())
        for kind, (size, count) in BODIES.items():
            payload = Payload(size)
            stack.callback(payload.close)
            result[kind] = _rounds(server, client, rivals, payload, count)
    result["limits"] = LEAST
    result["holds"] = all(
        result[kind]["ratio_to"][name]["median"] >= least for kind in BODIES for name, least in LEAST.items()
    )
    return result


def _rounds(
    server: Server, client: Client, rivals: dict[str, Rival], payload: Payload, count: int
) -> dict[str, dict[str, Any]]:
    speeds: dict[str, list[float]] = {"safelight": [], **{name: [] for name in rivals}}
    for round_ in range(ROUNDS + 1):
        measured = {}
        for name in _turn(list(speeds), round_):
            if name == "safelight":
                measured[name] = _safelight(server, client, payload, count)
            else:
                measured[name] = send_all(rivals[name].port, rivals[name].prepare(count, payload.size), payload)
                rivals[name].clean()
        if round_:  # the first one warms up
            for name, speed in measured.items():
                speeds[name].append(speed)
    ours = speeds["safelight"]
    ratios = {
        name: _spread([mine / theirs for mine, theirs in zip(ours, speeds[name], strict=True)]) for name in rivals
    }
    return {"mb_per_second": {name: _spread(values) for name, values in speeds.items()}, "ratio_to": ratios}


def _turn(names: list[str], round_: int) -> list[str]:
    """Each round begins with another server: who comes next still has the files of the one before written back."""
    first = round_ % len(names)
    return names[first:] + names[:first]


def _safelight(server: Server, client: Client, payload: Payload, count: int) -> float:
    if payload.size == 8 * MiB:
        files = [(f"{n}.jpg", PARTS_A_FILE * payload.size) for n in range(count // PARTS_A_FILE)]
    else:
        files = [(f"{n}.jpg", payload.size) for n in range(count)]
    created = client.declare(*files)
    urls = [
        url
        for item in created["items"]
        for url in (
            [part["presignedUrl"] for part in item["multipart"]["partUrls"]]
            if item["multipart"]
            else [item["presignedUrl"]]
        )
    ]
    assert len(urls) == count
    etag = f"{crc32c(payload.content):08x}"
    targets = [urlsplit(url) for url in urls]
    requests = [Request("PUT", f"{target.path}?{target.query}", etag=etag) for target in targets]
    speed = send_all(server.port, requests, payload)
    assert client.post(f"/commands/upload-jobs/{created['jobId']}/cancel").status_code < 300
    return speed


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
