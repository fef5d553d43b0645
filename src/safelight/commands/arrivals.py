"""Single PUTs of which the store itself told: finalized for their client, unless that does it within moments.

A shortcut, never a need: what is not told, or forgotten here by a restart, the reconciler finds.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog

from safelight.commands.sealing import Sent, finalize
from safelight.commands.uploads import QUIET
from safelight.domain.photo import AWAITING_BYTES, photo_of_key
from safelight.errors import SafelightError
from safelight.ports import Ports

log = structlog.get_logger()

# As many are remembered; of more, the oldest are left to the reconciler.
_MOST: Final = 100_000
_AT_ONCE: Final = 8
# A key as the store names it: behind the bucket's path, Safelight's prefix, and where single PUTs arrive.
_ORIGINAL: Final = re.compile(r"(?:.*/)?(originals/[^/]+)", re.DOTALL)


class Arrivals:
    """What has arrived and may have nobody to finalize it. `run` attends to it until cancelled."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._due: deque[tuple[float, str]] = deque(maxlen=_MOST)
        self._news = asyncio.Event()

    def note(self, keys: Iterable[str]) -> None:
        """The store has these objects. Keys that are not those of originals are passed over."""
        due = asyncio.get_running_loop().time() + QUIET / 1000
        for key in keys:
            original = _ORIGINAL.fullmatch(key)
            photo_id = photo_of_key(original[1]) if original else None
            if photo_id:
                self._due.append((due, photo_id))
                self._news.set()

    async def run(self) -> None:
        """Finalize what nobody has finalized in time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._due:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(max(0.0, self._due[0][0] - loop.time()))
            ripe: list[str] = []
            while self._due and self._due[0][0] <= loop.time() and len(ripe) < _AT_ONCE:
                ripe.append(self._due.popleft()[1])
            await asyncio.gather(*map(self._attend, dict.fromkeys(ripe)))

    async def _attend(self, photo_id: str) -> None:
        words = log.bind(photo=photo_id)
        try:
            photo = await self._ports.db.read(lambda tx: tx.photo(photo_id))
            # A multipart upload is sealed by finalizing alone, which its client, or the reconciler, did.
            if photo and photo.status in AWAITING_BYTES and not photo.multipart:
                await finalize(self._ports, None, Sent(photo.id))
        except SafelightError as error:
            words.info("told by the store, and not finalized", code=error.code, reason=error.message)
        except Exception:  # noqa: BLE001 - told, and others go on
            words.exception("told by the store, and not finalized; the reconciler does it")
