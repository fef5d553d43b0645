"""Signed URLs of the disk store: HMAC-SHA256 over method, path and the whole query, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode

from safelight.errors import SignatureExpired, SignatureInvalid
from safelight.ports import Grant

PREFIX: Final = "/storage/"
_SIGNATURE: Final = "&sig="


class Signer:
    """Signs grants as paths with a query, and reads them back."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own, so that what signs tokens signs no URLs and the other way round.
        self._key = hmac.digest(secret, b"safelight storage urls", hashlib.sha256)

    def sign(self, grant: Grant, expires_at: int) -> str:
        """The path and query of a URL that is valid until `expires_at` (Unix seconds)."""
        fields = {
            "size": grant.size if grant.method == "PUT" else None,
            "upload": grant.upload_id,
            "part": grant.part_number,
            "filename": grant.filename,
            "type": grant.content_type,
            "expires": expires_at,
        }
        path = PREFIX + grant.key
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"{path}?{query}{_SIGNATURE}{self._signature(grant.method, path, query)}"

    def verify(self, method: str, path: str, query: str, now: int) -> Grant:
        """The grant of a request at `now` (Unix seconds); SignatureInvalid or SignatureExpired where there is none."""
        signed, _, signature = query.rpartition(_SIGNATURE)
        kind: Literal["PUT", "GET"] = "PUT" if method == "PUT" else "GET"
        if not hmac.compare_digest(self._signature(kind, path, signed).encode(), signature.encode()):
            raise SignatureInvalid
        fields = dict(parse_qsl(signed))
        if int(fields["expires"]) <= now:
            raise SignatureExpired
        return Grant(
            method=kind,
            key=path.removeprefix(PREFIX),
            size=int(fields.get("size", 0)),
            upload_id=fields.get("upload"),
            part_number=int(fields["part"]) if "part" in fields else None,
            filename=fields.get("filename"),
            content_type=fields.get("type"),
        )

    def _signature(self, method: str, path: str, query: str) -> str:
        return hmac.digest(self._key, f"{method}\n{path}\n{query}".encode(), hashlib.sha256).hex()
