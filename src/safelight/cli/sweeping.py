"""`safelight reconcile`: one whole sweep, told line by line."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import typer

from safelight.app.clock import SharedClock
from safelight.app.opening import close_ports, open_ports
from safelight.app.running import only_server
from safelight.reconcile import STEPS, Outcome, Reconciler
from safelight.settings import Settings


def reconcile(settings: Settings, *, act: bool) -> bool:
    """Print what is amiss and, with `act`, set it right; whether all of it could be looked at, and set right.

    RuntimeError where a server that works alone is running: two processes may not write to its files.
    """
    with ExitStack() as held:
        if act and settings.alone:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            held.enter_context(only_server(settings.data_dir))
        return asyncio.run(_sweep(settings, act=act))


async def _sweep(settings: Settings, *, act: bool) -> bool:
    ports = open_ports(settings)
    # A server that works alone keeps its queue in memory, and fills it anew when it starts.
    steps = [step for step in STEPS if step.name != "requeue" or not settings.alone]
    found = changed = failed = 0
    try:
        await ports.db.migrate()
        if isinstance(ports.clock, SharedClock):
            await ports.clock.look(ports.db)
        async for outcome in Reconciler(ports).sweep(steps, act=act):
            typer.echo(_line(outcome))
            found += outcome.finding is not None
            changed += bool(outcome.changed)
            failed += outcome.error is not None
    finally:
        await close_ports(ports)
    typer.echo(_sum(found, changed, failed, act=act))
    return not failed


def _line(outcome: Outcome) -> str:
    if outcome.finding is None:
        return f"{outcome.step:9} could not look: {outcome.error}"
    line = f"{outcome.step:9} {outcome.finding.subject}  {outcome.finding.wrong}: {outcome.finding.remedy}."
    if outcome.error:
        return f"{line} That failed: {outcome.error}"
    ends = {None: "", True: " Done.", False: " Nothing was changed."}
    return line + ends[outcome.changed]


def _sum(found: int, changed: int, failed: int, *, act: bool) -> str:
    if not found and not failed:
        return "Nothing is amiss."
    words = f"{found} found, {changed} set right" if act else f"{found} found, nothing changed"
    return f"{words}, {failed} failed; run it again." if failed else f"{words}."
