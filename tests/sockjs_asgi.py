"""Clients of an ASGI application without a server in between: for what no socket can time exactly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Scope

PATIENCE = 10.0


class Call:
    """One request. `pass_on` is what its client's socket does: cleared, it takes nothing more."""

    def __init__(self, app: ASGIApp, scope: Scope, first: list[Message]) -> None:
        self.pass_on = asyncio.Event()
        self.pass_on.set()
        self.blocked = asyncio.Event()
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._given: asyncio.Queue[Message] = asyncio.Queue()
        for message in first:
            self._given.put_nowait(message)
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._given.get, self._send)

    async def _send(self, message: Message) -> None:
        if not self.pass_on.is_set():
            self.blocked.set()
            await self.pass_on.wait()
        self._sent.put_nowait(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            # As ASGI has it: behind its response a request is disconnected.
            self.give({"type": "http.disconnect"})

    def give(self, message: Message) -> None:
        """What the server says."""
        self._given.put_nowait(message)

    @property
    def taken(self) -> bool:
        """Whether the application has received all that was given."""
        return self._given.empty()

    def hang_up(self) -> None:
        """What the server says when the client leaves."""
        self.give({"type": "http.disconnect"})

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await self._sent.get()

    async def status(self) -> int:
        """The status, once there is one."""
        message = await self.next()
        assert message["type"] == "http.response.start", message
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        status: int = message["status"]
        return status

    async def piece(self) -> str:
        """One piece of the body, which a server sends as one chunk."""
        message = await self.next()
        assert message["type"] == "http.response.body", message
        data: bytes = message.get("body", b"")
        return data.decode()

    async def done(self) -> None:
        """Return once the application has."""
        async with asyncio.timeout(PATIENCE):
            await self.task


def call(
    app: ASGIApp,
    method: str,
    path: str,
    body: str | None = "",
    *,
    query: str = "",
    root: str = "",
    headers: dict[str, str] | None = None,
    extensions: dict[str, object] | None = None,
) -> Call:
    """Begin a request; a body of None is one that does not come yet."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "extensions": extensions or {},
    }
    first: list[Message] = [] if body is None else [{"type": "http.request", "body": body.encode(), "more_body": False}]
    return Call(app, scope, first)


async def ask(
    app: ASGIApp, method: str, path: str, body: str = "", *, query: str = "", root: str = ""
) -> tuple[int, str]:
    """A whole exchange: status and body."""
    asked = call(app, method, path, body, query=query, root=root)
    found = await asked.status(), await asked.piece()
    await asked.done()
    return found


async def post(app: ASGIApp, path: str, body: str = "") -> tuple[int, str]:
    return await ask(app, "POST", path, body)


def dial(app: ASGIApp, path: str, *, extensions: tuple[str, ...] = ()) -> Call:
    """Begin a WebSocket."""
    scope = {
        "type": "websocket",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "extensions": {name: {} for name in extensions},
    }
    return Call(app, scope, [{"type": "websocket.connect"}])


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Everything that began within has ended when it is over."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=PATIENCE)
    assert not [task for task in left if not task.done()]
