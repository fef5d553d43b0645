"""Bodies as they go over the wire: camelCase, strict, with limits that the errors name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MAX_FILES = 1_000


class Wire(BaseModel):
    """camelCase outside, snake_case inside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


# The largest object of any S3 store, 5 TiB; the server's own limit (SAFELIGHT_MAX_FILE_MB) is told per file.
Size = Annotated[int, Field(ge=0, le=5 * 2**40)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class FileIn(Wire):
    filename: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    mime_type: Annotated[str, StringConstraints(max_length=255, pattern=r"^[ -~]*$")] = ""
    bytes: Size
    relative_path: Annotated[str, StringConstraints(max_length=16_384)] | None = None
    last_modified: int | Annotated[str, StringConstraints(max_length=40)] | None = None
    content_hash: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None


class FilesIn(Wire):
    files: Annotated[list[FileIn], Field(min_length=1, max_length=MAX_FILES)]


class CreateJobIn(FilesIn):
    strategy: Literal["auto", "s3-presigned", "s3-multipart"] = "auto"
    expected_count: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


class PartUrlOut(Wire):
    part_number: int
    presigned_url: str
    size: int
    headers: dict[str, str] | None = None


class MultipartOut(Wire):
    upload_id: str
    part_size: int
    part_count: int
    part_urls: list[PartUrlOut]


class ItemOut(Wire):
    photo_id: str
    method: Literal["PUT"] = "PUT"
    presigned_url: str | None = None
    headers: dict[str, str] | None = None
    multipart: MultipartOut | None = None
    duplicate_of: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class JobCreatedOut(Wire):
    job_id: str
    items: list[ItemOut]
    expires_at: str


class ItemsOut(Wire):
    items: list[ItemOut]


class UrlsIn(Wire):
    part_numbers: Annotated[list[int], Field(min_length=1, max_length=1_000)] | None = None


class UrlsOut(Wire):
    presigned_url: str | None = None
    headers: dict[str, str] | None = None
    part_urls: list[PartUrlOut] | None = None


class PartIn(Wire):
    part_number: int
    etag: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class FinalizeIn(Wire):
    upload_id: Annotated[str, StringConstraints(max_length=1024)] | None = None
    parts: Annotated[list[PartIn], Field(max_length=10_001)] | None = None
    checksum: Annotated[str, StringConstraints(max_length=128)] | None = None


class SentIn(FinalizeIn):
    photo_id: Identifier


class FinalizeManyIn(Wire):
    items: Annotated[list[SentIn], Field(min_length=1, max_length=1_000)]


class ProgressIn(Wire):
    photo_id: Identifier
    bytes_sent: Size
    bytes_total: Size | None = None


class ProgressBatchIn(Wire):
    """One photo's progress, or `updates` of many."""

    photo_id: Identifier | None = None
    bytes_sent: Size | None = None
    bytes_total: Size | None = None
    updates: Annotated[list[ProgressIn], Field(max_length=1_000)] | None = None


class PhotoStateOut(Wire):
    photo_id: str
    filename: str
    relative_path: str | None = None
    bytes: int
    last_modified: str | None = None
    status: str
    stage: str | None = None
    progress_percent: float
    bytes_sent: int
    attempt: int
    error_code: str | None = None
    error_message: str | None = None
    duplicate_of: str | None = None


class JobOut(Wire):
    job_id: str
    status: str
    expected_count: int | None = None
    total_count: int
    completed_count: int
    failed_count: int
    cancelled_count: int
    bytes_total: int
    bytes_sent: int
    progress_percent: float
    seq: int
    created_at: str
    updated_at: str
    expires_at: str


class SnapshotOut(JobOut):
    photos: list[PhotoStateOut]


class ReceiptLineOut(Wire):
    """One file: what became of it, what is stored of it, and when its last attempt came to what."""

    photo_id: str
    path: str
    bytes: int
    status: str
    checksum: str | None = None
    content_hash: str | None = None
    attempt: int
    error_code: str | None = None
    error_message: str | None = None
    duplicate_of: str | None = None
    queued_at: str
    uploading_at: str | None = None
    stored_at: str | None = None
    verifying_at: str | None = None
    metadata_at: str | None = None
    thumbnails_at: str | None = None
    publishing_at: str | None = None
    ended_at: str | None = None


class ReceiptOut(JobOut):
    files: list[ReceiptLineOut]


class JobsOut(Wire):
    items: list[JobOut]
    next_cursor: str | None = None


class StoredPartOut(Wire):
    part_number: int
    etag: str
    size: int


class PartsOut(Wire):
    upload_id: str
    part_size: int
    part_count: int
    parts: list[StoredPartOut]


class SummaryOut(Wire):
    """`day`: under which it stands in the order asked for, as YYYY-MM-DD; by capture that is the camera's own date, or
    that of the arrival where there is no `takenAt`. `goneAt`: when the trash is rid of it.
    """

    photo_id: str
    job_id: str
    filename: str
    relative_path: str | None = None
    bytes: int
    status: str
    mime_type: str
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    thumbhash: str | None = None
    thumbnail_url: str | None = None
    thumbnail_url_1024: str | None = Field(None, alias="thumbnailUrl1024")
    duplicate_of: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: str
    completed_at: str | None = None
    deleted_at: str | None = None
    day: str
    gone_at: str | None = None


class PhotoOut(SummaryOut):
    exif_json: str | None = None
    checksum: str | None = None
    last_modified: str | None = None


class ListingOut(Wire):
    items: list[SummaryOut]
    page: int
    size: int
    total_elements: int
    total_pages: int
    next_cursor: str | None = None


class DayOut(Wire):
    """`undated`: how many of them have no capture date, and stand where they arrived."""

    day: str
    count: int
    undated: int


class TimelineOut(Wire):
    """`trashDays`: how long the trash keeps what is in it."""

    days: list[DayOut]
    total_elements: int
    trash_days: int


class IdsOut(Wire):
    photo_ids: list[str]
    next_cursor: str | None = None


class PhotosIn(Wire):
    photo_ids: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_FILES)]


