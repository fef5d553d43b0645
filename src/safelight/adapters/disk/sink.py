"""Bytes on their way to the disk: written at their offset and summed in a thread, while the next ones arrive."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from crc32c import crc32c

from safelight.adapters.threads import Threads
from safelight.errors import SafelightError, SizeMismatch, StorageFull
from safelight.ports import Grant

# What one thread reads and writes at once; a quarter of it costs a fifth of the speed, the double gains nothing.
BUFFER: Final = 1024 * 1024
# What one PUT takes before it is another's turn.
SHARE: Final = 4 * 1024 * 1024
# As many pieces as one call writes (IOV_MAX); a client that sends drop by drop makes more of a batch.
PIECES: Final = 1024
# A file that would outgrow what the process may write is, to its client, a full disk as well.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def full_disk_told() -> Iterator[None]:
    """StorageFull for what the system says of a full disk; any other error as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise


_of_thread = threading.local()


def _buffer() -> memoryview:
    """Each thread reads into its own memory: it is as many as there are threads, however many uploads there are."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = memoryview(bytearray(BUFFER))
    buffer: memoryview = _of_thread.buffer
    return buffer


class Sink:
    """Takes what a grant allows to `offset` of an open file, which it owns; the CRC32C grows with the bytes.

    `batch` bytes go to a thread at once. Two batches are in memory at most: one being written, one being gathered.
    """

    def __init__(self, grant: Grant, descriptor: int, offset: int, threads: Threads, batch: int) -> None:
        self.grant = grant
        self._descriptor = descriptor
        self._offset = offset
        self._threads = threads
        self._size = batch
        self._batch: list[bytes | memoryview] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self._ended: SafelightError | None = None
        self.received = 0
        self.crc = 0

    async def write(self, data: bytes | memoryview) -> None:
        """Take some bytes, which must not change any more; SizeMismatch as soon as there are more than were granted."""
        if self._ended:
            raise self._ended
        self.received += len(data)
        if self.received > self.grant.size:
            raise SizeMismatch(
                f"More than the {self.grant.size:,} bytes declared came. Send exactly the file that was declared."
            )
        self._batch.append(data)
        self._gathered += len(data)
        # The last batch is written by finish(), together with what else there is to do in a thread.
        if self._gathered >= self._size and self.received < self.grant.size:
            await self._settle()
            if self._ended:
                raise self._ended
            batch, self._batch, self._gathered = self._batch, [], 0
            self._writing = self._threads.call(partial(self._put, batch))

    async def pull(self, read: Callable[[memoryview], int]) -> None:
        """Take in a thread what `read` gives, until it returns 0, a fair share was taken, or all is there."""
        await self._settle()
        if self._ended:
            raise self._ended
        batch, self._batch, self._gathered = self._batch, [], 0
        self._writing = self._threads.call(partial(self._take, batch, read))
        await self._settle()
        if self._ended:
            raise self._ended

    async def finish(self, keep: Callable[[int], None]) -> None:
        """Write the rest, close, and `keep(crc)`, in one hop; SizeMismatch where fewer bytes came than granted."""
        await self._settle()
        if self._ended:
            raise self._ended
        if self.received != self.grant.size:
            raise SizeMismatch(
                f"{self.received:,} bytes came, but {self.grant.size:,} were declared. Send the whole file again."
            )

        def work() -> None:
            self._put(self._batch)
            self._close()
            with full_disk_told():
                keep(self.crc)

        self._writing = self._threads.call(work)
        await self._settle()

    async def abandon(self, drop: Callable[[], None]) -> None:
        """Close after an error, then `drop()`; closing twice is not an error."""
        await self.end(self._ended)

        def work() -> None:
            self._close()
            drop()

        self._writing = self._threads.call(work)
        await self._settle()

    async def end(self, reason: SafelightError | None) -> None:
        """Nothing is written any more once this returns; whoever still sends gets `reason`."""
        self._ended = reason
        self._batch = []
        if self._writing is not None:
            # What it may raise is beside the point by now.
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _settle(self) -> None:
        """Wait for the thread. Shielded: a request that is cancelled must not close a file being written."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None

    def _take(self, batch: list[bytes | memoryview], read: Callable[[memoryview], int]) -> None:
        self._put(batch)
        buffer, end = _buffer(), self.received + SHARE
        while self.received < min(self.grant.size, end) and not self._ended:
            count = read(buffer[: self.grant.size - self.received])
            if not count:
                return
            self._put([buffer[:count]])
            self.received += count

    def _put(self, batch: list[bytes | memoryview]) -> None:
        """Runs in a thread; both the write and the sum let other threads run."""
        for data in batch:
            self.crc = crc32c(data, self.crc)
        with full_disk_told():
            while batch:
                written = os.pwritev(self._descriptor, batch[:PIECES], self._offset)
                self._offset += written
                while batch and written >= len(batch[0]):
                    written -= len(batch.pop(0))
                if written:
                    batch[0] = batch[0][written:]

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
