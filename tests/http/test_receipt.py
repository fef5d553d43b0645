"""The receipt of a job over HTTP."""

from __future__ import annotations

import csv
import io

import crc32c
from tests.pictures import jpeg
from tests.running import Client

STAGES = ["queuedAt", "uploadingAt", "storedAt", "verifyingAt", "metadataAt", "thumbnailsAt", "publishingAt", "endedAt"]


def test_j11_the_receipt_tells_of_every_file_its_state_size_checksum_and_times(client: Client) -> None:
    photo = jpeg(320, 240, seed=4)
    created = client.declare(("=1.jpg", len(photo)), ("empty.jpg", 0))
    sent, _ = created["items"]
    assert client.put(sent["presignedUrl"], content=photo).status_code == 200
    assert client.post(f"/commands/upload/{sent['photoId']}/finalize").status_code == 204
    client.ended(created["jobId"])

    receipt = client.get(f"/queries/upload-jobs/{created['jobId']}/receipt").json()
    assert (receipt["status"], receipt["completedCount"], receipt["failedCount"]) == ("COMPLETED_WITH_ERRORS", 1, 1)
    stored, empty = receipt["files"]
    assert (stored["path"], stored["bytes"], stored["status"]) == ("=1.jpg", len(photo), "COMPLETED")
    assert stored["checksum"] == f"crc32c:{crc32c.crc32c(photo):08x}"
    times = [stored[name] for name in STAGES]
    assert times == sorted(times)
    assert (empty["status"], empty["errorCode"]) == ("FAILED", "empty-file")
    assert "checksum" not in empty

    answer = client.get(f"/queries/upload-jobs/{created['jobId']}/receipt.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="safelight-{created["jobId"]}.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    # The same, cell by cell; only what a spreadsheet would run is told from it.
    assert rows[0].pop("path") == "'=1.jpg"
    told = {name: str(value) for name, value in stored.items() if name != "path"}
    assert {name: cell for name, cell in rows[0].items() if cell} == told
    assert [row["errorCode"] for row in rows] == ["", "empty-file"]
