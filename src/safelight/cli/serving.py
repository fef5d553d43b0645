"""`safelight serve` and `safelight worker`: a process with an address, until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import structlog
import typer
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from safelight import log
from safelight.app import Safelight, create_app
from safelight.app.working import WorkerApp, create_worker
from safelight.commands import identity
from safelight.errors import SafelightError
from safelight.settings import Settings

A = TypeVar("A", Safelight, WorkerApp)

words = structlog.get_logger()

# A person at a slow line still finishes the part that is in flight; the rest resumes.
FINISH_SECONDS = 10
MAX_FRAME = 1024 * 1024
# So long (seconds) whoever has just connected may take to say what for: a proxy would tell its client of a server that
# hung up. A browser may never say it.
FIRST_REQUEST_SECONDS = 2
# How often that is looked after.
ROUND_SECONDS = 0.01
# A connection is some two hundred objects that Python's collector looks through again and again while others come: with
# its own thresholds of 700, 10 and 10 it has a third of the time in which five thousand connect.
GC_THRESHOLDS = (10_000, 10, 10)


def serve(settings: Settings, *, work: bool = True) -> None:
    """Run until told to stop; exits with 1 and a sentence where it cannot begin. Without `work`, workers elsewhere
    process the photos.
    """
    if not work and settings.alone:
        _refuse(
            "--no-worker leaves the photos to `safelight worker` elsewhere, which SAFELIGHT_BROKER_URL=memory:// does"
            " not reach. Choose nats://…, postgresql://… and s3://…, or leave --no-worker out."
        )
    _run(settings, lambda: create_app(settings, work=work), _welcome)


def work(settings: Settings) -> None:
    """Process photos until told to stop; exits with 1 and a sentence where it cannot begin."""
    _run(settings, lambda: create_worker(settings), _introduce)


def _run(settings: Settings, create: Callable[[], A], announce: Callable[[A, int], Awaitable[None]]) -> None:
    log.configure(settings.log_level, settings.log_format)
    listening = _listen(settings)
    port: int = listening.getsockname()[1]
    try:
        app = create()
    except (OSError, ValueError, SafelightError) as error:
        _refuse(str(error))
    config = uvicorn.Config(app, **uvicorn_options())

    async def run() -> None:
        try:
            await app.ports.db.migrate()
        except SafelightError as error:
            _refuse(error.message)
        await announce(app, port)
        sys.stdout.flush()
        gc.collect()
        gc.freeze()  # what is there by now stays
        gc.set_threshold(*GC_THRESHOLDS)
        await DrainingServer(config, app).serve(sockets=[listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def uvicorn_options() -> dict[str, Any]:
    """How uvicorn is run; the benches run theirs likewise."""
    return {
        "http": "safelight.http.ingest:IngestProtocol",
        "ws": "safelight.realtime.websocket:LiveProtocol",
        "loop": "auto",
        "ws_max_size": MAX_FRAME,
        "ws_per_message_deflate": False,
        # Who does not read cannot answer a ping either: with the 20 seconds before it, the two minutes of E23.
        "ws_ping_timeout": 100,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": FINISH_SECONDS,
    }


async def _welcome(app: Safelight, port: int) -> None:
    settings = app.ports.settings
    where = settings.public_url or address(settings, port)
    accounts = await app.ports.db.read(lambda tx: tx.users())
    if settings.loopback:
        owner = await identity.local_owner(app.ports)
        code = await identity.make_link(app.ports, owner)
        typer.echo(f"\n  Safelight is at {where}\n  Sign in once by  {sign_in_link(where, code)}\n", err=False)
    elif not accounts and "registration" not in settings.model_fields_set:
        await app.ports.db.close()
        _refuse(
            f"{settings.host} can be reached from other machines, and there is no account yet. Make one with"
            " `safelight user add you@example.org`, or say SAFELIGHT_REGISTRATION=open (or closed) explicitly."
        )
    else:
        typer.echo(f"\n  Safelight is at {where}\n")


async def _introduce(app: WorkerApp, port: int) -> None:
    settings = app.ports.settings
    typer.echo(f"\n  A worker of {settings.workers}; its health is at {address(settings, port)}/health/ready\n")


class DrainingServer(uvicorn.Server):
    """uvicorn, except that on SIGTERM live clients leave one by one while everything else is still served.

    uvicorn alone closes every WebSocket in the same instant, and connections that it has yet to hear. A second Ctrl+C
    ends the wait.
    """

    def __init__(self, config: uvicorn.Config, app: Safelight | WorkerApp) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        draining = asyncio.create_task(self._app.drain())
        while not draining.done() and not self.force_exit:
            await asyncio.wait({draining}, timeout=0.1)
        draining.cancel()
        for problem in await asyncio.gather(draining, return_exceptions=True):
            if isinstance(problem, Exception):
                words.error("live clients are not sent away one by one", exc_info=problem)
        await self._hear_out(sockets or [])
        await super().shutdown(sockets)
        words.info("ended, with everything written")

    async def _hear_out(self, sockets: list[socket.socket]) -> None:
        """Let nobody else in, and wait for the requests of those who have come.

        With the last of its descriptors a socket is closed, and whoever waits at it is sent away: so they are let in
        first, by another descriptor than the loop's.
        """
        doors = [listening.dup() for listening in sockets]
        for server in self.servers:
            server.close()
        come = [connected for door in doors for connected in _waiting(door)]
        for connected in come:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connected)
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_REQUEST_SECONDS):
                # uvicorn tells nobody what becomes of its connections.
                while not self.force_exit and any(map(_unheard, self.server_state.connections)):  # noqa: ASYNC110
                    await asyncio.sleep(ROUND_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for a connection."""
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _waiting(door: socket.socket) -> list[socket.socket]:
    """Take all who wait at a door, and shut it."""
    come = []
    with door, suppress(BlockingIOError):
        door.setblocking(False)
        while True:
            connected, _ = door.accept()
            connected.setblocking(False)
            come.append(connected)
    return come


def _unheard(connection: object) -> bool:
    return isinstance(connection, HttpToolsProtocol) and connection.cycle is None


def address(settings: Settings, port: int) -> str:
    """The address as typed into a browser on this machine."""
    host = settings.host if settings.host not in ("0.0.0.0", "::") else socket.gethostname()  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def sign_in_link(where: str, code: str) -> str:
    """The code stands in the fragment: it reaches no server's log."""
    return f"{where.rstrip('/')}/sign-in#code={code}"


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        _refuse(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}."
            " Choose another with --port or SAFELIGHT_PORT, or stop what is there."
        )
    listening.listen(1024)
    listening.setblocking(False)
    return listening


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
