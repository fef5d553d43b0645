"""The worker: takes tasks, keeps their leases, runs the pipeline, finishes what it began."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from typing import Final

import structlog

from safelight.commands import work
from safelight.domain.photo import Developed, Photo, Stage
from safelight.errors import ChecksumMismatch, ObjectMissing, PhotoError, SizeMismatch, StorageFull, StoreUnavailable
from safelight.ports import Delivery, Ports
from safelight.processing.pipeline import PhotoToProcess, process
from safelight.processing.sandbox import ChildDied, Sandbox

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.005
# After these the stored bytes are of no use: a retry asks for them again.
BYTES_LOST: Final = (ChecksumMismatch, SizeMismatch, ObjectMissing)


class LeaseLost(Exception):
    """The photo is no longer this worker's: cancelled, or taken by another after silence."""


class Stages:
    """Tells of stages while the work goes on: those of all photos that came together go into one commit, in order."""

    def __init__(self, ports: Ports, owner: str) -> None:
        self.lost: set[str] = set()
        self._ports = ports
        self._owner = owner
        self._moves: list[tuple[Photo, Stage]] = []
        self._news = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def note(self, photo: Photo, stage: Stage) -> None:
        """The photo has come to this stage."""
        self._moves.append((photo, stage))
        self._quiet.clear()
        self._news.set()

    async def settled(self) -> None:
        """Everything noted so far is written."""
        await self._quiet.wait()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            await self._news.wait()
            # The metadata of most photos are read within this time: two stages, one commit.
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            moves, self._moves = self._moves, []
            try:
                self.lost |= await work.enter(self._ports, moves, self._owner)
            except Exception:
                # A stage that is not told harms nobody: the next one passes over it.
                log.exception("stages not written")
            if not self._moves:
                self._quiet.set()


class Worker:
    """Processes photos until cancelled; as many at once as the sandbox has children, and one in waiting."""

    def __init__(self, ports: Ports, sandbox: Sandbox) -> None:
        self._ports = ports
        self._sandbox = sandbox
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._in_hand: dict[str, Delivery] = {}
        self._stages = Stages(ports, self._owner)

    async def run(self) -> None:
        """Take tasks; on cancellation give back what is in hand, so that another can go on at once."""
        slots = asyncio.Semaphore(self._ports.settings.workers * 3)
        tasks = self._ports.broker.tasks()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_leases())
            group.create_task(self._stages.run())
            while True:
                await slots.acquire()
                delivery = await anext(tasks)
                group.create_task(self._handle(delivery)).add_done_callback(lambda _: slots.release())

    async def _handle(self, delivery: Delivery) -> None:
        photo = await work.claim(self._ports, delivery.task, self._owner)
        if photo is None:
            await delivery.ack()
            return
        self._in_hand[photo.id] = delivery
        try:
            await self._develop(photo, delivery)
        except asyncio.CancelledError:
            await asyncio.shield(work.give_back(self._ports, photo, self._owner, counted=False))
            raise
        finally:
            del self._in_hand[photo.id]
            self._stages.lost.discard(photo.id)

    async def _develop(self, photo: Photo, delivery: Delivery) -> None:
        """Run the pipeline once, and end the try in exactly one way."""
        words = log.bind(photo=photo.id, job=photo.job_id, attempt=photo.attempt, try_=photo.tries)
        try:
            developed = await self._process(photo)
            await self._stages.settled()
            await work.publish(self._ports, photo, developed, self._owner)
        except LeaseLost:
            words.info("photo left: cancelled, or taken over")
        except PhotoError as error:
            words.info("photo failed", code=error.code, reason=error.message)
            usable = not isinstance(error, BYTES_LOST)
            await work.fail(self._ports, photo, error, self._owner, bytes_usable=usable)
        except ChildDied as error:
            words.warning("decoder died, the photo is tried again", reason=str(error))
            await work.give_back(self._ports, photo, self._owner, counted=True)
            await delivery.retry(0.2 * photo.tries)
            return
        except (StorageFull, StoreUnavailable, OSError) as error:
            words.warning("store not usable, the photo waits", reason=str(error))
            await work.give_back(self._ports, photo, self._owner, counted=False)
            await delivery.retry(5)
            return
        except Exception:  # noqa: BLE001 - told, and the photo is tried again
            words.exception("processing broke off, the photo is tried again")
            await work.give_back(self._ports, photo, self._owner, counted=True)
            await delivery.retry(photo.tries)
            return
        await delivery.ack()

    async def _process(self, photo: Photo) -> Developed:
        async def on_stage(stage: str) -> None:
            if photo.id in self._stages.lost:
                raise LeaseLost
            # VERIFYING began with the lease; PUBLISHING is one commit with COMPLETED.
            if stage in (Stage.METADATA, Stage.THUMBNAILS):
                self._stages.note(photo, Stage(stage))

        sha256 = photo.content_hash.removeprefix("sha256:") if photo.content_hash else None
        wanted = PhotoToProcess(
            photo_id=photo.id, key=photo.storage_key, size=photo.bytes, crc32c=photo.crc32c, sha256=sha256
        )
        return await process(wanted, self._ports.store, self._sandbox, on_stage)

    async def _keep_leases(self) -> None:
        """Renew the leases of all photos in hand three times within their length."""
        seconds = self._ports.settings.lease_seconds
        while True:
            await asyncio.sleep(seconds / 3)
            held = dict(self._in_hand)
            if not held:
                continue
            try:
                await work.renew(self._ports, list(held), self._owner)
            except Exception:
                log.exception("leases not renewed")
            for delivery in held.values():
                await delivery.in_progress()
