"""Everything wired to its edges: a server, and what its settings choose of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from safelight import __version__, queries
from safelight.adapters.disk import DiskStore
from safelight.app.clock import SharedClock
from safelight.app.opening import close_ports, open_calls, open_ports
from safelight.app.running import only_server, running, sandbox_of
from safelight.commands import identity
from safelight.commands.arrivals import Arrivals
from safelight.commands.callers import Callers
from safelight.commands.identity import FailedSignIns
from safelight.commands.pressure import Pressure
from safelight.commands.progress import ProgressBoard
from safelight.http import admin, auth, errors, events, health, hooks, jobs, metrics, page, photos, receipts, uploads
from safelight.http.limit import BodyLimit
from safelight.http.storage import StorageEdge
from safelight.ports import Ports
from safelight.realtime.context import LiveContext
from safelight.realtime.endpoints import LiveChannel
from safelight.realtime.hub import Hub
from safelight.realtime.registry import Quota
from safelight.realtime.revocation import Revocation
from safelight.realtime.roster import Roster
from safelight.realtime.sockjs import AllowList, Options, SockJS
from safelight.realtime.sockjs.remote import RemoteRelay
from safelight.realtime.stalls import StallWatch
from safelight.realtime.stomp import SUBPROTOCOLS
from safelight.reconcile import Reconciler
from safelight.settings import Settings
from safelight.worker import Worker

LIVE_PATHS = ("/ws", "/ws/websocket")


class Safelight:
    """The ASGI application: bytes and live frames go straight to their edges, everything else through FastAPI."""

    def __init__(
        self, ports: Ports, api: FastAPI, storage: StorageEdge | None, live: LiveChannel, sockjs: SockJS
    ) -> None:
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
        if self._storage and scope["type"] == "http" and scope["path"].startswith("/storage/"):
            await self._storage(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] in LIVE_PATHS:
            await self._live(scope, receive, send)
        elif self._sockjs.owns(scope):
            await self._sockjs(scope, receive, send)
        else:
            await self.api(scope, receive, send)


def create_app(settings: Settings, *, work: bool = True) -> Safelight:
    """Everything wired; nothing runs before the lifespan begins. Without `work`, workers elsewhere process photos."""
    ports = open_ports(settings)
    board = ProgressBoard(ports)
    callers = Callers(ports)
    hub = Hub(ports.broker, queries.History(ports))
    live = _live_channel(ports, hub, board)
    reconciler, pressure, arrivals = Reconciler(ports), Pressure(ports), Arrivals(ports)
    roster = Roster(live.registry, ports.broker, alone=settings.alone)
    origins = AllowList(tuple(settings.allowed_origins))
    calls = open_calls(ports)
    options = Options(origins=origins, subprotocols=SUBPROTOCOLS)
    sockjs = SockJS(live.serve, prefix="/ws", options=options, relay=RemoteRelay(calls) if calls else None)
    sandbox = sandbox_of(settings)
    local = ports.store if isinstance(ports.store, DiskStore) else None

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        ended, resting = partial(queries.ended_sign_ins, ports), partial(queries.resting, ports)
        async with AsyncExitStack() as held:
            if settings.alone:
                held.enter_context(only_server(settings.data_dir))
            held.push_async_callback(close_ports, ports)
            if calls:
                held.push_async_callback(calls.close)
            if isinstance(ports.clock, SharedClock):
                await ports.clock.look(ports.db)
            if local:
                await local.recover()
            await hub.start()
            if settings.alone:
                await reconciler.recover()
            if work:
                await sandbox.start()
                held.push_async_callback(sandbox.close)
            held.push_async_callback(board.flush)
            parts = {
                "reconciler": reconciler.run(),
                "progress": board.run(),
                "pressure": pressure.run(),
                "arrivals": arrivals.run(),
                "revocation": Revocation(live.registry, ports.broker, ended, callers.forget).run(),
                "roster": roster.run(),
                "stalls": StallWatch(hub, resting, settings.stall_seconds).run(),
            }
            if isinstance(ports.clock, SharedClock):
                parts["clock"] = ports.clock.follow(ports.db)
            if work:
                parts["worker"] = Worker(ports, sandbox).run()
            await held.enter_async_context(running(parts))
            try:
                yield
            finally:
                await live.close()
                await sockjs.close()
                await hub.close()

    api = _routes(lifespan)
    api.state.ports = ports
    api.state.callers = callers
    api.state.board = board
    api.state.hub = hub
    api.state.pressure = pressure
    api.state.arrivals = arrivals
    api.state.meters = [hub.meters.registry, reconciler.meters.registry, pressure.registry]
    api.state.live = live
    api.state.roster = roster
    api.state.draining = lambda: live.draining
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
    edge = StorageEdge(local, on_bytes=board.arrived, allowed_origins=settings.allowed_origins) if local else None
    return Safelight(ports, api, edge, live, sockjs)


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
    for part in (uploads, jobs, receipts, events, photos, auth, admin, metrics, hooks, health, page):
        api.include_router(part.router)
    return api
