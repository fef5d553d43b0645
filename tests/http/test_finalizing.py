"""Many photos finalized in one call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import crc32c
import httpx
from tests.pictures import big_jpeg, jpeg
from tests.running import Client, Server

MiB = 1024 * 1024


def _sent(client: Client, photos: list[bytes]) -> tuple[str, list[dict[str, Any]]]:
    """A job whose photos have all arrived, and the body that finalizes each."""
    created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
    bodies = []
    for item, photo in zip(created["items"], photos, strict=True):
        body = {"photoId": item["photoId"], "checksum": f"crc32c:{crc32c.crc32c(photo):08x}"}
        if upload := item["multipart"]:
            at, size = 0, upload["partSize"]
            parts = []
            for part in upload["partUrls"]:
                etag = httpx.put(part["presignedUrl"], content=photo[at : at + size]).headers["etag"]
                parts.append({"partNumber": part["partNumber"], "etag": etag})
                at += size
            body |= {"uploadId": upload["uploadId"], "parts": parts}
        else:
            assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
        bodies.append(body)
    return created["jobId"], bodies


def _finalize(client: Client, items: list[dict[str, Any]]) -> list[str | None]:
    """The code of what is wrong with each."""
    answer = client.post("/commands/upload/finalize", json={"items": items})
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    assert [each["photoId"] for each in found] == [item["photoId"] for item in items]
    return [each.get("problem", {}).get("code") for each in found]


def test_u17_many_are_finalized_by_one_call_of_whatever_job_and_size(client: Client) -> None:
    one, first = _sent(client, [jpeg(seed=1), big_jpeg(9 * MiB, seed=2)])
    other, second = _sent(client, [jpeg(seed=3)])
    assert _finalize(client, [second[0], *first]) == [None] * 3
    assert _finalize(client, [*first, *second]) == [None] * 3
    for job_id, count in ((one, 2), (other, 1)):
        assert client.ended(job_id)["completedCount"] == count
        events = client.get(f"/queries/upload-jobs/{job_id}/events", params={"after": 0}).json()["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert sum("photoId" in event and event["status"] == "PROCESSING" for event in events) == 5 * count


def test_u17_what_is_wrong_with_one_keeps_no_other_back(client: Client, server: Server) -> None:
    _, (whole, wrong, gone) = _sent(client, [jpeg(seed=1), jpeg(seed=2), jpeg(seed=3)])
    unsent = client.declare(("unsent.jpg", 1_000))["items"][0]
    client.post(f"/commands/upload/{gone['photoId']}/cancel")
    with server.client() as stranger:
        _, (foreign,) = _sent(stranger, [jpeg(seed=4)])
    wrong["checksum"] = "crc32c:00000000"
    found = _finalize(client, [wrong, {"photoId": unsent["photoId"]}, gone, foreign, {"photoId": "ph_none"}, whole])
    assert found == ["checksum-mismatch", "not-uploaded", "upload-gone", "not-found", "not-found", None]
    answer = client.post("/commands/upload/finalize", json={"items": [wrong]}).json()["items"][0]["problem"]
    alone = client.post(f"/commands/upload/{wrong['photoId']}/finalize")
    assert (answer["status"], answer["code"], answer["detail"]) == (
        alone.status_code,
        alone.json()["code"],
        alone.json()["detail"],
    )


def test_u17_calls_that_overlap_end_as_one(client: Client) -> None:
    job_id, bodies = _sent(client, [jpeg(seed=number) for number in range(20)])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda items: _finalize(client, items), [bodies, bodies[::-1], bodies[5:], bodies]):
            assert set(found) == {None}
    ended = client.ended(job_id)
    assert (ended["completedCount"], ended["failedCount"]) == (20, 0)
    events = client.get(f"/queries/upload-jobs/{job_id}/events", params={"after": 0}).json()["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_u17_a_body_that_names_nothing_is_refused(client: Client) -> None:
    refused = client.post("/commands/upload/finalize", json={"items": []})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
