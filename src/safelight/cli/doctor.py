"""`safelight doctor`: what is right, what is wrong, and the exact fix."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from safelight import log
from safelight.app.examining import surroundings
from safelight.cli import serving
from safelight.doctor import Finding, Patient, Verdict, examine, report
from safelight.settings import Settings

_COLOURS = {Verdict.OK: typer.colors.GREEN, Verdict.WRONG: typer.colors.RED, Verdict.UNKNOWN: typer.colors.YELLOW}

Fix = Annotated[
    bool, typer.Option("--fix", help="Set CORS and lifecycle rules of the bucket, keeping those of others.")
]


def _address(url: str | None) -> str | None:
    if url is None or (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
        return url
    raise typer.BadParameter("Write it as it stands in the browser: https://photos.example.org")


Url = Annotated[
    str | None, typer.Option(callback=_address, help="Examine this public address too, with the proxy behind it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def examine_all(settings: Settings, *, refusal: str, fix: bool, url: str | None, as_json: bool) -> bool:
    """Run every check and print what it found; whether nothing is wrong. `refusal` is why the settings are none."""
    log.configure("critical")
    home = serving.address(settings, settings.port)
    patient = Patient(settings, surroundings(settings), home=home, url=url, refusal=refusal)
    findings = asyncio.run(_examine(patient, fix=fix, quiet=as_json))
    if as_json:
        typer.echo(json.dumps(report.document(findings), indent=2, ensure_ascii=False))
    else:
        typer.echo(f"\n{report.summary(findings)}")
    return report.sound(findings)


async def _examine(patient: Patient, *, fix: bool, quiet: bool) -> list[tuple[str, Finding]]:
    findings = []
    try:
        async for name, finding in examine(patient, fix=fix):
            findings.append((name, finding))
            if not quiet:
                _print(name, finding)
    finally:
        await patient.close()
    return findings


def _print(name: str, finding: Finding) -> None:
    signs = report.SIGNS if _shows("✓✗") else report.PLAIN
    first, *others = report.lines(name, finding, signs)
    sign = signs[finding.verdict]
    typer.echo(typer.style(sign, fg=_COLOURS[finding.verdict], bold=True) + first.removeprefix(sign))
    for line in others:
        typer.echo(line)


def _shows(characters: str) -> bool:
    """Whether the terminal's encoding has them."""
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
