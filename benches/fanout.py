"""Fan-out: 200-byte events to 200, 1,000 and 5,000 readers of one job, beside other WebSocket servers on this machine.

All servers run at once, each with its readers connected, and take turns, round by round. At saturation four events are
on their way at any time; Safelight's hub gives a reader in one WebSocket message what came since the last, and
`events_per_message` says how many that are. `one_event_at_a_time` is the same with one event on its way: there is
nothing to put together, and each event's round through the load generator counts. At the fixed rate there are 10,000
deliveries a second, whatever the number of readers. Latencies run from the moment at which an event was due to that at
which a reader has it, the load generator's own time included. Safelight's figures contain what its hub does for a
subscription (benches/fanout_server.py says what, and what is left out); its readers speak STOMP and get STOMP frames.
Memory is the server's own, without the kernel's buffers, before anything is sent.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.running import free_port

from benches.fanout_rivals import commands, environment
from benches.readers import BODY, Speech

READERS = (200, 1_000, 5_000)
ROUNDS = 5
AHEAD = 4
SATURATED_SECONDS = 1.2
PACED_SECONDS = 2.0
DELIVERIES_PER_SECOND = 10_000
LEAST = {"python_socketio": 3.0, "websockets_broadcast": 1.0}
RIVALS = ("python_socketio", "fastapi_tutorial", "websockets_broadcast", "node_ws")
_READY_SECONDS = 30
_ANSWER_SECONDS = 300
_STOMP = Speech(
    "/ws",
    (
        (
            "CONNECT\naccept-version:1.2\nhost:bench\nheart-beat:0,10000\nAuthorization:Bearer usr_{n}\n\n\0",
            "CONNECTED",
        ),
        ("SUBSCRIBE\nid:sub-0\ndestination:/topic/job/job_bench\nreceipt:r\n\n\0", "RECEIPT"),
    ),
)


def measure() -> dict[str, Any]:
    """Every figure for every number of readers, as medians over the rounds with their spread."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    result: dict[str, Any] = {
        "bytes_of_an_event": BODY,
        "events_ahead": AHEAD,
        "paced_deliveries_per_second": DELIVERIES_PER_SECOND,
        "rounds": ROUNDS,
    }
    for readers in READERS:
        result[f"{readers}_readers"] = _with_readers(readers)
    result["limits"] = LEAST
    result["holds"] = all(
        result[f"{readers}_readers"]["ratio_to"][name]["median"] >= least
        for readers in READERS
        for name, least in LEAST.items()
    )
    return result


