"""Every route × {no token, bad token, other user}, from the OpenAPI document: a new route cannot be forgotten."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.pictures import jpeg
from tests.running import Client, Server

from safelight.app import openapi

# What works without a token, on purpose.
OPEN = {
    ("get", "/api/auth/options"),
    ("post", "/api/auth/register"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/link"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    # A secret of its own, and nothing is there without one (tests/http/test_hooks.py).
    ("post", "/hooks/s3"),
}
# For administrators alone, and as if it did not exist for all others (tests/http/test_admin.py).
ADMINISTRATION = {"/api/admin/connections", "/metrics"}
# Its caller proves himself by token or cookie in the command itself.
BODIES: dict[str, dict[str, Any]] = {
    "/commands/upload-jobs": {"files": [{"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 9}]},
    "/commands/upload-jobs/{job_id}/files": {"files": [{"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 9}]},
    "/commands/upload/progress": {"photoId": "{photo_id}", "bytesSent": 1},
}


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    return [(method, path) for path, item in openapi()["paths"].items() for method in item]


def _call(client: httpx.Client, method: str, path: str, ids: dict[str, str], **headers: str) -> httpx.Response:
    filled = re.sub(r"\{(\w+)\}", lambda m: ids[m.group(1)], path)
    body = BODIES.get(path)
    if body and "photoId" in body:
        body = {**body, "photoId": ids["photo_id"]}
    return client.request(method, filled, json=body, headers=headers)


def test_no_token_and_bad_tokens_get_401_on_every_route(server: Server, routes: list[tuple[str, str]]) -> None:
    ids = {"job_id": "job_x", "photo_id": "ph_x", "connection_id": "x"}
    good = server.client().token
    bad = ["x", "slt_unknown", good[:-2] + ("aa" if good[-2:] != "aa" else "bb"), f"{good}.{good}"]
    with httpx.Client(base_url=server.url) as anonymous:
        for method, path in routes:
            if (method, path) in OPEN:
                continue
            answers = [_call(anonymous, method, path, ids)]
            answers += [_call(anonymous, method, path, ids, authorization=f"Bearer {token}") for token in bad]
            for answer in answers:
                assert answer.status_code == 401, (method, path, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["code"] in {"unauthenticated", "token-expired"}


def test_j7_another_users_ids_get_404_on_every_route_that_takes_one(
    server: Server, routes: list[tuple[str, str]], client: Client
) -> None:
    owner = client
    photo = jpeg()
    created = owner.declare(("mine.jpg", len(photo)), ("done.jpg", 0))
    ids = {"job_id": created["jobId"], "photo_id": created["items"][0]["photoId"], "connection_id": "x"}
    before = owner.job(ids["job_id"])
    with server.client() as stranger:
        for method, path in routes:
            if "{" not in path and path not in {"/commands/upload/progress", *ADMINISTRATION}:
                continue
            answer = _call(stranger, method, path, ids)
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.json()["code"] == "not-found"
    assert owner.job(ids["job_id"]) == before


def test_lists_show_nothing_of_another_user(server: Server, client: Client) -> None:
    job_id, photo_id = client.ingest(jpeg(seed=3))
    client.ended(job_id)
    assert photo_id in client.get("/queries/photos").text
    with server.client() as stranger:
        for path in ("/queries/photos", "/queries/photos/trash", "/queries/upload-jobs"):
            assert stranger.get(path).json()["items"] == []


def test_every_route_with_an_id_is_covered(routes: list[tuple[str, str]]) -> None:
    known = {"job_id", "photo_id", "connection_id"}
    for _, path in routes:
        assert set(re.findall(r"\{(\w+)\}", path)) <= known, path
