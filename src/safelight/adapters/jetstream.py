"""A look at a NATS cluster: what its nodes say of themselves and of Safelight's streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import nats
from nats.errors import Error, NoServersError
from nats.js.errors import APIError, ServiceUnavailableError

from safelight.ports.upkeep import Messaging

CONNECT_SECONDS: Final = 5


async def look_at_nats(servers: Sequence[str]) -> Messaging:
    """ValueError, with what to do, where none of `servers` answers or lets us in."""
    failures: list[Exception] = []

    async def note(error: Exception) -> None:
        failures.append(error)

    try:
        client = await nats.connect(
            list(servers),
            connect_timeout=CONNECT_SECONDS,
            allow_reconnect=False,
            error_cb=note,
            name="safelight doctor",
        )
    except (OSError, TimeoutError, NoServersError, Error) as error:
        reason = failures[-1] if failures else error
        raise ValueError(
            f"NATS cannot be reached: {str(reason) or type(reason).__name__}. Check that it runs, and that addresses"
            " and password in SAFELIGHT_BROKER_URL are right."
        ) from error
    try:
        version = str(client.connected_server_version)
        try:
            streams = await client.jetstream().streams_info()
        except (ServiceUnavailableError, APIError, Error, TimeoutError) as error:
            said = getattr(error, "description", None) or str(error) or "it does not answer"
            return Messaging(version, len(client.servers), said)
        kept = {s.config.name: s.config.num_replicas or 1 for s in streams if "safelight" in str(s.config.name).lower()}
        return Messaging(version, len(client.servers), None, {str(name): count for name, count in kept.items()})
    finally:
        await client.close()
