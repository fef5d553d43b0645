"""Every error Safelight can answer with: a stable code, and a sentence that says what to do.

The class docstring is the default sentence. The same words reach the API, the log, the terminal and the page;
`http/errors.py` alone maps a code to an HTTP status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rejected field of a body; `field` is its JSON path, such as `files[3].bytes`."""

    field: str
    message: str


class SafelightError(Exception):
    """Something went wrong inside Safelight. Try again; if it happens again, look at the server's log."""

    code = "internal-error"

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: list[FieldError] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = message or re.sub(r"\s+", " ", (type(self).__doc__ or "").strip())
        self.errors = errors or []
        self.retry_after = retry_after
        super().__init__(self.message)


# --- who is asking -----------------------------------------------------------------------------------------


class Unauthenticated(SafelightError):
    """No valid sign-in came with this request. Sign in, and send the token as `Authorization: Bearer …`."""

    code = "unauthenticated"


class TokenExpired(Unauthenticated):
    """This sign-in has expired. Renew the token or sign in again."""

    code = "token-expired"


class WrongCredentials(Unauthenticated):
    """This e-mail address and password do not go together. Check both and try again."""

    code = "wrong-credentials"


class LinkUsed(Unauthenticated):
    """This sign-in link was used already or has expired. Ask for a new one with `safelight user link`."""

    code = "link-used"


class RegistrationClosed(SafelightError):
    """This server takes no new accounts. Ask its owner for one, or set SAFELIGHT_REGISTRATION=open."""

    code = "registration-closed"


class EmailTaken(SafelightError):
    """There is an account with this e-mail address already. Sign in instead."""

    code = "email-taken"


class TooManyAttempts(SafelightError):
    """Too many failed sign-ins for this account. Wait a moment, then try again."""

    code = "too-many-attempts"


# --- what was asked ----------------------------------------------------------------------------------------


class Invalid(SafelightError):
    """The request was not understood. Correct the fields named under `errors` and send it again."""

    code = "invalid-request"


class MalformedJson(Invalid):
    """The body is not valid JSON. Send one JSON object with content type application/json."""

    code = "malformed-json"


class UnsupportedMediaType(SafelightError):
    """The body's content type is not supported here. Send application/json."""

    code = "unsupported-media-type"


class MethodNotAllowed(SafelightError):
    """This address does not answer this method. The Allow header lists those that it does."""

    code = "method-not-allowed"


class TooManyFiles(Invalid):
    """More than 1,000 files in one call. Declare the rest with further calls to …/files."""

    code = "too-many-files"


class BodyTooLarge(SafelightError):
    """The body is larger than this call accepts. Split it into several calls."""

    code = "body-too-large"


class NotFound(SafelightError):
    """There is nothing here under that name, or it is not yours."""

    code = "not-found"


class Conflict(SafelightError):
    """The present state does not allow this. Look at the current state and decide again."""

    code = "conflict"


class IdempotencyMismatch(Conflict):
    """This Idempotency-Key was used with another body. Use a new key for a new request."""

    code = "idempotency-mismatch"


class NotRetryable(Conflict):
    """This photo would fail again in the same way, so there is nothing to retry. Choose another file."""

    code = "not-retryable"


class NotUploaded(Conflict):
    """The bytes of this photo have not arrived yet. Send them to its presigned URL, then finalize."""

    code = "not-uploaded"


class AlreadyStored(Conflict):
    """This photo is stored already; its bytes cannot be replaced. Nothing more is to be sent."""

    code = "already-stored"


class UploadGone(Conflict):
    """This upload has ended: it was cancelled, has expired, or its parts are gone. Retry the photo."""

    code = "upload-gone"


class PartMismatch(Invalid):
    """The parts named do not match the parts stored. Ask for the stored parts and send what is missing."""

    code = "part-mismatch"


class PartNumberInvalid(Invalid):
    """There is no part of that number in this upload. Part numbers run from 1 to its part count."""

    code = "part-number-invalid"


# --- a photo's own failures: these end in errorCode and errorMessage of the photo -----------------------------


class PhotoError(SafelightError):
    """This photo could not be taken in. Retry it, or choose another file."""

    code = "photo-failed"
    retryable = True


class EmptyFile(PhotoError):
    """The file is empty (0 bytes). Check the original, perhaps it was not copied completely."""

    code = "empty-file"
    retryable = False


class FileTooLarge(PhotoError):
    """The file is larger than this server accepts. Export a smaller one."""

    code = "file-too-large"
    retryable = False


class UnsupportedType(PhotoError):
    """This is not a kind of photo that Safelight knows. Send JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC or camera RAW."""

    code = "unsupported-type"
    retryable = False


