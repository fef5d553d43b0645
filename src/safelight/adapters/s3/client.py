"""Calls to an S3 store: repeated within bounds, never more at once than there are connections, and with errors told.

aiobotocore makes the calls and repeats them (its `standard` mode: exponential backoff with full jitter up to 20 s, and
a quota, so that a store that is down is not asked more often than one that is up).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.session
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader

from safelight.adapters.s3 import complaints
from safelight.adapters.s3.address import Address
from safelight.adapters.s3.keys import Keys
from safelight.adapters.s3.signing import Presigner

# Seconds that a call may take with all its repetitions; whoever asked is told then, and may ask again.
BUDGET: Final = 20.0
BUDGETS: Final = {
    "head_bucket": 5.0,  # readiness asks, and wants to know of now
    # AWS puts a large object together in minutes, and sends blanks meanwhile.
    "complete_multipart_upload": 180.0,
    "copy_object": 180.0,
}
_ATTEMPTS: Final = 6
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 15
# Any region is right for a store of one's own, which mostly takes this one for its own.
_DEFAULT_REGION: Final = "us-east-1"


class Client:
    """The bucket of `address`. What is slow and blocks (service descriptions, role credentials) happens when it is
    made; connections are opened by the first call, in its loop.
    """

    def __init__(self, address: Address, connections: int, credentials: ReadOnlyCredentials | None = None) -> None:
        self.address = address
        self._session = AioSession()
        self._session.register_component("data_loader", _loader())
        self._region = address.region or self._session.get_config_variable("region") or _DEFAULT_REGION
        self.keys = Keys(lambda: botocore.session.Session().get_credentials(), credentials)
        self._session.register_component("credential_provider", self.keys)
        self._settings: dict[str, Any] = {
            "region_name": self._region,
            "signature_version": "s3v4",
            "s3": {"addressing_style": "path" if address.path_style else "virtual"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "max_pool_connections": connections,
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
        }
        self._base = self._base_url()
        self._slots = asyncio.Semaphore(connections)
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()
        self._s3: Any = None
        self._closed = False

    def presigner(self, clock: Callable[[], int]) -> Presigner:
        """Signs URLs as clients reach the bucket. `clock` gives Unix milliseconds."""
        return Presigner(self._base, self._region, lambda: self.keys.current, clock)

    async def call(self, operation: str, **parameters: Any) -> Any:
        """The answer of one operation on the bucket. ClientError where the answer is the caller's matter (404, 412 and
        such: complaints.CALLERS); StoreUnavailable, StoreRefused or StorageFull where it is not.
        """
        async with self._slots:
            key = self.keys.current
            try:
                return await self._once(operation, parameters)
            except ClientError as error:
                if complaints.refused(error) and await asyncio.to_thread(self.keys.reread, key):
                    return await self._again(operation, parameters)
                await self._tell(error, key)
                raise

    async def close(self) -> None:
        """End the connections. Closing twice is not an error."""
        self._closed = True
        self.keys.close()
        await self._open.aclose()
        self._s3 = None

    async def _again(self, operation: str, parameters: dict[str, Any]) -> Any:
        """The same with a key that was found just now."""
        key = self.keys.current
        try:
            return await self._once(operation, parameters)
        except ClientError as error:
            await self._tell(error, key)
            raise

    async def _once(self, operation: str, parameters: dict[str, Any]) -> Any:
        _last_failure.set(None)
        try:
            s3 = await self._opened()
            async with asyncio.timeout(BUDGETS.get(operation, BUDGET)):
                return await getattr(s3, operation)(Bucket=self.address.bucket, **parameters)
        except TimeoutError as error:
            # The time was up during a pause, or during the last of several attempts: the one before says why.
            failure = _last_failure.get() or error
            if isinstance(failure, ClientError):
                raise failure from error
            raise complaints.unanswered(failure, self.address) from error
        except (BotoCoreError, OSError) as error:
            raise complaints.unanswered(error, self.address) from error

    async def _tell(self, error: ClientError, key: ReadOnlyCredentials) -> None:
        """Raise what no caller can deal with, in words."""
        if complaints.refused(error) and complaints.code_of(error).isdigit():
            # An answer to HEAD has no body, and so no reason: listing is refused for the same one.
            try:
                await self._once("list_objects_v2", {"MaxKeys": 1, "Prefix": self.address.prefix})
            except ClientError as reason:
                error = reason
        if told := complaints.answered(error, self.address, key.access_key):
            raise told from error

    async def _opened(self) -> Any:
        async with self._opening:
            if self._s3 is None:
                if self._closed:
                    raise RuntimeError("this store is closed")
                context = self._session.create_client(
                    "s3", endpoint_url=self.address.endpoint, config=AioConfig(**self._settings)
                )
                self._s3 = await self._open.enter_async_context(context)
                self._s3.meta.events.register("needs-retry.s3", _note_failure)
            return self._s3

    def _base_url(self) -> str:
        """Where keys lie, with the bucket in the host or the path. It is taken from a URL that botocore signs, which
        knows the rules (regions, partitions, dual stack), and loads what the first call would otherwise wait for.
        """
        session = botocore.session.Session()
        session.register_component("data_loader", _loader())
        s3 = session.create_client(
            "s3",
            endpoint_url=self.address.public_endpoint,
            aws_access_key_id="unused",
            aws_secret_access_key="unused",  # noqa: S106 - of a URL that is not used
            config=Config(**self._settings),
        )
        signed = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": self.address.bucket, "Key": "x"}))
        return f"{signed.scheme}://{signed.netloc}{signed.path.removesuffix('x')}"


@cache
def _loader() -> Any:
    """The description of S3, some megabytes of JSON: read once, for every session."""
    return create_loader()


_last_failure: ContextVar[BaseException | None] = ContextVar("last failure", default=None)


def _note_failure(response: Any, caught_exception: BaseException | None, operation: Any, **_: object) -> None:
    """Told by aiobotocore after each attempt."""
    if caught_exception is not None:
        _last_failure.set(caught_exception)
    elif response is not None and response[0].status_code >= 300:
        _last_failure.set(ClientError(response[1], operation.name))
