"""The names that this process holds, and what is known of others'."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from safelight.adapters.nats.claims import Claims
from safelight.adapters.nats.connection import FAILURES, Connection
from safelight.ports.calls import Serve

log = structlog.get_logger()

_REMEMBERED: Final = 10_000
_TRIES: Final = 3


class Holding:
    """`me` is this process, `holds` asks another one whether it holds a name (or raises FAILURES)."""

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        replicas: int | None,
        me: str,
        holds: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._claims = Claims(connection, prefix, replicas)
        self._me = me
        self._holds = holds
        # Those of which the claim is being made are held already: whoever asks is told so.
        self._held: dict[str, Serve] = {}
        self._numbers: dict[str, int] = {}
        self._homes: OrderedDict[str, str] = OrderedDict()
        self._renewed = asyncio.Event()
        connection.on_renewal(self._renewed.set)

    def serve(self, name: str) -> Serve | None:
        """What serves a name that is held here."""
        return self._held.get(name)

    async def hold(self, name: str, serve: Serve) -> bool:
        """As in the Calls port."""
        if name in self._held:
            return False
        self._held[name] = serve
        number = None
        try:
            number = await self._claim(name)
        except FAILURES as error:
            log.info("name not claimed", reason=f"{type(error).__name__}: {error}")
            self._claims.doubt()
        finally:
            if number is None:
                del self._held[name]
        if number is not None:
            self._numbers[name] = number
        return number is not None

    async def release(self, name: str) -> None:
        """As in the Calls port. What is not removed now is not believed, and forgotten in time."""
        if self._held.pop(name, None) is not None:
            try:
                await self._claims.remove(self._numbers.pop(name))
            except FAILURES as error:
                log.debug("claim not removed", reason=str(error))

    async def home(self, name: str, *, fresh: bool) -> str | None:
        """Who has claimed a name: as remembered, unless `fresh`. Raises FAILURES."""
        if not fresh and name in self._homes:
            return self._homes[name]
        self._homes.pop(name, None)
        try:
            found = await self._claims.find(name)
        except FAILURES:
            self._claims.doubt()
            raise
        if found is None:
            return None
        self._homes[name] = found[0]
        if len(self._homes) > _REMEMBERED:
            self._homes.popitem(last=False)
        return found[0]

    async def keep(self, every: float) -> None:
        """Renew the claims every so many seconds, and whenever NATS was away, which may have forgotten them."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._renewed.wait()
                    self._homes.clear()
            self._renewed.clear()
            for name in list(self._numbers):
                try:
                    await self._renew(name)
                except FAILURES as error:
                    log.info("claims not renewed", reason=f"{type(error).__name__}: {error}")
                    self._claims.doubt()
                    break

    async def close(self) -> None:
        """Release everything."""
        for name in list(self._numbers):
            await self.release(name)

    async def _claim(self, name: str) -> int | None:
        over = 0
        for _ in range(_TRIES):
            if (number := await self._claims.claim(name, self._me, over)) is not None:
                return number
            found = await self._claims.find(name)
            if found is not None and found[0] != self._me and await self._holds(found[0], name):
                return None
            over = 0 if found is None else found[1]
        return None

    async def _renew(self, name: str) -> None:
        number = await self._claims.claim(name, self._me, self._numbers[name])
        if number is None:
            number = await self._claim(name)
        if name not in self._numbers:
            return  # released meanwhile
        if number is None:
            log.warning("a name was taken by another process while this one was cut off")
        else:
            self._numbers[name] = number
