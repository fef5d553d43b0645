"""The sweep: step by step, round by round, by one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from safelight.errors import SafelightError
from safelight.ports import Ports
from safelight.reconcile import library, uploads
from safelight.reconcile.finding import Finding, Page, Step, at_once
from safelight.reconcile.meters import Meters

log = structlog.get_logger()

# Rounds in which whoever has the turn keeps it; then it is anybody's. The slow steps come once in each turn.
ROUNDS: Final = 12

STEPS: Final = (
    Step("requeue", library.unattended),
    Step("finalize", uploads.arrived),
    Step("bury", library.doomed),
    Step("mend", uploads.strayed, slow=True),
    Step("expire", uploads.overdue, slow=True),
    Step("trash", library.trash, slow=True),
    Step("orphans", uploads.orphans, slow=True),
    Step("events", library.events, slow=True),
    Step("sign-ins", library.sign_ins, slow=True),
    Step("audit", library.audit, slow=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found, and what came of it: None where nothing was done, else whether that changed anything.

    Without a `finding`, the step itself could not look; then, and where acting failed, `error` says why.
    """

    step: str
    finding: Finding | None
    changed: bool | None = None
    error: str | None = None


class Reconciler:
    """Sweeps: for ever in rounds (`run`), or once through everything (`sweep`)."""

    def __init__(self, ports: Ports) -> None:
        self.meters = Meters()
        self._ports = ports
        # Where each step goes on in the next round, and which errors were told with the way that they took.
        self._places: dict[str, str] = {}
        self._told: set[tuple[str, type[BaseException]]] = set()
        for step in STEPS:
            for counter in (self.meters.found, self.meters.acted, self.meters.failed):
                counter.labels(step.name)

    async def recover(self) -> None:
        """At the start of a server that works alone: no worker lives, so every lease is void."""
        await self._ports.db.write(lambda tx: tx.void_leases())

    async def run(self) -> None:
        """Sweep whenever it is this process's turn, until cancelled."""
        while True:
            try:
                async with self._ports.db.exclusively("reconciler") as mine:
                    for number in range(ROUNDS if mine else 0):
                        await self.round(slow=number == 0)
                        await asyncio.sleep(self._ports.settings.sweep_seconds)
            except Exception as error:  # noqa: BLE001 - told, and there is a next turn
                mine = False
                log.warning("the reconciler has no turn", reason=_words(error))
            if not mine:
                await asyncio.sleep(self._ports.settings.sweep_seconds)

    async def round(self, *, slow: bool = True) -> None:
        """One page of every step, or of every quick one."""
        for step in STEPS:
            if slow or not step.slow:
                await self.advance(step)

    async def advance(self, step: Step) -> list[Outcome]:
        """Find one page of a step, behind what was found last, and act on it. What fails is told in one line."""
        outcomes, following = await self._page(step, self._places.get(step.name, ""), act=True)
        self._places[step.name] = following or ""
        return outcomes

    async def sweep(self, steps: Sequence[Step] = STEPS, *, act: bool) -> AsyncIterator[Outcome]:
        """Everything that is amiss, once; without `act` nothing is done about it."""
        for step in steps:
            place: str | None = ""
            while place is not None:
                outcomes, place = await self._page(step, place, act=act)
                for outcome in outcomes:
                    yield outcome

    async def _page(self, step: Step, after: str, *, act: bool) -> tuple[list[Outcome], str | None]:
        try:
            page = await step.find(self._ports, after)
        except Exception as error:  # noqa: BLE001 - told, and the other steps go on
            self._tell(step, error, "a step of the sweep could not look; the next sweep does")
            return [Outcome(step.name, None, error=_words(error))], None
        self.meters.found.labels(step.name).inc(len(page.findings))
        if not act:
            return [Outcome(step.name, finding) for finding in page.findings], page.after
        return await self._act(step, page), page.after

    async def _act(self, step: Step, page: Page) -> list[Outcome]:
        outcomes = await at_once(partial(self._set_right, step), page.findings)
        self.meters.acted.labels(step.name).inc(sum(bool(outcome.changed) for outcome, _ in outcomes))
        failed = [(outcome.finding, error) for outcome, error in outcomes if outcome.finding and error]
        if failed:
            first, error = failed[0]
            what = "not all that was found was set right; the next sweep tries again"
            self._tell(step, error, what, count=len(failed), first=first.subject)
            self.meters.failed.labels(step.name).inc(len(failed) - 1)
        return [outcome for outcome, _ in outcomes]

    async def _set_right(self, step: Step, finding: Finding) -> tuple[Outcome, Exception | None]:
        try:
            return Outcome(step.name, finding, await finding.act()), None
        except Exception as error:  # noqa: BLE001 - told by the step, and the other findings go on
            return Outcome(step.name, finding, error=_words(error)), error

    def _tell(self, step: Step, error: Exception, what: str, **more: object) -> None:
        """One line; of an error that nobody foresaw also the way that it took, once."""
        self.meters.failed.labels(step.name).inc()
        foreseen = isinstance(error, (SafelightError, OSError)) or (step.name, type(error)) in self._told
        self._told.add((step.name, type(error)))
        log.warning(what, step=step.name, reason=_words(error), exc_info=None if foreseen else error, **more)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
