"""What tests share: real servers, on free ports, in temporary folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import Client, Server
from tests.servers.nats import Nats
from tests.servers.seaweed import SeaweedFS


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do it no harm; each signs in with an account of its own."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """One S3 store for all tests that do it no harm; each keeps to a prefix of its own."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """One NATS for all tests that do it no harm; each keeps to a prefix of its own."""
    with Nats(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="session")
def three_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A cluster of three. Whoever kills a node starts it again."""
    with Nats(tmp_path_factory.mktemp("three_nats"), nodes=3) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of the test's own, with settings: to be killed, filled up, starved."""
    started: list[Server] = []

    def begin(**settings: str) -> Server:
        running = Server(tmp_path / f"server{len(started)}", settings).start()
        started.append(running)
        return running

    yield begin
    for running in started:
        running.kill()
