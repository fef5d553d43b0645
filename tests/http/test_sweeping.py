"""The reconciler of a real server, by the terminal, by its metrics, and by what clients see of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.pictures import big_jpeg
from tests.running import Client, Server

MiB = 1024 * 1024


def _reconcile(server: Server, *words: str) -> tuple[int, list[str], str]:
    """`safelight reconcile` on the server's folder: exit status, lines, complaint."""
    environment = {"SAFELIGHT_DATA_DIR": str(server.folder / "data"), "SAFELIGHT_TRASH_DAYS": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "safelight.cli", "reconcile", *words],
        env={**os.environ, **environment},
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def _trashed(client: Client) -> str:
    created = client.declare(("a.jpg", 100))
    photo_id: str = created["items"][0]["photoId"]
    assert client.post(f"/commands/upload/{photo_id}/cancel").status_code == 204
    assert client.delete(f"/commands/photos/{photo_id}").status_code == 204
    return photo_id


def test_the_terminal_tells_what_is_amiss_and_sets_it_right_while_no_server_does(start: Callable[..., Server]) -> None:
    server = start(sweep_seconds="600")
    with server.client() as client:
        photo_id = _trashed(client)
        told = f"trash     {photo_id}  it has been in the trash for more than 0 days: delete it for good."
        assert _reconcile(server, "--dry-run") == (0, [told, "1 found, nothing changed."], "")
        assert photo_id in [each["photoId"] for each in client.get("/queries/photos/trash").json()["items"]]
        status, lines, complaint = _reconcile(server)
        assert (status, lines) == (1, [])
        assert "Another Safelight is using" in complaint
        server.stop()
    assert _reconcile(server) == (0, [f"{told} Done.", "1 found, 1 set right."], "")
    assert _reconcile(server) == (0, ["Nothing is amiss."], "")


def test_what_the_sweep_does_is_counted(start: Callable[..., Server]) -> None:
    server = start(sweep_seconds="0.05", trash_days="0", admins="boss@example.org")
    with server.client("boss@example.org") as boss:
        photo_id = _trashed(boss)
        deadline = time.monotonic() + 30
        while not (values := _values(boss.get("/metrics").text))["safelight_reconciled_total", "trash"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert boss.get(f"/queries/photos/{photo_id}").status_code == 404
    assert values["safelight_reconciled_total", "trash"] == 1
    assert values["safelight_reconcile_findings_total", "trash"] == 1
    assert values["safelight_reconcile_failures_total", "trash"] == 0
    assert ("safelight_live_events_in_total", None) in values


def _values(text: str) -> dict[tuple[str, str | None], float]:
    """Samples by name and step."""
    return {
        (sample.name, sample.labels.get("step")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_u9_a_client_that_asks_for_parts_goes_on_where_the_store_has_forgotten_them(
    start: Callable[..., Server],
) -> None:
    server = start()
    photo = big_jpeg(9 * MiB)
    with server.client() as client:
        created = client.declare(("large.jpg", len(photo)))
        item = created["items"][0]
        first = item["multipart"]["partUrls"][0]
        assert httpx.put(first["presignedUrl"], content=photo[: first["size"]]).status_code == 200
        for folder in (server.folder / "data" / "store" / "uploads").iterdir():
            shutil.rmtree(folder)
        gone = httpx.put(first["presignedUrl"], content=photo[: first["size"]])
        assert (gone.status_code, gone.json()["code"]) == (409, "upload-gone")
        fresh = client.get(f"/queries/upload/{item['photoId']}/parts").json()
        assert fresh["parts"] == []
        assert fresh["uploadId"] != item["multipart"]["uploadId"]
        urls = client.post(f"/commands/upload/{item['photoId']}/urls", json={"partNumbers": [1, 2]}).json()["partUrls"]
        at, parts = 0, []
        for url in urls:
            put = httpx.put(url["presignedUrl"], content=photo[at : at + url["size"]])
            parts.append({"partNumber": url["partNumber"], "etag": put.headers["etag"]})
            at += url["size"]
        body = {"uploadId": fresh["uploadId"], "parts": parts}
        assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
        job = client.ended(created["jobId"])
        assert (job["status"], job["photos"][0]["attempt"]) == ("COMPLETED", 1)
        again = client.get(f"/queries/upload/{item['photoId']}/parts")
        assert (again.status_code, again.json()["code"]) == (409, "already-stored")
        with server.client() as stranger:
            assert stranger.get(f"/queries/upload/{item['photoId']}/parts").status_code == 404
