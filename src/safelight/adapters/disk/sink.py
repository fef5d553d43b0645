"""Bytes on their way to the disk: written at their offset and summed in a thread, while the next ones arrive."""

from __future__ import annotations

import asyncio
import errno
import os
from concurrent.futures import Executor
from typing import Final

from crc32c import crc32c

from safelight.errors import SafelightError, SizeMismatch, StorageFull

# One hop to a thread a batch. Two batches a request are in memory at most: one being written, one being gathered.
BATCH: Final = 256 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Sink:
    """Takes exactly `size` bytes to `offset` of an open file; the CRC32C grows with them."""

    def __init__(self, descriptor: int, offset: int, size: int, executor: Executor) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._size = size
        self._executor = executor
        self._batch: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self.received = 0
        self.crc = 0

    async def write(self, data: bytes) -> None:
        """Take some bytes; SizeMismatch as soon as there are more than were announced."""
        self.received += len(data)
        if self.received > self._size:
            raise SizeMismatch(
                f"More than the {self._size:,} bytes declared came. Send exactly the file that was declared."
            )
        self._batch.append(data)
        self._gathered += len(data)
        if self._gathered >= BATCH:
            await self._flush()

    async def finish(self) -> None:
        """All bytes are written; SizeMismatch where there were fewer than announced."""
        await self._flush()
        await self.settle()
        if self.received != self._size:
            raise SizeMismatch(
                f"{self.received:,} bytes came, but {self._size:,} were declared. Send the whole file again."
            )

    async def settle(self) -> None:
        """Wait for the batch being written, so that the file may be closed."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _flush(self) -> None:
        await self.settle()
        if not self._batch:
            return
        batch, self._batch, self._gathered = self._batch, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(self._executor, self._put, batch)

    def _put(self, batch: list[bytes]) -> None:
        """Runs in a thread; both the write and the sum let other threads run."""
        for data in batch:
            self.crc = crc32c(data, self.crc)
        try:
            while batch:
                written = os.pwritev(self._descriptor, batch, self._offset)
                self._offset += written
                while batch and written >= len(batch[0]):
                    written -= len(batch.pop(0))
                if written:
                    batch[0] = batch[0][written:]
        except OSError as error:
            raise translated(error) from error


def translated(error: OSError) -> SafelightError | OSError:
    """A full disk in words; any other error as it is."""
    return StorageFull() if error.errno in _FULL else error
