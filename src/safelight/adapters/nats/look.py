"""A look at NATS without what the broker does there: its version, its nodes, and where Safelight's tasks are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nats.errors import Error
from nats.js.errors import APIError

from safelight.adapters.nats.link import Link
from safelight.adapters.nats.servers import parse
from safelight.ports.upkeep import Messaging

_OURS: Final = "safelight"


async def look_at_nats(servers: Sequence[str]) -> Messaging:
    """ValueError, with what to do, where none of `servers` answers or lets us in."""
    parsed = parse(servers)
    link = Link(parsed)
    try:
        await link.open(parsed.urls, "safelight doctor")
    except (OSError, TimeoutError, Error) as error:
        raise ValueError(
            f"NATS at {parsed} cannot be reached: {str(error) or type(error).__name__}. Check that it runs, and that"
            " addresses and password in SAFELIGHT_BROKER_URL are right."
        ) from error
    try:
        said = link.connected_server_version
        version, nodes = f"{said.major}.{said.minor}.{said.patch}", len(link.servers)
        try:
            streams = await link.jsm().streams_info()
        except (APIError, Error, TimeoutError) as error:
            reason = getattr(error, "description", None) or str(error) or "it does not answer"
            return Messaging(version, nodes, reason)
        kept = {str(each.config.name): each.config.num_replicas or 1 for each in streams}
        return Messaging(version, nodes, None, {name: n for name, n in kept.items() if name.startswith(_OURS)})
    finally:
        await link.close()
