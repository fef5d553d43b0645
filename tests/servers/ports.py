"""Ports for servers that are killed and started again under the same address."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below the range from which the system gives ports to connections, one of which might take it in the meantime.
_PORTS: Final = range(12_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, for a server that must come back under the same ones."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")
