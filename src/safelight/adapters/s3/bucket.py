"""The settings of the bucket itself (ports.upkeep.Bucket): CORS, lifecycle, versioning."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from safelight.adapters.s3.address import Address
from safelight.adapters.s3.client import Client
from safelight.adapters.s3.complaints import code_of
from safelight.errors import SafelightError
from safelight.ports.upkeep import NotOffered, Rules

_NOT_OFFERED: Final = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "501", "405"})
_NONE: Final = frozenset({"NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"})
_SIZE_CHOICE: Final = "TransitionDefaultMinimumObjectSize"


class S3Bucket:
    """The bucket that `url` names, with the access key of the ordinary AWS chain."""

    def __init__(self, url: str) -> None:
        self._address = Address.parse(url)
        self._client = Client(self._address, connections=2)

    @property
    def name(self) -> str:
        return self._address.bucket

    @property
    def prefix(self) -> str:
        return self._address.prefix

    @property
    def endpoint(self) -> str | None:
        return self._address.endpoint

    async def cors(self) -> Rules:
        return list((await self._ask("get_bucket_cors")).get("CORSRules", ()))

    async def set_cors(self, rules: Rules) -> None:
        await self._ask("put_bucket_cors", CORSConfiguration={"CORSRules": rules})

    async def lifecycle(self) -> Rules:
        return list((await self._ask("get_bucket_lifecycle_configuration")).get("Rules", ()))

    async def set_lifecycle(self, rules: Rules) -> None:
        present = await self._ask("get_bucket_lifecycle_configuration")
        kept = {_SIZE_CHOICE: present[_SIZE_CHOICE]} if _SIZE_CHOICE in present else {}
        await self._ask("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}, **kept)

    async def versioning(self) -> str:
        return str((await self._ask("get_bucket_versioning")).get("Status", ""))

    async def close(self) -> None:
        await self._client.close()

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer; an empty one where nothing is set."""
        try:
            answer: dict[str, Any] = await self._client.call(operation, **parameters)
        except (ClientError, SafelightError) as error:
            code = _code(error)
            if code in _NONE:
                return {}
            if code in _NOT_OFFERED:
                raise NotOffered from error
            raise
        return answer


def _code(error: BaseException) -> str:
    """The store's own code, also where the client has put it in words already."""
    said = error if isinstance(error, ClientError) else error.__cause__
    return code_of(said) if isinstance(said, ClientError) else ""
