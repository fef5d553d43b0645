"""Every check in turn: none is spared because another one failed, except what could only repeat its words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import httpx

from safelight.doctor.checks import CHECKS, Check
from safelight.doctor.finding import Finding, Verdict, reason_of, unknown, wrong
from safelight.doctor.patient import Patient
from safelight.errors import SafelightError

LONGEST_SECONDS: Final = 90.0
# A store may take a moment until what was set is in force.
SETTLE_SECONDS: Final = 1.0
SETTLINGS: Final = 10


async def examine(
    patient: Patient, *, fix: bool = False, checks: Sequence[Check] = CHECKS
) -> AsyncIterator[tuple[str, Finding]]:
    """What each check found, by its name, as it is found. With `fix`, what the doctor can put right is put right."""
    # What each check that did not succeed comes down to: itself, or the one that kept it from being made.
    cause: dict[str, str] = {}
    for check in checks:
        if check.needs in cause:
            cause[check.name] = cause[check.needs]
            if check.applies(patient):
                yield check.name, unknown(f"Not examined, because of `{cause[check.name]}`.")
            continue
        if not check.applies(patient):
            continue
        finding = await _examined(check, patient)
        if fix and finding.verdict is Verdict.WRONG and finding.mend is not None:
            finding = await _mended(check, patient, finding)
        if finding.verdict is not Verdict.OK:
            cause[check.name] = check.name
        yield check.name, finding


async def _examined(check: Check, patient: Patient) -> Finding:
    """What the check found; what it raised is wrong, too."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await check.examine(patient)
    except TimeoutError:
        return wrong(f"It was not answered within {LONGEST_SECONDS:.0f} s.", "")
    except SafelightError as error:
        return wrong(error.message, "")
    except httpx.HTTPError as error:
        return wrong(f"{_where(error)} cannot be reached: {reason_of(error)}.", "")
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what is to be told
        return wrong(reason_of(error), "")


async def _mended(check: Check, patient: Patient, finding: Finding) -> Finding:
    """The finding after it was put right, or the one before with why it could not be."""
    assert finding.mend is not None  # noqa: S101 - for the type checker
    try:
        changed = await finding.mend()
    except SafelightError as error:
        return replace(finding, seen=f"{finding.seen} It could not be put right: {error.message}")
    after = await _examined(check, patient)
    for _ in range(SETTLINGS):
        if after.verdict is not Verdict.WRONG:
            break
        await asyncio.sleep(SETTLE_SECONDS)
        after = await _examined(check, patient)
    return replace(after, changed=changed)


def _where(error: httpx.HTTPError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:
        return "The address"
