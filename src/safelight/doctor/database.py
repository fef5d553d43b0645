"""The database: whether it answers, how soon, with which schema, and by which clock."""

from __future__ import annotations

import statistics
import time
from typing import Final

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, unknown, wrong
from safelight.doctor.patient import Patient

ASKED: Final = 7
# A photo costs some ten transactions one after another; at this rate they take it half a second.
SLOW_MS: Final = 50.0
CLOCK_MS: Final = 2_000


async def database(patient: Patient) -> Finding:
    """The database can be reached and read."""
    return ok(f"{(await patient.schema()).server}.")


async def schema(patient: Patient) -> Finding:
    """Its schema is the one that this Safelight works with."""
    found = await patient.schema()
    if found.present is None:
        return unknown("There are no tables yet; the first start makes them.")
    if found.behind is None:
        # Only the adapter knows whether it can work with what a newer one made; it raises where it cannot.
        await patient.database.check()
        return ok(f"Migration {found.present}, of a newer Safelight; this one ({found.newest}) can work with it.")
    if found.behind:
        plural = "s" if found.behind > 1 else ""
        return wrong(
            f"Migration {found.present}, {found.behind} migration{plural} behind this Safelight ({found.newest}).",
            fixes.MIGRATE,
        )
    return ok(f"Migration {found.present}, the newest.")


async def latency(patient: Patient) -> Finding:
    """A question to the database is answered within 50 milliseconds."""
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await patient.database.check()
        times.append((time.perf_counter() - began) * 1000)
    # The first one opened the connection.
    median = statistics.median(times[1:])
    seen = f"A question takes {median:.1f} ms (median of {ASKED - 1}, the longest {max(times[1:]):.1f} ms)"
    if median > SLOW_MS:
        return wrong(f"{seen}; a photo asks about ten, one after another.", fixes.NEAR_DATABASE)
    return ok(f"{seen}.")


async def clock(patient: Patient) -> Finding:
    """This machine's clock is at most two seconds off the database's, by which leases and deadlines are kept."""
    asked = time.time_ns() // 1_000_000
    there = await patient.database.now()
    answered = time.time_ns() // 1_000_000
    ahead = min(asked - there, answered - there, key=abs) if not asked <= there <= answered else 0
    if abs(ahead) > CLOCK_MS:
        return wrong(f"This machine is {fixes.ahead(ahead / 1000)} the database.", fixes.CLOCK)
    return ok(f"Less than {max(abs(ahead), 1) / 1000 + 0.1:.1f} s off.")
