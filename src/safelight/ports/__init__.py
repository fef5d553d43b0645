"""What Safelight needs of the outside: a store for bytes, a database for truth, a broker for wake-ups.

An adapter can be written from these docstrings alone; `tests/contract/` holds each adapter to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from safelight.domain.events import Event
from safelight.domain.identity import ApiToken, Session, SignInLink, User
from safelight.domain.job import Job
from safelight.domain.photo import Photo, PhotoStatus
from safelight.domain.shelf import Order
from safelight.ports.broker import Broker as Broker
from safelight.ports.broker import Delivery as Delivery
from safelight.ports.broker import Subscription as Subscription
from safelight.ports.broker import Task as Task
from safelight.ports.store import Grant as Grant
from safelight.ports.store import LocalStore as LocalStore
from safelight.ports.store import ObjectStore as ObjectStore
from safelight.ports.store import SignedUrl as SignedUrl
from safelight.ports.store import Sink as Sink
from safelight.ports.store import StoredObject as StoredObject
from safelight.ports.store import StoredPart as StoredPart
from safelight.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of the library: by number (from 0) or, where `after` is given, behind that (place, id) key."""

    size: int
    number: int = 0
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos of an owner, and in which order: of one status, by the words looked for (shelf.words; each in the
    name, the path or the camera, or the date of capture), and whether those in the trash. `since` (inclusive) and
    `until` (exclusive) are Unix milliseconds of what they are in order by.
    """

    status: PhotoStatus | None = PhotoStatus.COMPLETED
    search: str | None = None
    trashed: bool = False
    order: Order = Order.ADDED
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """How many photos stand on one day, and how many of them without a capture date. `begin`: its first millisecond."""

    begin: int
    count: int
    undated: int


@dataclass(frozen=True, slots=True)
class Known:
    """A photo of the library by what its owner's clients recognise it: its size, the time as they declared it, sums."""

    photo_id: str
    filename: str
    bytes: int
    last_modified: str | None
    content_hash: str
    probe: str


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
        """Newest first by (place in its order, id); duplicates and purged photos are left out."""

    def library_count(self, user_id: str, which: Filter) -> int: ...

    def library_days(self, user_id: str, which: Filter) -> list[Day]:
        """The days on which there are any of these photos, newest first."""

    def library_keys(self, user_id: str, which: Filter, page: Page) -> list[tuple[int, str]]:
        """As `library`, of each the (place in its order, id) alone."""

    def originals(self, user_id: str, content_hashes: Sequence[str]) -> dict[str, str]:
        """The completed photo outside the trash, by content hash, for each of the hashes that has one."""

    def known(self, user_id: str, files: Sequence[tuple[str, int]]) -> list[Known]:
        """Completed photos outside the trash that have the name and the size of one of these files, in no order."""

    def events_after(self, job_id: str, after: int, limit: int) -> list[tuple[int, str]]:
        """`(seq, body)` in order of seq. Fewer than expected, or a gap at the start, means trimmed."""

    # What the reconciler asks: in order of id (or key), `limit` of those behind `after`, which is "" at the beginning.

    def unleased(self, now: int, quiet_since: int, after: str, limit: int) -> list[Photo]:
        """PROCESSING without a live lease, and unchanged since `quiet_since`."""

    def awaiting_bytes(self, quiet_since: int, after: str, limit: int) -> list[Photo]:
        """Photos that await bytes or finalize, and have not changed since `quiet_since`."""

    def completed(self, after: str, limit: int) -> list[Photo]:
        """COMPLETED photos whose bytes the store must have: neither duplicates nor purged."""

    def overdue(self, now: int, after: str, limit: int) -> list[Job]:
        """Active jobs past their `expires_at`."""

    def trashed_before(self, when: int, after: str, limit: int) -> list[Photo]: ...

    def doomed(self, after: str, limit: int) -> list[Doomed]: ...

    def jobs_with_old_events(self, before: int, after: str, limit: int) -> list[str]:
        """Jobs that ended before `before` and still have events older than that."""

    def expired_sign_ins(self, now: int) -> int:
        """How many sessions and links are past their time."""

    def waiting(self, now: int, limit: int) -> int:
        """How many photos are PROCESSING without a live lease; `limit` where they are more."""

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
        """The job, with no other transaction changing it or its photos until this one ends.

        Whoever locks several does so in the order of their ids, or two could wait for each other for ever.
        """

    def add_job(self, job: Job) -> None: ...

    def save_job(self, before: Job, after: Job) -> None:
        """Write what differs; `before` is the job as this transaction locked it."""

    def add_photos(self, photos: Sequence[Photo]) -> None: ...

    def save_photos(self, changes: Sequence[tuple[Photo, Photo]]) -> None:
        """Write what differs between each photo as this transaction read it, and as it is to be."""

    def add_events(self, events: Sequence[Event], now: int) -> None: ...

    def trim_events(self, job_id: str, before: int) -> int:
        """Forget the job's events older than `before`, if it ended before that too; returns how many."""

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
    it leaves nothing but its rows.

    DatabaseUnavailable where it does not answer within seconds; it is used again once it does. StorageFull where it is
    out of room, Invalid where it cannot store a text that work gives it.
    """

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        """Run `work` in one transaction and return its result once it is durably committed.

        An exception rolls back all of `work` and is raised here; others' work is untouched. A caller that is
        cancelled does not stop it. Within a process the results of works that lock the same job are handed out in
        the order of commit. Of two that look for a key and add it, each before the other's commit, one meets a key
        that is taken and is run again. OutcomeUnknown where the database was lost during the commit, and nobody can
        tell.
        """

    async def read(self, work: Callable[[ReadTransaction], T]) -> T:
        """Run `work` on one consistent snapshot. A statement that writes is an error."""

    def exclusively(self, name: str) -> AbstractAsyncContextManager[bool]:
        """True to one holder of `name` at a time among all processes, False (at once) to all others.

        It saves work and promises nothing: a holder whose connection breaks loses it untold, and another may begin.
        """

    async def migrate(self) -> None:
        """Bring the tables to what this code needs; to be awaited before anything else. Of several processes one does
        it, and it is done once.
        """

    async def now(self) -> int:
        """Unix milliseconds by the clock of the machine that the database runs on."""

    async def check(self) -> None:
        """Raise what is wrong if the database cannot be reached now, or is not for this code."""

    async def close(self) -> None:
        """Finish what was begun and release the connections. Closing twice is not an error."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside, as every command and query receives it. `clock` gives Unix milliseconds."""

    db: Database
    store: ObjectStore
    broker: Broker
    clock: Callable[[], int]
    settings: Settings
