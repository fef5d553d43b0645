"""How the doctor tells what it found, and that docs/doctor.md tells the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from safelight.doctor import Finding, Verdict, fixes, report
from safelight.doctor.checks import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
LONG = "What was seen is told in a sentence that is longer than a line of eighty columns can be, and so it is wrapped."


def test_a_line_of_eighty_columns_is_enough() -> None:
    told = report.lines("forwarded address", Finding(Verdict.WRONG, LONG, f"{LONG}\n    type this\n{LONG}"))
    assert all(len(line) <= 80 for line in told)
    assert told[0].startswith("✗ forwarded address  What was seen")
    assert "        type this" in told


def test_what_is_to_be_typed_stays_as_it_is() -> None:
    typed = "    " + "x" * 100
    assert report.lines("CORS", Finding(Verdict.WRONG, "Wrong.", f"Do:\n{typed}"))[-1] == f"    {typed}"


def test_what_is_right_has_no_fix() -> None:
    assert len(report.lines("CORS", Finding(Verdict.OK, "Fine.", "Nothing to do."))) == 1


def test_what_is_unknown_is_no_fault() -> None:
    findings = [("a", Finding(Verdict.OK, "Fine.")), ("b", Finding(Verdict.UNKNOWN, "Nobody knows."))]
    assert report.sound(findings)
    assert report.summary(findings) == "All is well: 1 checks right, 1 unknown."
    findings.append(("c", Finding(Verdict.WRONG, "Wrong.", "Do.")))
    assert not report.sound(findings)
    assert report.document(findings)["findings"][2] == {"name": "c", "verdict": "wrong", "seen": "Wrong.", "fix": "Do."}


def test_checks_are_told_apart_by_name_and_need_what_comes_before() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert not check.needs or check.needs in names[: names.index(check.name)], check.name


def test_every_check_is_documented_in_its_own_words() -> None:
    listed = dict(re.findall(r"^\| ([^|`]+?) \| ([^|]+?) \|", PAGE, re.MULTILINE))
    for check in CHECKS:
        assert listed.pop(check.name, None) == " ".join((inspect.getdoc(check.examine) or "").split()), check.name
    assert set(listed) <= {"check", "---"}


@pytest.mark.parametrize("name", [name for name in vars(fixes) if name.isupper() and not name.startswith("_")])
def test_every_fix_is_documented_in_its_own_words(name: str) -> None:
    text = re.sub(r"\s+", " ", getattr(fixes, name)).strip()
    assert text in re.sub(r"\s+", " ", PAGE.replace("```", "")), name
