"""Which sign-ins have ended, as the live channel asks the table (E27)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from safelight import queries
from safelight.app.opening import open_ports
from safelight.commands import identity
from safelight.ports import Ports
from safelight.settings import Settings


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    opened = open_ports(Settings(data_dir=tmp_path, registration="open"))
    yield opened
    await opened.db.close()


async def test_e27_a_session_lasts_until_its_logout_and_an_api_token_until_it_is_revoked(ports: Ports) -> None:
    signed_in = await identity.register(ports, "a@example.org", "correct horse")
    caller = await identity.authenticate(ports, signed_in.token)
    token, secret = await identity.make_api_token(ports, signed_in.user, "script")
    credential = hashlib.sha256(secret.encode()).hexdigest()
    assert caller.session_id
    both = [caller.session_id, credential]
    assert await queries.ended_sign_ins(ports, both) == set()
    await ports.db.write(lambda tx: tx.revoke_api_token(token.id, signed_in.user.id))
    assert await queries.ended_sign_ins(ports, both) == {credential}
    await identity.log_out(ports, caller)
    assert await queries.ended_sign_ins(ports, [*both, "never"]) == {*both, "never"}
