"""The doctor on a real S3 store, and on what ways to it do to requests and answers."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.examining import finding_of
from tests.servers.seaweed import BUCKET, SeaweedFS
from tests.servers.spoiling import Way, replacing, s3_error, spoiling, without

from safelight.doctor import Finding, Verdict, fixes
from safelight.doctor.lifecycle import rules

PAGE = "https://photos.example.org"
MIB = 1024 * 1024
STORE_CHECKS = ["store", "single PUT", "ETag", "signed size", "multipart", "checksums", "store clock", "CORS"]
OTHERS_CORS = {"ID": "other", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}
OTHERS_LIFECYCLE = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}


class Installation:
    """Settings that lead to a prefix of the bucket, all of it or only what browsers send by a way of its own."""

    def __init__(self, seaweed: SeaweedFS, folder: Path) -> None:
        self.prefix = secrets.token_hex(6)
        self.s3 = seaweed.client()
        self._seaweed = seaweed
        self._folder = folder

    async def found(
        self,
        name: str,
        *,
        browsers: Way | None = None,
        all_by: Way | None = None,
        fix: bool = False,
        **settings: object,
    ) -> Finding:
        url = self._seaweed.url(self.prefix, all_by.url if all_by else None)
        if browsers:
            url += f"&public_endpoint={browsers.url}"
        chosen = {"storage_url": url, "public_url": PAGE, **settings}
        return await finding_of(name, self._folder, fix=fix, settings=chosen)

    def left(self) -> list[Any]:
        """What lies under the prefix, sealed or not."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", [])
        uploads = self.s3.list_multipart_uploads(Bucket=BUCKET, Prefix=self.prefix).get("Uploads", [])
        return [*listed, *uploads]

    def cors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"]
        return found

    def set_lifecycle(self, *wanted: dict[str, Any]) -> None:
        self.s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": list(wanted)})

    def lifecycle(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        return found


@pytest.fixture
def here(seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    installation = Installation(seaweed, tmp_path)
    yield installation
    assert installation.left() == []
    installation.s3.delete_bucket_cors(Bucket=BUCKET)
    installation.s3.delete_bucket_lifecycle(Bucket=BUCKET)
    installation.s3.close()


@pytest.fixture
def port(seaweed: SeaweedFS) -> int:
    return urlsplit(seaweed.endpoint).port or 0


@pytest.mark.parametrize("name", STORE_CHECKS)
async def test_a_store_that_is_well_is_found_so_and_left_as_it_was(here: Installation, name: str) -> None:
    found = await here.found(name)
    assert found.verdict is Verdict.OK, found


async def test_a_wrong_key_is_found(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    found = await here.found("store")
    assert found.verdict is Verdict.WRONG
    assert "refuses the access key" in found.seen


# --- what browsers send, by a way that spoils it: the check, the spoiling, what is seen, the fix ---


LATE = replacing("^date:.*$", f"Date: {formatdate(time.time() - 1200, usegmt=True)}\r")
DENIED = s3_error("403 Forbidden", "AccessDenied")
ON_THE_WAY: list[tuple[str, dict[str, Any], str, str]] = [
    ("ETag", {"response": without("etag")}, "without an ETag", fixes.ETAG),
    ("single PUT", {"request": without("range")}, "answered 200 instead of 206", fixes.RANGES),
    ("single PUT", {"answered": {"^GET": DENIED}}, "403 (AccessDenied", fixes.GET),
    (
        "single PUT",
        {"answered": {"^PUT": DENIED}},
        "403 (AccessDenied",
        "s3:PutObject",
    ),
    ("signed size", {"response": replacing("^HTTP/1.1 403", "HTTP/1.1 200")}, "is taken", fixes.SIGNED_SIZE),
    ("multipart", {"largest": MIB}, "413", fixes.BODY_CAP),
    ("store clock", {"response": LATE}, "seconds ahead of the store", fixes.CLOCK),
    ("store clock", {"response": without("date")}, "no Date", fixes.DATE),
    ("CORS", {"response": without("access-control-allow-origin")}, "for no origin", "put-bucket-cors"),
    ("CORS", {"response": without("access-control-expose-headers")}, "expose its ETag", "put-bucket-cors"),
    ("CORS", {"response": without("access-control-allow-methods")}, "not allow PUT", "put-bucket-cors"),
    ("CORS", {"response": without("access-control-allow-headers")}, "the header content-type", "put-bucket-cors"),
    ("CORS", {"answered": {"^OPTIONS": DENIED}}, "answered 403", "put-bucket-cors"),
]


@pytest.mark.parametrize(("name", "how", "seen", "fix"), ON_THE_WAY)
async def test_what_a_way_to_the_store_spoils_is_found(
    here: Installation, port: int, name: str, how: dict[str, Any], seen: str, fix: str
) -> None:
    async with spoiling(port, **how) as way:
        found = await here.found(name, browsers=way)
    assert found.verdict is Verdict.WRONG
    assert seen in found.seen
    assert fix in found.fix


async def test_a_way_that_leads_nowhere_is_found(here: Installation, port: int) -> None:
    async with spoiling(port) as way:
        pass
    found = await here.found("single PUT", browsers=way)
    assert found.verdict is Verdict.WRONG
    assert f"{way.url} cannot be reached" in found.seen


# --- what the server itself sends ---


async def test_a_store_that_demands_checksums_is_found(here: Installation, port: int) -> None:
    demand = s3_error("400 Bad Request", "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required")
    async with spoiling(port, answered={r"^PUT \S*/doctor/": demand}) as way:
        found = await here.found("checksums", all_by=way)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.CHECKSUMS)


async def test_a_store_that_lists_no_parts_is_found(here: Installation, port: int) -> None:
    async with spoiling(port, request=replacing(r"^(GET \S*/doctor/\S*uploadId=)\w+", r"\g<1>" + "0" * 32)) as way:
        found = await here.found("multipart", all_by=way)
    assert found.verdict is Verdict.WRONG


async def test_a_store_that_shows_nothing_of_what_was_written_is_found(here: Installation, port: int) -> None:
    async with spoiling(port, answered={r"^HEAD \S*/doctor/": s3_error("404 Not Found", "NoSuchKey")}) as way:
        found = await here.found("checksums", all_by=way)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.STRONG)


async def test_what_a_probe_leaves_behind_is_told(here: Installation, port: int) -> None:
    denied = {r"^DELETE": DENIED}
    async with spoiling(port, answered=denied) as way:
        found = await here.found("single PUT", all_by=way)
    assert found.verdict is Verdict.WRONG
    assert "does not allow the access key" in found.seen
    for each in here.left():
        here.s3.delete_object(Bucket=BUCKET, Key=each["Key"])


# --- the bucket's own settings ---


async def test_cors_is_set_and_others_rules_stay(here: Installation) -> None:
    here.s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [OTHERS_CORS]})
    before = await here.found("CORS")
    assert before.verdict is Verdict.WRONG
    assert before.seen.startswith(f"{PAGE}: the preflight is answered 403")
    assert here.cors()[0]["ID"] == "other", "looking changes nothing"
    after = await here.found("CORS", fix=True, allowed_origins="https://a.example")
    assert after.verdict is Verdict.OK
    assert "The CORS rules were:" in after.changed
    assert [each["ID"] for each in here.cors()] == ["safelight", "other"]
    assert here.cors()[1]["AllowedOrigins"] == ["https://other.example"]
    again = await here.found("CORS", allowed_origins="https://a.example")
    assert (again.verdict, again.changed) == (Verdict.OK, "")


