"""Byte progress: gathered in memory, written a few times a second, told after it was written.

Written before told, so that not even a crash makes a watcher see a percent fall. Only the newest count of a
photo matters; a count never falls.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

import structlog

from safelight.commands.record import announce, commit, tell
from safelight.domain import photo as photos
from safelight.domain.events import Recorded, encode, job_status_update, progress_update
from safelight.domain.photo import AWAITING_BYTES, Photo, PhotoStatus, photo_of_key
from safelight.errors import NotFound
from safelight.ports import Ports, ReadTransaction, WriteTransaction

log = structlog.get_logger()

FLUSH_SECONDS: Final = 0.25


class ProgressBoard:
    """The newest byte count of each photo on its way. `run` flushes it until cancelled."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        # By storage key, which every attempt has of its own: what was sent before a retry counts for nothing after it.
        self._counts: dict[str, int] = {}
        self._parts: dict[str, dict[int, int]] = {}
        self._news = asyncio.Event()

    def arrived(self, key: str, upload_id: str | None, part_number: int | None, received: int) -> None:
        """The disk store has `received` bytes of this PUT so far."""
        if photo_of_key(key) is None:
            return
        if upload_id is None or part_number is None:
            self._note(key, received)
            return
        parts = self._parts.setdefault(upload_id, {})
        parts[part_number] = max(parts.get(part_number, 0), received)
        self._note(key, sum(parts.values()))

    async def report(self, user_id: str, counts: dict[str, int]) -> None:
        """A client tells how much it has sent. NotFound where one of the photos is not the user's."""
        mine = await self._ports.db.read(lambda tx: tx.photos(list(counts)))
        if {photo.id for photo in mine if photo.user_id == user_id} != counts.keys():
            raise NotFound
        for photo in mine:
            self._note(photo.storage_key, counts[photo.id])

    async def run(self) -> None:
        """Flush whenever there is news, four times a second at most."""
        while True:
            await self._news.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:
                log.exception("progress not written; the next count will be")

    async def flush(self) -> None:
        """Write the counts gathered so far in one transaction, then tell them."""
        self._news.clear()
        counts, self._counts = self._counts, {}
        if not counts:
            return
        await self._count_earlier_parts(counts)
        recorded, moved = await self._ports.db.write(lambda tx: self._write(tx, counts))
        await announce(self._ports, recorded)
        now = self._ports.clock()
        messages = [(f"job.{photo.job_id}", encode(progress_update(photo, now))) for photo in moved]
        for job in [each.job for each in recorded if not any(event.job_wide for event in each.events)]:
            body = encode(job_status_update(job, now))
            messages += [(f"job.{job.id}", body), (f"user.{job.user_id}", body)]
        await tell(self._ports, messages)

    def _note(self, key: str, sent: int) -> None:
        if sent > self._counts.get(key, -1):
            self._counts[key] = sent
            self._news.set()

    async def _count_earlier_parts(self, counts: dict[str, int]) -> None:
        """After a restart the board has forgotten the parts that arrived before; the store has not."""
        if not self._parts:
            return
        for photo in await self._ports.db.read(lambda tx: _those(tx, counts)):
            parts = self._parts.get(photo.upload_id or "")
            if photo.upload_id is None or parts is None:
                continue
            if photo.status in AWAITING_BYTES and 0 not in parts:
                parts[0] = 0
                for part in await self._ports.store.list_parts(photo.storage_key, photo.upload_id):
                    parts[part.part_number] = max(parts.get(part.part_number, 0), part.size)
                counts[photo.storage_key] = max(counts[photo.storage_key], sum(parts.values()))
            if photo.status not in AWAITING_BYTES or counts[photo.storage_key] >= photo.bytes:
                del self._parts[photo.upload_id]

    def _write(self, tx: WriteTransaction, counts: dict[str, int]) -> tuple[list[Recorded], list[Photo]]:
        by_job: dict[str, list[Photo]] = defaultdict(list)
        for photo in _those(tx, counts):
            by_job[photo.job_id].append(photo)
        recorded, moved = [], []
        now = self._ports.clock()
        for job_id, stale in sorted(by_job.items()):
            job = tx.lock_job(job_id)
            if job is None:
                continue
            sent = {photo.storage_key: counts[photo.storage_key] for photo in stale}
            changes = [
                (photo, photos.receive(photo, sent[photo.storage_key], now))
                for photo in _those(tx, sent)
                if photo.status in AWAITING_BYTES and _is_news(photo, sent[photo.storage_key])
            ]
            if changes:
                recorded.append(commit(tx, job, changes, now))
            # One that began to upload just now is told by the durable event of its new status.
            moved += [after for before, after in changes if before.status is after.status]
        return recorded, moved


def _those(tx: ReadTransaction, counts: dict[str, int]) -> list[Photo]:
    """The photos that are counted, but for those in another attempt by now."""
    found = tx.photos([photo_id for key in counts if (photo_id := photo_of_key(key))])
    return [photo for photo in found if photo.storage_key in counts]


def _is_news(photo: Photo, sent: int) -> bool:
    return photo.status is PhotoStatus.QUEUED or sent > photo.bytes_sent
