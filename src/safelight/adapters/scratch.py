"""Files for the moment, which nobody finds again after a kill.

Each process has a folder of its own, locked for as long as it lives. Who starts removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

_LOCK: Final = ".lock"


class Scratch:
    """A folder below `root` until `close`; it blocks, but for moments only."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        # Held while folders come and go, or one that was just made, and not yet locked, would be taken for a dead one.
        with (root / _LOCK).open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            for left in root.iterdir():
                if left.is_dir():
                    _remove_if_free(left)
            self._folder = root / secrets.token_hex(8)
            self._folder.mkdir()
            self._held = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def path(self) -> Path:
        """A name in it that is not in use."""
        return self._folder / secrets.token_hex(8)

    def close(self) -> None:
        """Remove the folder. Closing twice is not an error."""
        if self._held < 0:
            return
        held, self._held = self._held, -1
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(held)


def _remove_if_free(folder: Path) -> None:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # its process lives
    else:
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
