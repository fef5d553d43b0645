"""Administration over a real server: who may, the list of connections, ending one, and the meters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.http.test_live import Peer
from tests.pictures import jpeg
from tests.running import Client, Server
from websockets.asyncio.client import connect

from safelight import queries
from safelight.app.opening import open_ports
from safelight.commands import identity
from safelight.settings import Settings

ADMIN = "root@example.org"


@pytest.fixture(scope="module")
def administered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(
        tmp_path_factory.mktemp("administered"), {"admins": f"nobody@example.org, {ADMIN.upper()}"}
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def admin(administered: Server) -> Iterator[Client]:
    with administered.client(ADMIN) as client:
        yield client


@asynccontextmanager
async def watching(server: Server, client: Client, job_id: str) -> AsyncIterator[Peer]:
    async with connect(f"{server.url.replace('http', 'ws')}/ws", compression=None) as socket:
        peer = Peer(socket)
        await peer.sign_in(client.token)
        await peer.say("SUBSCRIBE", id="mine", destination=f"/topic/job/{job_id}", receipt="r")
        assert (await peer.hear()).command == "RECEIPT"
        yield peer


async def test_e31_connections_are_listed_and_one_is_ended(administered: Server, admin: Client) -> None:
    with administered.client() as client:
        job_id = (await asyncio.to_thread(client.declare, ("a.jpg", 5)))["jobId"]
        async with watching(administered, client, job_id) as peer:
            await peer.events(2)
            answer = await asyncio.to_thread(admin.get, "/api/admin/connections")
            assert answer.status_code == 200
            (shown,) = answer.json()["items"]
            assert (shown["userId"], shown["email"], shown["transport"]) == (client.user_id, client.email, "websocket")
            assert shown["subscriptions"] == [{"id": "mine", "destination": f"/topic/job/{job_id}", "backlog": 0}]
            assert shown["bytesSent"] > 0
            path = f"/api/admin/connections/{shown['connectionId']}"
            assert (await asyncio.to_thread(client.delete, path)).status_code == 404
            assert (await asyncio.to_thread(admin.delete, path)).status_code == 204
            assert (await peer.error()).get("code") == "connection-ended"
        assert (await asyncio.to_thread(admin.delete, path)).status_code == 404


@pytest.mark.parametrize("path", ["/api/admin/connections", "/metrics"])
def test_e31_e32_for_others_there_is_nothing(administered: Server, path: str) -> None:
    with administered.client() as client:
        assert client.get(path).status_code == 404
        assert httpx.get(administered.url + path).status_code == 401


def test_e31_the_owner_of_the_machine_is_an_administrator(administered: Server) -> None:
    code = administered.link.partition("#code=")[2]
    token = httpx.post(f"{administered.url}/api/auth/link", json={"code": code}).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{administered.url}/api/admin/connections", headers=headers).status_code == 200


async def test_e31_an_account_that_only_bears_the_owners_name_is_none(tmp_path: Path) -> None:
    ports = open_ports(Settings(data_dir=tmp_path))
    try:
        impostor = await identity.add_user(ports, identity.LOCAL_OWNER, "correct horse")
        assert not await queries.administers(ports, impostor.id, identity.LOCAL_OWNER)
        assert not await queries.administers(ports, "usr_none", identity.LOCAL_OWNER)
    finally:
        await ports.db.close()


async def test_e32_the_meters_tell_what_happened(administered: Server, admin: Client) -> None:
    photo = jpeg()
    with administered.client() as client:
        created = await asyncio.to_thread(client.declare, ("a.jpg", len(photo)))
        item = created["items"][0]
        async with watching(administered, client, created["jobId"]) as peer:
            await peer.events(2)
            await asyncio.to_thread(httpx.put, item["presignedUrl"], content=photo)
            await asyncio.to_thread(client.post, f"/commands/upload/{item['photoId']}/finalize")
            while (await peer.hear()).body.find(b'"COMPLETED"') < 0:
                pass
            answer = await asyncio.to_thread(admin.get, "/metrics")
        async with connect(f"{administered.url.replace('http', 'ws')}/ws", compression=None) as socket:
            stranger = Peer(socket)
            await stranger.say("CONNECT", accept_version="1.2", passcode="forged")
            await stranger.error()
        later = await asyncio.to_thread(admin.get, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = _values(answer.text)
    assert found["safelight_live_connections", "websocket"] == 1
    assert found["safelight_live_events_in_total", ""] >= 6
    assert found["safelight_live_events_out_total", ""] >= 8
    assert found["safelight_live_snapshots_total", ""] >= 1
    assert found["safelight_live_lag_seconds_count", ""] >= 1
    assert found["safelight_live_lag_seconds_sum", ""] < 5
    assert _values(later.text)["safelight_live_auth_failures_total", ""] == 1
    assert _values(later.text)["safelight_live_errors_total", "unauthenticated"] == 1


async def test_e27_logout_ends_the_live_connections_of_that_sign_in(server: Server, client: Client) -> None:
    job_id = (await asyncio.to_thread(client.declare, ("a.jpg", 5)))["jobId"]
    async with watching(server, client, job_id) as peer:
        await peer.events(2)
        assert (await asyncio.to_thread(client.post, "/api/auth/logout")).status_code == 204
        assert (await peer.error()).get("code") == "unauthenticated"


async def test_e24_an_upload_that_rests_is_told(start: Callable[..., Server]) -> None:
    server = start(stall_seconds="0.5")
    with server.client() as client:
        created = await asyncio.to_thread(client.declare, ("a.jpg", 5_000_000))
        progress = {"photoId": created["items"][0]["photoId"], "bytesSent": 1_000_000, "bytesTotal": 5_000_000}
        async with watching(server, client, created["jobId"]) as peer:
            await asyncio.to_thread(client.post, "/commands/upload/progress", json=progress)
            while (frame := await peer.hear()).body.find(b'"message"') < 0:
                pass
        assert b'"status":"UPLOADING"' in frame.body
        assert b"No bytes have come for" in frame.body
        assert b'"seq"' not in frame.body


def _values(text: str) -> dict[tuple[str, str], float]:
    """Samples by name and the value of their only label."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
