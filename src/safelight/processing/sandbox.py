"""Decoding of untrusted bytes in child processes with limits; a photo that breaks one harms no other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import safelight
from safelight import errors
from safelight.errors import DamagedImage, DecodeMemory, DecodeTimeout, PhotoError
from safelight.processing import wire
from safelight.processing.budget import Budget
from safelight.processing.line import Line
from safelight.processing.wire import Description, Garbled, Thumbnails, Verified

T = TypeVar("T")

START_SECONDS: Final = 60
PHOTOS_PER_CHILD: Final = 200
# Reading to verify is not decoding: a file may take, beyond the limits, as long as a slow disk takes for it.
READ_BYTES_PER_SECOND: Final = 10 << 20

_PHOTO_ERRORS: Final = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PhotoError)
}
# What a C library leaves behind when it aborts for want of memory instead of returning an error.
_ABORTED_FOR_MEMORY: Final = re.compile(r"failed to allocate|bad_alloc|MemoryError|Resource temporarily unavailable")
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ENVIRONMENT: Final = {
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    # Never to a file: what does not fit into memory is an error that names itself.
    "VIPS_DISC_THRESHOLD": "1024g",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Each arena of glibc's reserves 64 MiB of the address space that is limited.
    "MALLOC_ARENA_MAX": "2",
}


class ChildDied(Exception):
    """A decoding process ended unasked; the photo may be innocent. `signal` is what killed it, where one did."""

    def __init__(self, reason: str, signal: int | None = None) -> None:
        super().__init__(reason)
        self.signal = signal


class _Process:
    """One decoding process and the socket to it. Made by `start`; usable until `dead`."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        said: IO[bytes],
        line: Line,
    ) -> None:
        self._popen = popen
        self._said = said
        self._line = line
        self.photos = 0
        self.owing = 0
        self.worn = False
        self.dead = False

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return not self.dead and self._popen.poll() is None

    @classmethod
    async def start(cls, limits: dict[str, int]) -> _Process:
        """A child that has limited itself and waits for its first photo; ChildDied with its last words if it fails."""
        ours, theirs = socket.socketpair()
        line = await Line.open(ours)
        said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        with theirs:
            popen = _spawn(theirs.fileno(), said, limits)
        process = cls(popen, said, line)
        started = False
        try:
            await process._receive(START_SECONDS)
            started = True
        except TimeoutError:
            raise ChildDied("a decoding process did not start in time") from None
        finally:
            if not started:
                await process.end()
        return process

    def ask(self, request: dict[str, Any], answers: int = 1) -> None:
        """Ask for something that is answered by so many messages."""
        self.owing += answers
        self._line.send(wire.pack(request))

    async def answer(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The next answer, within `seconds`; DecodeTimeout, DecodeMemory or ChildDied where none comes: it is dead."""
        whole = False
        try:
            answer = await self._receive(seconds)
            self.owing -= 1
            whole = True
        except TimeoutError:
            raise DecodeTimeout from None
        finally:
            if not whole:
                await self.end()
        return answer

    async def _receive(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        try:
            return await self._line.receive(seconds)
        except EOFError as error:
            raise await self._obituary() from error
        except Garbled as error:
            raise ChildDied(f"a decoding process sent {error}") from error

    async def _obituary(self) -> PhotoError | ChildDied:
        try:
            code = await asyncio.to_thread(self._popen.wait, 5)
        except subprocess.TimeoutExpired:
            return ChildDied("a decoding process closed its socket")
        last_words = self._last_words()
        if code == -signal.SIGPROF:
            return DecodeTimeout()
        if code not in (0, -signal.SIGKILL, -signal.SIGTERM) and _ABORTED_FOR_MEMORY.search(last_words):
            return DecodeMemory()
        killer = -code if code < 0 else None
        how = f"was killed by {signal.Signals(killer).name}" if killer else f"ended with status {code}"
        return ChildDied(f"a decoding process {how}: {last_words or 'it said nothing'}", killer)

    def _last_words(self) -> str:
        if self._said.closed:
            return ""
        length = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, length - 2000))
        return self._said.read().decode(errors="replace").strip()

    async def end(self) -> None:
        """Kill it and leave nothing of it behind. Ending twice is not an error."""
        if self.dead:
            return
        self.dead = True
        self._popen.kill()
        self._line.close()
        # A task cancelled a second time must not leave a zombie: the wait goes on without it.
        await asyncio.shield(asyncio.to_thread(self._popen.wait))
        self._said.close()


class Child:
    """A decoding process for the one photo that it was taken for."""

    def __init__(self, process: _Process, sandbox: Sandbox) -> None:
        self._process = process
        self._sandbox = sandbox
        self._describing: tuple[Path, str] | None = None

    async def verify(self, path: Path, *, size: int, crc32c: str | None, sha256: str | None) -> Verified:
        """Check size in bytes, CRC32C (8 hex digits) and SHA-256 (64) where given, and find the real type.

        SizeMismatch, ChecksumMismatch, UnsupportedType, DamagedImage, DecodeTimeout.
        """
        reading = size / READ_BYTES_PER_SECOND
        request = {"do": "verify", "path": str(path), "size": size, "crc32c": crc32c, "sha256": sha256}
        # What is sound is described at once, without being asked again: half the messages of a small photo's way.
        self._ask(request, reading, answers=2)
        verified = _checked(wire.verified, (await self._answer(reading))[0])
        self._describing = path, verified.media_type
        return verified

    async def describe(self, path: Path, media_type: str) -> Description:
        """Read header and metadata of a photo of that type. DamagedImage, TooManyPixels, DecodeMemory or -Timeout."""
        if self._describing != (path, media_type):
            self._ask({"do": "describe", "path": str(path), "media_type": media_type})
        self._describing = None
        return _checked(wire.described, (await self._answer())[0])

    async def thumbnails(self, path: Path, described: Description) -> Thumbnails:
        """Decode, when all photos decoded at once leave room for this one. DamagedImage, DecodeMemory or -Timeout."""
        request = {"do": "thumbnails", "path": str(path), "media_type": described.media_type}
        async with self._sandbox.budget.hold(described.decode_bytes):
            try:
                self._ask(request)
                answer, payload = await self._answer()
            except DamagedImage as error:
                # Not every decoder says that it was memory which it had not; the estimate does.
                if described.decode_bytes > self._sandbox.memory_bytes:
                    raise DecodeMemory from error
                raise
        return _checked(lambda message: wire.developed(message, payload), answer)

    def _ask(self, request: dict[str, Any], reading: float = 0.0, answers: int = 1) -> None:
        self._process.ask({**request, "cpu_seconds": self._sandbox.cpu_seconds + reading}, answers)

    async def _answer(self, reading: float = 0.0) -> tuple[dict[str, Any], bytes]:
        answer, payload = await self._process.answer(self._sandbox.wall_seconds + reading)
        grown = answer.get("grown")
        if "crash" in answer or not isinstance(grown, int):
            self._process.worn = True
            raise ChildDied(f"a decoding process failed: {answer.get('crash')}")
        self._process.worn |= grown > self._sandbox.memory_bytes // 4
        if "code" in answer:
            kind = _PHOTO_ERRORS.get(str(answer["code"]), DamagedImage)
            # A failure is the last that is said of a photo.
            self._process.owing = 0
            self._process.worn |= kind is DecodeMemory
            error = kind(str(answer.get("message") or "") or None)
            error.add_note(str(answer.get("words")))
            raise error
        return answer, payload


class Sandbox:
    """At most `size` decoding processes, each for one photo at a time; dead and worn ones are replaced.

    A photo may use `memory_bytes` beyond what a child takes at rest, and in each of its stages `cpu_seconds` and
    `wall_seconds`. Photos decoded at once take together at most `budget_bytes`, as estimated.
    """

    def __init__(
        self,
        *,
        size: int,
        memory_bytes: int,
        cpu_seconds: float,
        wall_seconds: float,
        max_pixels: int,
        budget_bytes: int,
    ) -> None:
        self.memory_bytes = memory_bytes
        self.cpu_seconds = cpu_seconds
        self.wall_seconds = wall_seconds
        self.budget = Budget(budget_bytes)
        self._limits = {"memory_bytes": memory_bytes, "max_pixels": max_pixels}
        self._size = size
        self._slots = asyncio.Semaphore(size)
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []

    async def start(self) -> None:
        """Start all children, so that the first photos need not wait."""
        missing = self._size - len(self._idle) - len(self._busy)
        self._idle += await asyncio.gather(*(_Process.start(self._limits) for _ in range(missing)))

    async def close(self) -> None:
        """End all children; a photo in hand fails with ChildDied. Closing twice is not an error."""
        ending = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(process.end() for process in ending))

    def pids(self) -> list[int]:
        """The children there are."""
        return [process.pid for process in (*self._idle, *self._busy) if process.alive]

    @asynccontextmanager
    async def child(self) -> AsyncIterator[Child]:
        """A child for one photo, in the order asked. ChildDied where none can be started."""
        async with self._slots:
            process = await self._living()
            self._busy.append(process)
            try:
                yield Child(process, self)
            finally:
                self._busy.remove(process)
                process.photos += 1
                if process.dead or process.worn or process.owing or process.photos >= PHOTOS_PER_CHILD:
                    await process.end()
                else:
                    self._idle.append(process)

    async def _living(self) -> _Process:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            await process.end()
        return await _Process.start(self._limits)


def _spawn(descriptor: int, said: IO[bytes], limits: dict[str, int]) -> subprocess.Popen[bytes]:
    """Start a child on that socket; what it, or a library in it, prints goes to `said`."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "safelight.processing.child", str(descriptor), json.dumps(limits)],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        pass_fds=[descriptor],
        env=child_environment(),
        # Ctrl-C in a terminal is for the server, which ends its children when it has drained.
        start_new_session=True,
    )


def child_environment() -> dict[str, str]:
    """What a child needs, and nothing that the server keeps secret."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    package = str(Path(safelight.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**inherited, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}


def _checked(read: Callable[[dict[str, Any]], T], answer: dict[str, Any]) -> T:
    try:
        return read(answer)
    except Garbled as error:
        raise ChildDied(f"a decoding process sent garbled {error}") from error
