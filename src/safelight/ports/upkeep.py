"""What only the doctor asks of the outside: how it is set up, and (of a bucket) to set it up otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Rules = list[dict[str, Any]]
"""Rules of a bucket, each as the S3 API has it: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html"""


class NotOffered(Exception):
    """The store does not know this call."""


@dataclass(frozen=True, slots=True)
class Schema:
    """How far a database's schema has come. `present` is its newest migration, None where there is none yet; `newest`
    the newest that this code knows. `behind` counts those still to be applied; it is None where a newer Safelight
    applied more than this one knows.
    """

    server: str
    present: str | None
    newest: str
    behind: int | None


@dataclass(frozen=True, slots=True)
class Messaging:
    """A NATS server and its cluster. `jetstream` says why there is none; `streams` has the replicas of Safelight's."""

    version: str
    servers: int
    jetstream: str | None = None
    streams: Mapping[str, int] = field(default_factory=dict)


class Bucket(Protocol):
    """The settings of a bucket. NotOffered where the store knows no such call; StoreRefused, with a sentence, where
    it does not allow it.
    """

    @property
    def name(self) -> str: ...

    @property
    def prefix(self) -> str:
        """What Safelight's keys begin with: empty, or ending in `/`."""

    @property
    def endpoint(self) -> str | None:
        """Where the server reaches the store; None for AWS."""

    async def cors(self) -> Rules: ...

    async def set_cors(self, rules: Rules) -> None:
        """Replace all rules."""

    async def lifecycle(self) -> Rules: ...

    async def set_lifecycle(self, rules: Rules) -> None:
        """Replace all rules; what else the configuration says stays."""

    async def versioning(self) -> str:
        """`Enabled`, `Suspended`, or empty where it was never switched on."""

    async def close(self) -> None: ...
