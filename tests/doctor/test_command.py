"""`safelight doctor` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.running import Server
from tests.servers.seaweed import BUCKET, SeaweedFS


def doctor(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    return subprocess.run(
        [sys.executable, "-m", "safelight.cli", "doctor", *options],
        cwd=folder,
        env={**kept, "PYTHONUTF8": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def verdicts(told: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["verdict"] for each in told["findings"]}


def test_a_fresh_folder_is_well(tmp_path: Path) -> None:
    told = doctor(tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "\N{CHECK MARK} settings" in told.stdout
    assert "\x1b" not in told.stdout, "no colour where it is no terminal"
    assert all(len(line) <= 80 for line in told.stdout.splitlines() if str(tmp_path) not in line)
    assert told.stdout.splitlines()[-1].startswith("All is well")


def test_what_is_wrong_is_told_with_its_fix_and_everything_else_is_tried(tmp_path: Path) -> None:
    told = doctor(tmp_path, SAFELIGHT_SECRET="short")
    assert told.returncode == 1
    assert "\N{BALLOT X} secret " in told.stdout
    assert "    echo SAFELIGHT_SECRET=" in told.stdout
    assert "\N{CHECK MARK} multipart" in told.stdout
    assert "1 wrong" in told.stdout.splitlines()[-1]


def test_a_terminal_without_these_signs_gets_others(tmp_path: Path) -> None:
    told = doctor(tmp_path, PYTHONUTF8="0", PYTHONIOENCODING="ascii:replace", SAFELIGHT_SECRET="short")
    assert "NO secret" in told.stdout
    assert "ok settings" in told.stdout


def test_settings_that_do_not_fit_are_a_finding(tmp_path: Path) -> None:
    told = doctor(tmp_path, "--json", SAFELIGHT_BROKER_URL="nats://a,b,c")
    findings = json.loads(told.stdout)
    assert (told.returncode, findings["ok"]) == (1, False)
    assert findings["findings"][0]["verdict"] == "wrong"
    assert "SAFELIGHT_STORAGE_URL" in findings["findings"][0]["seen"]
    assert {each["seen"] for each in findings["findings"][1:]} == {"Not examined, because of `settings`."}
    assert not (tmp_path / "data").exists()


def test_a_server_is_examined_while_it_runs(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        told = doctor(
            server.folder, "--json", "--url", server.url + "/", SAFELIGHT_DATA_DIR=str(server.folder / "data")
        )
    assert told.returncode == 0, told.stdout
    assert set(verdicts(json.loads(told.stdout)).values()) == {"ok"}


def test_an_address_where_nobody_answers_is_a_finding(tmp_path: Path) -> None:
    told = verdicts(json.loads(doctor(tmp_path, "--json", "--url", "http://127.0.0.1:1").stdout))
    assert (told["public address"], told["WebSocket"], told["store"]) == ("wrong", "unknown", "ok")


@pytest.mark.parametrize("url", ["photos.example.org", "ftp://photos.example.org"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    told = doctor(tmp_path, "--url", url)
    assert told.returncode == 2
    assert "https://" in told.stderr


def test_fix_makes_a_bucket_well(tmp_path: Path, seaweed: SeaweedFS) -> None:
    client = seaweed.client()
    other = {"ID": "other", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}
    client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [other]})
    settings = {**seaweed.environment, "SAFELIGHT_STORAGE_URL": seaweed.url("doctored")}
    try:
        before = verdicts(json.loads(doctor(tmp_path, "--json", **settings).stdout))
        assert [name for name, verdict in before.items() if verdict == "wrong"] == ["CORS", "unfinished uploads"]
        told = doctor(tmp_path, "--fix", **settings)
        assert told.returncode == 0, told.stdout
        assert "The CORS rules were:" in told.stdout
        assert doctor(tmp_path, **settings).returncode == 0
    finally:
        client.delete_bucket_cors(Bucket=BUCKET)
        client.delete_bucket_lifecycle(Bucket=BUCKET)
        client.close()
