"""The one place that picks adapters and wires them to the edges."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
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
from safelight.commands.callers import Callers
from safelight.commands.identity import FailedSignIns
from safelight.commands.progress import ProgressBoard
from safelight.http import admin, auth, errors, events, health, jobs, metrics, page, photos, uploads
from safelight.http.limit import BodyLimit
from safelight.http.storage import StorageEdge
from safelight.ports import ObjectStore, Ports
from safelight.processing.sandbox import Sandbox
from safelight.realtime.context import LiveContext
from safelight.realtime.endpoints import LiveChannel
from safelight.realtime.hub import Hub
from safelight.realtime.registry import Quota
from safelight.realtime.revocation import Revocation
from safelight.realtime.sockjs import AllowList, Options, SockJS
from safelight.realtime.stalls import StallWatch
from safelight.realtime.stomp import SUBPROTOCOLS
from safelight.reconcile import Reconciler
from safelight.settings import MiB, Settings
from safelight.worker import Worker

log = structlog.get_logger()

LIVE_PATHS = ("/ws", "/ws/websocket")


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def open_store(settings: Settings) -> DiskStore:
    """The disk store in the folder that the settings name."""
    return DiskStore(settings.storage_path, base_url="", secret=settings.signing_key, clock=now)


def open_ports(settings: Settings, store: ObjectStore | None = None) -> Ports:
    """The adapters that the settings choose."""
    if settings.broker_url != "memory://":
        raise ValueError(f"SAFELIGHT_BROKER_URL: {settings.broker_url!r} is not known; this server has memory://")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Ports(
        db=SqliteDatabase(settings.database_path),
        store=store or open_store(settings),
        broker=MemoryBroker(per_job=settings.workers * 3, redeliver_after=settings.lease_seconds * 2.0),
        clock=now,
        settings=settings,
    )


class Safelight:
    """The ASGI application: bytes and live frames go straight to their edges, everything else through FastAPI."""

    def __init__(self, ports: Ports, api: FastAPI, storage: StorageEdge, live: LiveChannel, sockjs: SockJS) -> None:
        self.ports = ports
        self.api = api
        self._storage = storage
        self._live = live
        self._sockjs = sockjs

    async def drain(self) -> None:
        """Send live clients away, spread over SAFELIGHT_DRAIN_SECONDS, and answer long polls. All else goes on."""
        await self._live.drain(self.ports.settings.drain_seconds)
        await self.api.state.hub.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/storage/"):
            await self._storage(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] in LIVE_PATHS:
            await self._live(scope, receive, send)
        elif self._sockjs.owns(scope):
            await self._sockjs(scope, receive, send)
        else:
            await self.api(scope, receive, send)


def create_app(settings: Settings) -> Safelight:
    """Everything wired; nothing runs before the lifespan begins."""
    store = open_store(settings)
    ports = open_ports(settings, store)
    board = ProgressBoard(ports)
    callers = Callers(ports)
    hub = Hub(ports.broker, queries.History(ports))
    live = _live_channel(ports, hub, board)
    origins = AllowList(tuple(settings.allowed_origins))
    sockjs = SockJS(live.serve, prefix="/ws", options=Options(origins=origins, subprotocols=SUBPROTOCOLS))
    sandbox = Sandbox(
        size=settings.workers,
        memory_bytes=settings.decode_memory_mb * MiB,
        cpu_seconds=settings.decode_cpu_seconds,
        wall_seconds=settings.decode_wall_seconds,
        max_pixels=settings.max_megapixels * 1_000_000,
        budget_bytes=settings.decode_budget_mb * MiB,
    )

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        reconciler = Reconciler(ports)
        ended, resting = partial(queries.ended_sign_ins, ports), partial(queries.resting, ports)
        with _only_server(settings.data_dir):
            await store.recover()
            await sandbox.start()
            await hub.start()
            await reconciler.recover()
            tasks = [
                _spawn("worker", Worker(ports, sandbox).run()),
                _spawn("reconciler", reconciler.run()),
                _spawn("progress", board.run()),
                _spawn("revocation", Revocation(live.registry, ports.broker, ended, callers.forget).run()),
                _spawn("stalls", StallWatch(hub, resting, settings.stall_seconds).run()),
            ]
            try:
                yield
            finally:
                await live.close()
                await sockjs.close()
                await hub.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await board.flush()
                await sandbox.close()
                await ports.broker.close()
                await ports.store.close()
                await ports.db.close()

    api = _routes(lifespan)
    api.state.ports = ports
    api.state.callers = callers
    api.state.board = board
    api.state.hub = hub
    api.state.live = live
    api.state.failed_sign_ins = FailedSignIns()
    api.add_middleware(BodyLimit)
    if settings.allowed_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Retry-After"],
        )
    storage = StorageEdge(store, on_bytes=board.arrived, allowed_origins=settings.allowed_origins)
    return Safelight(ports, api, storage, live, sockjs)


def _live_channel(ports: Ports, hub: Hub, board: ProgressBoard) -> LiveChannel:
    settings = ports.settings

    async def report(user_id: str, body: object) -> None:
        counts = uploads.counts_of(body)
        mine = {
            photo.id for photo in await ports.db.read(lambda tx: tx.photos(list(counts))) if photo.user_id == user_id
        }
        await board.report(user_id, {photo_id: sent for photo_id, sent in counts.items() if photo_id in mine})

    return LiveChannel(
        LiveContext(
            hub=hub,
            authenticate=partial(identity.authenticate, ports),
            owns_job=partial(queries.owns_job, ports),
            report_progress=report,
            clock=ports.clock,
            allowed_origins=settings.allowed_origins,
            quota=Quota(
                connections=settings.max_connections,
                subscriptions=settings.max_subscriptions,
                frames_per_second=settings.max_frames_per_second,
                frames_at_once=settings.max_frames_per_second * 10,
            ),
        )
    )


def openapi() -> dict[str, Any]:
    """The OpenAPI document; nothing is opened for it."""
    return _routes(None).openapi()


def _routes(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    api = FastAPI(
        title="Safelight",
        version=__version__,
        summary="Photo ingest that keeps its promise.",
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    errors.install(api)
    for part in (uploads, jobs, events, photos, auth, admin, metrics, health, page):
        api.include_router(part.router)
    return api


@contextmanager
def _only_server(folder: Path) -> Iterator[None]:
    """SQLite, leases and wake-ups in memory belong to one server: a second one on the same folder is refused."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError(
                f"Another Safelight is using {folder.resolve()}. Stop it, or choose another SAFELIGHT_DATA_DIR."
            ) from error
        yield


def _spawn(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task for the life of the server; one that ends by an error says so, loudly."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.critical("a part of the server ended", part=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task
