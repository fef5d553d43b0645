"""The stages of a photo, in order: VERIFYING, METADATA, THUMBNAILS, PUBLISHING."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from safelight.domain.photo import THUMBNAIL_SIZES, Developed, Stage, thumbnail_key
from safelight.ports import ObjectStore
from safelight.processing.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class PhotoToProcess:
    """A stored photo, and what is known of its bytes: `crc32c` in 8, `sha256` in 64 lower-case hex digits."""

    photo_id: str
    key: str
    size: int
    crc32c: str | None
    sha256: str | None


async def process(
    photo: PhotoToProcess, store: ObjectStore, sandbox: Sandbox, on_stage: Callable[[str], Awaitable[None]]
) -> Developed:
    """Take a photo through its stages, telling `on_stage` as each begins; the caller publishes.

    Running it again gives the same result. A PhotoError is final for this attempt; ChildDied may be tried again.
    """
    await on_stage(Stage.VERIFYING)
    async with store.local_copy(photo.key) as path, sandbox.child() as child:
        verified = await child.verify(path, size=photo.size, crc32c=photo.crc32c, sha256=photo.sha256)
        await on_stage(Stage.METADATA)
        described = await child.describe(path, verified.media_type)
        await on_stage(Stage.THUMBNAILS)
        made = await child.thumbnails(path, described)
    keys = [thumbnail_key(photo.photo_id, size) for size in THUMBNAIL_SIZES]
    await store.put(dict(zip(keys, (made.small, made.large), strict=True)), "image/webp")
    await on_stage(Stage.PUBLISHING)
    return Developed(
        media_type=described.media_type,
        width=described.width,
        height=described.height,
        taken_at=described.taken_at,
        exif=described.exif,
        thumbhash=made.thumbhash,
        crc32c=verified.crc32c,
        sha256=verified.sha256,
        probe=verified.probe,
    )
