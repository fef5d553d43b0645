"""The disk store (ports.ObjectStore): objects, staged single PUTs and multipart uploads as files under one root.

`objects/<shard>/<key>` is sealed. `staging/<key>` is a single PUT that arrived whole. `uploads/<id>/data` holds a
multipart upload, part n at (n - 1) * part size, so that completing renames instead of copying.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from safelight.adapters.disk import durable, ledger
from safelight.adapters.disk.signing import Signer
from safelight.adapters.disk.sink import Sink, full_disk_told
from safelight.adapters.parts import verify as verify_parts
from safelight.adapters.threads import Threads
from safelight.domain.checksum import combine
from safelight.errors import (
    AlreadyStored,
    Conflict,
    NotUploaded,
    ObjectMissing,
    UploadGone,
)
from safelight.ports import Grant, SignedUrl, StoredObject, StoredPart

T = TypeVar("T")
THREADS: Final = 8
# Bytes are written by few threads, which take turns better than many; sealing, which waits for fsync, has the others.
WRITERS: Final = 4
# Bytes that a PUT gathers for one hop to a thread, and that all PUTs together may hold.
MIN_BATCH: Final = 256 * 1024
MAX_BATCH: Final = 1024 * 1024
BATCHES: Final = 32 * 1024 * 1024
SHARDS: Final = 256
# Checksums of staged bytes that are remembered; one that is not is made anew from the bytes.
REMEMBERED: Final = 65_536
_PROBE: Final = ".probe"
_NAME: Final = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*", re.ASCII)


class DiskStore:
    """Bytes under one root folder; `base_url` goes before every signed path, `clock` gives Unix milliseconds."""

    def __init__(self, root: Path, *, base_url: str, secret: bytes, clock: Callable[[], int]) -> None:
        self._objects, self._staging, self._uploads, self._arriving = (
            root / name for name in ("objects", "staging", "uploads", "arriving")
        )
        for folder in (self._staging, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)
        for shard in range(SHARDS):
            (self._objects / f"{shard:02x}").mkdir(parents=True, exist_ok=True)
        self._arriving.mkdir(exist_ok=True)
        self._base_url = base_url
        self._signer = Signer(secret)
        self._clock = clock
        self._threads = Threads(THREADS, "disk")
        self._writers = Threads(WRITERS, "disk-writer")
        # One lock for each object or upload, held for moments only: never while bytes arrive.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sinks: set[Sink] = set()
        self._checksums: dict[str, int] = {}

    # --- signing ---

    def presign_put(self, key: str, size: int, *, expires_in: int) -> SignedUrl:
        return self._sign(Grant("PUT", key, size=size), expires_in)

    def presign_part(self, key: str, upload_id: str, part_number: int, size: int, *, expires_in: int) -> SignedUrl:
        grant = Grant("PUT", key, size=size, upload_id=upload_id, part_number=part_number)
        return self._sign(grant, expires_in)

    def presign_get(
        self, key: str, *, expires_in: int, filename: str | None = None, content_type: str | None = None
    ) -> SignedUrl:
        grant = Grant("GET", key, filename=filename, content_type=content_type)
        return self._sign(grant, expires_in, window=max(1, expires_in // 2))

    def grant(self, method: str, path: str, query: str) -> Grant:
        return self._signer.verify(method, path, query, self._clock() // 1000)

    # --- receiving (ports.LocalStore) ---

    async def recover(self) -> None:
        await self._in_thread(self._forget_arrivals)

    @asynccontextmanager
    async def receive(self, grant: Grant) -> AsyncIterator[Sink]:
        place = _place(grant.key, grant.upload_id)
        arriving = self._arriving / secrets.token_hex(12)
        async with self._lock(place):
            if grant.upload_id:
                await self._take_over(grant)
                descriptor, offset = await self._in_thread(self._open_part, grant)
            else:
                descriptor, offset = await self._in_thread(self._open_single, grant, arriving)
        sink = Sink(grant, descriptor, offset, self._writers, self._batch())
        self._sinks.add(sink)
        try:
            yield sink
            async with self._lock(place):
                await sink.finish(partial(self._keep, grant, arriving))
        except BaseException:
            await sink.abandon(partial(arriving.unlink, missing_ok=True))
            raise
        finally:
            self._sinks.discard(sink)

    def object_path(self, key: str) -> Path | None:
        path = self._object(key)
        return path if path.is_file() else None

    # --- multipart uploads ---

    async def create_multipart(self, key: str, part_size: int) -> str:
        upload_id = secrets.token_urlsafe(18).replace("-", "a").replace("_", "b")
        await self._in_thread(self._begin, upload_id, {"key": key, "partSize": part_size})
        return upload_id

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        return await self._in_thread(self._parts, key, upload_id)

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], size: int
    ) -> StoredObject:
        async with self._lock(_place(key, upload_id)):
            return await self._in_thread(self._seal_upload, key, upload_id, list(parts), size)

    async def abort(self, key: str, upload_id: str | None) -> None:
        async with self._lock(_place(key, upload_id)):
            for sink in [s for s in self._sinks if (s.grant.key, s.grant.upload_id) == (key, upload_id)]:
                await sink.end(UploadGone())
            await self._in_thread(self._discard, key, upload_id)

    async def list_uploads(self) -> list[tuple[str, str | None, int]]:
        return await self._in_thread(self._unsealed)

    # --- objects ---

    async def complete_single(self, key: str) -> StoredObject:
        async with self._lock(_place(key, None)):
            return await self._in_thread(self._seal_single, key)

    async def head(self, key: str) -> StoredObject | None:
        return await self._in_thread(self._measure, key)

    async def put(self, files: Mapping[str, bytes], content_type: str) -> None:  # noqa: ARG002 - URLs carry the type
        await self._in_thread(self._write_objects, files)

    @asynccontextmanager
    async def local_copy(self, key: str) -> AsyncIterator[Path]:
        try:
            yield self._object(key)
        except FileNotFoundError as error:
            raise ObjectMissing from error

    async def delete(self, key: str) -> None:
        await self._in_thread(partial(self._object(key).unlink, missing_ok=True))

    async def check(self) -> None:
        await self._in_thread(self._probe)

    async def close(self) -> None:
        for pool in (self._writers, self._threads):
            await asyncio.to_thread(pool.close)

    # --- receiving, inside ---

    async def _take_over(self, grant: Grant) -> None:
        """Of two PUTs of one part the newer wins, at once: the older one's connection may be dead, which TCP notices
        only after minutes, and then its client is the very one that sends again.
        """
        for older in [sink for sink in self._sinks if sink.grant == grant]:
            await older.end(Conflict("The same part is being sent again on another connection, which replaces this."))

    def _batch(self) -> int:
        """How much a PUT gathers: large blocks cost least, but all PUTs together stay within BATCHES."""
        return max(MIN_BATCH, min(MAX_BATCH, BATCHES // (2 * (len(self._sinks) + 1))))

    # --- what runs in threads ---

    def _open_single(self, grant: Grant, arriving: Path) -> tuple[int, int]:
        if self._object(grant.key).exists():
            raise AlreadyStored
        return os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), 0

    def _open_part(self, grant: Grant) -> tuple[int, int]:
        if self._object(grant.key).exists():
            raise AlreadyStored
        upload_id, number = grant.upload_id or "", grant.part_number or 0
        part_size = self._part_size(grant.key, upload_id)
        folder = self._uploads / upload_id
        try:
            ledger.withdraw(folder / "parts", number)
            return os.open(folder / "data", os.O_WRONLY), (number - 1) * part_size
        except FileNotFoundError as error:
            raise UploadGone from error

    def _keep(self, grant: Grant, arriving: Path, crc: int) -> None:
        if not grant.upload_id:
            self._stage(grant.key, arriving, crc)
            return
        try:
            ledger.append(self._uploads / grant.upload_id / "parts", grant.part_number or 0, grant.size, crc)
        except FileNotFoundError as error:
            raise UploadGone from error

    def _forget_arrivals(self) -> None:
        for left in self._arriving.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def _begin(self, upload_id: str, about: dict[str, object]) -> None:
        # Made elsewhere, then named: no upload is ever seen half made.
        folder = self._arriving / upload_id
        folder.mkdir()
        (folder / "data").touch()
        (folder / "parts").touch()
        (folder / "about").write_text(json.dumps(about))
        folder.rename(self._uploads / upload_id)

    def _part_size(self, key: str, upload_id: str) -> int:
        try:
            about = json.loads((self._uploads / _checked(upload_id) / "about").read_text())
        except FileNotFoundError as error:
            raise UploadGone from error
        if about["key"] != key:
            raise UploadGone
        size: int = about["partSize"]
        return size

    def _parts(self, key: str, upload_id: str) -> list[StoredPart]:
        self._part_size(key, upload_id)
        try:
            recorded = ledger.read(self._uploads / upload_id / "parts")
        except FileNotFoundError as error:
            raise UploadGone from error
        return [StoredPart(number, f"{crc:08x}", size) for number, (size, crc) in sorted(recorded.items())]

    def _seal_upload(self, key: str, upload_id: str, named: list[tuple[int, str]], size: int) -> StoredObject:
        folder, target = self._uploads / upload_id, self._object(key)
        if (done := self._measure(key)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            return done
        stored = self._parts(key, upload_id)
        verify_parts(named, stored, size)
        durable.seal([(folder / "data", target)])
        shutil.rmtree(folder, ignore_errors=True)
        crc = f"{combine((int(part.etag, 16), part.size) for part in stored):08x}"
        return StoredObject(key, size, crc, crc)

    def _stage(self, key: str, arriving: Path, crc: int) -> None:
        if self._object(key).exists():
            raise AlreadyStored
        staged = self._staged(key)
        try:
            arriving.replace(staged)
        except FileNotFoundError:
            staged.parent.mkdir(parents=True, exist_ok=True)
            arriving.replace(staged)
        if len(self._checksums) >= REMEMBERED:
            self._checksums.pop(next(iter(self._checksums)), None)
        self._checksums[key] = crc

    def _seal_single(self, key: str) -> StoredObject:
        if (done := self._measure(key)) is not None:
            return done
        staged = self._staged(key)
        try:
            size = staged.stat().st_size
        except FileNotFoundError:
            raise NotUploaded from None
        known = self._checksums.get(key)
        crc = f"{durable.checksum(staged)[0] if known is None else known:08x}"
        durable.seal([(staged, self._object(key))])
        self._checksums.pop(key, None)
        return StoredObject(key, size, crc, crc)

    def _write_objects(self, files: Mapping[str, bytes]) -> None:
        moves = [(self._arriving / secrets.token_hex(12), self._object(key)) for key in files]
        try:
            for (arriving, _), data in zip(moves, files.values(), strict=True):
                arriving.write_bytes(data)
            durable.seal(moves)
        finally:
            for arriving, _ in moves:
                arriving.unlink(missing_ok=True)

    def _measure(self, key: str) -> StoredObject | None:
        try:
            crc, size = durable.checksum(self._object(key))
        except FileNotFoundError:
            return None
        return StoredObject(key, size, f"{crc:08x}", f"{crc:08x}")

    def _discard(self, key: str, upload_id: str | None) -> None:
        if upload_id is None:
            self._staged(key).unlink(missing_ok=True)
            self._checksums.pop(key, None)
            return
        folder = self._uploads / _checked(upload_id)
        # Renamed first: from that moment on no part is recorded there any more.
        gone = self._arriving / secrets.token_hex(12)
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def _unsealed(self) -> list[tuple[str, str | None, int]]:
        found: list[tuple[str, str | None, int]] = []
        for folder in self._uploads.iterdir():
            with suppress(FileNotFoundError):  # it ended while we looked
                about = json.loads((folder / "about").read_text())
                found.append((about["key"], folder.name, (folder / "parts").stat().st_mtime_ns // 1_000_000))
        for folder_name, _, names in os.walk(self._staging):
            for name in names:
                staged = Path(folder_name, name)
                with suppress(FileNotFoundError):
                    key = str(staged.relative_to(self._staging))
                    found.append((key, None, staged.stat().st_mtime_ns // 1_000_000))
        return found

    def _probe(self) -> None:
        (self._arriving / _PROBE).write_bytes(b"safelight")
        (self._arriving / _PROBE).unlink()

    def _sign(self, grant: Grant, expires_in: int, window: int = 0) -> SignedUrl:
        """Within a window (in seconds) the same URL comes again, and lasts for the window longer."""
        now = self._clock() // 1000
        expires_at = (now // window * window + window if window else now) + expires_in
        return SignedUrl(self._base_url + self._signer.sign(grant, expires_at), expires_at * 1000)

    def _object(self, key: str) -> Path:
        """One flat folder of a fixed set: no folder is made, and made durable, with a photo. Keys that differ only
        behind their last slash share it, so that a photo's thumbnails cost one fsync of a folder.
        """
        shard = zlib.crc32(key.rpartition("/")[0].encode()) if key.count("/") > 1 else zlib.crc32(key.encode())
        return self._objects / f"{shard % SHARDS:02x}" / _checked(key).replace("/", ".")

    def _staged(self, key: str) -> Path:
        return self._staging / _checked(key)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        with full_disk_told():
            return await self._threads.call(partial(work, *arguments))


def _checked(name: str) -> str:
    """A key or upload id as Safelight makes them; ValueError for any other, which could lead out of the root."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is neither a key nor an upload id")
    return name


def _place(key: str, upload_id: str | None) -> str:
    return f"upload {upload_id}" if upload_id else f"object {key}"
