"""The broker: whether what is published arrives, and whether NATS is set up to lose no task."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import Final

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, reason_of, unknown, wrong
from safelight.doctor.patient import Patient
from safelight.errors import SafelightError

# Tasks that wait before they are tried again are messages with a schedule, which came with this version.
OLDEST_NATS: Final = (2, 12)
ARRIVAL_SECONDS: Final = 3.0


async def broker(patient: Patient) -> Finding:
    """The broker can be reached, and what is published arrives at a subscriber."""
    try:
        await patient.broker.check()
    except (SafelightError, OSError) as error:
        return wrong(reason_of(error), fixes.BROKER)
    topic, payload = f"doctor.{secrets.token_hex(8)}", secrets.token_bytes(16)
    subscription = await patient.broker.subscribe([topic])
    try:
        began = time.perf_counter()
        await patient.broker.publish(topic, payload)
        async with asyncio.timeout(ARRIVAL_SECONDS):
            async for arrived in subscription:
                if arrived == (topic, payload):
                    break
        return ok(f"A message arrived after {(time.perf_counter() - began) * 1000:.1f} ms.")
    except TimeoutError:
        return wrong(f"A message did not arrive at its subscriber within {ARRIVAL_SECONDS:.0f} s.", fixes.NO_FAN_OUT)
    finally:
        await subscription.close()


async def nats(patient: Patient) -> Finding:
    """NATS can be reached, is new enough, and has JetStream, which keeps the tasks."""
    found = await patient.messaging()
    version = tuple(int(n) for n in re.findall(r"\d+", found.version)[:2])
    if version < OLDEST_NATS:
        return wrong(f"nats-server is {found.version}.", fixes.NEW_NATS)
    if found.jetstream is not None:
        return wrong(f"nats-server {found.version} has no JetStream: {found.jetstream}.", fixes.JETSTREAM)
    return ok(f"nats-server {found.version}, {_nodes(found.servers)}, with JetStream.")


async def copies(patient: Patient) -> Finding:
    """A cluster of NATS keeps each task on more than one node."""
    found = await patient.messaging()
    kept = ", ".join(f"{name} on {_nodes(replicas)}" for name, replicas in sorted(found.streams.items()))
    seen = f"{_nodes(found.servers).capitalize()}; {kept or 'no stream of Safelight yet'}"
    single = sorted(name for name, replicas in found.streams.items() if replicas == 1)
    if single and found.servers >= 3:
        return wrong(f"{seen}: while its one node is away, nothing is processed.", fixes.replicas(single))
    if found.servers == 2:
        return unknown(f"{seen}. Two nodes agree on nothing once one is away: JetStream needs one, or three.")
    return ok(f"{seen}.")


def _nodes(count: int) -> str:
    return f"{count} node{'s' if count != 1 else ''}"
