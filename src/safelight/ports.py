"""What Safelight needs of the outside: a store for bytes, a database for truth, a broker for wake-ups.

An adapter can be written from these docstrings alone; `tests/contract/` holds each adapter to them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from safelight.domain.events import Event
from safelight.domain.identity import ApiToken, Session, SignInLink, User
from safelight.domain.job import Job
from safelight.domain.photo import Photo, PhotoStatus
from safelight.settings import Settings

T = TypeVar("T")


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
    Where the system is out of room, writing raises StorageFull and leaves what was there before.
    """

    def presign_put(self, key: str, size: int, *, expires_in: int) -> SignedUrl:
        """A URL that takes one PUT of exactly `size` bytes. Repeating the PUT before completion replaces it.

        `expires_in` is in seconds. No input or output happens: signing a thousand URLs is cheap.
        """

    async def create_multipart(self, key: str, size: int, part_size: int) -> str:
        """Begin a multipart upload of `size` bytes in all; returns its upload id. Two calls give two uploads."""

    def presign_part(self, key: str, upload_id: str, part_number: int, size: int, *, expires_in: int) -> SignedUrl:
        """A URL that takes part `part_number` (from 1) of exactly `size` bytes. Repeating it replaces the part."""

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """The parts stored whole, by number. UploadGone when the upload ended or never began to exist."""

    async def complete_single(self, key: str) -> StoredObject:
        """Seal the object that was PUT under `key`; durable (fsync of file and folder) when this returns.

        Sealing twice is not an error. NotUploaded when no whole PUT arrived.
        """

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> StoredObject:
        """Seal a multipart upload from `(part_number, etag)` in rising order; durable when this returns.

        Completing again what is complete is not an error. PartMismatch names what does not fit (the upload
        stays as it was); UploadGone when the upload was aborted.
        """

    async def abort(self, key: str, upload_id: str | None) -> None:
        """Forget an upload that was not completed, and its bytes. An unknown upload is not an error."""

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
        """A URL that reads the sealed object (ranges included). `filename` makes it a download of that name."""

    async def delete(self, key: str) -> None:
        """Remove the sealed object. A missing one is not an error."""

    async def list_uploads(self) -> list[tuple[str, str | None, int]]:
        """Unsealed uploads as `(key, upload_id or None, last change in Unix ms)`: what the reconciler sweeps."""

    async def check(self) -> None:
        """Raise what is wrong if the store cannot be written to now; readiness asks."""

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


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of the library: by number (from 0) or, where `after` is given, behind that (time, id) key."""

    size: int
    number: int = 0
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos of an owner: of one status, by part of a name, and whether those in the trash."""

    status: PhotoStatus | None = PhotoStatus.COMPLETED
    search: str | None = None
    trashed: bool = False


@dataclass(frozen=True, slots=True)
class Doomed:
    """Bytes that no row needs any more: a sealed object, or (with `upload`) an upload never completed."""

    key: str
    upload: bool
    upload_id: str | None = None


class ReadTransaction(Protocol):
    """One consistent snapshot. Where `user_id` is given, another owner's row is as if it did not exist."""

    def job(self, job_id: str, user_id: str | None = None) -> Job | None: ...

    def job_of_key(self, user_id: str, idempotency_key: str) -> Job | None: ...

    def jobs(self, user_id: str, *, active: bool, before: tuple[int, str] | None, limit: int) -> list[Job]:
        """Newest first; `before` is the (created_at, id) of the last one seen."""

    def photo(self, photo_id: str, user_id: str | None = None) -> Photo | None: ...

    def photos(self, photo_ids: Sequence[str]) -> list[Photo]:
        """Those that exist, in no order."""

    def photos_of_job(self, job_id: str) -> list[Photo]:
        """In the order declared."""

    def library(self, user_id: str, which: Filter, page: Page) -> list[Photo]:
        """Newest first by (created_at, id); duplicates and purged photos are left out."""

    def library_count(self, user_id: str, which: Filter) -> int: ...

    def originals(self, user_id: str, content_hashes: Sequence[str]) -> dict[str, str]:
        """The completed photo outside the trash, by content hash, for each of the hashes that has one."""

    def events_after(self, job_id: str, after: int, limit: int) -> list[tuple[int, str]]:
        """`(seq, body)` in order of seq. Fewer than expected, or a gap at the start, means trimmed."""

    def unleased(self, now: int, limit: int) -> list[Photo]:
        """PROCESSING without a live lease, oldest first."""

    def resting_singles(self, quiet_since: int, limit: int) -> list[Photo]:
        """Single PUTs that await bytes or finalize and have not changed since `quiet_since`."""

    def overdue(self, now: int, limit: int) -> list[Job]:
        """Active jobs past their `expires_at`."""

    def trashed_before(self, when: int, limit: int) -> list[Photo]: ...

    def doomed(self, limit: int) -> list[Doomed]: ...

    def user(self, user_id: str) -> User | None: ...
    def user_of_email(self, email: str) -> User | None: ...
    def users(self) -> list[User]: ...
    def session(self, session_id: str) -> Session | None: ...
    def session_of_cookie(self, cookie_hash: str) -> Session | None: ...
    def api_token(self, token_hash: str) -> ApiToken | None: ...
    def api_tokens(self, user_id: str) -> list[ApiToken]: ...


