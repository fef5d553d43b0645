"""A decoding process: `python -m safelight.processing.child SOCKET LIMITS`. It serves one photo at a time.

It is started anew, not forked (libvips hangs after a fork), limits itself before it touches a photo, and ends
with the server that started it. Nothing of the server's secrets is in its environment.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import random
import re
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Final

import crc32c
import pyvips

from safelight.errors import (
    ChecksumMismatch,
    DamagedImage,
    DecodeMemory,
    ObjectMissing,
    PhotoError,
    SizeMismatch,
    UnsupportedType,
)
from safelight.processing import filetype, imaging, wire
from safelight.processing.wire import PROBED, Verified

_CHUNK: Final = 1 << 20
_MAX_WRITTEN: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
# Decoding takes what is left of the cores, and gives way to the server that tells people of it.
_NICE: Final = 10
_AUTOGROUP: Final = Path("/proc/self/autogroup")
_TRYING_SECONDS: Final = 10.0
_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|insufficient memory|(cannot|unable to|failed to|could not) allocate|allocation|bad_alloc", re.I
)


def main() -> None:
    """Serve until the server closes the socket."""
    server = socket.socket(fileno=int(sys.argv[1]))
    limits = json.loads(sys.argv[2])
    _end_with(server)
    _give_way()
    imaging.prepare()
    at_rest = _address_space()
    _limit(at_rest + limits["memory_bytes"])
    stream = server.makefile("rb")
    server.sendall(wire.pack({"pid": os.getpid()}))
    while header := stream.read(wire.HEADER.size):
        length, _ = wire.lengths(header)
        request: dict[str, Any] | None = wire.parse(stream.read(length))
        while request:
            # CPU time of this process alone, all threads together; SIGPROF ends it (setitimer(2)).
            signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
            message, payload = _answer(request, limits["max_pixels"])
            signal.setitimer(signal.ITIMER_PROF, 0)
            server.sendall(wire.pack({**message, "grown": max(0, _address_space() - at_rest)}, payload))
            request = _next(request, message)


def verify(path: Path, size: int, crc: str | None, sha256: str | None) -> Verified:
    """Read the whole file once; SizeMismatch, ChecksumMismatch, UnsupportedType, or DamagedImage if it ends early."""
    with path.open("rb", buffering=0) as file:
        found, digest, actual = 0, hashlib.sha256(), 0
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            chunk = view[:count]
            found = crc32c.crc32c(chunk, found)
            actual += count
            digest.update(chunk)
    if actual != size:
        raise SizeMismatch(
            f"The number of bytes sent differs from the size declared ({actual:,} came, {size:,} were declared)."
            " Send the file again from the start."
        )
    if (crc and crc != f"{found:08x}") or (sha256 and sha256 != digest.hexdigest()):
        raise ChecksumMismatch
    with path.open("rb") as buffered:
        media_type = _type(buffered, size)
        probe = _probe(buffered, size)
    return Verified(media_type=media_type, size=actual, crc32c=f"{found:08x}", sha256=digest.hexdigest(), probe=probe)


def _probe(file: BinaryIO, size: int) -> str:
    """What a client compares with a file of its own without reading all of it (U16): the CRC32C of head and of tail."""
    sums = []
    for start in (0, max(0, size - PROBED)):
        file.seek(start)
        sums.append(crc32c.crc32c(file.read(PROBED)))
    return "".join(f"{each:08x}" for each in sums)


def _type(file: BinaryIO, size: int) -> str:
    media_type = filetype.media_type(file)
    if media_type is None:
        raise UnsupportedType
    if filetype.ends_early(file, media_type, size):
        raise DamagedImage
    return media_type


def _answer(request: dict[str, Any], max_pixels: int) -> tuple[dict[str, Any], bytes]:
    """Do what is asked, or say in one of our codes why it cannot be done; anything else is told as a crash."""
    try:
        return _do(request, max_pixels)
    except PhotoError as error:
        return _failure(error, error.__cause__)
    except FileNotFoundError as error:
        return _failure(ObjectMissing(), error)
    except pyvips.Error as error:
        return _failure(DecodeMemory() if _OUT_OF_MEMORY.search(str(error)) else DamagedImage(), error)
    except MemoryError as error:
        return _failure(DecodeMemory(), error)
    except Exception:  # noqa: BLE001 - the server logs it, and starts another child
        return {"crash": traceback.format_exc()[-4000:]}, b""


def _do(request: dict[str, Any], max_pixels: int) -> tuple[dict[str, Any], bytes]:
    path = Path(request["path"])
    match request["do"]:
        case "verify":
            found = verify(path, request["size"], request["crc32c"], request["sha256"])
            return wire.as_message(found), b""
        case "describe":
            return wire.as_message(imaging.describe(path, request["media_type"], max_pixels)), b""
        case "thumbnails":
            made = imaging.thumbnails(path, request["media_type"])
            return {"small_bytes": len(made.small), "thumbhash": made.thumbhash}, made.small + made.large
        case other:
            raise ValueError(other)


def _next(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any] | None:
    """A photo that was found to be what it says is described without being asked for."""
    if request["do"] != "verify" or "media_type" not in answer:
        return None
    return {**request, "do": "describe", "media_type": answer["media_type"]}


def _failure(error: PhotoError, cause: BaseException | None) -> tuple[dict[str, Any], bytes]:
    return {"code": error.code, "message": error.message, "words": str(cause or "")[:1000]}, b""


def _give_way() -> None:
    os.nice(_NICE)
    # Where Linux groups processes by session, a niceness counts among those of one session alone (sched(7)), and each
    # of these is a session of its own: the group gives way as well. But for root it is Linux's rule that one group in a
    # tenth of a second is changed, on the whole machine: whoever comes second waits. In vain, it decodes all the same.
    until = time.monotonic() + _TRYING_SECONDS
    while _AUTOGROUP.exists():
        try:
            _AUTOGROUP.write_text(str(_NICE))
            return
        except BlockingIOError:
            if time.monotonic() > until:
                return
            time.sleep(random.uniform(0.05, 0.15))  # noqa: S311 - so that not all come at once
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
            return  # a container that shows /proc, and lets nobody write there


def _limit(address_space: int) -> None:
    """Memory, files written, and core dumps; a limit that is lower already stays (macOS enforces no RLIMIT_AS)."""
    for kind, value in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_FSIZE, _MAX_WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _end_with(server: socket.socket) -> None:
    """End when the server does, however it ends, and in the midst of decoding too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        hang_up = select.poll()
        hang_up.register(server.fileno(), select.POLLHUP)
        hang_up.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
