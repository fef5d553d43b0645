"""The connection to NATS: one at a time, kept up for ever, with what is listened to."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import ParseResult

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error
from nats.js.errors import APIError

from safelight.adapters.nats.link import UNSENT_BYTES, Arrived, Link
from safelight.adapters.nats.servers import Servers

log = structlog.get_logger()

# Whatever NATS or the network between may say to a request.
FAILURES: Final = (Error, OSError, TimeoutError)
_OPENING_SECONDS: Final = 15.0
_FIRST_SECONDS: Final = 1.0
_PAUSES: Final = (0.05, 1.0)
_PING_EVERY: Final = 3.0
_PONG_WITHIN: Final = 5
_CLOSING_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.05


class Connection:
    """Connects when first used, to any of `servers` or of their cluster, and again whenever it ends, with pauses of
    up to a second. While there is none, messages are dropped and requests fail at once.
    """

    def __init__(self, servers: Servers, name: str = "safelight") -> None:
        self._servers = servers
        self._name = name
        self._discovered: set[str] = set()
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._reason = "not connected yet"
        self._listeners: set[Listener] = set()
        self._renewed: list[Callable[[], None]] = []
        self._lost: list[Callable[[], None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to connect, if that was not begun."""
        if self._keeper is None and not self._closed:
            self._keeper = asyncio.create_task(self._keep(), name="nats")

    async def begun(self) -> None:
        """Whoever is the first to need it waits for the first try, since that will mostly do."""
        self.start()
        if not self._tried.is_set() and not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_SECONDS):
                    await self._tried.wait()

    @property
    def up(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._link is not None

    @property
    def link(self) -> Link:
        """The present one; ConnectionClosedError where there is none."""
        if self._link is None:
            raise ConnectionClosedError
        return self._link

    @property
    def max_payload(self) -> int:
        """How many bytes one message may have."""
        return self._link.max_payload if self._link is not None else 1024 * 1024

    @property
    def trouble(self) -> str:
        """A sentence on why there is no connection."""
        return f"NATS at {self._servers} is not connected: {self._reason}"

    def on_renewal(self, called: Callable[[], None]) -> None:
        """Have it called after each connection, the first one included: what was held by the last one is gone."""
        self._renewed.append(called)

    def on_loss(self, called: Callable[[], None]) -> None:
        """Have it called when a connection has ended: what was said last may not have arrived."""
        self._lost.append(called)

    async def wait(self, seconds: float) -> bool:
        """Whether there is a connection within so many seconds."""
        self.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._up.wait()
        return self.up

    async def publish(
        self, subject: str, payload: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        """Tell whoever listens. False where it was dropped: no connection, or a server that has not read for long."""
        await self.begun()
        link = self._link
        if link is None:
            return False
        if link.pending_data_size > UNSENT_BYTES // 4:
            await asyncio.sleep(0)  # whoever writes a lot without a pause lets it be sent, too
        if link.pending_data_size > UNSENT_BYTES:
            await asyncio.sleep(_REST_SECONDS)
        if link.pending_data_size > UNSENT_BYTES:
            return False
        try:
            await link.publish(subject, payload, reply, headers)
        except Error as error:
            log.debug("nats", reason=str(error), subject=subject)
            return False
        return True

    async def request(
        self, subject: str, payload: bytes = b"", *, seconds: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """The one answer. Raises one of FAILURES: NoRespondersError where nobody listens, at once."""
        await self.begun()
        return await self.link.request(subject, payload, timeout=seconds, headers=headers)

    async def ask(self, verb: str, *, seconds: float = 5.0, **body: object) -> dict[str, Any]:
        """An answer of JetStream's API; nats.js.errors.APIError as its errors."""
        answer = json.loads((await self.request(f"$JS.API.{verb}", json.dumps(body).encode(), seconds=seconds)).data)
        if "error" in answer:
            raise APIError.from_error(answer["error"])
        found: dict[str, Any] = answer
        return found

    async def listen(self, subject: str, arrived: Arrived) -> Listener:
        """Have `arrived` called with each message, from now on (or from the next connection on) until `end`.

        It is called by the loop that reads, so it must not take long.
        """
        await self.begun()
        listener = Listener(self, subject, arrived)
        self._listeners.add(listener)
        if self._link is not None:
            try:
                await listener.join(self._link)
                await self._link.flush(_PONG_WITHIN)
            except FAILURES as error:
                log.debug("nats", reason=str(error))  # the next connection does it
            except BaseException:
                await listener.end()
                raise
        return listener

    def forget(self, listener: Listener) -> None:
        """Not to listen again by the next connection."""
        self._listeners.discard(listener)

    async def close(self) -> None:
        """Send what is unsent, for at most a second, and end. Closing twice is not an error."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        link, self._link = self._link, None
        self._up.clear()
        if link is not None:
            with suppress(*FAILURES):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await link.close()
            link.abandon()

    # --- keeping it up ---

    async def _keep(self) -> None:
        pause = _PAUSES[0]
        # Cancelling alone is not enough: asyncio.wait_for, inside, may lose it to an error of the same moment.
        while not self._closed:
            link = Link(self._servers)
            try:
                async with asyncio.timeout(_OPENING_SECONDS):
                    await link.open(self._addresses(), self._name)
                    await self._join_all(link)
            except FAILURES as error:
                link.abandon()
                self._failed(str(error) or type(error).__name__)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, _PAUSES[1])
                continue
            except BaseException:
                link.abandon()
                raise
            pause = _PAUSES[0]
            await self._serve(link)

    async def _serve(self, link: Link) -> None:
        self._link = link
        self._discovered |= {_address(server) for server in link.discovered_servers}
        self._up.set()
        self._tried.set()
        log.info("connected to NATS", server=link.connected_url and link.connected_url.netloc)
        for called in self._renewed:
            called()
        reason = await self._lasts(link)
        self._link = None
        self._up.clear()
        link.abandon()
        log.warning("connection to NATS lost", reason=reason)
        self._reason = reason
        for called in self._lost:
            called()

    async def _lasts(self, link: Link) -> str:
        """Return why, once the link is of no use any more."""
        while not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_EVERY):
                    await link.ended.wait()
                    return link.reason
            try:
                await link.rtt(_PONG_WITHIN)
            except FAILURES:
                return link.reason if link.ended.is_set() else f"silent for {_PONG_WITHIN} seconds"
        return "closed"

    async def _join_all(self, link: Link) -> None:
        """Listen to everything; also to what comes meanwhile, since `self._link` is set without a pause after this."""
        while missing := [each for each in self._listeners if not each.joined(link)]:
            for listener in missing:
                await listener.join(link)
            await link.flush(_PONG_WITHIN)

    def _addresses(self) -> list[str]:
        """Those that were named come first: the others' addresses are the cluster's own, and may not be reachable."""
        named = list(self._servers.urls)
        scheme = "tls" if self._servers.tls else "nats"
        others = [url for address in self._discovered if (url := f"{scheme}://{address}") not in named]
        random.shuffle(named)
        random.shuffle(others)
        return named + others

    def _failed(self, reason: str) -> None:
        self._tried.set()
        if reason != self._reason:
            log.warning("NATS not reached, trying on", servers=str(self._servers), reason=reason)
            self._reason = reason


class Listener:
    """A subject that is listened to, by whichever connection there is."""

    def __init__(self, connection: Connection, subject: str, arrived: Arrived) -> None:
        self._connection = connection
        self._subject = subject
        self._arrived = arrived
        self._link: Link | None = None
        self._subscription: Subscription | None = None

    def joined(self, link: Link) -> bool:
        """Whether it listens by this connection."""
        return self._link is link

    async def join(self, link: Link) -> None:
        """Listen by this connection."""
        self._link = link
        self._subscription = await link.listen(self._subject, self._arrived)

    async def end(self) -> None:
        """Listen no more."""
        self._connection.forget(self)
        if self._link is not None and self._subscription is not None and not self._link.ended.is_set():
            with suppress(*FAILURES):
                await self._link.leave(self._subscription)


def _address(server: ParseResult) -> str:
    return server.netloc.rpartition("@")[2]
