"""What deploy/ and docs/deploy.md name is there: settings, commands, addresses, actions, and how long an end may take.

No container engine is needed, and none is run: this keeps the files true to the program and to each other.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from safelight.adapters.s3.address import Address
from safelight.app import openapi
from safelight.cli.commands import terminal
from safelight.cli.serving import FINISH_SECONDS
from safelight.doctor import cors, lifecycle
from safelight.settings import Settings


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())  # type: ignore[no-untyped-call]  # PyYAML has no types


ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "safelight"
PAGE = ROOT / "docs" / "deploy.md"
FILES = [
    ROOT / "Dockerfile",
    PAGE,
    *sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name != ".env"),
]
COMPOSE = _yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VALUES = _yaml(CHART / "values.yaml")
OURS = ["server-1", "server-2", "worker"]
PUBLIC = "https://photos.example.org"

# What each call of the S3 adapter needs (AWS: "Actions, resources, and condition keys for Amazon S3"). UploadPart is
# made by clients, with a URL that the adapter signs: it is PutObject, as the others that write are.
ACTIONS = {
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "complete_multipart_upload": {"s3:PutObject"},
    "copy_object": {"s3:GetObject", "s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "delete_object": {"s3:DeleteObject"},
    "get_object": {"s3:GetObject"},
    "head_bucket": {"s3:ListBucket"},
    "head_object": {"s3:GetObject"},
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "list_objects_v2": {"s3:ListBucket"},
    "list_parts": {"s3:ListMultipartUploadParts"},
    "put_object": {"s3:PutObject"},
}
OF_THE_BUCKET = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}


def environment() -> dict[str, str]:
    """deploy/.env.example, filled in."""
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    return {name: value or "0" * 64 for name, value in given.items()} | {"SAFELIGHT_PUBLIC_URL": PUBLIC}


def filled(text: str) -> str:
    """`${NAME:?…}`, `${NAME:-…}` and `${NAME}` as compose puts values in place of them; KeyError for an unknown one."""
    return re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", lambda found: environment()[found[1]], text)


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, filled(value))
    return Settings(_env_file=None)


def seconds(text: str) -> float:
    return float(text.removesuffix("s")) if text.endswith("s") else float(text.removesuffix("m")) * 60


def accept(command: list[str]) -> None:
    """Raise unless the words after `safelight` name a command and options that it has."""
    found: Any = typer.main.get_command(terminal)
    rest = list(command)
    while rest and hasattr(found, "commands"):
        found = found.commands[rest.pop(0)]
    options = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options, command


def commands() -> Iterator[list[str]]:
    """`safelight …` in a line to be typed, or between backticks."""
    for path in FILES:
        for words in re.findall(r"(?:^|[`$ ])safelight ((?!-)[a-z][^`#\n|&;]*)", path.read_text(), re.MULTILINE):
            if not re.match(r"(Photo|and|are|is|says|safelight)\b", words):
                yield shlex.split(words)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_named_is_one(path: Path) -> None:
    named = set(re.findall(r"SAFELIGHT_[A-Z_]+", path.read_text()))
    assert named <= {f"SAFELIGHT_{name.upper()}" for name in Settings.model_fields}


def test_every_command_named_is_one() -> None:
    named = list(commands())
    assert {words[0] for words in named} >= {"serve", "worker", "doctor", "reconcile", "user", "token"}
    for words in named:
        accept(words)


def test_a_command_that_is_none_is_found() -> None:
    with pytest.raises(KeyError):
        accept(["undo"])
    with pytest.raises(AssertionError):
        accept(["reconcile", "--hard"])


def test_compose_and_chart_start_what_there_is() -> None:
    for service in OURS:
        accept(SERVICES[service]["command"])
    listed = re.findall(r'"args" \(list (.+?)\)', "".join(path.read_text() for path in CHART.rglob("*.yaml")))
    assert len(listed) == 2
    for words in listed:
        accept(shlex.split(words))


@pytest.mark.parametrize("service", OURS)
def test_what_compose_sets_is_valid_for_many_machines(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch)
    assert settings.postgres
    assert settings.s3
    assert [url.rpartition("@")[2] for url in settings.nats_servers] == ["nats-1", "nats-2", "nats-3"]
    assert {"nats-1", "nats-2", "nats-3"} <= SERVICES.keys()
    assert settings.secret == "0" * 64


def test_servers_and_workers_of_compose_share_what_they_must() -> None:
    shared = [
        {name: value for name, value in SERVICES[service]["environment"].items() if name in COMPOSE["x-settings"]}
        for service in OURS
    ]
    assert shared == [COMPOSE["x-settings"]] * len(OURS)


def test_compose_asks_for_what_the_example_has() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked == environment().keys()


def test_browsers_reach_the_store_under_the_name_that_is_signed() -> None:
    address = Address.parse(filled(COMPOSE["x-settings"]["SAFELIGHT_STORAGE_URL"]))
    caddy = (DEPLOY / "Caddyfile").read_text()
    assert address.public_endpoint == PUBLIC
    assert address.path_style
    assert address.endpoint == "http://s3:8333"
    assert f"handle /{address.bucket}/* {{" in caddy
    assert "header_up" not in caddy  # Host as it came
    assert f"s3.bucket.create -name {address.bucket}'" in SERVICES["bucket"]["command"][0]
    (identity,) = json.loads(filled(COMPOSE["configs"]["s3"]["content"]))["identities"]
    assert identity["actions"] == [f"{what}:{address.bucket}" for what in ("Read", "Write", "List")]
    assert identity["credentials"][0]["accessKey"] == COMPOSE["x-settings"]["AWS_ACCESS_KEY_ID"]


def test_the_proxy_leads_to_services_that_are_there() -> None:
    upstreams = re.findall(r"^\s*reverse_proxy (.+) \{$", (DEPLOY / "Caddyfile").read_text(), re.MULTILINE)
    hosts = {upstream.partition(":")[0] for line in upstreams for upstream in line.split()}
    assert hosts == {"s3", "server-1", "server-2"}
    assert hosts <= SERVICES.keys()


def test_every_health_address_is_one() -> None:
    known = openapi()["paths"].keys()
    for path in FILES:
        assert set(re.findall(r"/health/\w+", path.read_text())) <= known, path


def test_nobody_is_killed_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in OURS:
        with monkeypatch.context() as patched:
            settings = settings_of(service, patched)
        needed = (settings.finish_seconds if service == "worker" else settings.drain_seconds) + FINISH_SECONDS
        assert seconds(SERVICES[service]["stop_grace_period"]) > needed, service
    templates = "".join(path.read_text() for path in (CHART / "templates").glob("*.yaml"))
    spare = {name: int(more) for name, more in re.findall(r"\(add \.Values\.(\S+) (\d+)\)", templates)}
    assert spare.keys() == {"server.drainSeconds", "worker.finishSeconds"}
    assert min(spare.values()) > FINISH_SECONDS


def test_every_service_is_bounded_and_watched() -> None:
    for name, service in SERVICES.items():
        assert {"cpus", "memory"} == service["deploy"]["resources"]["limits"].keys(), name
        assert "restart" in service, name
        assert "healthcheck" in service or name == "bucket", name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == f"service_{'completed_successfully' if other == 'bucket' else 'healthy'}", name
    for name in OURS:
        assert SERVICES[name]["read_only"], name
        assert SERVICES[name]["cap_drop"] == ["ALL"], name


def test_the_policy_allows_what_the_adapter_calls_and_nothing_else() -> None:
    statements = json.loads((DEPLOY / "s3-policy.json").read_text())["Statement"]
    allowed = {statement["Sid"]: set(statement["Action"]) for statement in statements}
    needed = set().union(*(ACTIONS[call] for call in s3_calls()))
    assert allowed == {"Objects": needed - OF_THE_BUCKET, "Bucket": needed & OF_THE_BUCKET}
    assert s3_calls() == ACTIONS.keys()


def s3_calls() -> set[str]:
    """The operations that the S3 adapter asks for, by name. bucket.py is the doctor's, and has a key of its own."""
    found = set()
    for path in (ROOT / "src/safelight/adapters/s3").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())) if path.name != "bucket.py" else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                named = isinstance(first, ast.Constant) and isinstance(first.value, str)
                if named and node.func.attr in {"call", "_call", "_once", "_again"}:
                    found.add(ast.literal_eval(node.args[0]))
    return found


