"""The store tells of what arrived (U14): in every dialect, to who knows the secret, and by a real store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.pictures import jpeg
from tests.running import Client, Server
from tests.servers.seaweed import SeaweedFS

SECRET = "of the hook"


def _s3(name: str, key: str) -> dict[str, Any]:
    """As S3 sends it, keys URL-encoded."""
    bucket = {"name": "photos", "arn": "arn:aws:s3:::photos"}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": bucket, "object": {"key": key, "size": 5, "eTag": "d41d8cd9"}},
    }
    return {"Records": [record]}


def _minio(key: str) -> dict[str, Any]:
    encoded = key.replace("/", "%2F")
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"photos/{key}", **_s3("s3:ObjectCreated:Put", encoded)}


def _event_bridge(key: str) -> dict[str, Any]:
    detail = {"version": "0", "bucket": {"name": "photos"}, "object": {"key": key, "size": 5}, "reason": "PutObject"}
    return {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def _seaweed(key: str) -> dict[str, Any]:
    message = {"new_entry": {"name": key.rpartition("/")[2]}, "new_parent_path": "/buckets/photos"}
    return {"key": f"/buckets/photos/{key}", "event_type": "create", "message": message}


DIALECTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "s3": lambda key: _s3("ObjectCreated:Put", key.replace("/", "%2F")),
    "minio": _minio,
    "eventbridge": _event_bridge,
    "seaweedfs": _seaweed,
}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the store may tell, and that sweeps but once, at its start."""
    folder = tmp_path_factory.mktemp("hooked")
    with Server(folder, {"hook_secret": SECRET, "sweep_seconds": "600"}) as running:
        time.sleep(1)
        yield running


def _tell(server: Server, body: object, secret: str | None = SECRET) -> httpx.Response:
    headers = {"authorization": f"Bearer {secret}"} if secret is not None else {}
    return httpx.post(f"{server.url}/hooks/s3", json=body, headers=headers)


def _arrive(client: Client, count: int = 1) -> list[str]:
    """Photos that were sent and never finalized, by id."""
    sent = [jpeg(seed=n) for n in range(count)]
    created = client.declare(*((f"{n}.jpg", len(photo)) for n, photo in enumerate(sent)))
    for item, photo in zip(created["items"], sent, strict=True):
        assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
    return [item["photoId"] for item in created["items"]]


def _until_processed(client: Client, ids: list[str], seconds: float = 30) -> float:
    """Wait until these photos are COMPLETED; the seconds that took."""
    began = time.monotonic()
    while {client.get(f"/queries/photos/{each}").json()["status"] for each in ids} != {"COMPLETED"}:
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def test_u14_what_the_store_tells_of_is_finalized_in_every_dialect(hooked: Server) -> None:
    with hooked.client() as client:
        ids = _arrive(client, len(DIALECTS) + 1)
        for photo_id, (name, dialect) in zip(ids, DIALECTS.items(), strict=False):
            told = _tell(hooked, dialect(f"some prefix/incoming/originals/{photo_id}.1"))
            assert (told.status_code, told.content) == (204, b""), name
        # Also where the key comes as Safelight calls it.
        assert _tell(hooked, _s3("ObjectCreated:Put", f"originals/{ids[-1]}.1")).status_code == 204
        # A client that finalizes within moments, perhaps with a checksum, still does so itself.
        assert _until_processed(client, ids) > 2
        for photo_id in ids:
            assert _tell(hooked, _event_bridge(f"incoming/originals/{photo_id}.1")).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"},
        _s3("ObjectCreated:Put", "somebody/elses.jpg"),
        _s3("ObjectCreated:Put", "incoming/originals/ph_nobody.1"),
        _s3("ObjectRemoved:Delete", "incoming/originals/ph_nobody.1"),
        _s3("ObjectCreated:Put", "originals/%00%0Aph_nobody.1"),
        {"key": "/etc/seaweedfs", "event_type": "delete", "message": {}},
        {},
    ],
)
def test_u14_what_means_nothing_to_us_is_passed_over(hooked: Server, body: object) -> None:
    assert _tell(hooked, body).status_code == 204


def test_u14_nobody_else_is_listened_to(hooked: Server, server: Server) -> None:
    body = _s3("ObjectCreated:Put", "incoming/originals/ph_nobody.1")
    for secret in (None, "wrong", f"{SECRET}.", SECRET.upper()):
        refused = _tell(hooked, body, secret)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert _tell(hooked, {"Records": 5}, "wrong").status_code == 401
    unheard_of: tuple[object, ...] = ([], "text", {"Records": [{"eventName": 5}]})
    for odd in unheard_of:
        assert _tell(hooked, odd).status_code == 422
    # Without a secret there is no such address.
    for secret in (None, "None", SECRET):
        nothing = _tell(server, body, secret)
        assert (nothing.status_code, nothing.json()["code"]) == (404, "not-found")


def test_u14_seaweedfs_tells_by_itself(tmp_path: Path) -> None:
    """The whole way: a browser's PUT to the store, the store's word to us, the photo in the library."""
    seaweed = SeaweedFS(tmp_path / "seaweed")
    server = Server(tmp_path / "server", {"hook_secret": SECRET, "sweep_seconds": "600", "storage_url": seaweed.url()})
    server.environment = seaweed.environment
    seaweed.folder.mkdir()
    (seaweed.folder / "notification.toml").write_text(
        f"""
[notification.webhook]
enabled = true
endpoint = "{server.url}/hooks/s3"
bearer_token = "{SECRET}"
path_prefixes = ["/buckets/photos/incoming/"]
"""
    )
    with seaweed, server, server.client() as client:
        time.sleep(1)
        ids = _arrive(client, 3)
        _until_processed(client, ids)
