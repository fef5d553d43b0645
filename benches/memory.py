"""Memory with 100 uploads of 8 MiB parts in flight, as proportional set size of the server and its children.

Twice: all senders stopped half-way through their part, when all that is buffered stays buffered; and all at full speed.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.running import Client, Server

from benches.load import Payload, Request, read_answer

MiB = 1024 * 1024
UPLOADS = 100
PARTS = 4
LIMIT_MIB = 150.0
SAMPLE_SECONDS = 0.05


def measure() -> dict[str, Any]:
    """MiB above idle, at most, in both situations."""
    payload = Payload(8 * MiB)
    with TemporaryDirectory() as folder, Server(Path(folder)) as server, server.client() as client:
        _upload(server, [_requests(client, 1)[0]], payload)  # what is loaded at the first upload is no upload's memory
        idle = _pss(server)
        requests = _requests(client, UPLOADS)
        with _highest(server) as half_way:
            _upload(server, [each[:1] for each in requests], payload, pause=2.0)
        with _highest(server) as full_speed:
            _upload(server, [each[1:] for each in requests], payload)
        time.sleep(1)
        after = _pss(server)
    payload.close()
    above = {"half_way": max(half_way) - idle, "full_speed": max(full_speed) - idle, "afterwards": after - idle}
    return {
        "uploads_in_flight": UPLOADS,
        "idle_mib": round(idle, 1),
        "above_idle_mib": {name: round(value, 1) for name, value in above.items()},
        "limit_mib": LIMIT_MIB,
        "holds": max(above.values()) <= LIMIT_MIB,
    }


def _requests(client: Client, uploads: int) -> list[list[Request]]:
    """The parts of so many uploads."""
    created = client.declare(*((f"{n}.jpg", PARTS * 8 * MiB) for n in range(uploads)))
    urls = [[urlsplit(part["presignedUrl"]) for part in item["multipart"]["partUrls"]] for item in created["items"]]
    return [[Request("PUT", f"{url.path}?{url.query}") for url in each] for each in urls]


def _upload(server: Server, uploads: list[list[Request]], payload: Payload, pause: float = 0.0) -> None:
    """Each upload on a connection of its own; with `pause`, all stop half-way through each part together."""
    together = threading.Barrier(len(uploads))

    def send(parts: list[Request]) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            for request in parts:
                connection.sendall(request.head(payload.size))
                payload.send(connection, 0, payload.size // 2)
                if pause:
                    together.wait()
                    time.sleep(pause)
                payload.send(connection, payload.size // 2)
                answer = read_answer(connection)
                assert answer.startswith(b"HTTP/1.1 200"), answer

    with ThreadPoolExecutor(len(uploads)) as pool:
        list(pool.map(send, uploads))


@contextmanager
def _highest(server: Server) -> Iterator[list[float]]:
    """Samples of the server's memory for as long as the block runs."""
    samples, done = [_pss(server)], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(_pss(server))

    with ExitStack() as stack:
        watcher = threading.Thread(target=watch)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(done.set)
        yield samples


def _pss(server: Server) -> float:
    """MiB of the server and its children; pages that several share count once."""
    assert server.process
    total = 0
    for pid in [server.process.pid, *server.children()]:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