async def test_cors_keeps_the_pages_that_it_had(here: Installation) -> None:
    here.s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [{**OTHERS_CORS, "ID": "safelight"}]})
    assert (await here.found("CORS", fix=True)).verdict is Verdict.OK
    assert here.cors()[0]["AllowedOrigins"] == ["https://other.example", PAGE]


async def test_unfinished_uploads_are_ended_and_others_rules_stay(here: Installation) -> None:
    assert (await here.found("unfinished uploads")).verdict is Verdict.WRONG
    here.set_lifecycle(OTHERS_LIFECYCLE)
    before = await here.found("unfinished uploads")
    assert before.verdict is Verdict.WRONG
    assert "put-bucket-lifecycle-configuration" in before.fix
    after = await here.found("unfinished uploads", fix=True)
    assert after.verdict is Verdict.OK
    assert [each["ID"].partition(" ")[0] for each in here.lifecycle()] == ["logs", "safelight", "safelight"]
    assert (await here.found("expiry")).verdict is Verdict.OK
    # Uploads are to live longer from now on: the rules of the shorter time are ours, and are renewed.
    longer = await here.found("unfinished uploads", upload_days=20)
    assert "after 14 days, while Safelight waits for 20" in longer.seen
    assert (await here.found("unfinished uploads", fix=True, upload_days=20)).verdict is Verdict.OK
    assert len(here.lifecycle()) == 3


