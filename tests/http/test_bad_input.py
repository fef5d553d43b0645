"""Bad input: a clear error with its code, the same words on the row, and the other photos of the job unharmed."""

from __future__ import annotations

import io
import os
import re
import signal
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.pictures import jpeg
from tests.running import Client, Server

MiB = 1024 * 1024


def _noise_jpeg() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def _huge_png() -> bytes:
    """A PNG that says it has 30,000 × 30,000 pixels, in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(90_001) * 10))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


DECODED: list[tuple[str, str, bytes, str]] = [
    ("text named .jpg", "notes.jpg", b"This is no photo at all, only words.\n" * 40, "unsupported-type"),
    ("truncated JPEG", "cut.jpg", _noise_jpeg()[:-4000], "damaged-image"),
    ("30,000 × 30,000 pixels", "huge.png", _huge_png(), "too-many-pixels"),
    ("a PDF", "scan.jpg", b"%PDF-1.7\n" + bytes(2000), "unsupported-type"),
    ("an SVG", "script.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "unsupported-type"),
]


@pytest.mark.parametrize(("what", "name", "data", "code"), DECODED, ids=[case[0] for case in DECODED])
def test_a_file_that_is_no_sound_photo_fails_alone(
    client: Client, what: str, name: str, data: bytes, code: str
) -> None:
    good = jpeg(seed=31)
    created = client.declare((name, len(data)), ("good.jpg", len(good)))
    for item, body in zip(created["items"], (data, good), strict=True):
        assert httpx.put(item["presignedUrl"], content=body).status_code == 200
        assert client.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204
    job = client.ended(created["jobId"])
    bad, fine = job["photos"]
    assert (bad["status"], bad["errorCode"]) == ("FAILED", code)
    assert bad["errorMessage"].endswith(".")
    assert fine["status"] == "COMPLETED"
    assert job["status"] == "COMPLETED_WITH_ERRORS"
    kept = client.get(f"/queries/photos/{bad['photoId']}/download-url").json()["url"]
    assert httpx.get(kept).content == data
    refused = client.post(f"/commands/upload/{bad['photoId']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not-retryable")


BORN: list[tuple[str, dict[str, Any], str]] = [
    ("empty file", {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 0}, "empty-file"),
    ("unsupported type", {"filename": "a.mp4", "mimeType": "video/mp4", "bytes": 9}, "unsupported-type"),
    ("too large", {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 6_000 * MiB}, "file-too-large"),
]


@pytest.mark.parametrize(("what", "file", "code"), BORN, ids=[case[0] for case in BORN])
def test_u11_a_file_that_can_never_succeed_has_a_row_and_a_reason_at_once(
    client: Client, what: str, file: dict[str, Any], code: str
) -> None:
    good = {"filename": "b.jpg", "mimeType": "image/jpeg", "bytes": 5}
    created = client.post("/commands/upload-jobs", json={"files": [file, good]}).json()
    bad, fine = created["items"]
    assert (bad["errorCode"], bad["presignedUrl"]) == (code, None)
    assert fine["presignedUrl"]
    row = client.job(created["jobId"])["photos"][0]
    assert (row["status"], row["errorCode"], row["errorMessage"]) == ("FAILED", code, bad["errorMessage"])


NAMES: list[tuple[str, str]] = [
    ("../../etc/passwd.jpg", "passwd.jpg"),
    ("C:\\photos\\a.jpg", "a.jpg"),
    ("a\u0000b\u0007\n.jpg", "ab.jpg"),
    ("ä" * 300 + ".jpg", "ä" * 125 + ".jpg"),
    ("🌅 dawn 👩‍🚀.jpg", "🌅 dawn 👩‍🚀.jpg"),
    ("שלום עולם.jpg", "שלום עולם.jpg"),
    ("gpj.\u202eexe.jpg", "gpj.exe.jpg"),
]


def test_u11_names_of_every_kind_are_cleaned_and_come_back_on_download(client: Client) -> None:
    photo = jpeg(seed=32)
    created = client.declare(*((name, len(photo)) for name, _ in NAMES))
    for item in created["items"]:
        assert httpx.put(item["presignedUrl"], content=photo).status_code == 200
        assert client.post(f"/commands/upload/{item['photoId']}/finalize").status_code == 204
    job = client.ended(created["jobId"])
    assert job["status"] == "COMPLETED"
    assert [p["filename"] for p in job["photos"]] == [clean for _, clean in NAMES]
    for shown in job["photos"]:
        url = client.get(f"/queries/photos/{shown['photoId']}/download-url").json()["url"]
        answer = httpx.get(url)
        assert answer.content == photo
        disposition = answer.headers["content-disposition"]
        assert re.search(r"filename\*=UTF-8''\S+", disposition)
        assert "\n" not in disposition


def _problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"].endswith((".", "`."))
    return answer.status_code, body["code"]


def test_u4_fewer_and_more_bytes_than_declared(client: Client) -> None:
    created = client.declare(("a.jpg", 100))
    url = created["items"][0]["presignedUrl"]
    finalize = f"/commands/upload/{created['items'][0]['photoId']}/finalize"
    assert _problem(httpx.put(url, content=b"x" * 99)) == (422, "size-mismatch")
    assert _problem(httpx.put(url, content=b"x" * 101)) == (422, "size-mismatch")
    assert _problem(httpx.put(url, content=iter([b"x" * 60, b"x" * 60]))) == (422, "size-mismatch")
    assert _problem(httpx.put(url, content=iter([b"x" * 60]))) == (422, "size-mismatch")
    assert _problem(client.post(finalize)) == (409, "not-uploaded")
    assert client.job(created["jobId"])["photos"][0]["status"] in {"QUEUED", "UPLOADING"}


def test_u6_a_multipart_upload_with_parts_wrong_missing_or_beyond(client: Client) -> None:
    created = client.declare(("a.jpg", 20 * MiB))
    item = created["items"][0]
    upload = item["multipart"]
    etags = []
    for url in upload["partUrls"]:
        answer = httpx.put(url["presignedUrl"], content=bytes([url["partNumber"]]) * url["size"])
        etags.append({"partNumber": url["partNumber"], "etag": answer.headers["etag"]})
    path = f"/commands/upload/{item['photoId']}/finalize"

    def finalize(parts: Any, upload_id: str = upload["uploadId"]) -> tuple[int, str]:
        return _problem(client.post(path, json={"uploadId": upload_id, "parts": parts}))

    assert finalize(etags[:2]) == (422, "part-mismatch")
    assert finalize([*etags[:2], {"partNumber": 3, "etag": "00000000"}]) == (422, "part-mismatch")
    assert finalize([*etags, {"partNumber": 10_001, "etag": "x"}]) == (422, "part-number-invalid")
    assert finalize(etags, "another") == (409, "upload-gone")
    assert _problem(client.post(path)) == (409, "upload-gone")
    more = client.post(f"/commands/upload/{item['photoId']}/urls", json={"partNumbers": [10_001]})
    assert _problem(more) == (422, "part-number-invalid")
    assert client.job(created["jobId"])["photos"][0]["status"] in {"QUEUED", "UPLOADING"}
    assert client.post(path, json={"uploadId": upload["uploadId"], "parts": etags}).status_code == 204


def test_u10_signatures_altered_and_for_another_method(client: Client) -> None:
    url = client.declare(("a.jpg", 100))["items"][0]["presignedUrl"]
    for altered in (url[:-1] + ("A" if url[-1] != "A" else "B"), url.replace("originals", "derived"), url + "&x=1"):
        status, code = _problem(httpx.put(altered, content=b"x" * 100))
        assert (status, code) == (403, "signature-invalid")
    assert _problem(httpx.get(url)) == (403, "signature-invalid")


def test_bodies_that_are_not_understood(client: Client) -> None:
    jobs = "/commands/upload-jobs"
    file = {"filename": "a.jpg", "mimeType": "image/jpeg", "bytes": 5}
    assert _problem(client.post(jobs, json={"files": [file] * 1001})) == (422, "too-many-files")
    malformed = client.post(jobs, content=b'{"files": [', headers={"content-type": "application/json"})
    assert _problem(malformed) == (422, "malformed-json")
    bodies: list[Any] = [
        {},
        {"files": []},
        {"files": [{**file, "bytes": -1}]},
        {"files": [{**file, "filename": ""}]},
        [1],
    ]
    for body in bodies:
        answer = client.post(jobs, json=body)
        assert _problem(answer) == (422, "invalid-request")
        assert answer.json()["errors"]
    lone = client.post(
        jobs,
        content=b'{"files":[{"filename":"\\ud800.jpg","bytes":5}]}',
        headers={"content-type": "application/json"},
    )
    assert _problem(lone)[0] == 422
    assert (
        client.post(jobs, json={"files": [{**file, "bytes": "many"}]}).json()["errors"][0]["field"] == "files[0].bytes"
    )
    large = client.post(jobs, content=b"x" * (25 * MiB), headers={"content-type": "application/json"})
    assert _problem(large) == (413, "body-too-large")
    assert _problem(client.put(jobs)) == (405, "method-not-allowed")
    assert _problem(client.get("/queries/nothing-here")) == (404, "not-found")
    wrong = client.post("/commands/upload/ph_x/finalize", json={"checksum": "md5:00"})
    assert wrong.status_code in {404, 422}


def test_j6_a_decoder_that_is_killed_costs_a_try_and_then_the_photo(start: Callable[..., Server]) -> None:
    server = start(workers="1")
    with server.client() as client:
        photo = _slow_png()
        created = client.declare(("slow.png", len(photo)), ("good.jpg", len(jpeg())), mime="image/png")
        for item, body in zip(created["items"], (photo, jpeg()), strict=True):
            httpx.put(item["presignedUrl"], content=body)
            client.post(f"/commands/upload/{item['photoId']}/finalize")
        deadline = time.monotonic() + 60
        while client.job(created["jobId"])["status"] == "IN_PROGRESS" and time.monotonic() < deadline:
            slow = client.job(created["jobId"])["photos"][0]
            if slow.get("stage"):
                for child in server.children():
                    _kill(child)
            time.sleep(0.02)
        job = client.ended(created["jobId"])
        slow, good = job["photos"]
        assert (slow["status"], slow["errorCode"]) == ("FAILED", "decoder-crashed")
        assert good["status"] in {"COMPLETED", "FAILED"}
        assert client.post(f"/commands/upload-jobs/{created['jobId']}/retry").status_code == 204
        assert client.ended(created["jobId"])["status"] == "COMPLETED"


def _slow_png() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((2800, 2600), 90).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself
