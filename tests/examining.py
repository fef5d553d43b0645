"""One check of the doctor at a time, on an installation with settings of the test's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from safelight.app.examining import surroundings
from safelight.doctor import Finding, Patient, examine
from safelight.doctor.checks import CHECKS
from safelight.settings import Settings


async def finding_of(
    name: str,
    folder: Path,
    url: str | None = None,
    *,
    fix: bool = False,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> Finding:
    """What the check of this name finds, whatever it needs."""
    given: dict[str, object] = {"data_dir": folder / "data", **settings}
    chosen = Settings(_env_file=None, **given)  # type: ignore[arg-type]  # pydantic checks them
    patient = Patient(chosen, surroundings(chosen), home="http://127.0.0.1:8080", url=url)
    alone = [replace(check, needs="") for check in CHECKS if check.name == name]
    assert len(alone) == 1, name
    try:
        found = [finding async for _, finding in examine(patient, fix=fix, checks=alone)]
    finally:
        await patient.close()
    assert len(found) == 1, f"{name} does not apply here"
    return found[0]