@dataclass
class Contestant:
    """A server and its crowd of readers, both processes of their own."""

    server: subprocess.Popen[bytes]
    crowd: subprocess.Popen[bytes]

    def do(self, what: str, **how: Any) -> dict[str, float]:
        """Give the readers a command, and wait for what they found; then also the server's CPU per delivery, in µs."""
        assert self.crowd.stdin
        assert self.crowd.stdout
        before = self._cpu_seconds()
        self.crowd.stdin.write(json.dumps({"do": what, **how}).encode() + b"\n")
        self.crowd.stdin.flush()
        line = self.crowd.stdout.readline()
        if not line:
            raise RuntimeError("the readers have ended")
        found: dict[str, float] = json.loads(line)
        assert not found["lost"], f"{self.server.args!r} closed {found['lost']} connections"
        if found.get("delivered"):
            found["cpu_us"] = (self._cpu_seconds() - before) / found["delivered"] * 1e6
        return found

    def memory_kib(self) -> int:
        """Proportional set size of the server."""
        lines = Path(f"/proc/{self.server.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def _cpu_seconds(self) -> float:
        # In nanoseconds, where /proc/pid/stat has ticks of 10 ms: of each thread, since some use several.
        tasks = Path(f"/proc/{self.server.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _with_readers(readers: int) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = {}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        contestants = _start(Path(folder), stack, readers, found)
        for round_ in range(ROUNDS + 1):
            for name, contestant in contestants.items():
                full = contestant.do("saturate", seconds=SATURATED_SECONDS, ahead=AHEAD)
                single = contestant.do("saturate", seconds=SATURATED_SECONDS, ahead=1)
                paced = contestant.do("paced", seconds=PACED_SECONDS, per_second=DELIVERIES_PER_SECOND / readers)
                if not round_:  # the first one warms up
                    continue
                for figure, value in (
                    ("deliveries_per_second", full["per_second"]),
                    ("one_event_at_a_time_per_second", single["per_second"]),
                    ("saturated_cpu_us_per_delivery", full["cpu_us"]),
                    ("events_per_message", full["per_frame"]),
                    ("p50_ms", paced["p50_ms"]),
                    ("p99_ms", paced["p99_ms"]),
                    ("reach", paced["reach"]),
                    ("paced_cpu_us_per_delivery", paced["cpu_us"]),
                ):
                    found.setdefault(figure, {}).setdefault(name, []).append(value)
    memory = {name: round(values[0], 1) for name, values in found.pop("memory_kib_per_connection").items()}
    figures = {figure: {name: _spread(values) for name, values in by_name.items()} for figure, by_name in found.items()}
    ratios = {
        "ratio_to": _ratios(found["deliveries_per_second"]),
        "ratio_one_event_at_a_time": _ratios(found["one_event_at_a_time_per_second"]),
        "ratio_of_paced_cpu": _ratios(found["paced_cpu_us_per_delivery"]),
    }
    return {**ratios, **figures, "memory_kib_per_connection": memory}


def _ratios(figures: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Safelight's figure by each other's of the same round."""
    return {
        name: _spread([mine / theirs for mine, theirs in zip(figures["safelight"], values, strict=True)])
        for name, values in figures.items()
        if name != "safelight"
    }


def _start(
    folder: Path, stack: ExitStack, readers: int, found: dict[str, dict[str, list[float]]]
) -> dict[str, Contestant]:
    ports = {name: free_port() for name in ("safelight", *RIVALS)}
    ours = [sys.executable, "-m", "benches.fanout_server", str(ports["safelight"])]
    contestants = {}
    for name, (command, speech) in {"safelight": (ours, _STOMP), **commands(folder, ports)}.items():
        where, variables = (Path.cwd(), dict(os.environ)) if name == "safelight" else (folder, environment())
        contestant = stack.enter_context(_running(command, where, variables, folder / f"{name}.log", ports[name]))
        # What is loaded or grown at the first connections is no connection's memory.
        few = min(50, readers)
        contestant.do("connect", port=ports[name], path=speech.path, turns=speech.turns, count=few)
        before = contestant.memory_kib()
        contestant.do("connect", port=ports[name], path=speech.path, turns=speech.turns, count=readers - few)
        per_connection = (contestant.memory_kib() - before) / (readers - few)
        found.setdefault("memory_kib_per_connection", {})[name] = [per_connection]
        contestants[name] = contestant
    return contestants


@contextmanager
def _running(command: list[str], where: Path, variables: dict[str, str], log: Path, port: int) -> Iterator[Contestant]:
    with log.open("w") as words:
        server = subprocess.Popen(command, cwd=where, env=variables, stdin=subprocess.PIPE, stdout=words, stderr=words)
        assert server.stdin
        control = server.stdin.fileno()
        crowd = subprocess.Popen(
            [sys.executable, "-m", "benches.readers", str(control)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[control],
        )
        try:
            _await_port(server, port, log)
            yield Contestant(server, crowd)
        finally:
            for process in (crowd, server):
                process.kill()
                process.wait()


def _await_port(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.args!r} did not start: {log.read_text()}")
        time.sleep(0.05)


def _spread(values: list[float]) -> dict[str, float]:
    def rounded(value: float) -> float:
        return round(value, 3) if value < 100 else round(value)

    return {
        "median": rounded(statistics.median(values)),
        "min": rounded(min(values)),
        "max": rounded(max(values)),
    }


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
