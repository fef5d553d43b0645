"""The worker: takes tasks, keeps their leases, runs the pipeline, finishes what it began."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from typing import Final

import structlog

from safelight.commands import work
from safelight.domain.photo import THUMBNAIL_SIZES, Developed, Photo, PhotoStatus, Stage, thumbnail_key
from safelight.errors import ChecksumMismatch, ObjectMissing, PhotoError, SizeMismatch, StorageFull, StoreUnavailable
from safelight.ports import Delivery, Ports, Task
from safelight.processing.pipeline import PhotoToProcess, process
from safelight.processing.sandbox import ChildDied, Sandbox

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.005
# How long a task rests that could not be attended to.
PAUSE_SECONDS: Final = 2.0
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
        self._handling: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Take tasks until `end` or cancelled; what is in hand then is given back, so that another goes on at once."""
        async with asyncio.TaskGroup() as group:
            standing = [
                group.create_task(self._keep_leases()),
                group.create_task(self._stages.run()),
                group.create_task(self._take(group)),
            ]
            try:
                await self._ending.wait()
                standing.pop().cancel()
                if self._handling:
                    await asyncio.wait(self._handling, timeout=self._ports.settings.finish_seconds)
            finally:
                for task in (*standing, *self._handling):
                    task.cancel()
        self._ended.set()

    async def end(self) -> None:
        """Take no more, and wait until what is in hand is finished, or for SAFELIGHT_FINISH_SECONDS at most."""
        self._ending.set()
        await self._ended.wait()

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self._ending.is_set()

    async def _take(self, group: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(self._ports.settings.workers * 3)
        tasks = self._ports.broker.tasks()

        def free(task: asyncio.Task[None]) -> None:
            self._handling.discard(task)
            slots.release()

        while True:
            await slots.acquire()
            handling = group.create_task(self._handle(await anext(tasks)))
            self._handling.add(handling)
            handling.add_done_callback(free)

    async def _handle(self, delivery: Delivery) -> None:
        """Attend to one task. What nobody foresaw, a database that is away for one, is no end of the worker: the lease
        ends by itself, and the reconciler queues the photo again.
        """
        try:
            await self._attend(delivery)
        except Exception as error:  # noqa: BLE001 - told, and another try follows
            words = log.bind(photo=delivery.task.photo_id)
            words.warning("photo left as it stands", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await delivery.retry(PAUSE_SECONDS)
            except Exception as away:  # noqa: BLE001 - the broker delivers again what it hears nothing of
                words.info("task not given back", reason=str(away))

    async def _attend(self, delivery: Delivery) -> None:
        photo = await work.claim(self._ports, delivery.task, self._owner)
        if photo is None:
            await self._remake(delivery.task)
            await delivery.ack()
            return
        self._in_hand[photo.id] = delivery
        try:
            await self._develop(photo, delivery)
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(photo, delivery))
            raise
        finally:
            del self._in_hand[photo.id]
            self._stages.lost.discard(photo.id)

    async def _hand_back(self, photo: Photo, delivery: Delivery) -> None:
        await work.give_back(self._ports, photo, self._owner, counted=False)
        await delivery.retry(0)

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

        return await process(_wanted(photo), self._ports.store, self._sandbox, on_stage)

    async def _remake(self, task: Task) -> None:
        """A COMPLETED photo is queued where the audit misses a thumbnail (or twice, for nothing): make it again."""
        photo = await self._ports.db.read(lambda tx: tx.photo(task.photo_id))
        if photo is None or photo.status is not PhotoStatus.COMPLETED or photo.purged_at:
            return
        store = self._ports.store
        if None not in [await store.head(thumbnail_key(photo.id, size)) for size in THUMBNAIL_SIZES]:
            return

        async def on_stage(_stage: str) -> None:
            """These stages were told when the photo went through them."""

        words = log.bind(photo=photo.id)
        try:
            await process(_wanted(photo), store, self._sandbox, on_stage)
            words.info("thumbnails made again")
        except (PhotoError, ChildDied) as error:
            words.warning("thumbnails not made again", reason=str(error))

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
                for delivery in held.values():
                    await delivery.in_progress()
            except Exception as error:  # noqa: BLE001 - told; there are two more rounds before a lease ends
                log.warning("leases not renewed", reason=str(error))


def _wanted(photo: Photo) -> PhotoToProcess:
    sha256 = photo.content_hash.removeprefix("sha256:") if photo.content_hash else None
    return PhotoToProcess(
        photo_id=photo.id, key=photo.storage_key, size=photo.bytes, crc32c=photo.crc32c, sha256=sha256
    )
