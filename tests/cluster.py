"""Many machines on this one: PostgreSQL, NATS, SeaweedFS, so many servers and workers, and a proxy before the servers.

The proxy gives each request to the next server, so nothing can rest on two requests reaching the same one.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx

from tests.e2e.proxy import Proxy, proxied
from tests.running import Client, Server
from tests.servers.lane import Lane, Lanes
from tests.servers.nats import Nats
from tests.servers.postgres import Postgres
from tests.servers.seaweed import SeaweedFS


@dataclass
class Cluster:
    """All of it, running. Any part may be killed and started again."""

    postgres: Postgres
    nats: Nats
    seaweed: SeaweedFS
    servers: list[Server]
    workers: list[Server]
    proxy: Proxy
    store: Proxy
    """Before SeaweedFS: all requests to the store go through it."""
    credentials: Path
    """The file that every process has its key for the store from."""
    settings: dict[str, str] = field(default_factory=dict)
    lanes: Lanes = field(default_factory=Lanes)
    ways: dict[tuple[str, str], list[Lane]] = field(default_factory=dict)
    """The ways that the first server and the first worker have for themselves, by its name and where they lead."""

    @property
    def url(self) -> str:
        return self.proxy.url

    def client(self, email: str | None = None) -> Client:
        """A client with an account of its own, through the proxy."""
        return Client(self.url, email or f"{secrets.token_hex(6)}@example.org")

    def query(self, statement: str) -> list[asyncpg.Record]:
        """What Safelight's database answers."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.settings["database_url"])
            try:
                found: list[asyncpg.Record] = await connection.fetch(statement)
                return found
            finally:
                await connection.close()

        # Elsewhere, since a loop may be running here: Playwright's.
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(asyncio.run, ask()).result()

    def commits(self) -> int:
        """Transactions that PostgreSQL has committed in Safelight's database so far."""
        found: int = self.query("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0]
        return found

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> float:
        """Wait until something holds, however often asking fails meanwhile; returns the seconds that it took."""
        began = time.monotonic()
        while True:
            try:
                if holds():
                    return time.monotonic() - began
            except (httpx.HTTPError, AssertionError):
                pass
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.1)


def restart(process: Server, environment: dict[str, str] | None = None) -> None:
    """End it as an upgrade does, and start it in its place, with this added to its environment."""
    process.stop()
    process.environment.update(environment or {})
    process.start()


@contextmanager
def cluster(
    folder: Path,
    *,
    servers: int = 3,
    workers: int = 2,
    nodes: int = 1,
    settings: dict[str, str] | None = None,
    ways: bool = False,
) -> Iterator[Cluster]:
    """Start it all in `folder`; kill it all at the end. With `ways` the first server and worker have their own."""
    with ExitStack() as held:
        lanes = held.enter_context(Lanes())
        postgres = Postgres()
        held.callback(postgres.remove)
        postgres.start()
        nats = held.enter_context(Nats(folder / "nats", nodes=nodes, advertises=not ways))
        seaweed = held.enter_context(SeaweedFS(folder / "seaweed"))
        store = held.enter_context(proxied(seaweed.ports[0]))
        credentials = folder / "credentials"
        credentials.write_text(seaweed.keys)
        environment = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        chosen = {
            "database_url": asyncio.run(postgres.create_database("safelight")),
            "broker_url": "nats://" + ",".join(url.partition("://")[2] for url in nats.urls),
            "storage_url": seaweed.url(endpoint=store.url),
            "secret": secrets.token_hex(16),
            "workers": "1",
            **(settings or {}),
        }
        made = [
            Server(folder / f"{kind}{number}", chosen, command=command, environment=dict(environment))
            for kind, command, count in (
                ("server", ("serve", "--no-worker"), servers),
                ("worker", ("worker",), workers),
            )
            for number in range(1, count + 1)
        ]
        own = {process.folder.name: _own_ways(lanes, process) for process in (made[0], made[servers]) if ways}
        for process in made:
            held.callback(process.kill)
            process.begin()
        for process in made:
            process.ready()
        proxy = held.enter_context(proxied(*(server.port for server in made[:servers])))
        yield Cluster(
            *(postgres, nats, seaweed, made[:servers], made[servers:], proxy, store, credentials, chosen, lanes),
            {(name, where): way for name, found in own.items() for where, way in found.items()},
        )


def _own_ways(lanes: Lanes, process: Server) -> dict[str, list[Lane]]:
    """Give a process that has not begun lanes of its own to PostgreSQL, to each NATS node, and to the store."""
    settings = process.settings = dict(process.settings)
    found: dict[str, list[Lane]] = {}

    def by_lane(name: str, text: str) -> str:
        lane = lanes.to(int(text))
        found.setdefault(name, []).append(lane)
        return f":{lane.port}"

    for name, setting in (("postgres", "database_url"), ("nats", "broker_url"), ("store", "storage_url")):
        before = settings[setting]
        settings[setting] = re.sub(r":(\d+)\b", lambda port, name=name: by_lane(name, port[1]), before)  # type: ignore[misc]
        if name == "store":  # whoever sends the bytes goes there as before
            settings[setting] += "&public_endpoint=" + before.partition("endpoint=")[2]
    return found
