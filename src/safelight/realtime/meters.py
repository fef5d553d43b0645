"""What the live channel counts, for Prometheus (http/metrics.py shows it). Names are listed in docs/protocol.md."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (0, 1, 10, 100, 1_000, 10_000)


class Meters:
    """The meters of one live channel, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.connections = Gauge(
            "safelight_live_connections", "Live connections now.", ["transport"], registry=self.registry
        )
        self.events_in = Counter(
            "safelight_live_events_in", "Events that came from the broker.", registry=self.registry
        )
        self.events_out = Counter(
            "safelight_live_events_out", "Events written to readers, each reader counted.", registry=self.registry
        )
        self.bytes_out = Counter(
            "safelight_live_bytes_out", "Bytes of frames written to readers.", registry=self.registry
        )
        self.conflated = Counter(
            "safelight_live_conflated",
            "Byte progress that a reader was spared because something newer had come.",
            registry=self.registry,
        )
        self.snapshots = Counter(
            "safelight_live_snapshots", "Subscriptions answered, or put right, by a snapshot.", registry=self.registry
        )
        self.replays = Histogram(
            "safelight_live_replay_events", "Events a replay had.", buckets=_SIZES, registry=self.registry
        )
        self.refused = Counter(
            "safelight_live_errors", "Connections ended by an ERROR, by its code.", ["code"], registry=self.registry
        )
        self.auth_failures = Counter(
            "safelight_live_auth_failures", "Connections ended for want of a valid identity.", registry=self.registry
        )
        self.lag = Histogram(
            "safelight_live_lag_seconds",
            "From the commit of an event to the write to a reader's socket; the oldest event of each flush.",
            buckets=_LAGS,
            registry=self.registry,
        )
