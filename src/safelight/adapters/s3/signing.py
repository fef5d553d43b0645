"""Presigned URLs of S3 (AWS Signature Version 4, query parameters), without input or output.

botocore needs 150 µs and more for a URL, since it builds a request, parses its query and derives the key of the day
anew each time. Here all that URLs have in common is kept; a test compares each of them with botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

from botocore.credentials import ReadOnlyCredentials

from safelight.ports import SignedUrl

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_BODY: Final = "UNSIGNED-PAYLOAD"
_SAFE: Final = "-_.~"
_WEEK: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Day:
    """What all URLs of one key, day and region share."""

    scope: str
    credential: str
    key: bytes


class Presigner:
    """Signs for the bucket whose keys lie below `base`, a URL that ends in `/`. `clock` gives Unix milliseconds."""

    def __init__(
        self, base: str, region: str, keys: Callable[[], ReadOnlyCredentials], clock: Callable[[], int]
    ) -> None:
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.netloc
        self._path = parts.path
        self._region = region
        self._keys = keys
        self._clock = clock

    def put(self, key: str, size: int, expires_in: int, **query: str) -> SignedUrl:
        """A PUT of exactly `size` bytes: Content-Length is signed, so another one is refused."""
        return self._sign("PUT", key, query, self._clock() // 1000, expires_in, f"content-length:{size}\n")

    def get(self, key: str, expires_in: int, query: Mapping[str, str]) -> SignedUrl:
        """A GET. The same URL comes again within half of `expires_in`, so that a browser keeps its copy; it lasts that
        much longer.
        """
        window = max(1, expires_in // 2)
        at = self._clock() // 1000 // window * window
        return self._sign("GET", key, query, at, expires_in + window, "")

    def _sign(
        self, method: str, key: str, query: Mapping[str, str], at: int, expires_in: int, headers: str
    ) -> SignedUrl:
        credentials = self._keys()
        expires_in = min(expires_in, _WEEK)
        stamp = _stamp(at)
        day = _day(credentials.access_key, credentials.secret_key, stamp[:8], self._region)
        names = "content-length;host" if headers else "host"
        fields = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": day.credential,
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires_in),
            "X-Amz-SignedHeaders": names.replace(";", "%3B"),
        }
        if credentials.token:
            fields["X-Amz-Security-Token"] = quote(credentials.token, safe=_SAFE)
        for name, value in query.items():
            fields[name] = quote(value, safe=_SAFE)
        canonical = "&".join([f"{name}={fields[name]}" for name in sorted(fields)])
        path = self._path + quote(key, safe="/~")
        request = f"{method}\n{path}\n{canonical}\n{headers}host:{self._host}\n\n{names}\n{_BODY}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = hmac.digest(day.key, f"{_ALGORITHM}\n{stamp}\n{day.scope}\n{digest}".encode(), "sha256").hex()
        return SignedUrl(f"{self._origin}{path}?{canonical}&X-Amz-Signature={signature}", (at + expires_in) * 1000)


@lru_cache(maxsize=16)
def _stamp(at: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))


@lru_cache(maxsize=16)
def _day(access_key: str, secret_key: str, date: str, region: str) -> _Day:
    """The signing key of a day (Signature Version 4, "derive a signing key")."""
    key = f"AWS4{secret_key}".encode()
    for step in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    scope = f"{date}/{region}/s3/aws4_request"
    return _Day(scope, quote(f"{access_key}/{scope}", safe=_SAFE), key)
