"""What was found, for people (80 columns) and for machines (JSON)."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from safelight.doctor.finding import Finding, Verdict

SIGNS: Final = {Verdict.OK: "✓", Verdict.WRONG: "✗", Verdict.UNKNOWN: "?"}
PLAIN: Final = {Verdict.OK: "ok", Verdict.WRONG: "NO", Verdict.UNKNOWN: "?"}
WIDTH: Final = 80
_NAME: Final = 18
_INDENT: Final = "    "


def lines(name: str, finding: Finding, signs: dict[Verdict, str] = SIGNS) -> list[str]:
    """One finding: its line, and below it what was changed, or what is to be done."""
    head = f"{signs[finding.verdict]} {name:{_NAME}} "
    hanging = " " * len(head)
    told = textwrap.wrap(
        finding.seen,
        WIDTH,
        initial_indent=head,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [*told, *_below(finding.changed), *([] if finding.verdict is Verdict.OK else _below(finding.fix))]


def summary(findings: Sequence[tuple[str, Finding]]) -> str:
    """The last line."""
    count = Counter(finding.verdict for _, finding in findings)
    rest = f", {count[Verdict.UNKNOWN]} unknown" if count[Verdict.UNKNOWN] else ""
    if not count[Verdict.WRONG]:
        return f"All is well: {count[Verdict.OK]} checks right{rest}."
    return f"{count[Verdict.WRONG]} wrong, {count[Verdict.OK]} right{rest}."


def document(findings: Sequence[tuple[str, Finding]]) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "ok": sound(findings),
        "findings": [
            {
                "name": name,
                "verdict": str(finding.verdict),
                "seen": finding.seen,
                **({"fix": finding.fix} if finding.fix else {}),
                **({"changed": finding.changed} if finding.changed else {}),
            }
            for name, finding in findings
        ],
    }


def sound(findings: Sequence[tuple[str, Finding]]) -> bool:
    """Whether nothing is wrong; what is unknown is no fault."""
    return all(finding.verdict is not Verdict.WRONG for _, finding in findings)


def _below(text: str) -> list[str]:
    """Sentences wrapped; indented lines, which are to be typed, as they are."""
    told: list[str] = []
    for typed, group in groupby(text.splitlines(), lambda line: line.startswith(" ")):
        if typed:
            told += [_INDENT + line for line in group]
        else:
            told += textwrap.wrap(
                " ".join(group), WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
            )
    return told
