"""What the live channel needs of the rest of Safelight, as functions: it knows neither tables nor commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from safelight.domain.identity import Identity
from safelight.realtime.hub import Hub
from safelight.realtime.registry import Quota
from safelight.realtime.session import Terms


@dataclass(frozen=True, slots=True)
class LiveContext:
    """Times are seconds, unless said otherwise."""

    hub: Hub
    authenticate: Callable[[str], Awaitable[Identity]]
    """Who holds this token; raises Unauthenticated or TokenExpired."""
    owns_job: Callable[[str, str], Awaitable[bool]]
    """Whether `(user_id, job_id)` belong together."""
    report_progress: Callable[[str, Any], Awaitable[None]]
    """Take the JSON of `SEND /app/progress` from a user; raises what the client did wrong."""
    clock: Callable[[], int]
    """Unix milliseconds, for the expiry of tokens."""
    allowed_origins: Sequence[str] = ()
    """Besides the server's own: `https://photos.example`, without a path."""
    terms: Terms = field(default_factory=Terms)
    quota: Quota = field(default_factory=Quota)
    send_within: float = 120.0
    """How long one write may wait for a client that does not read."""
    tick_every: float = 1.0
