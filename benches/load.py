"""The load of the ingest benches: raw sockets and sendfile(2), so that the client costs next to nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import BinaryIO

IN_FLIGHT = 8


@dataclass(frozen=True)
class Request:
    """One request that carries the payload as its body; an answer's ETag is compared where one is expected."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None

    def head(self, size: int) -> bytes:
        headers = {"Host": "127.0.0.1", "Content-Length": str(size), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode()


class Payload:
    """`size` random bytes in a file, from where the kernel sends them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = os.urandom(size)
        self.file: BinaryIO = TemporaryFile()  # noqa: SIM115 - open as long as the payload
        self.file.write(self.content)
        self.file.flush()

    def send(self, connection: socket.socket, start: int = 0, end: int | None = None) -> None:
        """The bytes from `start` up to `end`."""
        end = self.size if end is None else end
        while start < end:
            start += os.sendfile(connection.fileno(), self.file.fileno(), start, end - start)

    def close(self) -> None:
        self.file.close()


def send_all(port: int, requests: Sequence[Request], payload: Payload) -> float:
    """Send the payload with every request, `IN_FLIGHT` at once on connections kept alive; MB/s (10 ** 6 bytes)."""
    waiting = iter(requests)
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                while True:
                    with lock:
                        request = next(waiting, None)
                    if request is None:
                        return
                    connection.sendall(request.head(payload.size))
                    payload.send(connection)
                    _accepted(connection, request)
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    if failures:
        raise failures[0]
    return payload.size * len(requests) / 1e6 / elapsed


def _accepted(connection: socket.socket, request: Request) -> None:
    answer = read_answer(connection)
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"{request.method} {request.target}: {answer!r}")
    if request.etag and f'etag: "{request.etag}"'.encode() not in answer.lower():
        raise RuntimeError(f"the checksum differs: {answer!r}")


def read_answer(connection: socket.socket) -> bytes:
    """One answer, body included where Content-Length announces one."""
    got = b""
    while True:
        head, end, body = got.partition(b"\r\n\r\n")
        if end:
            lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if len(body) >= int(lengths[0] if lengths else 0):
                return got
        block = connection.recv(65536)
        if not block:
            raise ConnectionError(f"the server hung up after {got!r}")
        got += block
