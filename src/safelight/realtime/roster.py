"""The live connections of all servers: each answers for its own when one of them asks, over the broker."""

from __future__ import annotations

import secrets
from asyncio import timeout
from contextlib import suppress
from typing import Any, Final

import orjson
import structlog

from safelight.errors import ConnectionEnded
from safelight.ports import Broker
from safelight.realtime.registry import Registry, Standing, Watched

log = structlog.get_logger()

ASKED: Final = "roster.asked"
# A message stays far below what any broker takes: an entry is some 300 bytes.
_AT_ONCE: Final = 500


class Roster:
    """Who is connected where. `alone`: there is no other server to ask; else the others have `patience` seconds to
    answer. How many there are nobody knows, so a list takes that long.
    """

    def __init__(self, registry: Registry, broker: Broker, *, alone: bool, patience: float = 0.5) -> None:
        self._registry = registry
        self._broker = broker
        self._alone = alone
        self._patience = patience
        self._name = secrets.token_hex(8)

    async def connections(self) -> list[Standing]:
        """Of all servers that answer, oldest first."""
        found = [live.standing() for live in self._registry]
        for answer in await self._ask(end=None):
            found += [_standing(fields) for fields in answer["standings"]]
        return sorted(found, key=lambda standing: standing.since)

    async def end(self, connection_id: str) -> bool:
        """End one, wherever it is; whether it was found."""
        return self._end(connection_id) or any(each["ended"] for each in await self._ask(end=connection_id))

    async def run(self) -> None:
        """Answer those who ask, until cancelled."""
        subscription = await self._broker.subscribe([ASKED])
        try:
            async for _, question in subscription:
                try:
                    await self._answer(**orjson.loads(question))
                except Exception:
                    log.exception("connections not told to another server")
        finally:
            await subscription.close()

    async def _ask(self, end: str | None) -> list[dict[str, Any]]:
        if self._alone:
            return []
        topic = f"roster.{secrets.token_hex(8)}"
        answers = []
        subscription = await self._broker.subscribe([topic])
        try:
            await self._broker.publish(ASKED, orjson.dumps({"by": self._name, "to": topic, "end": end}))
            with suppress(TimeoutError):
                async with timeout(self._patience):
                    async for _, body in subscription:
                        answers.append(orjson.loads(body))
                        if answers[-1]["ended"]:
                            break
        finally:
            await subscription.close()
        return answers

    async def _answer(self, by: str, to: str, end: str | None) -> None:
        if by == self._name:
            return
        if end is not None:
            told = {"standings": [], "ended": self._end(end)}
            await self._broker.publish(to, orjson.dumps(told))
            return
        standings = [live.standing() for live in self._registry]
        for start in range(0, len(standings), _AT_ONCE):
            part = {"standings": standings[start : start + _AT_ONCE], "ended": False}
            await self._broker.publish(to, orjson.dumps(part))

    def _end(self, connection_id: str) -> bool:
        live = self._registry.get(connection_id)
        if live is not None:
            live.end(ConnectionEnded())
        return live is not None


def _standing(fields: dict[str, Any]) -> Standing:
    return Standing(**{**fields, "subscriptions": [Watched(**each) for each in fields["subscriptions"]]})
