"""The access key that requests and URLs are signed with: from the ordinary AWS chain, kept fresh in the background.

Signing a URL must neither wait nor ask, so the key in use is always at hand. A thread renews it, be it that it expires
(instance roles), be it that somebody rotates it in a file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiobotocore.credentials import AioCredentials
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError

from safelight.errors import StoreRefused

log = structlog.get_logger()

# botocore renews a role's key from 15 minutes before its end; so often do we let it.
RENEW_SECONDS: Final = 60.0
# Many calls are refused at once when a key is rotated: the files are read once for all of them.
REREAD_SECONDS: Final = 1.0


class Keys:
    """`chain` looks for credentials anew and returns botocore's, or None. A `fixed` key is never replaced."""

    def __init__(self, chain: Callable[[], Any], fixed: ReadOnlyCredentials | None = None) -> None:
        self._chain = chain
        self._fixed = fixed
        self._source: Any = None
        self._lock = threading.Lock()
        self._read_again_at = 0.0
        self._closed = threading.Event()
        self.current: ReadOnlyCredentials = fixed or self._read()
        if fixed is None:
            threading.Thread(target=self._renew, name="s3-keys", daemon=True).start()

    def reread(self, refused: ReadOnlyCredentials) -> bool:
        """Look for another key than the one `refused`; whether there is one. Reads files, so it belongs in a thread."""
        with self._lock:
            if self.current == refused and self._fixed is None and time.monotonic() >= self._read_again_at:
                self._read_again_at = time.monotonic() + REREAD_SECONDS
                try:
                    self.current = self._read()
                except (BotoCoreError, StoreRefused, OSError) as error:
                    log.warning("no other access key of the store was found", reason=str(error))
            other: bool = self.current != refused
            return other

    async def load_credentials(self) -> AioCredentials:
        """What aiobotocore asks a provider of credentials, once."""
        return _InUse(self)

    def close(self) -> None:
        """Renew no more."""
        self._closed.set()

    def _read(self) -> ReadOnlyCredentials:
        self._source = self._chain()
        if self._source is None:
            raise StoreRefused(
                "There is no access key for the store. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE,"
                " or give this machine a role."
            )
        frozen: ReadOnlyCredentials = self._source.get_frozen_credentials()
        return frozen

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_SECONDS):
            try:
                with self._lock:
                    if isinstance(self._source, RefreshableCredentials):
                        self.current = self._source.get_frozen_credentials()
                    else:
                        self.current = self._read()
            except (BotoCoreError, StoreRefused, OSError) as error:
                log.warning("access key of the store not renewed, the present one stays", reason=str(error))


class _InUse(AioCredentials):  # type: ignore[misc]
    """The key in use, which aiobotocore asks for before each request."""

    def __init__(self, keys: Keys) -> None:
        super().__init__(keys.current.access_key, keys.current.secret_key)
        self._keys = keys

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._keys.current
