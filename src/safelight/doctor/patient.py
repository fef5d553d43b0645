"""What is examined: an installation as its settings describe it, and as clients reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import httpx

from safelight.ports import Broker, Database, ObjectStore
from safelight.ports.upkeep import Bucket, Messaging, Schema
from safelight.settings import Settings

SECONDS = 10.0
"""How long any one answer is waited for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How each part of the outside is opened or looked at. `reach` gives the way by which a browser's requests get to
    the signed URLs of a store; `bucket` is None where the store is none.
    """

    database: Callable[[], Database]
    store: Callable[[], ObjectStore]
    broker: Callable[[], Broker]
    schema: Callable[[], Awaitable[Schema]]
    messaging: Callable[[], Awaitable[Messaging]]
    bucket: Callable[[], Bucket]
    reach: Callable[[ObjectStore], httpx.AsyncBaseTransport]


class Patient:
    """`refusal` is why the settings are none (then `settings` are the defaults). `home` is the page's address without
    a proxy, `url` the public one if it is to be examined. Each part is opened when a check first asks for it, and
    raises there what is wrong with it.
    """

    def __init__(
        self, settings: Settings, surroundings: Surroundings, *, home: str, url: str | None = None, refusal: str = ""
    ) -> None:
        self.settings = settings
        self.refusal = refusal
        self.home = home
        self._url = url.rstrip("/") if url else None
        self._surroundings = surroundings

    @property
    def examines_url(self) -> bool:
        return self._url is not None

    @property
    def url(self) -> str:
        """The public address, without a slash at its end."""
        if self._url is None:
            raise ValueError("no public address was given")
        return self._url

    @property
    def origins(self) -> list[str]:
        """The pages that send photos: those of this server, by each of its addresses, and those allowed besides."""
        own = [address for address in (self._url, self.settings.public_url) if address] or [self.home]
        return list(dict.fromkeys([*map(origin_of, own), *self.settings.allowed_origins]))

    @cached_property
    def database(self) -> Database:
        return self._surroundings.database()

    @cached_property
    def store(self) -> ObjectStore:
        return self._surroundings.store()

    @cached_property
    def broker(self) -> Broker:
        return self._surroundings.broker()

    @cached_property
    def bucket(self) -> Bucket:
        return self._surroundings.bucket()

    @cached_property
    def browser(self) -> httpx.AsyncClient:
        """Sends bytes to signed URLs, as a browser does: directly to S3, into a disk store by its own edge."""
        return httpx.AsyncClient(
            transport=self._surroundings.reach(self.store), base_url="http://store", timeout=SECONDS * 3
        )

    @cached_property
    def web(self) -> httpx.AsyncClient:
        """Asks the public address."""
        return httpx.AsyncClient(base_url=self._url or "", timeout=SECONDS)

    async def schema(self) -> Schema:
        return await self._surroundings.schema()

    async def messaging(self) -> Messaging:
        return await self._surroundings.messaging()

    async def close(self) -> None:
        """Release what was opened."""
        for client in ("browser", "web"):
            if client in self.__dict__:
                await self.__dict__[client].aclose()
        for part in ("bucket", "broker", "store", "database"):
            if part in self.__dict__:
                await self.__dict__[part].close()


def origin_of(url: str) -> str:
    """`https://host:port` of a URL, as browsers send it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
