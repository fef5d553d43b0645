"""NATS: core subjects for fan-out and calls between processes, JetStream for tasks."""

from safelight.adapters.nats.broker import NatsBroker as NatsBroker
from safelight.adapters.nats.calls import NatsCalls as NatsCalls