async def test_a_rule_of_others_that_ends_uploads_too_soon_is_found_and_left(here: Installation) -> None:
    hasty = {"ID": "hasty", "Status": "Enabled", "Filter": {"Prefix": ""}}
    here.set_lifecycle({**hasty, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    found = await here.found("unfinished uploads", fix=True)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.foreign_rule(14))
    assert "hasty" in found.seen
    assert len(here.lifecycle()) == 1


@pytest.mark.parametrize("reach", ["", "everything"])
async def test_a_rule_that_deletes_photos_is_found(here: Installation, reach: str) -> None:
    prefix = f"{here.prefix}/originals/" if reach else ""
    here.set_lifecycle({**OTHERS_LIFECYCLE, "Filter": {"Prefix": prefix}})
    found = await here.found("expiry")
    assert found.verdict is Verdict.WRONG
    assert "deletes what lies under" in found.seen
    assert "get-bucket-lifecycle-configuration" in found.fix


async def test_versioning_is_told(here: Installation) -> None:
    assert (await here.found("versioning")).seen.startswith("Off")
    here.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    try:
        assert (await here.found("versioning")).seen.startswith("On")
    finally:
        here.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


NOT_OFFERED = {r"\?(cors|lifecycle|versioning)": s3_error("501 Not Implemented", "NotImplemented")}
NOT_ALLOWED = {r"\?(cors|lifecycle|versioning)": DENIED}


@pytest.mark.parametrize("name", ["unfinished uploads", "versioning"])
@pytest.mark.parametrize("answered", [NOT_OFFERED, NOT_ALLOWED])
async def test_what_a_store_does_not_tell_is_unknown(
    here: Installation, port: int, name: str, answered: dict[str, bytes]
) -> None:
    async with spoiling(port, answered=answered) as way:
        found = await here.found(name, all_by=way, fix=True)
    assert found.verdict is Verdict.UNKNOWN
    assert re.search("offers no|does not tell|does not allow", found.seen)


async def test_cors_is_judged_by_what_browsers_get_where_the_store_does_not_tell(here: Installation, port: int) -> None:
    async with spoiling(port, answered=NOT_OFFERED) as way:
        assert (await here.found("CORS", all_by=way)).verdict is Verdict.OK
    refusing = {"^OPTIONS": DENIED, **NOT_OFFERED}
    async with spoiling(port, answered=refusing) as way:
        found = await here.found("CORS", all_by=way, fix=True)
    assert (found.verdict, found.fix) == (Verdict.WRONG, fixes.cors_elsewhere([PAGE]))


async def test_rules_that_may_not_be_set_are_told(here: Installation, port: int) -> None:
    async with spoiling(port, answered={r"^PUT \S*\?lifecycle": DENIED}) as way:
        found = await here.found("unfinished uploads", all_by=way, fix=True)
    assert found.verdict is Verdict.WRONG
    assert "could not be put right: The store does not allow" in found.seen


def test_ours_are_a_week_behind_the_end_of_uploads() -> None:
    parts, singles = rules("a/", 7)
    assert parts["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 14}
    assert singles["Filter"] == {"Prefix": "a/incoming/"}
