"""Backpressure: where too much waits, nothing new begins, and what was begun goes on to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.clock import Clock

from safelight.adapters.disk import DiskStore
from safelight.app import create_app
from safelight.app.opening import close_ports, open_ports
from safelight.commands.pressure import Pressure
from safelight.errors import ServerBusy
from safelight.settings import Settings


@dataclass
class World:
    http: httpx.AsyncClient
    pressure: Pressure

    async def declare(self, count: int = 1) -> httpx.Response:
        files = [{"filename": f"{n}.jpg", "mimeType": "image/jpeg", "bytes": 3} for n in range(count)]
        return await self.http.post("/commands/upload-jobs", json={"files": files})

    async def store(self, item: dict[str, Any]) -> None:
        assert (await self.http.put(item["presignedUrl"], content=b"abc")).status_code == 200
        assert (await self.http.post(f"/commands/upload/{item['photoId']}/finalize")).status_code == 204


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server without a worker, where two photos may wait."""
    async with served(Settings(_env_file=None, data_dir=tmp_path, registration="open", max_waiting=2)) as made:
        yield made


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[World]:
    app = create_app(settings, work=False)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.api.router.lifespan_context(app.api),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        account = {"email": "a@example.org", "password": "correct horse"}
        token = (await http.post("/api/auth/register", json=account)).json()["token"]
        http.headers["authorization"] = f"Bearer {token}"
        yield World(http, app.api.state.pressure)


async def test_u13_where_too_much_waits_nothing_new_begins_and_all_else_goes_on(world: World) -> None:
    created = (await world.declare(4)).json()
    items = created["items"]
    for item in items[:2]:
        await world.store(item)
    await world.pressure.look()
    for path in (
        "/commands/upload-jobs",
        f"/commands/upload-jobs/{created['jobId']}/files",
        f"/commands/upload/{items[3]['photoId']}/urls",
    ):
        body = {} if path.endswith("urls") else {"files": [{"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 3}]}
        refused = await world.http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (429, "server-busy"), path
        assert refused.json()["detail"].startswith("The server is busy: 2 photos wait to be processed.")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    await world.store(items[2])
    progress = {"photoId": items[3]["photoId"], "bytesSent": 1}
    assert (await world.http.post("/commands/upload/progress", json=progress)).status_code == 204
    assert (await world.http.get(f"/queries/upload-jobs/{created['jobId']}")).status_code == 200
    for item in items[:2]:
        assert (await world.http.post(f"/commands/upload/{item['photoId']}/cancel")).status_code == 204
    await world.pressure.look()
    assert (await world.declare()).status_code == 201
    assert (await world.http.post(f"/commands/upload/{items[3]['photoId']}/urls")).status_code == 200


async def test_u13_what_waits_is_a_metric(world: World) -> None:
    for item in (await world.declare(3)).json()["items"]:
        await world.store(item)
    await world.pressure.look()
    assert (await world.declare()).status_code == 429
    sample = world.pressure.registry.get_sample_value
    assert sample("safelight_waiting_photos") == 3
    assert sample("safelight_busy_refusals_total") == 1
    assert sample("safelight_answer_seconds", {"part": "store"}) is not None


class Tardy(DiskStore):
    """A store that takes its time."""

    seconds = 0.0

    async def check(self) -> None:
        await asyncio.sleep(self.seconds)
        await super().check()


async def test_u13_a_store_that_is_slow_again_and_again_is_waited_for(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, slow_seconds=0.2)
    opened = open_ports(settings)
    store = Tardy(tmp_path / "tardy", base_url="", secret=b"x", clock=opened.clock)
    pressure = Pressure(replace(opened, store=store))
    with capture_logs() as logs:
        for seconds in (0, 0.4, 0):
            store.seconds = seconds
            await pressure.look()
            pressure.admit()
        store.seconds = 0.4
        for _ in range(2):
            await pressure.look()
        with pytest.raises(ServerBusy, match="its store is slow"):
            pressure.admit()
        await store.close()
        store.seconds = 0
        for _ in range(3):  # one that does not answer at all is no quicker
            await pressure.look()
        with pytest.raises(ServerBusy, match="its store is slow"):
            pressure.admit()
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["busy: declaring and signing wait"]
    await close_ports(opened)


async def test_u13_the_wait_follows_the_pace_and_is_spread(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, registration="open", max_waiting=7)
    async with served(settings) as world:
        items = (await world.declare(12)).json()["items"]
        for item in items:
            await world.store(item)
        clock = Clock()
        pressure = Pressure(replace(world.pressure._ports, clock=clock))
        await pressure.look()
        assert (await world.http.post(f"/commands/upload/{items[0]['photoId']}/cancel")).status_code == 204
        clock.now += 1_000
        await pressure.look()
        waits = []
        for _ in range(300):
            with pytest.raises(ServerBusy) as busy:
                pressure.admit()
            waits.append(busy.value.retry_after)
        # Five more than may, one a second: 5 seconds, give or take half.
        assert set(waits) >= {3, 4, 5, 6, 7}
        assert set(waits) <= {2, 3, 4, 5, 6, 7, 8}
