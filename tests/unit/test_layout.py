"""The house rules that a machine can check: who imports whom, how long a file is, and that everything is documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from safelight import errors
from safelight.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "safelight"
DOCS = ROOT / "docs"
MAX_PYTHON = 400
MAX_TYPESCRIPT = 300

# Room → the rooms it may import from (design.md: edges → commands, queries → domain, ports; adapters → ports, domain).
LEAVES = {"errors", "settings", "ids", "log", ""}
ALLOWED: dict[str, set[str]] = {
    "domain": {"errors"},
    "errors": set(),
    "settings": {"errors"},
    "ids": set(),
    "log": set(),
    "ports": {"domain", "errors", "settings"},
    "commands": {"domain", "ports", *LEAVES},
    "queries": {"domain", "ports", *LEAVES},
    "adapters": {"domain", "ports", *LEAVES},
    "processing": {"domain", "ports", *LEAVES},
    "realtime": {"domain", "ports", *LEAVES},
    "http": {"commands", "queries", "domain", "ports", "realtime", *LEAVES},
    "worker": {"commands", "queries", "domain", "ports", "processing", *LEAVES},
    "reconcile": {"commands", "queries", "domain", "ports", *LEAVES},
    "doctor": {"domain", "ports", *LEAVES},
    "client": {"client"},
    "app": {
        "commands",
        "queries",
        "domain",
        "ports",
        "adapters",
        "http",
        "realtime",
        "processing",
        "worker",
        "reconcile",
        "doctor",
        *LEAVES,
    },
    "cli": {"app", "commands", "queries", "doctor", "domain", "ports", "reconcile", *LEAVES},
}
PURE = ["domain", *(f"realtime/{name}.py" for name in ("stomp", "session", "bucket", "tempo"))]
IMPURE = {"asyncio", "fastapi", "starlette", "sqlalchemy", "time", "socket", "os", "uvicorn", "structlog"}


def _sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (SOURCE / parts[1]).with_suffix("").exists() else _file_room(parts)


def _file_room(parts: list[str]) -> str:
    return parts[1] if len(parts) > 1 and (SOURCE / f"{parts[1]}.py").exists() else ""


@pytest.mark.parametrize("path", _sources(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_downwards(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if own in {"__init__", "__main__"}:
        return
    for module in _imports(path):
        if module.startswith("safelight"):
            room = _room(module)
            assert room == own or room in ALLOWED[own], f"{own} may not import {module}"


@pytest.mark.parametrize("place", PURE)
def test_what_is_pure_imports_no_clock_loop_or_framework(place: str) -> None:
    root = SOURCE / place
    for path in [root] if root.suffix else sorted(root.rglob("*.py")):
        assert not {m.split(".")[0] for m in _imports(path)} & IMPURE, path


def test_files_are_short() -> None:
    web = ROOT / "web" / "src"
    long = {
        str(path.relative_to(ROOT)): lines
        for path, cap in [(p, MAX_PYTHON) for p in _sources()]
        + [(p, MAX_TYPESCRIPT) for kind in ("*.ts", "*.tsx") for p in web.rglob(kind) if not _generated(p)]
        if (lines := len(path.read_text().splitlines())) > cap
    }
    assert not long


def _generated(path: Path) -> bool:
    return (path.name == "api.ts" and path.parent.name == "types") or ".test." in path.name


def test_every_setting_is_documented() -> None:
    table, example = (DOCS / "settings.md").read_text(), (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        variable = f"SAFELIGHT_{name.upper()}"
        assert f"`{variable}`" in table, variable
        assert variable in example, variable
        assert field.description, variable
    assert set(re.findall(r"SAFELIGHT_[A-Z_]+", example)) <= {f"SAFELIGHT_{n.upper()}" for n in Settings.model_fields}


def _codes() -> set[str]:
    found = set()
    kinds = [errors.SafelightError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.code)
        kinds += kind.__subclasses__()
    return found


def test_every_error_code_is_documented_in_its_own_words() -> None:
    text = (DOCS / "errors.md").read_text()
    for code in _codes():
        assert f"`{code}`" in text, code


def test_every_error_sentence_ends_and_says_something() -> None:
    kinds = [errors.SafelightError]
    while kinds:
        kind = kinds.pop()
        assert kind().message.endswith((".", "`.")), kind
        assert len(kind().message) > 30, kind
        kinds += kind.__subclasses__()


def test_every_decision_is_numbered_and_short() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text()
        assert len(text.splitlines()) <= 80, page.name
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in text, f"{page.name}: {heading}"


# Rules that other means hold than a test of their name: the state machine of test_lives.py, the durability of U5.
HELD_ELSEWHERE = {"u5", "j1", "j3"}


def test_every_numbered_rule_has_a_test_of_its_name() -> None:
    rules = {
        rule.lower() for rule in re.findall(r"^- \*\*([UJEL]\d+)\*\*", (DOCS / "protocol.md").read_text(), re.MULTILINE)
    }
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"def test_([ujel]\d+)_", tests))
    assert rules - named <= HELD_ELSEWHERE
    assert named <= rules
