"""What `safelight doctor` is led to: the adapters that the settings choose, each opened when it is asked for."""

from __future__ import annotations

import httpx

from safelight.adapters.disk import DiskStore
from safelight.adapters.sql.look import look_at_sqlite
from safelight.app.clock import local
from safelight.app.opening import not_installed, open_broker, open_database, open_store
from safelight.doctor import Surroundings
from safelight.http.storage import StorageEdge
from safelight.ports import LocalStore, ObjectStore
from safelight.ports.upkeep import Bucket, Messaging, Schema
from safelight.settings import Settings


def surroundings(settings: Settings) -> Surroundings:
    """Opens nothing yet."""

    async def schema() -> Schema:
        if not settings.postgres:
            return await look_at_sqlite(settings.database_path)
        try:
            from safelight.adapters.sql.look_postgres import look_at_postgres
        except ModuleNotFoundError as error:
            not_installed("postgresql://", error)
        return await look_at_postgres(settings.database_url)

    async def messaging() -> Messaging:
        try:
            from safelight.adapters.nats.look import look_at_nats
        except ModuleNotFoundError as error:
            not_installed("nats://", error)
        return await look_at_nats(settings.nats_servers)

    def bucket() -> Bucket:
        try:
            from safelight.adapters.s3.bucket import S3Bucket
        except ModuleNotFoundError as error:
            not_installed("s3://", error)
        return S3Bucket(settings.storage_url)

    def reach(store: ObjectStore) -> httpx.AsyncBaseTransport:
        return _inside(store, settings) if isinstance(store, DiskStore) else httpx.AsyncHTTPTransport()

    return Surroundings(
        database=lambda: open_database(settings),
        # Signed by this machine's own clock, which is to be compared.
        store=lambda: open_store(settings, local),
        broker=lambda: open_broker(settings),
        schema=schema,
        messaging=messaging,
        bucket=bucket,
        reach=reach,
    )


def _inside(store: LocalStore, settings: Settings) -> httpx.AsyncBaseTransport:
    """Requests to the disk store's own edge, as it serves clients, without a server that listens."""

    def unheard(*_: object) -> None:
        """Nobody follows the progress of a probe."""

    return httpx.ASGITransport(StorageEdge(store, on_bytes=unheard, allowed_origins=settings.allowed_origins))
