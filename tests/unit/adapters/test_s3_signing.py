"""Presigned URLs: each the same as botocore makes for the same request at the same moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from tests.clock import Clock

from safelight.adapters.s3.signing import Presigner

KEY = "originals/ph_01KB.1"
ODD = "derived/Ümlaut & ~'(1)'+=#%41\u202e\U0001f4f7.webp"
LASTING = ReadOnlyCredentials("AKIA", "s3cr/et+", None)
PASSING = ReadOnlyCredentials("ASIA", "s3cr/et+", "token/+==with everything?")
BASES = ["https://photos.s3.eu-central-1.amazonaws.com/", "http://127.0.0.1:8333/photos/", "https://host/a-b/"]


def signer(base: str, credentials: ReadOnlyCredentials, clock: Clock) -> Presigner:
    return Presigner(base, "eu-central-1", lambda: credentials, clock)


def by_botocore(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    url: str,
    headers: dict[str, str],
    credentials: Any,
    at: int,
    life: int,
) -> str:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
    request = AWSRequest(method, url, headers=headers)
    S3SigV4QueryAuth(credentials, "s3", "eu-central-1", life).add_auth(request)
    return str(request.url)


def same(ours: str, theirs: str) -> bool:
    """In another order of the query, which is part of no signature."""
    (a, b) = (urlsplit(url) for url in (ours, theirs))
    return a[:3] == b[:3] and sorted(parse_qsl(a.query)) == sorted(parse_qsl(b.query))


@pytest.mark.parametrize("credentials", [LASTING, PASSING], ids=["key", "role"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("key", [KEY, ODD], ids=["plain", "odd"])
def test_urls_are_those_of_botocore(
    monkeypatch: pytest.MonkeyPatch, base: str, key: str, credentials: ReadOnlyCredentials
) -> None:
    clock = Clock()
    ours = signer(base, credentials, clock)
    path = base + "/".join(_quoted(step) for step in key.split("/"))
    at, headers = clock.now // 1000, {"content-length": "12345"}
    whole = by_botocore(monkeypatch, "PUT", path, headers, credentials, at, 900)
    assert same(ours.put(key, 12345, 900).url, whole)
    upload = "up+load/1=="
    part = by_botocore(
        monkeypatch, "PUT", f"{path}?uploadId={_quoted(upload)}&partNumber=7", headers, credentials, at, 900
    )
    assert same(ours.put(key, 12345, 900, partNumber="7", uploadId=upload).url, part)
    name = "attachment; filename*=UTF-8''%C3%9C.jpg"
    read = ours.get(key, 900, {"response-content-disposition": name})
    begun = at // 450 * 450
    assert same(
        read.url,
        by_botocore(
            monkeypatch,
            "GET",
            f"{path}?response-content-disposition={_quoted(name)}",
            {},
            credentials,
            begun,
            1350,
        ),
    )
    assert read.expires_at == (begun + 1350) * 1000


def test_a_put_says_when_it_expires_and_needs_no_header_of_its_own() -> None:
    clock = Clock()
    signed = signer(BASES[0], LASTING, clock).put(KEY, 1, 900)
    assert signed.expires_at == clock.now + 900_000
    assert signed.headers == {}


def test_the_same_url_to_read_comes_again_for_half_of_its_life() -> None:
    clock = Clock(1_800_000_000_000)
    ours = signer(BASES[0], LASTING, clock)
    first = ours.get(KEY, 3600, {})
    clock.now += 1_799_000
    assert ours.get(KEY, 3600, {}) == first
    clock.now += 1_000
    later = ours.get(KEY, 3600, {})
    assert later != first
    assert later.expires_at >= clock.now + 3_600_000


def test_another_key_signs_from_the_next_url_on() -> None:
    clock, keys = Clock(), [LASTING]
    ours = Presigner(BASES[0], "eu-central-1", lambda: keys[-1], clock)
    assert "AKIA" in ours.put(KEY, 1, 900).url
    keys.append(PASSING)
    assert "ASIA" in ours.put(KEY, 1, 900).url


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
