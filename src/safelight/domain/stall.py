"""What to say of a photo on its way of which nothing is heard. Pure; nothing of it is recorded."""

from __future__ import annotations

from safelight.domain.photo import Photo, PhotoStatus


def words(photo: Photo, now: int, patience: int) -> str | None:
    """The sentence for a photo that rests, None where it does not. `now` and `patience` are milliseconds."""
    rested = now - photo.updated_at
    if photo.status is PhotoStatus.UPLOADING and rested >= patience:
        return f"No bytes have come for {_span(rested)}. The upload goes on where it stopped as soon as they do."
    if photo.status is not PhotoStatus.PROCESSING:
        return None
    leased = photo.lease_until is not None and photo.lease_until > now
    if photo.tries and not leased:
        return f"The worker that had this photo fell silent. Another one begins try {photo.tries + 1}."
    if photo.tries > 1:
        return f"A worker fell silent on this photo. Try {photo.tries} is under way."
    if not leased and rested >= patience:
        return f"All bytes are stored. This photo has waited for a free worker for {_span(rested)}."
    return None


def _span(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds // 3600} hours"
