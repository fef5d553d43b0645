"""How much may wait in a connection whose client does not read.

Conflation can only save what was not handed over yet. By default a client that does not read takes 4 MB into the
kernel's send buffer, minutes of stale progress; with these limits it is what its own receive buffer takes, and a few
dozen KiB (docs/decisions/0010-what-a-stalled-reader-holds.md has the figures).
"""

from __future__ import annotations

import socket
from asyncio.transports import Transport
from typing import Final

# Bytes that wait in this process before a writer is made to wait.
BUFFERED: Final = 16 * 1024
# Bytes that wait in the kernel unsent (tcp(7), Linux and macOS); what is on its way is the network's own affair.
UNSENT: Final = 16 * 1024
_NOTSENT_LOWAT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)


def narrow(transport: Transport) -> None:
    """Let little wait in a transport that carries live frames; the only thing that differs is when a writer waits."""
    transport.set_write_buffer_limits(high=BUFFERED)
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX and _NOTSENT_LOWAT is not None:
        raw.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT)
