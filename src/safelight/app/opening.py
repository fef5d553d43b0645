"""Which adapters carry out what, by the settings. Those of many machines are imported only where they are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.app.clock import SharedClock, local
from safelight.ports import Broker, Database, ObjectStore, Ports
from safelight.ports.calls import Calls
from safelight.settings import Settings


def open_ports(settings: Settings) -> Ports:
    """The adapters that the settings choose. ValueError, with what to do, where they cannot be had."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = local if settings.alone else SharedClock()
    return Ports(
        db=open_database(settings),
        store=open_store(settings, clock),
        broker=open_broker(settings),
        clock=clock,
        settings=settings,
    )


def open_calls(ports: Ports) -> Calls | None:
    """The way from server to server; None where there is only one."""
    if ports.settings.alone:
        return None
    from safelight.adapters.nats import NatsBroker, NatsCalls

    return NatsCalls(ports.broker.connection) if isinstance(ports.broker, NatsBroker) else None


async def close_ports(ports: Ports) -> None:
    """Release what is held, the database last."""
    await ports.broker.close()
    await ports.store.close()
    await ports.db.close()


def open_database(settings: Settings) -> Database:
    """ValueError where its driver is not installed."""
    if not settings.postgres:
        return SqliteDatabase(settings.database_path)
    try:
        from safelight.adapters.sql.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        not_installed("postgresql://", error)
    return PostgresDatabase(settings.database_url)


def open_store(settings: Settings, clock: Callable[[], int]) -> ObjectStore:
    """`clock` gives the Unix milliseconds by which URLs are signed. ValueError as open_database."""
    if not settings.s3:
        return DiskStore(settings.storage_path, base_url="", secret=settings.signing_key, clock=clock)
    try:
        from safelight.adapters.s3 import S3Store
    except ModuleNotFoundError as error:
        not_installed("s3://", error)
    return S3Store(settings.storage_url, scratch=settings.data_dir / "tmp", clock=clock)


def open_broker(settings: Settings) -> Broker:
    """ValueError as open_database."""
    if settings.alone:
        return MemoryBroker(
            per_job=settings.tasks_per_job or settings.workers * 3, redeliver_after=settings.lease_seconds * 2.0
        )
    try:
        from safelight.adapters.nats import NatsBroker
    except ModuleNotFoundError as error:
        not_installed("nats://", error)
    return NatsBroker(
        settings.nats_servers,
        per_job=settings.tasks_per_job or settings.workers * 3,
        redeliver_after=float(settings.lease_seconds),
    )


def not_installed(scheme: str, error: ModuleNotFoundError) -> NoReturn:
    """ValueError with what to do: what many machines need is an extra of the package."""
    raise ValueError(
        f"{scheme} needs the Python package {error.name!r}. Install it with: pip install 'safelight[distributed]'"
    ) from error
