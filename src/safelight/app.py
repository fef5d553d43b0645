"""The one place that picks adapters and wires them to the edges."""

from __future__ import annotations

import time

import structlog

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.ports import Ports
from safelight.settings import Settings

log = structlog.get_logger()


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def open_ports(settings: Settings) -> Ports:
    """The adapters that the settings choose."""
    if settings.broker_url != "memory://":
        raise ValueError(f"SAFELIGHT_BROKER_URL: {settings.broker_url!r} is not known; this server has memory://")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Ports(
        db=SqliteDatabase(settings.database_path),
        store=DiskStore(settings.storage_path, base_url="", secret=settings.signing_key, clock=now),
        broker=MemoryBroker(per_job=max(2, settings.workers), redeliver_after=settings.lease_seconds * 2.0),
        clock=now,
        settings=settings,
    )
