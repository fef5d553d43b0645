"""What a store, or the way to it, complains of, in Safelight's words: what is wrong, where, and what to do."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError, SSLError

from safelight.adapters.s3.address import Address
from safelight.errors import SafelightError, StorageFull, StoreRefused, StoreUnavailable

# When to come back: soon for what passes by itself, later for what somebody has to mend.
SOON: Final = 5
LATER: Final = 30

# What the caller knows to deal with: nothing is there, or what is there is not what was expected.
CALLERS: Final = frozenset(
    {
        "404",
        "NoSuchKey",
        "NoSuchUpload",
        "412",
        "PreconditionFailed",
        "InvalidPart",
        "InvalidPartOrder",
        "EntityTooSmall",
    }
)
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_KEY: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_FULL: Final = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity", "InsufficientStorage"})
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)


def code_of(error: ClientError) -> str:
    """The store's own code, such as `NoSuchKey`; the status where an answer without a body (to HEAD) has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status that it came with."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refused(error: ClientError) -> bool:
    """Whether another access key could help."""
    return status_of(error) in {401, 403} or code_of(error) in _KEY


def answered(error: ClientError, address: Address, access_key: str) -> SafelightError | None:
    """An answer that no caller of the store can deal with; None for one that is the caller's matter."""
    code, status = code_of(error), status_of(error)
    said = f"{error.response.get('Error', {}).get('Message', '')} ({code})"
    if code in _FULL or status == 507:
        return StorageFull(f"The store has no room left: {said}. Make room in {address}, then retry.")
    if code in _SKEWED:
        return StoreRefused(_skew(error, address), retry_after=LATER)
    if code == "NoSuchBucket":
        return no_bucket(address)
    if code in _ELSEWHERE or status == 301:
        region = _headers(error).get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
        hint = f"Write region={region} in SAFELIGHT_STORAGE_URL." if region else "Correct region or endpoint."
        return StoreRefused(f"The {address} is in another region: {said}. {hint}", retry_after=LATER)
    if code in _KEY:
        return StoreRefused(
            f"The store refuses the access key {access_key}: {said}. Renew it in the profile or role that the server"
            " takes it from, which is read again by itself; for AWS_ACCESS_KEY_ID restart the server.",
            retry_after=LATER,
        )
    if refused(error):
        return StoreRefused(
            f"The store does not allow the access key {access_key} what Safelight does in {address}: {said}."
            " Grant it the policy of docs/deploy.md: get, put, delete and list objects and multipart uploads.",
            retry_after=LATER,
        )
    if status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout", "OperationAborted"}:
        return StoreUnavailable(f"The store answers {status}: {said}. Nothing is lost; try again.", retry_after=SOON)
    if code in CALLERS:
        return None
    return StoreRefused(f"The store answers {status}, which Safelight did not expect: {said}.", retry_after=LATER)


def unanswered(error: BotoCoreError | OSError | TimeoutError, address: Address) -> StoreUnavailable:
    """No answer came."""
    where = address.endpoint or "AWS"
    if isinstance(error, SSLError):
        return StoreUnavailable(
            f"The store at {where} has a certificate that is not trusted: {error.kwargs.get('error', error)}."
            " Correct the certificate, or name its authority in AWS_CA_BUNDLE.",
            retry_after=LATER,
        )
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError | TimeoutError):
        return StoreUnavailable(f"The store at {where} does not answer in time. Try again.", retry_after=SOON)
    return StoreUnavailable(
        f"The store at {where} cannot be reached: {_reason(error)}. Check that it runs, and that its address is right.",
        retry_after=SOON,
    )


def no_bucket(address: Address) -> StoreRefused:
    """The bucket is not there."""
    return StoreRefused(f"There is no {address}. Create it, or correct SAFELIGHT_STORAGE_URL.", retry_after=LATER)


def _skew(error: ClientError, address: Address) -> str:
    said = _headers(error).get("date")
    if not said:
        return f"This machine's clock differs too much from that of the store ({address}). Set it by NTP."
    seconds = round(time.time() - parsedate_to_datetime(said).timestamp())
    return (
        f"This machine's clock is {abs(seconds):,} seconds {'ahead of' if seconds > 0 else 'behind'} that of the store"
        f" ({address}), which refuses what is signed so. Set it by NTP."
    )


def _headers(error: ClientError) -> dict[str, Any]:
    headers: dict[str, Any] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _reason(error: BaseException) -> str:
    """The innermost cause: the others only say that there was one."""
    while (inner := getattr(error, "kwargs", {}).get("error") or error.__cause__) is not None and inner is not error:
        if not isinstance(inner, BaseException):
            return str(inner)
        error = inner
    return str(error) or type(error).__name__
