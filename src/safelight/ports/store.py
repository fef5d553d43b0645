"""The store for bytes: any store, and the one whose URLs lead to this very server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL that works without a token until `expires_at` (Unix milliseconds). `headers` must go with it."""

    url: str
    expires_at: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part as the store has it. `etag` is without quotes; `size` is in bytes."""

    part_number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One whole object. `crc32c` (8 hex digits) is of all its bytes, None where the store does not know it."""

    key: str
    size: int
    etag: str
    crc32c: str | None


class ObjectStore(Protocol):
    """Bytes under keys. Keys are relative, `/`-separated, and made by Safelight, never by a client.

    An upload (single or multipart) is invisible to `head`, `local_copy` and `presign_get` until `complete_*`
    returned; from then on the object never changes until it is deleted.
    Where the system is out of room, writing raises StorageFull and leaves what was there before. Where it cannot be
    reached, or refuses this server, any method raises StoreUnavailable (or StoreRefused) within a bounded time, with a
    sentence that says what is wrong; nothing is lost by asking again.

    A store that bytes pass on their way (LocalStore) and one that they go to directly (S3) differ in this alone:
    what is sent too late. A PUT or part that ends after its object was sealed, or its upload aborted, is refused by the
    former; the latter may take it, where it changes nothing, and `list_uploads` tells of it until `abort`.
    """

    def presign_put(self, key: str, size: int, *, expires_in: int) -> SignedUrl:
        """A URL that takes one PUT of exactly `size` bytes; of any other size it is refused, and what was sent before
        stays. Repeating the PUT before completion replaces it.

        `expires_in` is in seconds. No input or output happens: signing a thousand URLs is cheap.
        """

    async def create_multipart(self, key: str, part_size: int) -> str:
        """Begin a multipart upload in parts of `part_size` bytes, the last of which may be smaller; returns its upload
        id. Two calls give two uploads.
        """

    def presign_part(self, key: str, upload_id: str, part_number: int, size: int, *, expires_in: int) -> SignedUrl:
        """A URL that takes part `part_number` (from 1) of exactly `size` bytes. Repeating it replaces the part. Its
        ETag, which completing asks for, may be of any form.
        """

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """The parts stored whole, by number. UploadGone when the upload ended or never began to exist."""

    async def complete_single(self, key: str) -> StoredObject:
        """Seal the object that was PUT under `key`; durable (fsync of file and folder) when this returns.

        Sealing twice is not an error. NotUploaded when no whole PUT arrived.
        """

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], size: int
    ) -> StoredObject:
        """Seal a multipart upload from `(part_number, etag)` in rising order; durable when this returns.

        Completing again what is complete is not an error. PartMismatch names what does not fit (the upload stays as it
        was): another ETag, a part that is not stored or not named, or other than `size` bytes in all. UploadGone when
        the upload was aborted.
        """

    async def abort(self, key: str, upload_id: str | None) -> None:
        """Forget an upload that was not completed, and its bytes. An unknown upload is not an error; a sealed object
        stays.
        """

    async def head(self, key: str) -> StoredObject | None:
        """The sealed object, or None."""

    async def put(self, files: Mapping[str, bytes], content_type: str) -> None:
        """Store the derived files of a photo (thumbnails), by key, each whole and durably; replaces what was there."""

    def local_copy(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The sealed object as a local file for reading, valid within the context. Where it is gone, entering or
        leaving by the FileNotFoundError of whoever opened it raises ObjectMissing.
        """

    def presign_get(
        self, key: str, *, expires_in: int, filename: str | None = None, content_type: str | None = None
    ) -> SignedUrl:
        """A URL that reads the sealed object (ranges included) for `expires_in` seconds or up to half as long again:
        the same one within that half, so that a browser keeps its copy. `filename` makes it a download of that name.
        """

    async def delete(self, key: str) -> None:
        """Remove the sealed object. A missing one is not an error."""

    async def list_uploads(self) -> list[tuple[str, str | None, int]]:
        """Unsealed uploads as `(key, upload_id or None, last change in Unix ms)`: what the reconciler sweeps. Of a
        multipart upload in S3, which tells no more, the change is its beginning.
        """

    async def check(self) -> None:
        """Raise what is wrong if the store cannot be written to now, within seconds; readiness asks."""

    async def close(self) -> None:
        """Release what is held. Closing twice is not an error."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid signature allows: one PUT of exactly `size` bytes, or reading one object."""

    method: Literal["PUT", "GET"]
    key: str
    size: int = 0
    upload_id: str | None = None
    part_number: int | None = None
    filename: str | None = None
    content_type: str | None = None


class Sink(Protocol):
    """Where the bytes of one PUT go. `received` counts them, `crc` is their CRC32C once they are all written."""

    received: int
    crc: int

    async def write(self, data: bytes | memoryview) -> None:
        """Take some bytes, which must not change any more; SizeMismatch as soon as there are more than were granted."""

    async def pull(self, read: Callable[[memoryview], int]) -> None:
        """Take, in a thread, what `read` puts into the memory that it is given, until it returns 0, a fair share was
        taken, or all is there. What `read` raises is raised here.
        """


class LocalStore(ObjectStore, Protocol):
    """A store whose signed URLs lead to this very server (http/storage.py), as those of S3 do not."""

    async def recover(self) -> None:
        """Remove what was still arriving when the last server ended. For the one server alone, before it receives."""

    def grant(self, method: str, path: str, query: str) -> Grant:
        """What the signature of a request allows; SignatureInvalid or SignatureExpired where that is nothing."""

    def receive(self, grant: Grant) -> AbstractAsyncContextManager[Sink]:
        """A sink for a granted PUT. On leaving without error its bytes are whole, recorded, and replace what was
        sent before. On any error nothing is recorded: an earlier single PUT stays, while an earlier part of the
        same number, over which the bytes went, is no longer listed.

        AlreadyStored where the object is sealed, UploadGone where the upload has ended (abort ends also what is
        arriving), SizeMismatch at the end where there were fewer bytes than granted, Conflict where the same part
        is being sent again by another: of two the newer wins.
        """

    def object_path(self, key: str) -> Path | None:
        """The file of a sealed object, or None."""