def test_cors_and_lifecycle_are_what_the_doctor_sets() -> None:
    rules = json.loads((DEPLOY / "s3-cors.json").read_text())["CORSRules"]
    assert rules == [cors.rule([PUBLIC])]
    assert "ETag" in rules[0]["ExposeHeaders"]
    days = Settings.model_fields["upload_days"].default
    assert json.loads((DEPLOY / "s3-lifecycle.json").read_text())["Rules"] == lifecycle.rules("", days)


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested, shipped = (pins(ROOT / f"requirements-{name}.lock") for name in ("dev", "distributed"))
    assert shipped.items() <= tested.items()
    image = (ROOT / "Dockerfile").read_text()
    for copied in re.findall(r"requirements-[a-z]+\.lock", image):
        assert (ROOT / copied).is_file(), copied
    assert re.findall(r"^USER (.+)$", image, re.MULTILINE) == ["10001:10001"]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", path.read_text(), re.MULTILINE))


def test_templates_name_values_and_definitions_that_are_there() -> None:
    text = "".join(path.read_text() for path in sorted((CHART / "templates").iterdir()))
    for path in set(re.findall(r"\.Values((?:\.\w+)+)", text)):
        value: Any = VALUES
        for key in path[1:].split("."):
            value = value[key]
    for path in set(re.findall(r"\.values((?:\.\w+)+)", text)):
        for role in ("server", "worker"):
            value = VALUES[role]
            for key in path[1:].split("."):
                value = value[key]
    assert set(re.findall(r'include "([\w.]+)"', text)) == set(re.findall(r'define "([\w.]+)"', text))
    assert text.count("{{") == text.count("}}")


def test_the_charts_schema_knows_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert VALUES.keys() == schema.keys() - {"global"}
    for name in ("image", "serviceAccount", "server", "worker", "service", "ingress"):
        assert VALUES[name].keys() == schema[name]["properties"].keys(), name
    assert re.fullmatch(schema["publicUrl"]["pattern"], PUBLIC)


def test_every_metric_to_alert_on_is_measured() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    for name in set(re.findall(r"\bsafelight_[a-z_]+", PAGE.read_text())):
        assert f'"{re.sub("_(total|bucket)$", "", name)}"' in source, name


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
    assert "(docs/deploy.md)" in (ROOT / "README.md").read_text()
    assert "(deploy.md)" in (ROOT / "docs" / "architecture.md").read_text()
