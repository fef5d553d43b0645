"""One connection to one NATS server, for as long as it lasts: nats-py's client with five things set right.

- Messages are handed on as they arrive. nats-py has a queue for each subscription, and a task that reads it: the order
  between two subscriptions would be lost, and a process would have a task for every job that somebody watches.
- `tls://` means TLS. nats-py encrypts where the server asks for it, and tells the password in any case.
- Whoever is cancelled while waiting for a PONG leaves the connection as it is. nats-py would stop reading from it.
- Whoever waits for an answer or a PONG when the connection ends waits no longer. With nats-py it would be until their
  time is up.
- It can be given up without waiting for a server that does not read.

A link does not reconnect: `Connection` makes another, so nothing is left over from the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error, NoServersError

from safelight.adapters.nats.servers import Servers

log = structlog.get_logger()

CONNECT_SECONDS: Final = 2
# What a server that does not read may leave in our memory.
UNSENT_BYTES: Final = 4 * 1024 * 1024

Arrived = Callable[[Msg], None]


class Link(Client):
    """To be opened once. `ended` is set when it has ended, `reason` says why in words, as far as is known."""

    def __init__(self, servers: Servers) -> None:
        super().__init__()
        self.ended = asyncio.Event()
        self.reason = "the connection was closed"
        self._servers = servers
        self._arrivals: dict[int, Arrived] = {}

    async def open(self, urls: Sequence[str], name: str) -> None:
        """Connect to the first of `urls` that answers. Raises nats.errors.Error, OSError or TimeoutError."""
        try:
            await self.connect(
                list(urls),
                name=name,
                user=self._servers.user,
                password=self._servers.password,
                token=self._servers.token,
                error_cb=self._note,
                closed_cb=self._closed,
                allow_reconnect=False,
                dont_randomize=True,
                connect_timeout=CONNECT_SECONDS,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                pending_size=2 * UNSENT_BYTES,
            )
        except NoServersError as error:
            raise ConnectionError(self.reason) from error

    async def listen(self, subject: str, arrived: Arrived) -> Subscription:
        """Hand the messages of a subject to `arrived`, each as it arrives."""
        subscription = await self.subscribe(subject)
        # Nothing was read from the server in between: subscribing only puts a line where the flusher finds it.
        self._arrivals[subscription._id] = arrived
        return subscription

    async def leave(self, subscription: Subscription) -> None:
        """Undo `listen`."""
        self._arrivals.pop(subscription._id, None)
        await subscription.unsubscribe()

    def abandon(self) -> None:
        """Give it up, whatever is still unsent."""
        self._end()
        for task in (self._reading_task, self._ping_interval_task, self._flusher_task):
            if task is not None:
                task.cancel()
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        self._status = Client.CLOSED

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg | None:
        message: Msg = super()._build_message(sid, subject, reply, data, headers)
        arrived = self._arrivals.get(sid)
        if arrived is None:
            return message
        arrived(message)
        return None

    def _connect_command(self) -> bytes:
        if self._servers.tls and not self._server_info.get("tls_required"):
            raise Error("the server does not offer TLS, which tls:// asks for")
        return super()._connect_command()

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
        else:
            await super()._process_pong()

    async def _note(self, error: Exception) -> None:
        self.reason = str(error) or type(error).__name__
        log.debug("nats", reason=self.reason)

    async def _closed(self) -> None:
        self._end()

    def _end(self) -> None:
        self.ended.set()
        waiting: list[asyncio.Future[Any]] = list(self._resp_map.values())
        for answer in waiting:
            if not answer.done():
                answer.set_exception(ConnectionClosedError())
        for pong in self._pongs:
            if not pong.done():
                pong.set_result(False)
