"""Tokens are remembered for a second, and not a moment longer than they are good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.clock import Clock

from safelight.adapters.disk import DiskStore
from safelight.adapters.memory import MemoryBroker
from safelight.adapters.sql.sqlite import SqliteDatabase
from safelight.commands import identity
from safelight.commands.callers import REMEMBERED, Callers
from safelight.domain.identity import credential_of
from safelight.errors import TokenExpired, Unauthenticated
from safelight.ports import Ports
from safelight.settings import Settings


@dataclass
class World:
    ports: Ports
    clock: Clock
    callers: Callers
    token: str
    session_id: str

    async def revoke(self) -> None:
        """As another process would."""
        await self.ports.db.write(lambda tx: tx.end_session(self.session_id))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    ports = Ports(
        db=SqliteDatabase(tmp_path / "s.db"),
        store=DiskStore(tmp_path / "store", base_url="", secret=b"x", clock=clock),
        broker=MemoryBroker(per_job=2, redeliver_after=60),
        clock=clock,
        settings=Settings(data_dir=tmp_path, secret="a secret of the test, long enough for HMAC", registration="open"),
    )
    signed_in = await identity.register(ports, "a@example.org", "a long password")
    session_id = (await identity.authenticate(ports, signed_in.token)).session_id
    assert session_id
    yield World(ports, clock, Callers(ports), signed_in.token, session_id)
    await ports.broker.close()
    await ports.db.close()
    await ports.store.close()


async def test_another_process_s_revocation_is_heeded_within_a_second(world: World) -> None:
    assert (await world.callers.identify(world.token)).email == "a@example.org"
    await world.revoke()
    world.clock.now += REMEMBERED - 1
    await world.callers.identify(world.token)
    world.clock.now += 1
    with pytest.raises(Unauthenticated):
        await world.callers.identify(world.token)


async def test_what_this_process_revokes_is_refused_at_once(world: World) -> None:
    await world.callers.identify(world.token)
    await world.revoke()
    world.callers.forget(world.session_id)
    with pytest.raises(Unauthenticated):
        await world.callers.identify(world.token)


async def test_an_api_token_that_is_revoked_here_is_refused_at_once(world: World) -> None:
    user = await world.ports.db.read(lambda tx: tx.user_of_email("a@example.org"))
    assert user
    token, secret = await identity.make_api_token(world.ports, user, "script")
    by_token = await world.callers.identify(secret)
    await world.callers.identify(world.token)
    await world.ports.db.write(lambda tx: tx.revoke_api_token(token.id, user.id))
    world.callers.forget(credential_of(by_token, secret))
    with pytest.raises(Unauthenticated):
        await world.callers.identify(secret)
    await world.revoke()
    await world.callers.identify(world.token)  # the other sign-in, of which nothing was said, is remembered


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(world: World) -> None:
    looking = asyncio.create_task(world.callers.identify(world.token))
    await asyncio.sleep(0)
    world.callers.forget(world.session_id)
    await looking
    await world.revoke()
    with pytest.raises(Unauthenticated):
        await world.callers.identify(world.token)


async def test_a_remembered_token_ends_when_it_expires(world: World) -> None:
    expires_at = (await identity.authenticate(world.ports, world.token)).expires_at
    assert expires_at
    world.clock.now = expires_at - 1
    await world.callers.identify(world.token)
    world.clock.now = expires_at
    with pytest.raises(TokenExpired):
        await world.callers.identify(world.token)


async def test_an_unknown_token_is_never_remembered(world: World) -> None:
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await world.callers.identify("not a token")
