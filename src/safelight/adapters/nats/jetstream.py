"""What any stream needs: to be there, to answer, to take messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
import structlog
from nats.js import api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
from nats.js.manager import JetStreamManager

from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.link import Link

log = structlog.get_logger()

ANSWER_SECONDS: Final = 3.0
# Publish only where the subject, or the one of SUBJECT_OF_THAT (which may have wildcards), has no later message.
LAST_SEQUENCE: Final = api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value
SUBJECT_OF_THAT: Final = f"{LAST_SEQUENCE}-Subject"
ONCE: Final = api.Header.MSG_ID.value
_WRONG_LAST_SEQUENCE: Final = 10071
_NOT_CLUSTERED: Final = 10074
_NEEDED: Final = (2, 12)


class Stream:
    """Made where it is not there. `replicas` copies of it are kept; None is three in a cluster, one on a server that
    is alone. All that it does raises FAILURES.
    """

    def __init__(self, connection: Connection, config: api.StreamConfig, replicas: int | None) -> None:
        self.name = str(config.name)
        self._connection = connection
        self._config = config
        self._replicas = replicas
        self._made_on: Link | None = None
        self._making = asyncio.Lock()

    async def make(self) -> None:
        """Make sure of it, once a connection."""
        link = self._connection.link
        async with self._making:
            if self._made_on is link:
                return
            version = link.connected_server_version
            if (version.major, version.minor) < _NEEDED:
                raise ConnectionError(f"this is NATS {version}, and Safelight needs 2.12 or later")
            try:
                await self.info()
            except NotFoundError:
                await self._create(JetStreamManager(link, timeout=ANSWER_SECONDS))
            self._made_on = link

    def doubt(self) -> None:
        """Have `make` look again: it did not answer."""
        self._made_on = None

    async def info(self, **body: object) -> dict[str, Any]:
        """What the server says of it (STREAM.INFO)."""
        return await self.ask("INFO", **body)

    async def ask(self, verb: str, **body: object) -> dict[str, Any]:
        """One of JetStream's calls about a stream."""
        return await self._connection.ask(f"STREAM.{verb}.{self.name}", seconds=ANSWER_SECONDS, **body)

    async def store(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> int | None:
        """Keep a message; its number, once as many copies as there are to be know it. None where LAST_SEQUENCE says
        otherwise.
        """
        await self.make()
        message = await self._connection.request(
            subject, payload, seconds=ANSWER_SECONDS, headers=None if headers is None else dict(headers)
        )
        if not message.data:
            raise NoStreamResponseError
        answer = orjson.loads(message.data)
        if "error" not in answer:
            return int(answer["seq"])
        if answer["error"].get("err_code") == _WRONG_LAST_SEQUENCE:
            return None
        raise APIError.from_error(answer["error"])

    async def _create(self, manager: JetStreamManager) -> None:
        for replicas in (self._replicas,) if self._replicas else (3, 1):
            try:
                await manager.add_stream(replace(self._config, num_replicas=replicas))
            except APIError as error:
                if error.err_code != _NOT_CLUSTERED or self._replicas:
                    raise
            else:
                log.info("stream made", stream=self.name, replicas=replicas)
                return
