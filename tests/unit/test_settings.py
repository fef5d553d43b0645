"""Settings that only make sense together are told so, with what is lacking."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from safelight.app.opening import open_ports
from safelight.app.working import create_worker
from safelight.settings import Settings

MANY = {
    "database_url": "postgresql://u:p@db/safelight",
    "storage_url": "s3://photos?endpoint=https://s3.example.org",
    "broker_url": "nats://a,b,c",
    "secret": "one for all",
}


def settings(**given: str) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def test_a_laptop_needs_no_setting() -> None:
    assert settings().alone


def test_many_machines_are_three_urls_and_a_secret() -> None:
    assert not settings(**MANY).alone


@pytest.mark.parametrize("lacking", ["database_url", "storage_url", "secret"])
def test_many_machines_share_everything(lacking: str) -> None:
    with pytest.raises(ValidationError, match=f"SAFELIGHT_{lacking.upper()}"):
        settings(**{name: value for name, value in MANY.items() if name != lacking})


@pytest.mark.parametrize(
    "wrong", [{"broker_url": "amqp://a"}, {"database_url": "mysql://a/b"}, {"storage_url": "ftp://a/b"}]
)
def test_what_is_not_known_is_told(wrong: dict[str, str]) -> None:
    (url,) = wrong.values()
    with pytest.raises(ValidationError, match=url.replace("/", "/")):
        settings(**wrong)


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("nats://a", ["nats://a"]),
        ("nats://a,b:4223,c/", ["nats://a", "nats://b:4223", "nats://c"]),
        ("tls://u:p@a,b", ["tls://u:p@a", "tls://u:p@b"]),
    ],
)
def test_each_nats_server_is_a_url_of_its_own(url: str, servers: list[str]) -> None:
    assert settings(**{**MANY, "broker_url": url}).nats_servers == servers


def test_a_worker_that_would_reach_nobody_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nats://"):
        create_worker(settings(data_dir=str(tmp_path)))


async def test_a_laptop_opens_what_is_on_it(tmp_path: Path) -> None:
    ports = open_ports(settings(data_dir=str(tmp_path)))
    await ports.db.check()
    await ports.store.check()
    await ports.db.close()
