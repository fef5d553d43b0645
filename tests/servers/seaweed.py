"""A real S3 store for tests: SeaweedFS in a process of its own, on free ports, in a temporary folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.ports import free_ports

READY_SECONDS: Final = 60
BUCKET: Final = "photos"


@dataclass
class SeaweedFS:
    """`weed server -s3` on `folder`, with one key that may do everything and the bucket `photos`."""

    folder: Path
    access_key: str = "AKSAFELIGHT"
    secret_key: str = "secret of the test"
    ports: list[int] = field(default_factory=lambda: free_ports(8))
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def keys(self) -> str:
        """The key as a file that AWS_SHARED_CREDENTIALS_FILE names: one that is changed is read again."""
        lines = ["[default]", f"aws_access_key_id = {self.access_key}", f"aws_secret_access_key = {self.secret_key}"]
        return "\n".join(lines) + "\n"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to sign with the key."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def url(self, prefix: str = "", endpoint: str | None = None) -> str:
        """The SAFELIGHT_STORAGE_URL of the bucket, reached by another endpoint where one is given."""
        return f"s3://{BUCKET}/{prefix}?endpoint={endpoint or self.endpoint}"

    def client(self) -> Any:
        """botocore's own client, to look at the store beside Safelight."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"total_max_attempts": 1}),
        )

    def start(self) -> SeaweedFS:
        """Start it, or start it again on the same data, and wait until it takes objects."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        key = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identities = [{"name": "safelight", "credentials": [key], "actions": actions}]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        with (self.folder / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + READY_SECONDS
        client = self.client()
        while not self._takes_objects(client):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"SeaweedFS did not become ready: {self._log()[-4000:]}")
            time.sleep(0.05)
        client.close()
        return self

    def freeze(self) -> None:
        """Let it hang with its connections open, as behind a cable that was pulled. `thaw` ends it."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9. Asked to end, it would wait ten seconds for its own connections to itself."""
        assert self.process
        self.process.kill()
        self.process.wait(timeout=10)
        # Its servers talk to each other by sockets here, which a kill leaves behind.
        for port in self.ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where weed puts them
                left.unlink(missing_ok=True)

    def __enter__(self) -> SeaweedFS:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self) -> list[str]:
        names = ["s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc"]
        options: dict[str, object] = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3": "true",
            "s3.config": self.folder / "s3.json",
            # No more servers than are asked for, and no word to anybody.
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
            # Small volumes, made one at a time: they are preallocated by the number, not by their size.
            "master.volumeSizeLimitMB": 256,
            "volume.max": 0,
            "volume.preStopSeconds": 0,
            # Alone, it need not wait long for others before it leads.
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
        }
        for name, port in zip(names, self.ports, strict=True):
            server, _, grpc = name.partition(".")
            options[f"{server}.port{'.grpc' if grpc else ''}"] = port
        weed = Path(sys.executable).parent / "weed"
        return [str(weed), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]

    def _takes_objects(self, client: Any) -> bool:
        try:
            try:
                client.create_bucket(Bucket=BUCKET)
            except ClientError as error:
                if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    return False
            client.put_object(Bucket=BUCKET, Key=".ready", Body=b"ready")
        except (ClientError, BotoCoreError):
            return False
        return True

    def _log(self) -> str:
        return (self.folder / "weed.log").read_text(errors="replace")
