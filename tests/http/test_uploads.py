"""A photo's way through the API: declared, sent, finalized, processed; and every way off it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import crc32c
import httpx
import pytest
from tests.pictures import big_jpeg, jpeg
from tests.running import Client, Server

MiB = 1024 * 1024
STAGES = [
    ("QUEUED", None),
    ("UPLOADING", None),
    ("PROCESSING", None),
    ("PROCESSING", "VERIFYING"),
    ("PROCESSING", "METADATA"),
    ("PROCESSING", "THUMBNAILS"),
    ("PROCESSING", "PUBLISHING"),
    ("COMPLETED", None),
]


def _checksum(data: bytes) -> str:
    return f"crc32c:{crc32c.crc32c(data):08x}"


def test_u1_a_small_photo_goes_as_a_single_put(client: Client) -> None:
    photo = jpeg(320, 200, seed=1)
    created = client.declare(("a.jpg", len(photo)))
    item = created["items"][0]
    assert item["method"] == "PUT"
    assert item["multipart"] is None
    put = httpx.put(item["presignedUrl"], content=photo)
    assert put.status_code == 200
    assert put.headers["etag"] == f'"{crc32c.crc32c(photo):08x}"'
    done = client.post(f"/commands/upload/{item['photoId']}/finalize", json={"checksum": _checksum(photo)})
    assert done.status_code == 204
    job = client.ended(created["jobId"])
    assert job["status"] == "COMPLETED"
    assert job["progressPercent"] == 100
    shown = client.get(f"/queries/photos/{item['photoId']}").json()
    assert (shown["width"], shown["height"], shown["mimeType"]) == (320, 200, "image/jpeg")
    for name in ("thumbnailUrl", "thumbnailUrl1024"):
        picture = httpx.get(shown[name])
        assert picture.headers["content-type"] == "image/webp"
    url = client.get(f"/queries/photos/{item['photoId']}/download-url").json()["url"]
    assert httpx.get(url).content == photo


def test_u2_a_large_photo_goes_in_8_mib_parts_in_any_order(client: Client) -> None:
    photo = big_jpeg(20 * MiB + 3, seed=5)
    created = client.declare(("large.jpg", len(photo)))
    item = created["items"][0]
    multipart = item["multipart"]
    assert item["presignedUrl"] is None
    assert (multipart["partSize"], multipart["partCount"]) == (8 * MiB, 3)
    parts = []
    for url in reversed(multipart["partUrls"]):
        start = (url["partNumber"] - 1) * 8 * MiB
        data = photo[start : start + url["size"]]
        etag = httpx.put(url["presignedUrl"], content=data).headers["etag"]
        parts.append({"partNumber": url["partNumber"], "etag": etag})
    known = client.get(f"/queries/upload/{item['photoId']}/parts").json()
    assert [part["partNumber"] for part in known["parts"]] == [1, 2, 3]
    body = {"uploadId": multipart["uploadId"], "parts": parts, "checksum": _checksum(photo)}
    assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
    assert client.post(f"/commands/upload/{item['photoId']}/finalize", json=body).status_code == 204
    assert client.ended(created["jobId"])["status"] == "COMPLETED"
    url = client.get(f"/queries/photos/{item['photoId']}/download-url").json()["url"]
    assert hashlib.sha256(httpx.get(url).content).digest() == hashlib.sha256(photo).digest()


def test_j4_every_state_and_stage_is_an_event_and_seq_has_no_gaps(client: Client, server: Server) -> None:
    job_id, photo_id = client.ingest(jpeg(seed=2))
    job = client.ended(job_id)
    events = client.get(f"/queries/upload-jobs/{job_id}/events?after=0").json()["events"]
    assert [event["seq"] for event in events] == list(range(1, job["seq"] + 1))
    seen = [(e["status"], e.get("stage")) for e in events if e.get("photoId") == photo_id]
    assert seen == STAGES
    percents = [e["progressPercent"] for e in events if "photoId" in e]
    assert percents == sorted(percents)
    assert "photoId" not in events[-1]
    assert events[-1]["status"] == "COMPLETED"


def test_u8_a_client_that_never_finalizes_still_ends_completed(start: Callable[..., Server]) -> None:
    with start(sweep_seconds="0.3").client() as client:
        photo = jpeg(seed=9)
        created = client.declare(("a.jpg", len(photo)))
        assert httpx.put(created["items"][0]["presignedUrl"], content=photo).status_code == 200
        assert client.ended(created["jobId"])["status"] == "COMPLETED"


def test_j5_the_same_idempotency_key_gives_the_same_job(client: Client) -> None:
    body = {"files": [{"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 5}]}
    first = client.post("/commands/upload-jobs", json=body, headers={"idempotency-key": "k1"})
    again = client.post("/commands/upload-jobs", json=body, headers={"idempotency-key": "k1"})
    assert first.json()["jobId"] == again.json()["jobId"]
    assert first.json()["items"][0]["photoId"] == again.json()["items"][0]["photoId"]
    body["files"][0]["bytes"] = 6
    other = client.post("/commands/upload-jobs", json=body, headers={"idempotency-key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-mismatch")


def test_u12_a_known_content_hash_is_not_sent_again(client: Client) -> None:
    photo = jpeg(seed=4)
    digest = f"sha256:{hashlib.sha256(photo).hexdigest()}"
    file = {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": len(photo), "contentHash": digest}
    created = client.post("/commands/upload-jobs", json={"files": [file]}).json()
    first = created["items"][0]
    httpx.put(first["presignedUrl"], content=photo)
    client.post(f"/commands/upload/{first['photoId']}/finalize")
    client.ended(created["jobId"])
    again = client.post("/commands/upload-jobs", json={"files": [file]}).json()
    assert again["items"][0]["duplicateOf"] == first["photoId"]
    assert again["items"][0]["presignedUrl"] is None
    assert client.job(again["jobId"])["status"] == "COMPLETED"
    assert client.get("/queries/photos").json()["totalElements"] == 1
    with_url = client.get(f"/queries/photos/{again['items'][0]['photoId']}/download-url").json()["url"]
    assert httpx.get(with_url).content == photo


def test_u16_a_photo_is_known_by_name_and_size_with_the_sums_to_compare(client: Client, server: Server) -> None:
    photo = big_jpeg(40_000, seed=42)
    ended = client.ended(client.ingest(photo, name="seen before.jpg")[0])
    files = [
        {"filename": "seen before.jpg", "bytes": len(photo)},
        {"filename": "seen before.jpg", "bytes": len(photo) + 1},
        {"filename": "never seen.jpg", "bytes": len(photo)},
    ]
    found = client.post("/queries/photos/known", json={"files": files})
    digest = f"sha256:{hashlib.sha256(photo).hexdigest()}"
    probe = "".join(f"{crc32c.crc32c(piece):08x}" for piece in (photo[:16384], photo[-16384:]))
    assert found.json()["items"] == [
        {
            "photoId": ended["photos"][0]["photoId"],
            "filename": "seen before.jpg",
            "bytes": len(photo),
            "contentHash": digest,
            "probe": probe,
        }
    ]
    # Declared without a hash, it is recognised by one all the same.
    again = {"filename": "copy.jpg", "mimeType": "image/jpeg", "bytes": len(photo), "contentHash": digest}
    declared = client.post("/commands/upload-jobs", json={"files": [again]}).json()
    assert declared["items"][0]["duplicateOf"] == ended["photos"][0]["photoId"]
    with server.client() as stranger:
        assert stranger.post("/queries/photos/known", json={"files": files}).json()["items"] == []
        assert stranger.post("/queries/photos/known", json={"files": []}).status_code == 422


def test_u15_a_snapshot_says_what_a_resume_needs(client: Client) -> None:
    file = {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 5, "relativePath": "trip/a.jpg", "lastModified": 7}
    created = client.post("/commands/upload-jobs", json={"files": [file], "expectedCount": 2}).json()
    [active] = client.get("/queries/upload-jobs", params={"status": "active"}).json()["items"]
    assert (active["expectedCount"], active["totalCount"]) == (2, 1)
    [photo] = client.job(created["jobId"])["photos"]
    assert [photo[name] for name in ("relativePath", "bytes", "lastModified")] == ["trip/a.jpg", 5, "7"]


def test_u12_a_false_content_hash_is_found_out(client: Client) -> None:
    photo = jpeg(seed=41)
    file = {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": len(photo), "contentHash": f"sha256:{'0' * 64}"}
    created = client.post("/commands/upload-jobs", json={"files": [file]}).json()
    httpx.put(created["items"][0]["presignedUrl"], content=photo)
    client.post(f"/commands/upload/{created['items'][0]['photoId']}/finalize")
    assert client.ended(created["jobId"])["photos"][0]["errorCode"] == "checksum-mismatch"


def test_j2_a_job_of_announced_files_stays_open_until_they_are_declared(client: Client) -> None:
    photo = jpeg(seed=6)
    created = client.declare(("a.jpg", len(photo)), expectedCount=2)
    item = created["items"][0]
    httpx.put(item["presignedUrl"], content=photo)
    client.post(f"/commands/upload/{item['photoId']}/finalize")
    while client.job(created["jobId"])["completedCount"] == 0:
        pass
    assert client.job(created["jobId"])["status"] == "IN_PROGRESS"
    more = {"files": [{"filename": "b.txt", "mimeType": "text/plain", "bytes": 5}]}
    added = client.post(f"/commands/upload-jobs/{created['jobId']}/files", json=more).json()
    assert added["items"][0]["errorCode"] == "unsupported-type"
    assert client.job(created["jobId"])["status"] == "COMPLETED_WITH_ERRORS"


def test_cancelling_ends_what_has_not_ended_and_repeats_in_peace(client: Client) -> None:
    photo = jpeg(seed=7)
    job_id, done_id = client.ingest(photo)
    client.ended(job_id)
    more = {"files": [{"filename": "b.jpg", "mimeType": "image/jpeg", "bytes": 12 * MiB}]}
    item = client.post(f"/commands/upload-jobs/{job_id}/files", json=more).json()["items"][0]
    assert client.job(job_id)["status"] == "IN_PROGRESS"
    url = item["multipart"]["partUrls"][0]["presignedUrl"]
    assert httpx.put(url, content=bytes(8 * MiB)).status_code == 200
    for _ in range(2):
        assert client.post(f"/commands/upload-jobs/{job_id}/cancel").status_code == 204
        assert client.post(f"/commands/upload/{item['photoId']}/cancel").status_code == 204
    job = client.job(job_id)
    assert (job["status"], job["completedCount"], job["cancelledCount"]) == ("COMPLETED", 1, 1)
    gone = httpx.put(url, content=bytes(8 * MiB))
    assert (gone.status_code, gone.json()["code"]) == (409, "upload-gone")
    refused = client.post(f"/commands/upload/{done_id}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_u7_retry_asks_for_lost_bytes_again(client: Client) -> None:
    photo = jpeg(seed=8)
    created = client.declare(("a.jpg", len(photo)))
    photo_id = created["items"][0]["photoId"]
    httpx.put(created["items"][0]["presignedUrl"], content=photo)
    wrong = client.post(f"/commands/upload/{photo_id}/finalize", json={"checksum": "crc32c:00000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "checksum-mismatch")
    failed = client.job(created["jobId"])
    assert failed["photos"][0]["errorMessage"] == wrong.json()["detail"]
    assert client.post(f"/commands/upload-jobs/{created['jobId']}/retry").status_code == 204
    again = client.job(created["jobId"])["photos"][0]
    assert (again["status"], again["attempt"], again["progressPercent"]) == ("QUEUED", 2, 0)
    url = client.post(f"/commands/upload/{photo_id}/urls").json()["presignedUrl"]
    assert httpx.put(url, content=photo).status_code == 200
    assert client.post(f"/commands/upload/{photo_id}/finalize", json={"checksum": _checksum(photo)}).status_code == 204
    assert client.ended(created["jobId"])["status"] == "COMPLETED"


def test_progress_of_a_store_elsewhere_is_taken_from_the_client(client: Client) -> None:
    created = client.declare(("a.jpg", 1000), ("b.jpg", 1000))
    first, second = (item["photoId"] for item in created["items"])
    assert client.post("/commands/upload/progress", json={"photoId": first, "bytesSent": 400}).status_code == 204
    updates = {"updates": [{"photoId": second, "bytesSent": 900, "bytesTotal": 1000}]}
    assert client.post("/commands/upload/progress", json=updates).status_code == 204
    while client.job(created["jobId"])["bytesSent"] < 1300:
        pass
    client.post("/commands/upload/progress", json={"photoId": first, "bytesSent": 100})
    states = client.job(created["jobId"])["photos"]
    assert [p["status"] for p in states] == ["UPLOADING", "UPLOADING"]
    assert [p["bytesSent"] for p in states] == [400, 900]


def test_trash_restore_and_permanent_deletion(client: Client) -> None:
    job_id, photo_id = client.ingest(jpeg(seed=10))
    client.ended(job_id)
    thumbnail = client.get(f"/queries/photos/{photo_id}").json()["thumbnailUrl"]
    for _ in range(2):
        assert client.delete(f"/commands/photos/{photo_id}").status_code == 204
    assert client.get("/queries/photos").json()["totalElements"] == 0
    assert [p["photoId"] for p in client.get("/queries/photos/trash").json()["items"]] == [photo_id]
    assert client.post(f"/commands/photos/{photo_id}/restore").status_code == 204
    assert client.get("/queries/photos").json()["totalElements"] == 1
    assert client.delete(f"/commands/photos/{photo_id}/permanent").status_code == 204
    assert client.get(f"/queries/photos/{photo_id}").status_code == 404
    assert httpx.get(thumbnail).status_code == 404
    assert client.job(job_id)["completedCount"] == len(client.job(job_id)["photos"]) == 1


def test_the_library_pages_by_number_and_by_cursor_and_searches(client: Client) -> None:
    photos = [jpeg(seed=n) for n in range(20, 25)]
    created = client.declare(*((f"beach {n}.jpg", len(photo)) for n, photo in enumerate(photos)))
    for item, photo in zip(created["items"], photos, strict=True):
        httpx.put(item["presignedUrl"], content=photo)
        client.post(f"/commands/upload/{item['photoId']}/finalize")
    client.ended(created["jobId"])
    by_number = [
        p["photoId"]
        for page in range(3)
        for p in client.get("/queries/photos", params={"page": page, "size": 2}).json()["items"]
    ]
    by_cursor: list[str] = []
    cursor = None
    while True:
        found = client.get("/queries/photos", params={"size": 2} | ({"cursor": cursor} if cursor else {})).json()
        by_cursor += [p["photoId"] for p in found["items"]]
        cursor = found.get("nextCursor")
        if cursor is None:
            break
    assert by_number == by_cursor
    assert len(set(by_number)) == 5
    assert found["totalPages"] == 3
    assert client.get("/queries/photos", params={"search": "BEACH 3"}).json()["totalElements"] == 1
    assert client.get("/queries/photos", params={"search": "100%"}).json()["totalElements"] == 0
    bad = client.get("/queries/photos", params={"cursor": "nonsense!"})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize("size", [1, 8 * MiB])
def test_u3_a_single_put_is_replaced_until_it_is_finalized_and_never_after(client: Client, size: int) -> None:
    created = client.declare(("a.jpg", size))
    url = created["items"][0]["presignedUrl"]
    for fill in (b"a", b"b"):
        assert httpx.put(url, content=fill * size).status_code == 200
    assert client.post(f"/commands/upload/{created['items'][0]['photoId']}/finalize").status_code == 204
    again = httpx.put(url, content=b"c" * size)
    assert (again.status_code, again.json()["code"]) == (409, "already-stored")
    assert client.ended(created["jobId"])["photos"][0]["errorCode"] in {"unsupported-type", "damaged-image"}
