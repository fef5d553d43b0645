"""The live channel through the public address: bytes must pass as they come, and a WebSocket must be let through."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin, Subprotocol

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, reason_of, wrong
from safelight.doctor.patient import SECONDS, Patient, origin_of
from safelight.doctor.probe import told

# sockjs-client gives a transport up when nothing came for about so long; a proxy that gathers holds it far longer.
AT_ONCE_SECONDS: Final = 5.0
CONNECT: Final = "CONNECT\naccept-version:1.2\nhost:doctor\nheart-beat:0,0\n\n\0"


async def streaming(patient: Patient) -> Finding:
    """A response that streams arrives as it is sent: its first frame at once, not with its last."""
    path = f"/ws/{secrets.randbelow(1000):03}/{secrets.token_hex(8)}/xhr_streaming"
    received, began = b"", time.perf_counter()
    try:
        async with (
            asyncio.timeout(AT_ONCE_SECONDS),
            patient.web.stream("POST", path) as answer,
        ):
            if answer.status_code != 200:
                await answer.aread()
                return wrong(f"A request of SockJS is answered {told(answer)}.", fixes.LIVE_PATHS)
            async for piece in answer.aiter_bytes():
                received += piece
                if received.endswith(b"o\n"):
                    return ok(f"The first frame came after {(time.perf_counter() - began) * 1000:.0f} ms.")
    except TimeoutError:
        return wrong(
            f"{len(received):,} bytes of a response that streams came in {AT_ONCE_SECONDS:.0f} s: a proxy holds it.",
            fixes.BUFFERING,
        )
    except httpx.HTTPError as error:
        return wrong(f"A response that streams broke off: {reason_of(error)}.", fixes.BUFFERING)
    return wrong(f"A response that streams ended after {len(received):,} bytes.", fixes.BUFFERING)


async def websocket(patient: Patient) -> Finding:
    """A WebSocket is let through to the live channel, and STOMP is spoken there."""
    address = f"ws{patient.url.removeprefix('http')}/ws"
    try:
        async with asyncio.timeout(SECONDS), _dial(address, origin_of(patient.url)) as socket:
            await socket.send(CONNECT)
            frame = str(await socket.recv())
    except InvalidStatus as error:
        return _refused(patient, error.response.status_code, bytes(error.response.body or b""))
    except TimeoutError:
        return wrong(f"No answer to the upgrade within {SECONDS:.0f} s: the proxy keeps it.", fixes.UPGRADE)
    except (InvalidHandshake, ConnectionClosed, OSError, EOFError) as error:
        return wrong(f"The upgrade broke off: {reason_of(error)}.", fixes.UPGRADE)
    command = frame.partition("\n")[0]
    if command not in {"CONNECTED", "ERROR"}:
        return wrong(f"Something else than STOMP is spoken there: {frame[:40]!r}.", fixes.upstream(patient.home))
    return ok("Open, and it speaks STOMP. Heart-beats go every 10 s: any idle timeout above 30 s will do.")


def _dial(address: str, origin: str) -> connect:
    return connect(
        address,
        origin=Origin(origin),
        subprotocols=[Subprotocol("v12.stomp")],
        compression=None,
        open_timeout=None,
        close_timeout=1,
    )


def _refused(patient: Patient, status: int, body: bytes) -> Finding:
    """The upgrade was answered otherwise than with 101."""
    if status == 403 and b"origin" in body:
        return wrong(
            f"The server takes {origin_of(patient.url)} for a foreign page: the proxy sends another Host.",
            fixes.forwarded(patient.url),
        )
    return wrong(f"The upgrade is answered {status} instead of 101: the proxy swallows it.", fixes.UPGRADE)
