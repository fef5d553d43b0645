"""The S3 store (ports.ObjectStore): objects, single PUTs on their way and multipart uploads in one bucket.

`<prefix><key>` is sealed. `<prefix>incoming/<key>` is a single PUT that arrived whole and is copied to its key when it
is sealed, since a URL that leads to the key itself could change it afterwards. A multipart upload is made on its key
at once: S3 shows nothing of it until it is completed, as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from safelight.adapters.parts import verify as verify_parts
from safelight.adapters.s3.address import Address
from safelight.adapters.s3.client import Client
from safelight.adapters.s3.complaints import code_of, no_bucket, status_of
from safelight.adapters.s3.download import download
from safelight.adapters.scratch import Scratch
from safelight.adapters.threads import Threads
from safelight.domain.disposition import disposition
from safelight.errors import Conflict, NotUploaded, PartMismatch, StoreUnavailable, UploadGone
from safelight.ports import SignedUrl, StoredObject, StoredPart

log = structlog.get_logger()

INCOMING: Final = "incoming/"
PAGE: Final = 1_000
# How often sealing looks again where another PUT of the same photo, or another sealing, comes between.
_SEALINGS: Final = 3
_FOREVER: Final = "private, max-age=31536000, immutable"
_GONE: Final = frozenset({"NoSuchUpload", "NoSuchKey", "404"})
_MISFITS: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})


class S3Store:
    """The bucket that `url` names (address.py). `scratch` is the folder for local copies, `clock` gives Unix
    milliseconds, `connections` are open to the store at most, and as many calls are under way.

    Without `credentials` the ordinary AWS chain is asked. Making it blocks: it belongs before the loop starts.
    """

    def __init__(
        self,
        url: str,
        *,
        scratch: Path,
        clock: Callable[[], int],
        connections: int = 50,
        credentials: ReadOnlyCredentials | None = None,
    ) -> None:
        self._address = Address.parse(url)
        self._prefix = self._address.prefix
        self._client = Client(self._address, connections, credentials)
        self._presigner = self._client.presigner(clock)
        self._scratch = Scratch(scratch)
        self._threads = Threads(4, "s3")

    # --- signing ---

    def presign_put(self, key: str, size: int, *, expires_in: int) -> SignedUrl:
        return self._presigner.put(self._incoming(key), size, expires_in)

    def presign_part(self, key: str, upload_id: str, part_number: int, size: int, *, expires_in: int) -> SignedUrl:
        return self._presigner.put(
            self._prefix + key, size, expires_in, partNumber=str(part_number), uploadId=upload_id
        )

    def presign_get(
        self, key: str, *, expires_in: int, filename: str | None = None, content_type: str | None = None
    ) -> SignedUrl:
        kind = content_type or "application/octet-stream"
        query = {"response-content-type": kind}
        if value := disposition(filename, kind, key.rpartition("/")[2]):
            query["response-content-disposition"] = value
        return self._presigner.get(self._prefix + key, expires_in, query)

    # --- multipart uploads ---

    async def create_multipart(self, key: str, part_size: int) -> str:  # noqa: ARG002 - each URL bears its part's size
        created = await self._call("create_multipart_upload", key)
        return str(created["UploadId"])

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        return _newest([part async for part in self._stored(key, upload_id)])

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], size: int
    ) -> StoredObject:
        try:
            stored = [part async for part in self._stored(key, upload_id)]
            verify_parts(parts, _newest(stored, preferred=set(parts)), size)
            named = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in parts]
            done = await self._call(
                "complete_multipart_upload", key, UploadId=upload_id, MultipartUpload={"Parts": named}
            )
        except UploadGone:
            return await self._completed(key)
        except ClientError as error:
            if code_of(error) in _GONE:
                return await self._completed(key)
            if code_of(error) in _MISFITS:
                raise PartMismatch(f"{error.response['Error'].get('Message', '')} Ask for the stored parts.") from error
            raise
        return StoredObject(key, size, done["ETag"].strip('"'), None)

    async def abort(self, key: str, upload_id: str | None) -> None:
        if upload_id is None:
            await self._remove(self._incoming(key))
            return
        try:
            await self._call("abort_multipart_upload", key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise

    async def list_uploads(self) -> list[tuple[str, str | None, int]]:
        singles = [(key, None, changed) async for key, changed in self._arrived()]
        return [*singles, *[upload async for upload in self._begun()]]

    # --- objects ---

    async def complete_single(self, key: str) -> StoredObject:
        for _ in range(_SEALINGS):
            # In this order: what was PUT after the object was sealed is seen together with the sealed object.
            arrived = await self._head(self._incoming(key))
            sealed = await self.head(key)
            if sealed is not None:
                if arrived is not None:
                    await self._forget_incoming(key)
                return sealed
            if arrived is None:
                raise NotUploaded
            etag = await self._copy(key, arrived["ETag"])
            if etag is not None:
                await self._forget_incoming(key)
                return StoredObject(key, arrived["ContentLength"], etag, None)
        raise Conflict("This photo is being sent again at this moment. Finalize once that has ended.")

    async def head(self, key: str) -> StoredObject | None:
        found = await self._head(self._prefix + key)
        return found and StoredObject(key, found["ContentLength"], found["ETag"].strip('"'), None)

    async def put(self, files: Mapping[str, bytes], content_type: str) -> None:
        puts = (
            self._call("put_object", key, Body=data, ContentType=content_type, CacheControl=_FOREVER)
            for key, data in files.items()
        )
        # All have ended when this returns, whatever becomes of one of them.
        for outcome in await asyncio.gather(*puts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    @asynccontextmanager
    async def local_copy(self, key: str) -> AsyncIterator[Path]:
        path = self._scratch.path()
        try:
            await download(self._client, self._prefix + key, path, self._threads)
            yield path
        finally:
            await asyncio.shield(self._threads.call(lambda: path.unlink(missing_ok=True)))

    async def delete(self, key: str) -> None:
        await self._remove(self._prefix + key)

    async def check(self) -> None:
        try:
            await self._client.call("head_bucket")
        except ClientError as error:
            raise no_bucket(self._address) from error

    async def close(self) -> None:
        await self._client.close()
        await asyncio.to_thread(self._threads.close)
        await asyncio.to_thread(self._scratch.close)

    # --- inside ---

    async def _stored(self, key: str, upload_id: str) -> AsyncIterator[tuple[datetime, StoredPart]]:
        """The parts and when they came, by number; UploadGone where the upload has ended or never began."""
        following: dict[str, int] = {}
        while True:
            try:
                page = await self._call("list_parts", key, UploadId=upload_id, MaxParts=PAGE, **following)
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise UploadGone from error
                raise
            for part in page.get("Parts", ()):
                yield part["LastModified"], StoredPart(part["PartNumber"], part["ETag"].strip('"'), part["Size"])
            if not page.get("IsTruncated"):
                return
            following = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def _copy(self, key: str, etag: str) -> str | None:
        """Copy what arrived to its key; None where it is no longer what was seen."""
        source = {"Bucket": self._address.bucket, "Key": self._incoming(key)}
        try:
            copied = await self._call("copy_object", key, CopySource=source, CopySourceIfMatch=etag)
        except ClientError as error:
            if status_of(error) in {404, 412}:
                return None
            raise
        return str(copied["CopyObjectResult"]["ETag"]).strip('"')

    async def _forget_incoming(self, key: str) -> None:
        try:
            await self._remove(self._incoming(key))
        except StoreUnavailable as error:
            # The object is sealed; what is left of its upload is listed, and swept.
            log.warning("sealed, but its upload is not removed yet", key=key, reason=error.message)

    async def _completed(self, key: str) -> StoredObject:
        """The object of an upload that has ended; UploadGone where it did not end in one."""
        sealed = await self.head(key)
        if sealed is None:
            raise UploadGone
        return sealed

    async def _arrived(self) -> AsyncIterator[tuple[str, int]]:
        """Single PUTs that were not sealed, or came after that: key and time."""
        root = self._prefix + INCOMING
        following: dict[str, str] = {}
        while True:
            page = await self._client.call("list_objects_v2", Prefix=root, MaxKeys=PAGE, **following)
            for each in page.get("Contents", ()):
                yield each["Key"].removeprefix(root), _milliseconds(each["LastModified"])
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    async def _begun(self) -> AsyncIterator[tuple[str, str | None, int]]:
        """Multipart uploads under way: key, id and when they began. S3 does not tell when the last part came."""
        following: dict[str, str] = {}
        while True:
            page = await self._client.call("list_multipart_uploads", Prefix=self._prefix, MaxUploads=PAGE, **following)
            for each in page.get("Uploads", ()):
                yield each["Key"].removeprefix(self._prefix), each["UploadId"], _milliseconds(each["Initiated"])
            if not page.get("IsTruncated"):
                return
            following = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def _head(self, name: str) -> Any | None:
        try:
            return await self._client.call("head_object", Key=name)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise

    async def _remove(self, name: str) -> None:
        try:
            await self._client.call("delete_object", Key=name)
        except ClientError as error:
            if status_of(error) != 404:
                raise

    async def _call(self, operation: str, key: str, **parameters: Any) -> Any:
        return await self._client.call(operation, Key=self._prefix + key, **parameters)

    def _incoming(self, key: str) -> str:
        return f"{self._prefix}{INCOMING}{key}"


def _newest(
    stored: Sequence[tuple[datetime, StoredPart]], preferred: Set[tuple[int, str]] = frozenset()
) -> list[StoredPart]:
    """Each part once. Of a part sent again SeaweedFS lists all there were, and completes with the one named."""
    chosen: dict[int, StoredPart] = {}
    for _, part in sorted(stored, key=lambda each: ((each[1].part_number, each[1].etag) in preferred, each[0])):
        chosen[part.part_number] = part
    return [chosen[number] for number in sorted(chosen)]


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)
