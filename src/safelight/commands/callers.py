"""Who is calling, remembered for a moment: a job's commands come by the hundred a second, all with one token."""

from __future__ import annotations

from typing import Final

from safelight.commands.identity import authenticate
from safelight.domain.identity import Identity
from safelight.errors import TokenExpired
from safelight.ports import Ports

# Milliseconds for which a token is good without asking again: so late another process's revocation is heeded.
REMEMBERED: Final = 1_000
MOST: Final = 10_000


class Callers:
    """Tokens found good within the last second. `forget` what this process itself revokes."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[str, tuple[Identity, int]] = {}

    async def identify(self, token: str) -> Identity:
        """Who holds this token. TokenExpired or Unauthenticated where that is nobody."""
        now = self._ports.clock()
        identity, until = self._known.get(token, (None, 0))
        if identity is None or until <= now:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known.pop(token, None)
            identity = await authenticate(self._ports, token)
            self._known[token] = identity, now + REMEMBERED
        if identity.expires_at is not None and identity.expires_at <= now:
            raise TokenExpired
        return identity

    def forget(self, session_id: str | None) -> None:
        """Ask again for every token of this sign-in."""
        self._known = {token: known for token, known in self._known.items() if known[0].session_id != session_id}
