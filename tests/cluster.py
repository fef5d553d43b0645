"""Many machines on this one: PostgreSQL, NATS, SeaweedFS, so many servers and workers, and a proxy before the servers.

The proxy gives each request to the next server, so nothing can rest on two requests reaching the same one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx

from tests.e2e.proxy import Proxy, proxied
from tests.running import Client, Server
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

        return asyncio.run(ask())

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
    folder: Path, *, servers: int = 3, workers: int = 2, nodes: int = 1, settings: dict[str, str] | None = None
) -> Iterator[Cluster]:
    """Start it all in `folder`; kill it all at the end."""
    with ExitStack() as held:
        postgres = Postgres()
        held.callback(postgres.remove)
        postgres.start()
        nats = held.enter_context(Nats(folder / "nats", nodes=nodes))
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
        for process in made:
            held.callback(process.kill)
            process.begin()
        for process in made:
            process.ready()
        proxy = held.enter_context(proxied(*(server.port for server in made[:servers])))
        yield Cluster(postgres, nats, seaweed, made[:servers], made[servers:], proxy, store, credentials, chosen)
