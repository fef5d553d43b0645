"""Which adapters carry out what, by the settings. Those of many machines are imported only where they are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.app.clock import SharedClock, local
from safelight.ports import Broker, Database, ObjectStore, Ports
from safelight.settings import Settings


def open_ports(settings: Settings) -> Ports:
    """The adapters that the settings choose. ValueError, with what to do, where they cannot be had."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = local if settings.alone else SharedClock()
    return Ports(
        db=_database(settings),
        store=_store(settings, clock),
        broker=_broker(settings),
        clock=clock,
        settings=settings,
    )


async def close_ports(ports: Ports) -> None:
    """Release what is held, the database last."""
    await ports.broker.close()
    await ports.store.close()
    await ports.db.close()


def _database(settings: Settings) -> Database:
    if not settings.postgres:
        return SqliteDatabase(settings.database_path)
    try:
        from safelight.adapters.sql.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        _not_installed("postgresql://", error)
    return PostgresDatabase(settings.database_url)


def _store(settings: Settings, clock: Callable[[], int]) -> ObjectStore:
    if not settings.s3:
        return DiskStore(settings.storage_path, base_url="", secret=settings.signing_key, clock=clock)
    try:
        from safelight.adapters.s3 import S3Store
    except ModuleNotFoundError as error:
        _not_installed("s3://", error)
    return S3Store(settings.storage_url, scratch=settings.data_dir / "tmp", clock=clock)


def _broker(settings: Settings) -> Broker:
    if settings.alone:
        return MemoryBroker(
            per_job=settings.tasks_per_job or settings.workers * 3, redeliver_after=settings.lease_seconds * 2.0
        )
    try:
        from safelight.adapters.nats import NatsBroker
    except ModuleNotFoundError as error:
        _not_installed("nats://", error)
    return NatsBroker(
        settings.nats_servers,
        per_job=settings.tasks_per_job or settings.workers * 3,
        redeliver_after=float(settings.lease_seconds),
    )


def _not_installed(scheme: str, error: ModuleNotFoundError) -> NoReturn:
    raise ValueError(
        f"{scheme} needs the Python package {error.name!r}. Install it with: pip install 'safelight[distributed]'"
    ) from error
