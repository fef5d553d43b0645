"""Whole HTTP answers, to the letter of the protocol: status, headers, body. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from safelight.realtime.sockjs.options import Options
from safelight.realtime.sockjs.transports import HTML, JAVASCRIPT, PLAIN

Headers = tuple[tuple[str, str], ...]

YEAR: Final = 365 * 24 * 3600
GREETING: Final = b"Welcome to SockJS!\n"
NOT_UPGRADE: Final = b'Can "Upgrade" only to "WebSocket".\n'
NOT_CONNECTION: Final = b'"Connection" must be "Upgrade".\n'
NEVER_CACHE: Final[Headers] = (("cache-control", "no-store, no-cache, must-revalidate, max-age=0"),)
# What a cookie's value may consist of (RFC 6265, 4.1.1).
_COOKIE: Final = re.compile(r"(?:^|;)\s*JSESSIONID=([!#-+\--:<-\[\]-~]*)\s*(?=;|$)")
_TOKENS: Final = re.compile(r"[\w!#$%&'*+.^`|~, -]+", re.ASCII)

IFRAME: Final = """\
<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script>
    document.domain = document.domain;
    _sockjs_onload = function(){SockJS.bootstrap_iframe();};
  </script>
  <script src="%s"></script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response with all of its body."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def plus(self, *more: Headers) -> Answer:
        """The same with further headers."""
        return Answer(self.status, sum(more, self.headers), self.body)


def plain(status: int, body: bytes) -> Answer:
    """A sentence, never to be cached."""
    return Answer(status, (("content-type", PLAIN), *NEVER_CACHE), body)


def greeting() -> Answer:
    """The base URL."""
    return Answer(200, (("content-type", PLAIN),), GREETING)


def not_found() -> Answer:
    """An address, or a session, that is not there."""
    return Answer(404, (("content-type", PLAIN),), b"There is nothing here.\n")


def method_not_allowed(allow: str) -> Answer:
    """405: "no content type, an Allow header, no body"."""
    return Answer(405, (("allow", allow),))


def origin_refused() -> Answer:
    """The page that asks may not."""
    return plain(403, b"Pages of this origin may not use this service.\n")


def too_large(limit: int) -> Answer:
    """A body beyond `limit` bytes."""
    return plain(413, b"A body may have %d bytes here.\n" % limit)


def overloaded() -> Answer:
    """No room for another session, or no more sessions at all."""
    return plain(503, b"There is no room for another session.\n").plus((("retry-after", "5"),))


def not_upgrade(connection: str, upgrade: str) -> Answer:
    """A GET of a WebSocket address that is no upgrade: which of its two headers is at fault."""
    asked = upgrade.lower() == "websocket"
    upgrading = "upgrade" in (token.strip().lower() for token in connection.split(","))
    return plain(400, NOT_CONNECTION if asked and not upgrading else NOT_UPGRADE)


def info(options: Options, entropy: int) -> Answer:
    """`/info`; `entropy` is unpredictable, of 32 bits."""
    told = {
        "websocket": options.websocket,
        "cookie_needed": options.cookie_needed,
        "origins": ["*:*"],  # "Currently ignored"; the allow-list is nobody's business
        "entropy": entropy,
    }
    if options.base_url is not None:
        told["base_url"] = options.base_url
    head = (("content-type", "application/json; charset=UTF-8"), *NEVER_CACHE)
    return Answer(200, head, json.dumps(told).encode())


def iframe(options: Options, if_none_match: str | None, now: float) -> Answer:
    """The iframe page, or 304 to who has it; `now` is Unix time in seconds."""
    # The page would let any other page in by the back door, were it not for the same list.
    head: Headers = (("content-security-policy", f"frame-ancestors {options.origins.ancestors}"), *_cacheable(now))
    script = options.script_url.replace("&", "&amp;").replace('"', "&quot;")
    body = (IFRAME % script).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    head += (("etag", etag),)
    if if_none_match is not None and etag in (each.strip().removeprefix("W/") for each in if_none_match.split(",")):
        return Answer(304, head)
    return Answer(200, (("content-type", HTML), *head), body)


def options_answer(methods: str, now: float) -> Answer:
    """204 to an OPTIONS request, to be kept for a year; `now` is Unix time in seconds."""
    head = (("access-control-max-age", str(YEAR)), ("access-control-allow-methods", methods), *_cacheable(now))
    return Answer(204, head)


def sent(status: int, body: bytes) -> Answer:
    """To a body that was taken. Even a 204 has a type: Firefox "assumes that the content type is xml and shouts"."""
    return plain(status, body)


def delivery(content_type: str) -> Headers:
    """The head of what a receiving transport answers."""
    head: Headers = (("content-type", content_type), *NEVER_CACHE, ("x-accel-buffering", "no"))
    # A script that begins with a name of the asker's choice must not be taken for anything else.
    return (*head, ("x-content-type-options", "nosniff")) if content_type == JAVASCRIPT else head


def cors_of(request: Mapping[str, str]) -> Headers:
    """What lets pages of the request's origin read the answer. "Unfortunately, just echoing back `null` won't work"."""
    origin = request.get("origin")
    head: Headers = (
        ("access-control-allow-origin", "*" if origin in (None, "", "null") else str(origin)),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    )
    asked = request.get("access-control-request-headers", "")
    return (*head, ("access-control-allow-headers", asked)) if _TOKENS.fullmatch(asked) else head


def cookie(request: Mapping[str, str]) -> Headers:
    """JSESSIONID as it came, else a dummy: it is the load balancer that fills it."""
    found = _COOKIE.search(request.get("cookie", ""))
    return (("set-cookie", f"JSESSIONID={(found and found[1]) or 'dummy'}; path=/"),)


def extras(request: Mapping[str, str], options: Options, *, cors: bool) -> Headers:
    """What every answer under a session's name bears: CORS where the transport has it, the cookie where it is set."""
    return (cors_of(request) if cors else ()) + (cookie(request) if options.cookie_needed else ())


def _cacheable(now: float) -> Headers:
    return (("cache-control", f"public, max-age={YEAR}"), ("expires", formatdate(now + YEAR, usegmt=True)))
