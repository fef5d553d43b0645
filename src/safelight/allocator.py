"""glibc's malloc, told to keep the buffers that bodies arrive in instead of giving them back after each."""

from __future__ import annotations

import ctypes
from typing import Final

MiB: Final = 1024 * 1024
# The parameters of mallopt(3), which have no names in Python.
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3


def tune_allocator() -> None:
    """Raise the thresholds from which a buffer is mapped and unmapped by itself; nothing happens off glibc."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 32 * MiB)
    mallopt(_M_TRIM_THRESHOLD, 64 * MiB)
    mallopt(_M_TOP_PAD, 16 * MiB)
