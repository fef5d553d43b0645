"""A whole object as a local file: streamed, and resumed where a transfer breaks off."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError as TransferError
from botocore.exceptions import BotoCoreError, ClientError

from safelight.adapters.s3.client import Client
from safelight.adapters.s3.complaints import status_of, unanswered
from safelight.adapters.threads import Threads
from safelight.errors import ObjectMissing

# What goes to the disk at once; a piece from the network is a few kilobytes.
_BLOCK: Final = 1024 * 1024
_PIECE: Final = 256 * 1024
# Breaks without a byte between them, and the longest pause before the next attempt, in seconds.
_BREAKS: Final = 5
_LONGEST_PAUSE: Final = 4.0


async def download(client: Client, name: str, path: Path, threads: Threads) -> None:
    """Write the object `name` to a new file at `path`. ObjectMissing where there is none; StoreUnavailable where the
    transfer broke off again and again without getting any further.
    """
    file = await threads.call(lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        transfer = _Transfer(client, name, file, threads)
        breaks = 0
        while not transfer.whole:
            before = transfer.received
            try:
                await transfer.go_on()
            except (TransferError, BotoCoreError, TimeoutError, ConnectionError) as error:
                breaks = 0 if transfer.received > before else breaks + 1
                if breaks >= _BREAKS:
                    raise unanswered(error, client.address) from error
                await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.25 * 2**breaks)))  # noqa: S311 - jitter
    finally:
        await asyncio.shield(threads.call(lambda: os.close(file)))


class _Transfer:
    """How far it has come. Each request asks for the rest of the very object that the first one found."""

    def __init__(self, client: Client, name: str, file: int, threads: Threads) -> None:
        self._client = client
        self._name = name
        self._file = file
        self._threads = threads
        self._etag = ""
        self._size: int | None = None
        self.received = 0

    @property
    def whole(self) -> bool:
        return self.received == self._size

    async def go_on(self) -> None:
        """Ask for the rest and write it, as far as it comes."""
        answer = await self._ask()
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
            self.received = 0  # the first request, or a store that knows no ranges
            self._size = answer["ContentLength"]
            self._etag = answer["ETag"]
        async with answer["Body"] as body:
            block: list[bytes] = []
            try:
                while piece := await body.read(_PIECE):
                    block.append(piece)
                    if sum(map(len, block)) >= _BLOCK:
                        await self._write(block)
                        block = []
            finally:
                await self._write(block)

    async def _ask(self) -> Any:
        rest = {"Range": f"bytes={self.received}-", "IfMatch": self._etag} if self.received else {}
        try:
            return await self._client.call("get_object", Key=self._name, **rest)
        except ClientError as error:
            # 412: deleted, and made anew by somebody else.
            if status_of(error) in {404, 412}:
                raise ObjectMissing from error
            raise

    async def _write(self, block: list[bytes]) -> None:
        data = b"".join(block)
        await self._threads.call(lambda: _write_at(self._file, data, self.received))
        self.received += len(data)


def _write_at(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
