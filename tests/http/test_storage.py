"""Bytes in and out by signed URL, as clients and browsers meet them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import crc32c
import httpx
import pytest
from tests.pictures import big_jpeg, jpeg
from tests.running import Client, Server

from safelight.adapters.disk import DiskStore
from safelight.adapters.disk.signing import Signer
from safelight.http.storage import StorageEdge
from safelight.ports import Grant, LocalStore

MiB = 1024 * 1024
PATIENCE = 30.0  # seconds after which a test is given up; none waits so long
ORIGIN = "https://photos.example.org"


def etag(data: bytes) -> str:
    return f'"{crc32c.crc32c(data):08x}"'


class Wire:
    """A client that writes its own bytes, to stop, hang up or look at moments that httpx does not offer."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        assert self.parts.hostname
        self.socket = socket.create_connection((self.parts.hostname, self.parts.port or 80), timeout=PATIENCE)

    def head(self, method: str, length: int, *headers: str) -> None:
        lines = [
            f"{method} {self.parts.path}?{self.parts.query} HTTP/1.1",
            f"host: {self.parts.netloc}",
            f"content-length: {length}",
            *headers,
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self) -> bytes:
        """One whole answer."""
        got = b""
        while True:
            head, end, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if end and len(body) >= int(length[1] if length else 0):
                return got
            block = self.socket.recv(65536)
            assert block, got
            got += block

    def close(self) -> None:
        """With a reset, as a process that dies leaves it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def multipart(client: Client, size: int) -> dict[str, Any]:
    item: dict[str, Any] = client.declare(("large.jpg", size))["items"][0]
    return item


def url_of(item: dict[str, Any], number: int) -> str:
    url: str = item["multipart"]["partUrls"][number - 1]["presignedUrl"]
    return url


def parts_of(client: Client, item: dict[str, Any]) -> dict[int, str]:
    parts = client.get(f"/queries/upload/{item['photoId']}/parts").json()["parts"]
    return {part["partNumber"]: part["etag"] for part in parts}


@pytest.fixture(scope="module")
def photo() -> bytes:
    return big_jpeg(300_000, seed=77)


@pytest.fixture(scope="module")
def url(server: Server, photo: bytes) -> Iterator[str]:
    """Where a stored photo is read."""
    with server.client() as client:
        job, name = client.ingest(photo, 'Grüße "1".jpg')
        client.ended(job)
        yield client.get(f"/queries/photos/{name}/download-url").json()["url"]


# --- GET, HEAD ---


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=299999-", 299_999, 299_999),
        ("bytes=1000-9999999", 1000, 299_999),
        ("bytes=-500", 299_500, 299_999),
    ],
)
def test_a_range_is_served(url: str, photo: bytes, asked: str, first: int, last: int) -> None:
    answer = httpx.get(url, headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/300000"
    assert answer.content == photo[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole(url: str, photo: bytes, asked: str) -> None:
    answer = httpx.get(url, headers={"range": asked})
    assert answer.status_code == 200
    assert answer.content == photo


@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=-0"])
def test_a_range_outside_is_not_satisfiable(url: str, asked: str) -> None:
    answer = httpx.get(url, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */300000")


def test_head_tells_what_get_would(url: str) -> None:
    got, told = httpx.get(url), httpx.head(url)
    assert told.status_code == 200
    assert told.content == b""
    for name in ("content-length", "etag", "content-type", "content-disposition", "accept-ranges"):
        assert told.headers[name] == got.headers[name]


def test_what_the_client_has_is_not_sent_again(url: str, photo: bytes) -> None:
    tag = httpx.head(url).headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = httpx.get(url, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert httpx.get(url, headers={"if-none-match": '"other"'}).content == photo


def test_a_range_of_what_has_changed_is_the_whole(url: str, photo: bytes) -> None:
    same = httpx.get(url, headers={"range": "bytes=0-9", "if-range": httpx.head(url).headers["etag"]})
    other = httpx.get(url, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (same.status_code, same.content) == (206, photo[:10])
    assert (other.status_code, other.content) == (200, photo)


def test_a_download_has_the_photos_name_and_runs_nowhere(url: str) -> None:
    headers = httpx.head(url).headers
    assert headers["content-disposition"] == (
        "attachment; filename=\"Gr__e _1_.jpg\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.jpg"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


def test_other_methods_are_not_allowed(url: str) -> None:
    answer = httpx.post(url, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "PUT, GET, HEAD, OPTIONS"


# --- CORS ---


def test_a_page_of_an_allowed_origin_may_send_and_read_the_etag(start: Callable[..., Server]) -> None:
    with start(allowed_origins=ORIGIN).client() as client:
        photo = jpeg(seed=1)
        target = client.declare(("a.jpg", len(photo)))["items"][0]["presignedUrl"]
    asked = {"origin": ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    preflight = httpx.options(target, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "*"
    refused = httpx.put(target + "0", content=photo, headers={"origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (403, ORIGIN)
    put = httpx.put(target, content=photo, headers={"origin": ORIGIN})
    assert put.headers["etag"] == etag(photo)
    assert "ETag" in put.headers["access-control-expose-headers"]
    assert put.headers["vary"] == "origin"
    stranger = httpx.options(target, headers={**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


# --- refusals that reach the client ---


def signed_elsewhere(server: Server, secret: str, *, expires_at: int, size: int) -> str:
    """A URL signed by whoever knows the secret, with a clock of their own."""
    return server.url + Signer(secret.encode()).sign(Grant("PUT", "originals/ph_x.1", size=size), expires_at)


def test_a_refusal_is_readable_while_the_client_still_sends(start: Callable[..., Server]) -> None:
    server = start(secret="known")
    past, future = int(time.time()) - 10, int(time.time()) + 60
    expired = signed_elsewhere(server, "known", expires_at=past, size=8 * MiB)
    valid = signed_elsewhere(server, "known", expires_at=future, size=8 * MiB)
    foreign = signed_elsewhere(server, "guessed", expires_at=future, size=8 * MiB)
    body = bytes(8 * MiB)
    with httpx.Client(timeout=PATIENCE) as client:
        for target, code in ((expired, "signature-expired"), (foreign, "signature-invalid")):
            answer = client.put(target, content=body)
            assert (answer.status_code, answer.json()["code"]) == (403, code)
        longer = client.put(valid, content=bytes(8 * MiB + 1))
        assert (longer.status_code, longer.json()["code"]) == (422, "size-mismatch")
        assert client.put(valid, content=body).headers["etag"] == etag(body)


def test_a_client_that_waits_for_100_is_called_or_refused_at_once(client: Client) -> None:
    photo = jpeg(seed=8)
    target = client.declare(("a.jpg", len(photo)))["items"][0]["presignedUrl"]
    wire = Wire(target)
    wire.head("PUT", len(photo), "expect: 100-continue")
    assert wire.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.socket.sendall(photo)
    assert wire.answer().startswith(b"HTTP/1.1 200")
    refused = Wire(target + "0")
    refused.head("PUT", len(photo), "expect: 100-continue")
    answer = refused.answer()
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"connection: close" in answer
    for each in (wire, refused):
        each.close()


def test_chunked_bodies_are_held_to_the_size_as_well(client: Client) -> None:
    photo = jpeg(seed=8)
    target = client.declare(("a.jpg", len(photo)))["items"][0]["presignedUrl"]
    for body in (photo[:-1], photo + b"x"):
        answer = httpx.put(target, content=iter([body]))
        assert (answer.status_code, answer.json()["code"]) == (422, "size-mismatch")
    assert httpx.put(target, content=iter([photo[:100], photo[100:]])).headers["etag"] == etag(photo)


async def test_a_body_that_stalls_is_given_up(tmp_path: Path) -> None:
    store: LocalStore = DiskStore(tmp_path, base_url="", secret=b"s", clock=lambda: 0)
    edge = StorageEdge(store, on_bytes=lambda *_: None, allowed_origins=[], stall_seconds=0.01)
    path, _, query = store.presign_put("originals/ph_1.1", 10, expires_in=60).url.partition("?")
    sent: list[Any] = []
    first = iter([{"type": "http.request", "body": b"12345", "more_body": True}])

    async def receive() -> Any:
        if (message := next(first, None)) is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "PUT", "path": path, "query_string": query.encode(), "headers": []}
    await edge(scope, receive, send)
    assert sent[0]["status"] == 422
    assert (b"connection", b"close") in sent[0]["headers"]
    assert await store.list_uploads() == []
    await store.close()


# --- broken off, doubled, aborted ---


def test_a_put_broken_off_leaves_nothing(client: Client, server: Server) -> None:
    photo = jpeg(400, 300, seed=12)
    item = client.declare(("a.jpg", len(photo)))["items"][0]
    arriving = server.folder / "data" / "store" / "arriving"
    before = set(arriving.iterdir())
    wire = Wire(item["presignedUrl"])
    wire.head("PUT", len(photo))
    wire.socket.sendall(photo[: len(photo) // 2])
    until(lambda: len(set(arriving.iterdir()) - before) == 1)
    wire.close()
    until(lambda: not set(arriving.iterdir()) - before)
    refused = client.post(f"/commands/upload/{item['photoId']}/finalize")
    assert (refused.status_code, refused.json()["code"]) == (409, "not-uploaded")
    assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
    assert client.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204


def test_a_part_broken_off_is_not_listed_and_the_others_stay(client: Client) -> None:
    photo = big_jpeg(20 * MiB, seed=13)
    item = multipart(client, len(photo))
    for number in (1, 2):
        httpx.put(url_of(item, number), content=photo[(number - 1) * 8 * MiB : number * 8 * MiB])
    assert set(parts_of(client, item)) == {1, 2}
    wire = Wire(url_of(item, 2))
    wire.head("PUT", 8 * MiB)
    wire.socket.sendall(bytes(5 * MiB))
    until(lambda: set(parts_of(client, item)) == {1})
    wire.close()
    again = httpx.put(url_of(item, 2), content=photo[8 * MiB : 16 * MiB])
    assert parts_of(client, item) == {1: etag(photo[: 8 * MiB])[1:-1], 2: again.headers["etag"][1:-1]}


def test_a_part_sent_again_need_not_wait_for_a_dead_connection(client: Client) -> None:
    data = big_jpeg(9 * MiB, seed=14)
    item = multipart(client, len(data))
    dead = Wire(url_of(item, 1))
    dead.head("PUT", 8 * MiB)
    dead.socket.sendall(bytes(4 * MiB))
    again = httpx.put(url_of(item, 1), content=data[: 8 * MiB], timeout=PATIENCE)
    assert again.status_code == 200
    dead.socket.sendall(bytes(4 * MiB))
    answer = dead.answer()
    assert answer.startswith(b"HTTP/1.1 409")
    assert b'"conflict"' in answer
    dead.close()
    assert parts_of(client, item) == {1: etag(data[: 8 * MiB])[1:-1]}


def test_the_record_of_a_part_sent_by_two_matches_its_bytes(client: Client) -> None:
    photo = big_jpeg(8 * MiB + 10, seed=15)
    item = multipart(client, len(photo))
    versions = [photo[: 8 * MiB], *(bytes([n]) * (8 * MiB) for n in range(1, 4))]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda v=v: statuses.append(httpx.put(url_of(item, 1), content=v).status_code))
        for v in versions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    httpx.put(url_of(item, 2), content=photo[8 * MiB :])
    recorded = parts_of(client, item)
    whole = next(v + photo[8 * MiB :] for v in versions if etag(v)[1:-1] == recorded[1])
    named = [{"partNumber": n, "etag": tag} for n, tag in recorded.items()]
    body = {"uploadId": item["multipart"]["uploadId"], "parts": named, "checksum": f"crc32c:{etag(whole)[1:-1]}"}
    assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204


@pytest.mark.parametrize("size", [200_000, 9 * MiB])
def test_cancelling_ends_a_put_under_way(client: Client, size: int) -> None:
    data = big_jpeg(size, seed=16)[: min(size, 8 * MiB)]
    item = client.declare(("a.jpg", size))["items"][0]
    wire = Wire(item["presignedUrl"] or url_of(item, 1))
    wire.head("PUT", len(data), "expect: 100-continue")
    wire.answer()
    wire.socket.sendall(data[: len(data) // 2])
    assert client.post(f"/commands/upload/{item['photoId']}/cancel").status_code == 204
    wire.socket.sendall(data[len(data) // 2 :])
    answer = wire.answer()
    assert answer.startswith(b"HTTP/1.1 409")
    assert b'"upload-gone"' in answer
    wire.close()


# --- a full disk, a killed server ---


@contextlib.contextmanager
def scarce(tmp_path: Path, size: int) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """Settings of a store on a disk of `size` bytes, and a way to make room on it."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    filler = folder / "filler"
    filler.write_bytes(bytes(size // 2))
    try:
        yield {"storage_url": f"file://{folder}"}, filler.unlink
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_loses_nothing_and_goes_on_once_there_is_room(tmp_path: Path, start: Callable[..., Server]) -> None:
    photo, large = jpeg(seed=3), big_jpeg(20 * MiB, seed=17)
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:
            settings, make_room = stack.enter_context(scarce(tmp_path, 48 * MiB))
            server = start(**settings)
        else:
            # Without the right to mount, no file may grow beyond 12 MiB: the second part does not fit.
            server = start()
            assert server.process
            pid = server.process.pid
            subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={12 * MiB}:unlimited"], check=True)

            def make_room() -> None:
                subprocess.run(["prlimit", f"--pid={pid}", "--fsize=unlimited"], check=True)

        client = stack.enter_context(server.client())
        small_job, _ = client.ingest(photo)
        client.ended(small_job)
        items = [multipart(client, len(large)) for _ in range(2)]
        sent = [(item, n, large[(n - 1) * 8 * MiB : n * 8 * MiB]) for item in items for n in (1, 2, 3)]
        answers = [httpx.put(url_of(item, n), content=data, timeout=PATIENCE) for item, n, data in sent]
        full = [answer for answer in answers if answer.status_code != 200]
        assert full
        assert {(answer.status_code, answer.json()["code"]) for answer in full} == {(507, "storage-full")}
        stored = {item["photoId"]: len(parts_of(client, item)) for item in items}
        assert sum(stored.values()) == len(answers) - len(full)
        make_room()
        for (item, n, data), answer in zip(sent, answers, strict=True):
            if answer.status_code != 200:
                assert httpx.put(url_of(item, n), content=data, timeout=PATIENCE).status_code == 200
        for item in items[:1]:
            named = [{"partNumber": n, "etag": tag} for n, tag in parts_of(client, item).items()]
            body = {
                "uploadId": item["multipart"]["uploadId"],
                "parts": named,
                "checksum": f"crc32c:{etag(large)[1:-1]}",
            }
            assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
        server.stop()


def test_after_kill_9_the_parts_listed_are_those_that_are_whole(start: Callable[..., Server]) -> None:
    server = start()
    photo = big_jpeg(24 * MiB + 5, seed=18)
    with server.client() as client:
        item = multipart(client, len(photo))
        for number in (3, 1):
            httpx.put(url_of(item, number), content=photo[(number - 1) * 8 * MiB : number * 8 * MiB])
        wire = Wire(url_of(item, 2))
        wire.head("PUT", 8 * MiB, "expect: 100-continue")
        wire.answer()
        wire.socket.sendall(bytes(6 * MiB))
        server.kill()
        wire.close()
        server.start()
        assert set(parts_of(client, item)) == {1, 3}
        for number in (2, 4):
            part = photo[(number - 1) * 8 * MiB : number * 8 * MiB]
            assert httpx.put(url_of(item, number), content=part).status_code == 200
        named = [{"partNumber": n, "etag": tag} for n, tag in parts_of(client, item).items()]
        body = {"uploadId": item["multipart"]["uploadId"], "parts": named, "checksum": f"crc32c:{etag(photo)[1:-1]}"}
        assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
