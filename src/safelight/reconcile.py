"""The reconciler: whatever was lost (a message, a process, a client), this sweep finds it and acts.

Every non-terminal photo has a live client, a live lease, or a deadline here. Everything is safe to run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from safelight.commands.jobs import close_declaration
from safelight.commands.library import remove
from safelight.commands.record import bury
from safelight.commands.uploads import expire_uploads, finalize
from safelight.domain.photo import AWAITING_BYTES, photo_of_key
from safelight.errors import NotUploaded, SafelightError, UploadExpired
from safelight.ports import Doomed, Ports, Task, WriteTransaction

log = structlog.get_logger()

DAY: Final = 24 * 3600 * 1000
BATCH: Final = 1_000
# How long a whole single PUT rests before the server finalizes it for a client that never does.
QUIET: Final = 5_000
# How old an upload without a row must be before it is taken for an orphan rather than one just being declared.
ORPHAN_AGE: Final = 3600 * 1000
SLOW_EVERY: Final = 12


class Reconciler:
    """Sweeps until cancelled."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def recover(self) -> None:
        """At the start of a server that works alone: no worker lives, so every lease is void."""
        await self._ports.db.write(lambda tx: tx.void_leases())
        await self.requeue()

    async def run(self) -> None:
        """Sweep what is quick every time, and what reads much every twelfth time."""
        rounds = 0
        while True:
            quick = [self.requeue, self.finalize_resting, self.bury_doomed]
            slow = [self.expire_jobs, self.empty_trash, self.abort_orphans, self.forget]
            for step in quick + (slow if rounds % SLOW_EVERY == 0 else []):
                await self._step(step)
            rounds += 1
            await asyncio.sleep(self._ports.settings.sweep_seconds)

    async def requeue(self) -> None:
        """Photos stored but with no worker on them: their task was lost, or their worker died."""
        for photo in await self._ports.db.read(lambda tx: tx.unleased(self._ports.clock(), BATCH)):
            await self._ports.broker.enqueue(Task(photo.id, photo.job_id, photo.attempt))

    async def finalize_resting(self) -> None:
        """Single PUTs that arrived whole, whose client never finalized (some never do)."""
        quiet_since = self._ports.clock() - QUIET
        for photo in await self._ports.db.read(lambda tx: tx.resting_singles(quiet_since, BATCH)):
            try:
                await finalize(self._ports, None, photo.id)
            except NotUploaded:
                continue
            except SafelightError as error:
                log.info("finalized for its client, and refused", photo=photo.id, code=error.code)

    async def bury_doomed(self) -> None:
        """Bytes that no row needs and whose removal was interrupted."""
        doomed = await self._ports.db.read(lambda tx: tx.doomed(BATCH))
        if doomed:
            await bury(self._ports, doomed)

    async def expire_jobs(self) -> None:
        """Uploads past their deadline fail with the reason; announced files that never came are given up."""
        for job in await self._ports.db.read(lambda tx: tx.overdue(self._ports.clock(), BATCH)):
            await expire_uploads(self._ports, job.id, UploadExpired())
            await close_declaration(self._ports, job.id)

    async def empty_trash(self) -> None:
        """What has lain in the trash past its time is deleted for good."""
        limit = self._ports.clock() - self._ports.settings.trash_days * DAY
        for photo in await self._ports.db.read(lambda tx: tx.trashed_before(limit, BATCH)):
            await remove(self._ports, None, photo.id)

    async def abort_orphans(self) -> None:
        """Uploads in the store that no photo waits for."""
        old = self._ports.clock() - ORPHAN_AGE
        uploads = [u for u in await self._ports.store.list_uploads() if u[2] < old]
        ids = [photo_of_key(key) for key, _, _ in uploads]
        wanted = {
            (photo.storage_key, photo.upload_id)
            for photo in await self._ports.db.read(lambda tx: tx.photos(ids))
            if photo.status in AWAITING_BYTES
        }
        orphans = [Doomed(key, True, upload) for key, upload, _ in uploads if (key, upload) not in wanted]
        for orphan in orphans:
            log.info("orphaned upload aborted", key=orphan.key)
            await self._ports.store.abort(orphan.key, orphan.upload_id)

    async def forget(self) -> None:
        """Expired sign-ins, and the events of jobs that ended long ago."""
        now = self._ports.clock()

        def work(tx: WriteTransaction) -> None:
            tx.forget_expired(now)
            tx.trim_events(now - self._ports.settings.event_days * DAY)

        await self._ports.db.write(work)

    async def _step(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception:
            log.exception("a step of the sweep failed; the next sweep tries again", step=step.__name__)
