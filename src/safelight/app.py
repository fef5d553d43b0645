"""The one place that picks adapters and wires them to the edges."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from safelight import __version__, queries
from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.commands import identity
from safelight.commands.identity import FailedSignIns
from safelight.commands.progress import ProgressBoard
from safelight.http import auth, errors, health, jobs, page, photos, uploads
from safelight.http.limit import BodyLimit
from safelight.http.storage import StorageEdge
from safelight.ports import Ports
from safelight.processing.sandbox import Sandbox
from safelight.realtime.endpoints import LiveChannel
from safelight.realtime.hub import Hub
from safelight.reconcile import Reconciler
from safelight.settings import MiB, Settings
from safelight.worker import Worker

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