class SizeMismatch(PhotoError):
    """The number of bytes sent differs from the size declared. Send the file again from the start."""

    code = "size-mismatch"


class ChecksumMismatch(PhotoError):
    """The bytes stored differ from the bytes sent (checksum mismatch). Retry the photo to send it again."""

    code = "checksum-mismatch"


class DamagedImage(PhotoError):
    """The photo is damaged or ends early and cannot be decoded whole. The original is kept; copy it again from the camera and send it anew."""

    code = "damaged-image"
    retryable = False


class TooManyPixels(PhotoError):
    """The photo has more pixels than this server decodes. The original is kept; export a smaller one."""

    code = "too-many-pixels"
    retryable = False


class DecodeMemory(PhotoError):
    """Decoding this photo needs more memory than one photo may use. The original is kept; export it in a simpler form."""

    code = "decode-memory"


class DecodeTimeout(PhotoError):
    """Decoding this photo took longer than one photo may take. The original is kept; retry, or export it in a simpler form."""

    code = "decode-timeout"


class DecoderCrashed(PhotoError):
    """The decoder died on this photo, on every attempt. The original is kept; retry it, or export it in a simpler form."""

    code = "decoder-crashed"


class UploadExpired(PhotoError):
    """The upload was not finished in time. Retry the photo to send it."""

    code = "upload-expired"


class ObjectMissing(PhotoError):
    """The stored bytes of this photo are gone. Retry the photo to send it again."""

    code = "object-missing"


# --- the live channel --------------------------------------------------------------------------------------


class ProtocolViolation(SafelightError):
    """This is not STOMP as its specification has it. Correct the frame that was sent, then connect again."""

    code = "protocol-violation"


class FrameTooLarge(ProtocolViolation):
    """This frame is larger than the server accepts. Send less in one frame."""

    code = "frame-too-large"


class PeerSilent(ProtocolViolation):
    """Nothing came for longer than the heart-beats agreed on allow. Connect again."""

    code = "peer-silent"


class TooManyFrames(SafelightError):
    """More frames came than one user may send. Wait as long as retry-after says, then connect again and send less often."""

    code = "too-many-frames"


class TooManyConnections(SafelightError):
    """This account has too many live connections open. Close one of them, then connect again."""

    code = "too-many-connections"


class TooManySubscriptions(SafelightError):
    """This account has too many live subscriptions. End one of them, or subscribe to /topic/jobs instead."""

    code = "too-many-subscriptions"


class ConnectionEnded(SafelightError):
    """An administrator of this server ended this connection. Wait a minute before connecting again."""

    code = "connection-ended"


class Restarting(SafelightError):
    """This server is about to restart. Connect again in a few seconds; nothing is lost."""

    code = "restarting"


class OriginRefused(SafelightError):
    """Pages of this origin may not use the live channel. Add the origin to SAFELIGHT_ALLOWED_ORIGINS."""

    code = "origin-refused"


# --- the store ---------------------------------------------------------------------------------------------


class SignatureInvalid(SafelightError):
    """The signature of this URL is not valid. Ask for a new URL; do not change any part of it."""

    code = "signature-invalid"


class SignatureExpired(SafelightError):
    """This signed URL has expired. Ask for a new one and send the same bytes there."""

    code = "signature-expired"


class StorageFull(SafelightError):
    """The server's disk is full. Nothing was lost: make room on the server, then retry."""

    code = "storage-full"


class StoreUnavailable(SafelightError):
    """The store does not answer at present. Nothing is lost: wait as long as Retry-After says, then try again."""

    code = "store-unavailable"


class StoreRefused(StoreUnavailable):
    """The store refuses what the server asks of it. Nothing is lost: its owner finds what to change in the server's log."""

    code = "store-refused"


class ServerBusy(SafelightError):
    """The server is busy. Nothing is lost: wait as long as Retry-After says, then go on."""

    code = "server-busy"


# --- the database ------------------------------------------------------------------------------------------


class DatabaseUnavailable(SafelightError):
    """The database does not answer at present. Nothing is lost: wait as long as Retry-After says, then try again."""

    code = "database-unavailable"


class OutcomeUnknown(DatabaseUnavailable):
    """The database was lost while it saved this, so nobody knows whether it did. Ask again: what is done already is not done twice."""

    code = "outcome-unknown"


class SchemaTooNew(SafelightError):
    """A newer Safelight has upgraded this database further than this one can follow. Start the newer one here, too."""

    code = "schema-too-new"


class MigrationBlocked(SafelightError):
    """The database could not be upgraded, because other transactions hold its tables. End those, then start again."""

    code = "migration-blocked"
