"""A real Safelight in a process of its own: started on a free port, killed, started again on the same data."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

READY_SECONDS = 90


def free_port() -> int:
    """A port that was free a moment ago, for a server that must come back under the same address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """`safelight serve` (or another `command` that answers for its health) on `folder`. `settings` are SAFELIGHT_…
    variables without the prefix, `environment` any others.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    command: Sequence[str] = ("serve",)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that the server has logged so far."""
        path = self.folder / "server.log"
        return path.read_text() if path.exists() else ""

    @property
    def link(self) -> str:
        """The last one-time link that it printed."""
        links: list[str] = re.findall(r"http\S+#code=\S+", (self.folder / "server.out").read_text())
        return links[-1]

    def start(self) -> Server:
        """Start it and wait until it is ready."""
        self.begin()
        return self.ready()

    def begin(self) -> None:
        """Start it and wait for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")},
            "SAFELIGHT_DATA_DIR": str(self.folder / "data"),
            "SAFELIGHT_REGISTRATION": "open",
            **{f"SAFELIGHT_{name.upper()}": value for name, value in self.settings.items()},
            **self.environment,
        }
        with (self.folder / "server.out").open("a") as out, (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safelight.cli", *self.command, "--port", str(self.port)],
                stdout=out,
                stderr=log,
                cwd=self.folder,
                env=environment,
                text=True,
            )

    def ready(self) -> Server:
        """Wait until it is ready."""
        assert self.process
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at its start: {self.log}")
            try:
                if httpx.get(f"{self.url}/health/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server did not become ready: {self.log}")

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._end(signal.SIGTERM)

    def cpu_seconds(self) -> float:
        """CPU time, user and system, that the server itself (not its children) has used."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def children(self) -> list[int]:
        """The decoding processes, by pid."""
        assert self.process
        parent = f"PPid:\t{self.process.pid}\n"
        return [int(e.name) for e in Path("/proc").iterdir() if e.name.isdigit() and parent in _status(e)]

    def client(self, email: str | None = None) -> Client:
        """A client with an account of its own."""
        return Client(self.url, email or f"{secrets.token_hex(6)}@example.org")

    def _end(self, how: signal.Signals) -> int:
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=30)


def _status(entry: Path) -> str:
    try:
        return (entry / "status").read_text()
    except OSError:
        return ""  # it ended while we looked


class Client(httpx.Client):
    """An HTTP client, signed in with a fresh account, with the commands of the contract in short form."""

    def __init__(self, url: str, email: str) -> None:
        super().__init__(base_url=url, timeout=60)
        self.email = email
        account = {"email": email, "password": "correct horse"}
        # Not by this client itself, which is open from its first request on and could not be entered by `with`.
        answer = httpx.post(f"{url}/api/auth/register", json=account)
        assert answer.status_code == 201, answer.text
        self.cookies.update(answer.cookies)
        self.token: str = answer.json()["token"]
        self.user_id: str = answer.json()["userId"]
        self.headers["authorization"] = f"Bearer {self.token}"

    def declare(self, *files: tuple[str, int], mime: str = "image/jpeg", **more: Any) -> dict[str, Any]:
        """Declare a job of `(filename, bytes)`; returns the answer's body."""
        body = {"files": [{"filename": n, "mimeType": mime, "bytes": b} for n, b in files], **more}
        answer = self.post("/commands/upload-jobs", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def ingest(self, photo: bytes, name: str = "a.jpg", mime: str = "image/jpeg") -> tuple[str, str]:
        """Declare, PUT and finalize one photo by single PUT; returns job and photo id."""
        created = self.declare((name, len(photo)), mime=mime)
        item = created["items"][0]
        assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
        assert self.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204
        return created["jobId"], item["photoId"]

    def job(self, job_id: str) -> dict[str, Any]:
        """The snapshot of a job."""
        answer = self.get(f"/queries/upload-jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        """The snapshot of a job once it has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.job(job_id)
            if found["status"] not in {"QUEUED", "IN_PROGRESS"}:
                return found
            time.sleep(0.05)
        raise AssertionError(f"the job did not end: {json.dumps(self.job(job_id))[:2000]}")