class FewPhotosIn(Wire):
    # Their bytes are removed one after the other: no call is to take long.
    photo_ids: Annotated[list[Identifier], Field(min_length=1, max_length=100)]


class PhotosOut(Wire):
    """Those of the photos that are now as was asked; one that is not there, or not the caller's, is not among them."""

    photo_ids: list[str]


class NamedIn(Wire):
    filename: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    bytes: Size


class KnownIn(Wire):
    files: Annotated[list[NamedIn], Field(min_length=1, max_length=MAX_FILES)]


class KnownPhotoOut(Wire):
    """`probe`: the CRC32C of the first and of the last 16 KiB, 8 hex digits each."""

    photo_id: str
    filename: str
    bytes: int
    last_modified: str | None = None
    content_hash: str
    probe: str


class KnownOut(Wire):
    items: list[KnownPhotoOut]


class DownloadOut(Wire):
    url: str
    expires_at: str


class CredentialsIn(Wire):
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
    password: Annotated[str, StringConstraints(min_length=8, max_length=1024)]


class LogInIn(Wire):
    email: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class LinkIn(Wire):
    code: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class SignedInOut(Wire):
    token: str
    user_id: str
    email: str
    expires_at: str


class MeOut(Wire):
    user_id: str
    email: str


class OptionsOut(Wire):
    registration: Literal["open", "closed"]


class SubscriptionOut(Wire):
    id: str
    destination: str
    backlog: int


class ConnectionOut(Wire):
    """`lagMs`: from the commit of an event to this client's socket; `backlog`: durable events still to be sent."""

    connection_id: str
    transport: str
    user_id: str | None = None
    email: str | None = None
    since: str
    subscriptions: list[SubscriptionOut]
    backlog: int
    lag_ms: float
    bytes_sent: int


class ConnectionsOut(Wire):
    items: list[ConnectionOut]


class ProblemField(Wire):
    field: str
    message: str


class Problem(Wire):
    """application/problem+json (RFC 9457); `detail` is the sentence that says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField] = []


class FinalizedOut(Wire):
    """A photo that is stored; with `problem`, one that is not, and what its own finalize would have answered."""

    photo_id: str
    problem: Problem | None = None


class FinalizedManyOut(Wire):
    items: list[FinalizedOut]
