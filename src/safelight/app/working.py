"""A worker on its own: it takes tasks and processes photos, and answers those who ask for its health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from safelight.app.clock import SharedClock
from safelight.app.opening import close_ports, open_ports
from safelight.app.running import running, sandbox_of
from safelight.http import errors, health
from safelight.ports import Ports
from safelight.settings import Settings
from safelight.worker import Worker


class WorkerApp:
    """The ASGI application of a worker: `/health/live` and `/health/ready`."""

    def __init__(self, ports: Ports, api: FastAPI, worker: Worker) -> None:
        self.ports = ports
        self._api = api
        self._worker = worker

    async def drain(self) -> None:
        """Take no more tasks, finish what is in hand or hand it back."""
        await self._worker.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._api(scope, receive, send)


def create_worker(settings: Settings) -> WorkerApp:
    """Everything wired; nothing runs before the lifespan begins. ValueError where a worker would reach nobody."""
    if settings.alone:
        raise ValueError(
            "With SAFELIGHT_BROKER_URL=memory:// `safelight serve` processes photos by itself, and no other process can"
            " be reached. A worker of its own needs nats://…, postgresql://… and s3://…."
        )
    ports = open_ports(settings)
    sandbox = sandbox_of(settings)
    worker = Worker(ports, sandbox)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            held.push_async_callback(close_ports, ports)
            clock = ports.clock
            if isinstance(clock, SharedClock):
                await clock.look(ports.db)
            await sandbox.start()
            held.push_async_callback(sandbox.close)
            parts = {"worker": worker.run()}
            if isinstance(clock, SharedClock):
                parts["clock"] = clock.follow(ports.db)
            await held.enter_async_context(running(parts))
            yield

    api = FastAPI(title="Safelight worker", lifespan=lifespan, openapi_url=None)
    errors.install(api)
    api.include_router(health.router)
    api.state.ports = ports
    api.state.draining = lambda: worker.ending
    return WorkerApp(ports, api, worker)
