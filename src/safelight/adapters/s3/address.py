"""Where a bucket is: `s3://bucket/prefix?endpoint=…&region=…&path_style=…&public_endpoint=…`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

_OPTIONS: Final = frozenset({"endpoint", "public_endpoint", "region", "path_style"})
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SWITCH: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, and what goes before every key in it (empty, or ending in `/`).

    Without `endpoint` it is AWS. `public_endpoint` is the same store as clients reach it, where that is otherwise than
    the server does. `path_style`: the bucket is in the path and not in the host name.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    public_endpoint: str | None
    region: str | None
    path_style: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """ValueError says what of the URL is not understood, and how it should be written."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or "@" in parts.netloc or not _BUCKET.fullmatch(parts.netloc):
            # The URL itself may hold a secret, if it was written the wrong way: it is not repeated here.
            raise ValueError(
                "The store's URL is not understood. Write s3://bucket or s3://bucket/prefix?endpoint=https://…;"
                " access keys do not belong in it, they come from AWS_ACCESS_KEY_ID, a profile or the machine's role."
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(options.keys() - _OPTIONS):
            raise ValueError(
                f"The store's URL has an option {unknown[0]!r}, which is not known; there are"
                f" {', '.join(sorted(_OPTIONS))}."
            )
        endpoint = _endpoint(options, "endpoint")
        prefix = unquote(parts.path).strip("/")
        return cls(
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=endpoint,
            public_endpoint=_endpoint(options, "public_endpoint") or endpoint,
            region=options.get("region") or None,
            # Stores of one's own rarely have a host name for every bucket; AWS always has.
            path_style=_switch(options, "path_style", default=endpoint is not None),
        )

    def __str__(self) -> str:
        return f"bucket {self.bucket} at {self.endpoint or 'AWS'}"


def _endpoint(options: dict[str, str], name: str) -> str | None:
    value = options.get(name)
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or "@" in parts.netloc:
        raise ValueError(f"{name}={value!r} in the store's URL is not an address. Write it as https://host:port.")
    return value.rstrip("/")


def _switch(options: dict[str, str], name: str, *, default: bool) -> bool:
    value = options.get(name, "")
    if value.lower() not in {"", *_SWITCH}:
        raise ValueError(f"{name}={value!r} in the store's URL is neither true nor false.")
    return _SWITCH.get(value.lower(), default)
