"""E31 with several servers: each tells of all connections, and ends any of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from safelight.adapters.memory import MemoryBroker
from safelight.errors import SafelightError
from safelight.realtime.registry import Registry, Standing, Watched
from safelight.realtime.roster import Roster


class Connected:
    """A live connection as the registry knows one."""

    subscriptions = 1
    user_id = credential = None

    def __init__(self, name: str, since: int) -> None:
        self.id = name
        self.since = since
        self.ended: list[str] = []

    def standing(self) -> Standing:
        watched = [Watched("s", "/topic/jobs", 3)]
        return Standing(self.id, "websocket", "u", "a@b", self.since, watched, 3, 1.5, 77)

    def end(self, error: SafelightError) -> None:
        self.ended.append(error.code)


@asynccontextmanager
async def servers(*crowds: Sequence[Connected], alone: bool = False) -> AsyncIterator[list[Roster]]:
    broker = MemoryBroker()
    made = []
    for crowd in crowds:
        registry = Registry()
        for each in crowd:
            registry.add(each)
        made.append(Roster(registry, broker, alone=alone, patience=0.1))
    running = [asyncio.create_task(roster.run()) for roster in made]
    await asyncio.sleep(0)
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await broker.close()


async def test_e31_each_server_tells_of_all_connections_oldest_first() -> None:
    here, there = Connected("here", 2), [Connected(f"there{n}", n) for n in (3, 1)]
    async with servers([here], there, []) as rosters:
        for roster in rosters:
            assert await roster.connections() == [there[1].standing(), here.standing(), there[0].standing()]


async def test_e31_more_than_one_message_holds() -> None:
    async with servers([Connected(f"c{n}", n) for n in range(1_203)], []) as (_, asked):
        assert [each.id for each in await asked.connections()] == [f"c{n}" for n in range(1_203)]


@pytest.mark.parametrize("asked", [0, 1])
async def test_e31_each_server_ends_any_connection(asked: int) -> None:
    one, other = Connected("one", 1), Connected("other", 2)
    async with servers([one], [other]) as rosters:
        assert await rosters[asked].end("one")
        assert not await rosters[asked].end("nobody")
    assert one.ended == ["connection-ended"]
    assert not other.ended


async def test_e31_a_server_that_is_alone_asks_nobody() -> None:
    async with servers([Connected("a", 1)], [Connected("b", 1)], alone=True) as (first, _):
        assert [each.id for each in await first.connections()] == ["a"]
