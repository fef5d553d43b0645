"""What the live channel counts, for Prometheus (http/metrics.py shows it). Names are listed in docs/protocol.md."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

_LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (0, 1, 10, 100, 1_000, 10_000)


class Flushes:
    """What is counted at every flush to every reader. Plain numbers, made into metrics when somebody looks: the
    library's own take a lock each, which would be half of the cost of a flush. For the event loop's thread alone.
    """

    def __init__(self) -> None:
        self.events_in = 0
        self.events_out = 0
        self.bytes_out = 0
        self.conflated = 0
        self._lags = [0] * (len(_LAGS) + 1)
        self._lag_sum = 0.0

    def lag(self, seconds: float) -> None:
        """A flush whose oldest event was so old when it was written."""
        self._lags[bisect_left(_LAGS, seconds)] += 1
        self._lag_sum += seconds

    def flushed(self, readers: int, events: int, conflated: int, size: int, lag: float | None) -> None:
        """A batch of so many events was written to so many readers, `size` bytes to all of them together; each was
        spared so much byte progress, and its oldest event was `lag` seconds old.
        """
        self.events_out += readers * events
        self.bytes_out += size
        self.conflated += readers * conflated
        if lag is not None:
            self._lags[bisect_left(_LAGS, lag)] += readers
            self._lag_sum += readers * lag

    def collect(self) -> Iterator[Metric]:
        """The metrics, as prometheus_client asks a collector for them."""
        for name, words, value in (
            ("events_in", "Events that came from the broker.", self.events_in),
            ("events_out", "Events written to readers, each reader counted.", self.events_out),
            ("bytes_out", "Bytes of frames written to readers.", self.bytes_out),
            ("conflated", "Byte progress that a reader was spared, since newer had come.", self.conflated),
        ):
            yield CounterMetricFamily(f"safelight_live_{name}", words, value)
        bounds = [*map(str, _LAGS), "+Inf"]
        yield HistogramMetricFamily(
            "safelight_live_lag_seconds",
            "From the commit of an event to the write to a reader's socket; the oldest event of each flush.",
            buckets=list(zip(bounds, accumulate(map(float, self._lags)), strict=True)),
            sum_value=self._lag_sum,
        )


class Meters:
    """The meters of one live channel, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.flushes = Flushes()
        self.registry.register(self.flushes)
        self.connections = Gauge(
            "safelight_live_connections", "Live connections now.", ["transport"], registry=self.registry
        )
        self.snapshots = Counter(
            "safelight_live_snapshots", "Subscriptions answered, or put right, by a snapshot.", registry=self.registry
        )
        self.replays = Histogram(
            "safelight_live_replay_events", "Events that a replay had.", buckets=_SIZES, registry=self.registry
        )
        self.refused = Counter(
            "safelight_live_errors", "Connections ended by an ERROR, by its code.", ["code"], registry=self.registry
        )
        self.auth_failures = Counter(
            "safelight_live_auth_failures", "Connections ended for want of a valid identity.", registry=self.registry
        )
