"""The jobs that a hub under test tells of."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.joblog import JobLog

from safelight.adapters.memory import MemoryBroker


@pytest.fixture
async def log() -> AsyncIterator[JobLog]:
    broker = MemoryBroker()
    yield JobLog(broker)
    await broker.close()
