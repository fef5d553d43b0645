"""Who is calling, remembered for a moment: a job's commands come by the hundred a second, all with one token."""

from __future__ import annotations

from typing import Final

from safelight.commands.identity import authenticate
from safelight.domain.identity import Identity, credential_of
from safelight.errors import TokenExpired
from safelight.ports import Ports

# Milliseconds for which a token is good without asking again: so late another process's revocation is heeded.
REMEMBERED: Final = 1_000
MOST: Final = 10_000


class Callers:
    """Tokens found good within the last second. `forget` what this process revokes, or hears of."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[str, tuple[Identity, int]] = {}
        self._forgotten = 0

    async def identify(self, token: str) -> Identity:
        """Who holds this token. TokenExpired or Unauthenticated where that is nobody."""
        now = self._ports.clock()
        identity, until = self._known.get(token, (None, 0))
        if identity is None or until <= now:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known.pop(token, None)
            forgotten = self._forgotten
            identity = await authenticate(self._ports, token)
            if forgotten == self._forgotten:  # else it may have been read before it was revoked
                self._known[token] = identity, now + REMEMBERED
        if identity.expires_at is not None and identity.expires_at <= now:
            raise TokenExpired
        return identity

    def forget(self, credential: str) -> None:
        """Ask again for every token that rests on this: the id of a sign-in, or the SHA-256 of an API token."""
        self._forgotten += 1
        self._known = {
            token: known for token, known in self._known.items() if credential_of(known[0], token) != credential
        }