class WriteTransaction(ReadTransaction, Protocol):
    """Reads that see its own writes, and writes that stand or fall together."""

    def lock_job(self, job_id: str, user_id: str | None = None) -> Job | None:
        """The job, with no other transaction changing it or its photos until this one ends."""

    def add_job(self, job: Job) -> None: ...

    def save_job(self, before: Job, after: Job) -> None:
        """Write what differs; `before` is the job as this transaction locked it."""

    def add_photos(self, photos: Sequence[Photo]) -> None: ...

    def save_photos(self, changes: Sequence[tuple[Photo, Photo]]) -> None:
        """Write what differs between each photo as this transaction read it, and as it is to be."""

    def add_events(self, events: Sequence[Event], now: int) -> None: ...

    def trim_events(self, before: int) -> int:
        """Forget the events of ended jobs that are older than `before`; returns how many."""

    def doom(self, doomed: Sequence[Doomed]) -> None:
        """Note bytes to be removed from the store after the commit; noting twice is not an error."""

    def buried(self, doomed: Sequence[Doomed]) -> None:
        """These bytes are gone from the store."""

    def renew_leases(self, owner: str, photo_ids: Sequence[str], until: int) -> None: ...

    def void_leases(self) -> None:
        """End every lease: for the one process that knows that no other worker lives."""

    def add_user(self, user: User) -> None: ...
    def save_password(self, user_id: str, password_hash: str) -> None: ...
    def add_session(self, session: Session) -> None: ...
    def end_session(self, session_id: str) -> None: ...
    def add_link(self, link: SignInLink) -> None: ...

    def use_link(self, code_hash: str, now: int) -> str | None:
        """The user whom an unused, unexpired link signs in, once."""

    def add_api_token(self, token: ApiToken) -> None: ...

    def revoke_api_token(self, token_id: str, user_id: str) -> bool: ...

    def forget_expired(self, now: int) -> None:
        """Drop sessions and links past their time."""


class Database(Protocol):
    """The truth. Work is a plain function over a transaction, so that one body serves SQLite (a thread, one hop)
    and PostgreSQL (a greenlet) alike. It may be run again from its start where another transaction was in its way, so
    it does nothing but ask and write.

    DatabaseUnavailable where it does not answer within seconds; it is used again once it does. StorageFull where it is
    out of room, Invalid where it cannot store a text that work gives it.
    """

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        """Run `work` in one transaction and return its result once it is durably committed.

        An exception rolls back all of `work` and is raised here; others' work is untouched. A caller that is
        cancelled does not stop it. Within a process the results of works that lock the same job are handed out in
        the order of commit. OutcomeUnknown where the database was lost during the commit, and nobody can tell.
        """

    async def read(self, work: Callable[[ReadTransaction], T]) -> T:
        """Run `work` on one consistent snapshot. A statement that writes is an error."""

    def exclusively(self, name: str) -> AbstractAsyncContextManager[bool]:
        """True to one holder of `name` at a time among all processes, False (at once) to all others.

        It saves work and promises nothing: a holder whose connection breaks loses it untold, and another may begin.
        """

    async def check(self) -> None:
        """Raise what is wrong if the database cannot be reached now, or is not for this code."""

    async def close(self) -> None:
        """Finish what was begun and release the connections. Closing twice is not an error."""


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to be processed. Delivered at least once: the database decides whether there is work in it."""

    photo_id: str
    job_id: str
    attempt: int


class Delivery(Protocol):
    """One task in hand. Exactly one of `ack` and `retry` is to be called; dying instead means redelivery."""

    task: Task

    async def ack(self) -> None:
        """Done with it, never again."""

    async def retry(self, delay: float) -> None:
        """Give it back, to be delivered again after `delay` seconds."""

    async def in_progress(self) -> None:
        """Still working on it: start its redelivery clock anew."""


class Subscription(Protocol):
    """Messages of the topics subscribed, in the order published by any one publisher."""

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yields `(topic, payload)` until closed."""

    async def add(self, topic: str) -> None:
        """Also receive `topic` from now on; twice is not an error. Takes effect before this returns."""

    async def remove(self, topic: str) -> None:
        """Stop receiving `topic`; an unknown one is not an error."""

    async def close(self) -> None:
        """End the iteration."""


class Broker(Protocol):
    """Wake-ups. Losing every message may cost seconds, never a photo: the database decides."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Tell all present subscribers of `topic`, here and on other machines. At most once; never blocks on one."""

    async def subscribe(self, topics: Sequence[str] = ()) -> Subscription:
        """Begin receiving; what is published after this returns is delivered."""

    async def enqueue(self, task: Task) -> None:
        """Queue a task. The same task (photo and attempt) queued while it waits or is in hand is queued once."""

    def tasks(self) -> AsyncIterator[Delivery]:
        """Tasks, one taker each, fair between jobs: a bounded number of one job's tasks is in hand at once."""

    async def check(self) -> None:
        """Raise what is wrong if the broker cannot be reached now."""

    async def close(self) -> None:
        """End every subscription and iteration."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside, as every command and query receives it. `clock` gives Unix milliseconds."""

    db: Database
    store: ObjectStore
    broker: Broker
    clock: Callable[[], int]
    settings: Settings
