"""Every setting, typed. Read once at the start from the environment or `.env`, then passed down."""

from __future__ import annotations

import os
import secrets
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MiB = 1024 * 1024


class Settings(BaseSettings):
    """Environment variables `SAFELIGHT_…`; each is described in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="SAFELIGHT_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    data_dir: Path = Field(Path("data"), description="Where database and photos live by default.")
    database_url: str = Field(
        "", description="`postgresql://…` or `sqlite:///…`; by default safelight.db in the data folder."
    )
    storage_url: str = Field(
        "",
        description="`s3://bucket/prefix?endpoint=…&region=…` or `file:///…`; by default `store` in the data folder.",
    )
    broker_url: str = Field(
        "memory://",
        description="`nats://a,b,c`, or `memory://`: wake-ups within this one process, which is all there is.",
    )
    secret: str = Field("", description="Signs tokens and URLs; made and kept in the data folder when absent.")
    registration: Literal["closed", "open"] = Field("closed", description="Whether anybody may make an account.")
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Pages served from elsewhere, comma-separated, for CORS and the live channel."
    )
    admins: Annotated[list[str], NoDecode] = Field(
        [], description="E-mail addresses, comma-separated, of the accounts that may look after the server."
    )
    public_url: str = Field("", description="How clients reach this server, where a proxy stands before it.")

    token_minutes: int = Field(15, ge=1, description="Life of an access token; clients renew it before it ends.")
    session_days: int = Field(30, ge=1, description="Life of a sign-in that is not used.")
    url_minutes: int = Field(60, ge=1, description="Life of a signed URL.")
    upload_days: int = Field(7, ge=1, description="After so many days an unfinished upload has expired.")
    trash_days: int = Field(30, ge=0, description="After so many days the trash is emptied.")
    event_days: int = Field(30, ge=1, description="How long the events of ended jobs are kept for replay.")
    max_file_mb: int = Field(5_000, ge=1, description="Largest photo accepted, in MiB.")

    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Decoding processes; one a core."
    )
    max_megapixels: int = Field(250, ge=1, description="Photos with more pixels than this are refused.")
    decode_memory_mb: int = Field(2_048, ge=256, description="Memory that one photo's decoding may use.")
    decode_budget_mb: int = Field(2_048, ge=256, description="Estimated memory of all photos decoded at once.")
    decode_cpu_seconds: int = Field(60, ge=1, description="CPU time that one photo's decoding may use.")
    decode_wall_seconds: int = Field(120, ge=1, description="Time that one photo's decoding may take.")
    tasks_per_job: int = Field(
        0,
        ge=0,
        description="Photos of one job that are processed at once, by all workers together; 0: three a core here.",
    )
    finish_seconds: float = Field(
        10.0,
        ge=0,
        description="A worker told to end finishes what it has in hand for so long, and hands back the rest.",
    )
    lease_seconds: int = Field(30, ge=5, description="A worker silent for this long loses its photo to another.")
    sweep_seconds: float = Field(5.0, gt=0, description="How often the reconciler looks for what was lost.")
    stall_seconds: float = Field(30.0, gt=0, description="A photo silent for this long is told to rest.")
    max_waiting: int = Field(
        50_000, ge=1, description="While more photos than this wait for a worker, nothing new is declared or signed."
    )
    slow_seconds: float = Field(
        2.0, gt=0, description="Likewise while the database or the store takes longer than this to answer."
    )
    hook_secret: str = Field(
        "", description="What the store's event notifications say to `/hooks/s3`; empty: there is no such address."
    )
    max_connections: int = Field(100, ge=1, description="Live connections that one account may have open at once.")
    max_subscriptions: int = Field(1_000, ge=1, description="Live subscriptions that one account may have at once.")
    max_frames_per_second: float = Field(
        100.0, gt=0, description="STOMP frames that one account may send; ten times as many at once."
    )
    drain_seconds: float = Field(3.0, ge=0, description="At its end the server sends live clients away over this time.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console` or `json`; `auto` is the former on a terminal, the latter elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")

    @field_validator("admins", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        if isinstance(value, str):
            return [address.strip().lower() for address in value.split(",") if address.strip()]
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [origin.strip().rstrip("/") for origin in value.split(",") if origin.strip()]
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.alone and not self.broker_url.startswith(("nats://", "tls://")):
            raise ValueError(f"SAFELIGHT_BROKER_URL: {self.broker_url!r} is neither memory:// nor nats://a,b,c.")
        if not self.postgres:
            _path(self.database_url, "sqlite", "postgresql")
        if not self.s3:
            _path(self.storage_url, "file", "s3")
        if not self.alone:
            lacking = {
                "SAFELIGHT_DATABASE_URL=postgresql://…": not self.postgres,
                "SAFELIGHT_STORAGE_URL=s3://…": not self.s3,
                "SAFELIGHT_SECRET, the same on every machine": not self.secret,
            }
            if missing := [name for name, lacks in lacking.items() if lacks]:
                raise ValueError(
                    f"SAFELIGHT_BROKER_URL={self.broker_url.partition('://')[0]}://… is for many machines, which share"
                    f" everything: it also needs {'; '.join(missing)}."
                )
        return self

    @cached_property
    def signing_key(self) -> bytes:
        """The secret: the one set, else one made at the first start and kept, readable by its owner alone."""
        if self.secret:
            return self.secret.encode()
        kept = self.data_dir / "secret"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            descriptor = os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
        return kept.read_text().strip().encode()

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return _path(self.database_url, "sqlite", "postgresql") or self.data_dir / "safelight.db"

    @property
    def storage_path(self) -> Path:
        """The root folder of the disk store."""
        return _path(self.storage_url, "file", "s3") or self.data_dir / "store"

    @property
    def alone(self) -> bool:
        """Whether this process is all there is: what it knows in memory reaches no other."""
        return self.broker_url == "memory://"

    @property
    def postgres(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.database_url.startswith(("postgresql://", "postgres://"))

    @property
    def s3(self) -> bool:
        """Whether photos lie in an S3 store."""
        return self.storage_url.startswith("s3://")

    @property
    def nats_servers(self) -> list[str]:
        """`nats://user:pass@a,b:4223` as a URL for each server; what is said before the first @ holds for all."""
        scheme, _, rest = self.broker_url.partition("://")
        who, at, hosts = rest.rpartition("@")
        return [f"{scheme}://{who}{at}{host}" for host in hosts.rstrip("/").split(",")]

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_file_bytes(self) -> int:
        return self.max_file_mb * MiB


def _path(url: str, scheme: str, other: str) -> Path | None:
    """`sqlite:///relative`, `sqlite:////absolute`, `file:///absolute`; None where the default is meant."""
    if not url:
        return None
    prefix = f"{scheme}:///"
    if not url.startswith(prefix):
        raise ValueError(f"{url!r}: what is known here begins with {prefix} or {other}://")
    rest = url.removeprefix(prefix)
    return Path("/" + rest) if scheme == "file" else Path(rest)
