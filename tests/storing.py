"""A store under test, and a client's way to it: into an embedded one directly, to any other by HTTP."""

from __future__ import annotations

import random
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
from botocore.credentials import ReadOnlyCredentials
from crc32c import crc32c

from safelight.adapters.disk import DiskStore
from safelight.adapters.s3 import S3Store
from safelight.errors import ObjectMissing, SafelightError, SizeMismatch, UploadGone
from safelight.ports import Grant, LocalStore, ObjectStore, SignedUrl
from tests.servers.seaweed import SeaweedFS

KEY = "originals/ph_1.1"
MIB = 1024 * 1024
# The smallest part, but for the last, that S3 completes an upload with.
S3_PART = 5 * MIB


class Way(Protocol):
    """How bytes get to a signed URL of a store, and from one."""

    async def send(self, store: ObjectStore, signed: SignedUrl, data: bytes, /) -> str:
        """PUT `data`; returns the ETag. The port's errors where it is refused."""

    async def fetch(self, store: ObjectStore, signed: SignedUrl, /) -> bytes | None:
        """GET; None where there is nothing."""

    async def close(self) -> None:
        """Hang up."""


@dataclass
class Bench:
    """A store, how large its parts are here, and the way to it."""

    make: Callable[[], ObjectStore]
    way: Way
    part: int
    opened: list[ObjectStore] = field(default_factory=list)

    @property
    def store(self) -> ObjectStore:
        return self.opened[-1]

    def open(self) -> None:
        """Open the store, or the same one anew."""
        self.opened.append(self.make())

    async def close(self) -> None:
        for store in self.opened:
            await store.close()
        await self.way.close()

    async def send(self, signed: SignedUrl, data: bytes) -> str:
        return await self.way.send(self.store, signed, data)

    async def fetch(self, signed: SignedUrl) -> bytes | None:
        return await self.way.fetch(self.store, signed)

    async def put(self, data: bytes, key: str = KEY) -> str:
        return await self.send(self.store.presign_put(key, len(data), expires_in=60), data)

    async def put_part(self, upload_id: str, number: int, data: bytes, key: str = KEY) -> tuple[int, str]:
        signed = self.store.presign_part(key, upload_id, number, len(data), expires_in=60)
        return number, await self.send(signed, data)

    async def upload(self, data: bytes) -> tuple[str, list[tuple[int, str]]]:
        """Send all parts of `data`, the last first; the upload's id, and its parts by number."""
        upload_id = await self.store.create_multipart(KEY, self.part)
        numbers = range(1, -(-len(data) // self.part) + 1)
        slices = {n: data[(n - 1) * self.part : n * self.part] for n in numbers}
        return upload_id, sorted([await self.put_part(upload_id, n, slices[n]) for n in reversed(numbers)])

    async def read(self, key: str = KEY) -> bytes:
        async with self.store.local_copy(key) as path:
            return path.read_bytes()

    async def unseen(self, key: str = KEY) -> bool:
        with suppress(ObjectMissing):
            await self.read(key)
            return False
        signed = self.store.presign_get(key, expires_in=60)
        return await self.store.head(key) is None and await self.fetch(signed) is None


class Inside:
    """Into a LocalStore, as its HTTP edge does it."""

    async def close(self) -> None:
        """There is no connection."""

    async def send(self, store: ObjectStore, signed: SignedUrl, data: bytes, /) -> str:
        embedded = local(store)
        async with embedded.receive(granted(embedded, "PUT", signed)) as sink:
            for start in range(0, len(data), 300):
                await sink.write(data[start : start + 300])
        return f"{sink.crc:08x}"

    async def fetch(self, store: ObjectStore, signed: SignedUrl, /) -> bytes | None:
        embedded = local(store)
        path = embedded.object_path(granted(embedded, "GET", signed).key)
        return path.read_bytes() if path else None


class OverHttp:
    """As a browser does it. What S3 answers is told in the port's errors."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient()

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, _: ObjectStore, signed: SignedUrl, data: bytes, /) -> str:
        answer = await self._client.put(signed.url, content=data, headers=signed.headers)
        if answer.status_code == 200:
            return str(answer.headers["etag"].strip('"'))
        code = re.search("<Code>(.*)</Code>", answer.text)
        # The size is part of what was signed.
        refusals = {"SignatureDoesNotMatch": SizeMismatch, "NoSuchUpload": UploadGone}
        raise refusals.get(code[1] if code else "", SafelightError)(answer.text)

    async def fetch(self, _: ObjectStore, signed: SignedUrl, /) -> bytes | None:
        answer = await self._client.get(signed.url)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.content


def local(store: ObjectStore) -> LocalStore:
    assert isinstance(store, DiskStore)
    return store


def granted(store: LocalStore, method: str, signed: SignedUrl) -> Grant:
    path, _, query = signed.url.partition("?")
    return store.grant(method, path, query)


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def disk_bench(folder: Path, clock: Callable[[], int] = now) -> Bench:
    """A disk store in `folder`, with parts so small that many of them cost nothing."""
    return Bench(lambda: DiskStore(folder / "store", base_url="", secret=b"secret", clock=clock), Inside(), 1000)


def s3_bench(folder: Path, seaweed: SeaweedFS) -> Bench:
    """An S3 store below a prefix of its own."""
    prefix = secrets.token_hex(8)
    return Bench(lambda: s3_store(seaweed, folder, prefix), OverHttp(), S3_PART)


def s3_store(seaweed: SeaweedFS, folder: Path, prefix: str = "", endpoint: str | None = None) -> S3Store:
    """The S3 store as Safelight opens it, through another endpoint where one is given."""
    return S3Store(
        seaweed.url(prefix, endpoint),
        scratch=folder / "scratch",
        clock=now,
        credentials=ReadOnlyCredentials(seaweed.access_key, seaweed.secret_key, None),
    )


def content(size: int, seed: int = 1) -> bytes:
    """Bytes of a seed; fewer are the beginning of more."""
    block = random.Random(seed).randbytes(65_537)
    return (block * (size // len(block) + 1))[:size]


def digest(data: bytes) -> str:
    return f"{crc32c(data):08x}"
