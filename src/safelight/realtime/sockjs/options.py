"""What a SockJS service grants, and to which pages. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

KiB: Final = 1024


class OriginPolicy(Protocol):
    """Which pages may use the service."""

    def __call__(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of `origin` may; None is no page at all. `host` is the Host header of the request."""
        ...

    @property
    def ancestors(self) -> str:
        """Who may frame the iframe page, as the value of the CSP directive `frame-ancestors`."""
        ...


@dataclass(frozen=True, slots=True)
class AllowList:
    """The server's own pages, and those of the listed origins (`https://photos.example`, without a path)."""

    origins: tuple[str, ...] = ()

    def __call__(self, origin: str | None, host: str | None) -> bool:
        if origin is None or origin in self.origins:
            return True
        # The scheme is not compared: behind a proxy that ends TLS it is not known here.
        return origin != "null" and netloc_of(origin) == host

    @property
    def ancestors(self) -> str:
        return " ".join(("'self'", *self.origins))


@dataclass(frozen=True, slots=True)
class AnyOrigin:
    """Reflects whatever comes, as the protocol's own tests expect. For a test profile, never for a server of value."""

    def __call__(self, origin: str | None, host: str | None) -> bool:  # noqa: ARG002 - anything goes
        return True

    @property
    def ancestors(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one service. Times are seconds, sizes bytes; the defaults are the protocol's where it has one."""

    heartbeat: float = 25.0
    """Silence towards the client after which an `h` frame goes out."""
    disconnect_delay: float = 5.0
    """How long a session lives without a receiving connection."""
    response_limit: int = 128 * KiB
    """What one streaming response carries before it ends, so that the browser can free it; framing included."""
    websocket: bool = True
    """Whether the two WebSocket addresses exist."""
    cookie_needed: bool = False
    """Whether session addresses set JSESSIONID, for load balancers that wait for it."""
    origins: OriginPolicy = AllowList()
    script_url: str = "/sockjs.min.js"
    """Where the iframe page finds sockjs-client: a path of this server or a whole URL."""
    base_url: str | None = None
    """Told by `/info`: clients open their sessions there instead. An absolute URL."""
    subprotocols: tuple[str, ...] = ()
    """WebSocket subprotocols in the server's order of preference."""
    max_message: int = 1024 * KiB
    """The largest request body or WebSocket message that is taken from a client."""
    inbox: int = 64 * KiB
    """What may wait for the handler before the client is made to wait."""
    outbox: int = 32 * KiB
    """What may wait for the client before `send` does: one flush of a poll, besides what the socket holds."""
    max_sessions: int = 10_000
    send_within: float = 120.0
    """How long one write may wait for a client that does not read."""
    handler_grace: float = 5.0
    """How long a handler may go on after its session is gone."""


def netloc_of(url: str) -> str | None:
    """The `host:port` of a URL, None where it has none or is none."""
    try:
        return urlsplit(url).netloc or None
    except ValueError:
        return None


def page_of(origin: str | None, referer: str | None) -> str | None:
    """The origin of the page that asks. A <script>, as jsonp uses, sends no Origin, but mostly a Referer."""
    if origin is not None or referer is None:
        return origin
    try:
        parts = urlsplit(referer)
    except ValueError:
        return "null"
    return f"{parts.scheme}://{parts.netloc}"
