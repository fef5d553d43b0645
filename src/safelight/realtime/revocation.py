"""Ends connections whose sign-in has ended (logout, a revoked token): notify and poll, as everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from safelight.errors import Unauthenticated
from safelight.ports import Broker
from safelight.realtime.registry import Registry

log = structlog.get_logger()

TOPIC: Final = "revoked"
"""Where a process tells the others the id of a session that it has ended."""
_AT_ONCE: Final = 200


class Revocation:
    """`ended` tells which of some credentials (ids of sessions, SHA-256 of API tokens) are worth nothing any more, and
    `forget` is told of each that was found to be, for whoever else remembers it.
    """

    def __init__(
        self,
        registry: Registry,
        broker: Broker,
        ended: Callable[[Collection[str]], Awaitable[set[str]]],
        forget: Callable[[str], None],
        every: float = 5.0,
    ) -> None:
        self._registry = registry
        self._broker = broker
        self._ended = ended
        self._forget = forget
        self._every = every

    async def run(self) -> None:
        """Look at once where the broker says so, and at everybody every few seconds, until cancelled."""
        subscription = await self._broker.subscribe([TOPIC])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look_regularly())
                async for _, credential in subscription:
                    await self._guarded(self._end([credential.decode(errors="replace")]))
        finally:
            await subscription.close()

    async def look(self) -> None:
        """End the connections of everybody whose sign-in has ended."""
        present = list({live.credential for live in self._registry if live.credential is not None})
        for start in range(0, len(present), _AT_ONCE):
            await self._end(present[start : start + _AT_ONCE])

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._guarded(self.look())

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("sign-ins not checked; the next round will")

    async def _end(self, credentials: Collection[str]) -> None:
        ended = await self._ended(credentials)
        for credential in ended:
            self._forget(credential)
        for live in self._registry:
            if live.credential in ended:
                live.end(Unauthenticated("This sign-in has ended. Sign in again."))
