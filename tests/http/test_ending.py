"""SIGTERM to a real server with live clients, an upload in flight and a long poll (E29)."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from socket import create_connection

import httpx
import pytest
from tests.http.test_live import Peer
from tests.running import Server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SIZE = 400_000


async def test_e29_live_clients_leave_one_by_one_while_the_rest_goes_on(start: Callable[..., Server]) -> None:
    server = start(drain_seconds="2")
    where = f"{server.url.replace('http', 'ws')}/ws"
    go_on = threading.Event()
    half_sent = threading.Event()

    def body() -> Iterator[bytes]:
        yield bytes(SIZE // 2)
        half_sent.set()
        assert go_on.wait(20)
        yield bytes(SIZE // 2)

    with server.client() as client:
        created = await asyncio.to_thread(client.declare, ("a.jpg", SIZE))
        url = created["items"][0]["presignedUrl"]
        sending = asyncio.create_task(
            asyncio.to_thread(httpx.put, url, content=body(), headers={"content-length": str(SIZE)})
        )
        await asyncio.to_thread(half_sent.wait, 20)
        seq = await _quiet(client.job, created["jobId"])
        path = f"/queries/upload-jobs/{created['jobId']}/events?after={seq}&waitSeconds=25"
        polling = asyncio.create_task(asyncio.to_thread(client.get, path))
        sockets = [await connect(where, compression=None) for _ in range(5)]
        for socket in sockets:
            await Peer(socket).sign_in(client.token)

        left: list[float] = []

        async def leaving(peer: Peer) -> None:
            with pytest.raises(ConnectionClosed) as closed:
                await peer.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            left.append(time.monotonic())

        assert server.process
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.TaskGroup() as group:
            group.create_task(_refused(where))
            for socket in sockets:
                group.create_task(leaving(Peer(socket)))
        assert max(left) - min(left) >= 1
        polled = await polling
        assert (polled.status_code, polled.json()["events"]) == (200, [])
        go_on.set()
        assert (await sending).status_code == 200
    assert await asyncio.to_thread(server.process.wait, 30) in {0, -signal.SIGTERM}
    assert "Traceback" not in server.log


async def _refused(where: str) -> None:
    """Come again and again, until the server says that it takes nobody any more."""

    async def come() -> None:
        async with asyncio.timeout(10):
            while True:
                async with connect(where, compression=None):
                    await asyncio.sleep(0.02)

    with pytest.raises(InvalidStatus) as refused:
        await come()
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"]
    async with httpx.AsyncClient() as probe:
        ready = await probe.get(where.replace("ws://", "http://").removesuffix("/ws") + "/health/ready")
    assert (ready.status_code, ready.json()["checks"]["server"]) == (503, "draining")


async def _quiet(job: Callable[[str], dict[str, int]], job_id: str) -> int:
    """The number that the job's events come to rest at."""
    seq = -1
    while (now := (await asyncio.to_thread(job, job_id))["seq"]) != seq:
        seq = now
        await asyncio.sleep(0.5)
    return seq


def test_e29_who_has_connected_is_heard(start: Callable[..., Server]) -> None:
    server = start()
    where = ("127.0.0.1", server.port)
    with create_connection(where, 20) as connected:
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionError):
            _come_again_and_again(where)
        connected.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connected.recv(100).startswith(b"HTTP/1.1 200 ")


def test_e29_of_a_crowd_at_the_door_everybody_is_heard(start: Callable[..., Server]) -> None:
    server = start()

    def come() -> int:
        """How often this one was answered, until nobody was let in any more."""
        for heard in count():
            try:
                connected = create_connection(("127.0.0.1", server.port), 20)
            except ConnectionRefusedError:
                return heard
            with connected:
                connected.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
                assert connected.recv(100).startswith(b"HTTP/1.1 200 ")
        raise AssertionError("there is no end to counting")

    with ThreadPoolExecutor(24) as crowd:
        coming = [crowd.submit(come) for _ in range(24)]
        time.sleep(0.3)
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        assert all(each.result() for each in coming)


def _come_again_and_again(where: tuple[str, int]) -> None:
    while True:
        create_connection(where, 20).close()


def test_e29_without_live_clients_there_is_nothing_to_wait_for(start: Callable[..., Server]) -> None:
    start(drain_seconds="3600").stop()
