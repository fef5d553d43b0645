"""The servers that ingest is measured beside, each as its own documentation has it run, on a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.running import free_port

from benches.load import Request

READY_SECONDS = 30
COPYPARTY = "copyparty==1.20.26"
TUSPYSERVER = "tuspyserver==4.4.3"
SOCKETIO = "python-socketio==5.18.1"
WEBSOCKETS = "websockets==17.4"
PACKAGES = [
    COPYPARTY,
    TUSPYSERVER,
    SOCKETIO,
    WEBSOCKETS,
    "uvicorn",
    "httptools",
    "uvloop; platform_system != 'Windows'",
]

Prepare = Callable[[int, int], list[Request]]


@dataclass(frozen=True)
class Rival:
    """A running server: `prepare(count, size)` gives the requests that upload so many bodies of that size."""

    port: int
    prepare: Prepare
    clean: Callable[[], None]


def cache() -> Path:
    """Where the benches keep what they install, outside the project."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "safelight-bench"


def bench_python() -> Path:
    """The interpreter of a virtual environment of the bench's own, made at its first run."""
    python = cache() / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(cache() / "venv", with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True, stdout=sys.stderr)
    return python


@contextmanager
def nginx(folder: Path) -> Iterator[Rival]:
    """nginx's WebDAV module: no checksum, no signature, one worker a core."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    port, files = free_port(), folder / "files"
    files.mkdir(parents=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        textwrap.dedent(f"""
            daemon off;
            {"user root;" if os.geteuid() == 0 else ""}
            worker_processes auto;
            pid {folder}/pid;
            error_log {folder}/error.log;
            events {{ worker_connections 256; }}
            http {{
              access_log off;
              client_max_body_size 0;
              client_body_temp_path {folder}/arriving;
              keepalive_requests 100000;
              server {{
                listen 127.0.0.1:{port};
                root {files};
                location / {{ dav_methods PUT; create_full_put_path on; }}
              }}
            }}
        """)
    )
    with running([binary, "-p", str(folder), "-c", str(configuration)], folder, port):
        yield Rival(port, _puts, lambda: _empty(files))


@contextmanager
def http2(folder: Path, server_port: int) -> Iterator[int]:
    """nginx as the proxy that speaks HTTP/2 over TLS before a server of ours; gives its port."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    folder.mkdir(parents=True)
    certificate = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(["openssl", "req", *certificate, *files], check=True, capture_output=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        textwrap.dedent(f"""
            daemon off;
            {"user root;" if os.geteuid() == 0 else ""}
            pid {folder}/pid;
            error_log {folder}/error.log;
            events {{ worker_connections 1024; }}
            http {{
              access_log off;
              client_max_body_size 0;
              client_body_temp_path {folder}/arriving;
              proxy_temp_path {folder}/leaving;
              server {{
                listen 127.0.0.1:{port} ssl http2;
                http2_body_preread_size 1m;
                client_body_buffer_size 1m;
                ssl_certificate {folder}/certificate.pem;
                ssl_certificate_key {folder}/key.pem;
                location / {{
                  proxy_pass http://127.0.0.1:{server_port};
                  proxy_http_version 1.1;
                  proxy_request_buffering off;
                  proxy_buffering off;
                  proxy_next_upstream off;
                  proxy_set_header Host $http_host;
                  proxy_set_header X-Forwarded-Proto https;
                  proxy_set_header Upgrade $http_upgrade;
                  proxy_set_header Connection $http_connection;
                }}
              }}
            }}
        """)
    )
    with running([binary, "-p", str(folder), "-c", str(configuration)], folder, port):
        yield port


@contextmanager
def copyparty(folder: Path, *, checksum: bool = True) -> Iterator[Rival]:
    """copyparty's plain PUT; its checksum is SHA-512 unless told otherwise, and can be turned off."""
    port, files = free_port(), folder / "files"
    files.mkdir(parents=True)
    command = [str(bench_python()), "-m", "copyparty", "-q", "--no-crt", "-i", "127.0.0.1", "-p", str(port)]
    command += ["-v", f"{files}::A", *([] if checksum else ["--put-ck", "no"])]
    with running(command, folder, port):
        yield Rival(port, _puts, lambda: _empty(files))


@contextmanager
def tuspyserver(folder: Path) -> Iterator[Rival]:
    """tuspyserver under uvicorn with uvloop and httptools; uploads are created before, only PATCH is timed."""
    port, files = free_port(), folder / "files"
    files.mkdir(parents=True)
    (folder / "tus_app.py").write_text(
        textwrap.dedent(f"""
            from fastapi import FastAPI
            from tuspyserver import create_tus_router

            app = FastAPI()
            app.include_router(create_tus_router(prefix="files", files_dir={str(files)!r}))
        """)
    )
    command = [str(bench_python()), "-m", "uvicorn", "tus_app:app", "--port", str(port), "--log-level", "warning"]

    def prepare(count: int, size: int) -> list[Request]:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        connection = HTTPConnection("127.0.0.1", port)
        requests = []
        for _ in range(count):
            connection.request("POST", "/files/", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(size)})
            answer = connection.getresponse()
            answer.read()
            location = (answer.getheader("location") or "").rpartition("/files/")[2]
            assert answer.status == 201, answer.status
            requests.append(Request("PATCH", f"/files/{location}", headers))
        connection.close()
        return requests

    with running(command, folder, port):
        yield Rival(port, prepare, lambda: _empty(files))


def all_rivals(folder: Path) -> dict[str, AbstractContextManager[Rival]]:
    """Everyone whom Safelight is measured beside, by name."""
    return {
        "nginx": nginx(folder / "nginx"),
        "copyparty": copyparty(folder / "copyparty"),
        "copyparty_no_checksum": copyparty(folder / "copyparty-no-checksum", checksum=False),
        "tuspyserver": tuspyserver(folder / "tuspyserver"),
    }


def _puts(count: int, _size: int) -> list[Request]:
    return [Request("PUT", f"/{number}-{time.monotonic_ns()}.bin") for number in range(count)]


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_file():
            entry.unlink()


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    home = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    home.pop("PYTHONPATH", None)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=home)
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start: {(folder / 'log').read_text()}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=READY_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
