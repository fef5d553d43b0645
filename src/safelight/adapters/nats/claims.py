"""Who holds which name: one message a name, in a stream in memory.

A name is claimed on condition that there is no message of it, which the leader of the stream checks as it writes. A
message says which process holds the name; that process is asked before it is believed, so what a dead one left behind
is in nobody's way, and is gone after an hour. Living ones renew theirs before.
"""

from __future__ import annotations

import base64
from typing import Final

from nats.js import api
from nats.js.errors import NotFoundError

from safelight.adapters.nats import subjects
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.jetstream import LAST_SEQUENCE, Stream

FORGOTTEN_SECONDS: Final = 3600.0


class Claims:
    """Claims are known by their number, and removed or renewed only as long as they stand. All raise FAILURES."""

    def __init__(self, connection: Connection, prefix: str, replicas: int | None) -> None:
        self._prefix = f"{subjects.prefix(prefix)}.claim."
        config = api.StreamConfig(
            name=f"{prefix}-claims",
            description="Safelight: which process holds which session",
            subjects=[f"{self._prefix}*"],
            retention=api.RetentionPolicy.LIMITS,
            storage=api.StorageType.MEMORY,
            max_msgs_per_subject=1,
            max_age=FORGOTTEN_SECONDS,
            allow_direct=False,  # a copy may be behind; the leader is not
        )
        self._stream = Stream(connection, config, replicas)

    async def claim(self, name: str, holder: str, over: int = 0) -> int | None:
        """Claim a name that is free, or that has the claim `over`; the number of ours, None where it is not so."""
        return await self._stream.store(self._subject(name), holder.encode(), {LAST_SEQUENCE: str(over)})

    async def find(self, name: str) -> tuple[str, int] | None:
        """Who has claimed a name, and the number of the claim."""
        await self._stream.make()
        try:
            answer = await self._stream.ask("MSG.GET", last_by_subj=self._subject(name))
        except NotFoundError:
            return None
        message = answer["message"]
        return base64.b64decode(message.get("data", "")).decode(), int(message["seq"])

    async def remove(self, number: int) -> None:
        """Remove one claim, and nothing where it does not stand any more."""
        try:
            await self._stream.ask("MSG.DELETE", seq=number, no_erase=True)
        except NotFoundError:
            return

    def doubt(self) -> None:
        """Look again whether the stream is there."""
        self._stream.doubt()

    def _subject(self, name: str) -> str:
        return self._prefix + subjects.token(name)
