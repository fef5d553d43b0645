"""NATS: core subjects for fan-out and calls between processes, JetStream for tasks."""

from safelight.adapters.nats.broker import NatsBroker as NatsBroker
