"""The ASGI application: from addresses to answers and sessions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from safelight.realtime.sockjs import answers, routes, websocket
from safelight.realtime.sockjs.answers import Answer
from safelight.realtime.sockjs.delivery import respond
from safelight.realtime.sockjs.exchange import Exchange, Place
from safelight.realtime.sockjs.options import Options, page_of
from safelight.realtime.sockjs.registry import Registry
from safelight.realtime.sockjs.relay import Relay
from safelight.realtime.sockjs.session import RESTART, Handler

DEFAULTS: Final = Options()


class SockJS:
    """A SockJS service, to be mounted at a base URL: `http` and `websocket` scopes of `prefix` and all below it.

    The path is what is left of the scope's `path` without its `root_path` (as Starlette mounts) and then `prefix`.
    Mind that a Starlette Mount redirects its own bare address, which SockJS forbids; dispatch by `owns` instead.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        options: Options = DEFAULTS,
        prefix: str = "",
        relay: Relay | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`clock` counts seconds, steadily; `wall` is Unix time, too; `relay` leads to other processes' sessions."""
        self._options = options
        self._prefix = prefix
        self._wall = wall
        self._registry = Registry(handler, options, clock, None if relay is None else relay.release)
        self._place = Place(self._registry, options, relay)

    def __len__(self) -> int:
        """How many sessions there are, those included whose handler has not returned yet."""
        return len(self._registry)

    def owns(self, scope: Scope) -> bool:
        """Whether the scope's path is the base URL or below it."""
        return scope["type"] in ("http", "websocket") and self._below(scope) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._below(scope)
        route = None if path is None else routes.find(path)
        if scope["type"] == "websocket":
            await self._websocket(route, scope, receive, send)
        elif scope["type"] == "http":
            await self._http(route, path or "", scope, receive, send)
        else:
            raise ValueError(f"a SockJS service does not speak {scope['type']!r}")

    async def close(self, code: int = RESTART[0], reason: str = RESTART[1]) -> None:
        """End every session with a `c` frame, let handlers and responses finish, cancel the handlers that do not.

        Takes at most twice the options' `handler_grace`. No session begins any more. Not for a handler to call.
        """
        await self._registry.close(code, reason)

    def _below(self, scope: Scope) -> str | None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :]
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            return None
        return path[len(self._prefix) :]

    # --- HTTP ---

    async def _http(self, route: routes.Route | None, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(route, routes.Receive | routes.Dispatch):
            await respond(send, self._page(route, Headers(scope=scope), scope["method"]))
            return
        headers = Headers(scope=scope)
        cors = route.transport.cors
        preliminary = self._preliminary(headers, scope["method"], route.transport.method, cors=cors)
        if preliminary is not None:
            await respond(send, preliminary.plus(answers.extras(headers, self._options, cors=False)))
            return
        extras = answers.extras(headers, self._options, cors=cors)
        await Exchange(self._place, extras, scope, receive, send).run(route, path)

    def _page(self, route: routes.Route | None, headers: Headers, method: str) -> Answer:
        match route:
            case routes.Info():
                if (preliminary := self._preliminary(headers, method, "GET", cors=True)) is not None:
                    return preliminary
                return answers.info(self._options, secrets.randbits(32)).plus(answers.cors_of(headers))
            case routes.RawWebSocket() | routes.FramedWebSocket() if self._options.websocket:
                if method != "GET":
                    return answers.method_not_allowed("GET")
                return answers.not_upgrade(headers.get("connection", ""), headers.get("upgrade", ""))
            case routes.Greeting() | routes.Iframe() if method not in ("GET", "HEAD"):
                return answers.method_not_allowed("GET, HEAD")
            case routes.Greeting():
                return answers.greeting()
            case routes.Iframe():
                return answers.iframe(self._options, headers.get("if-none-match"), self._wall())
            case _:
                return answers.not_found()

    def _preliminary(self, headers: Headers, asked: str, method: str, *, cors: bool) -> Answer | None:
        """What answers an OPTIONS, a method other than `method`, a page that may not; None for the rest."""
        if not self._admits(headers):
            return answers.origin_refused()
        methods = f"OPTIONS, {method}" if cors else method
        if cors and asked == "OPTIONS":
            return answers.options_answer(methods, self._wall()).plus(answers.cors_of(headers))
        return None if asked == method else answers.method_not_allowed(methods)

    def _admits(self, headers: Headers) -> bool:
        page = page_of(headers.get("origin"), headers.get("referer"))
        return self._options.origins(page, headers.get("host"))

    # --- WebSocket ---

    async def _websocket(self, route: routes.Route | None, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = Headers(scope=scope)
        framed = isinstance(route, routes.FramedWebSocket)
        raw = isinstance(route, routes.RawWebSocket | routes.Greeting)
        if not self._options.websocket or not (framed or raw):
            await websocket.refuse(scope, send, answers.not_found())
            return
        if not self._admits(headers):
            await websocket.refuse(scope, send, answers.origin_refused())
            return
        chosen = websocket.chosen(scope.get("subprotocols", []), self._options.subprotocols)
        session = self._registry.open("websocket" if framed else "raw-websocket", headers, subprotocol=chosen)
        if session is None:
            await websocket.refuse(scope, send, answers.overloaded())
            return
        with self._registry.busy():
            await websocket.converse(session, receive, send, begin=partial(self._registry.start, session))
