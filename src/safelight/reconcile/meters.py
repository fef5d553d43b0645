"""What the sweep counts, for Prometheus. Names are listed in docs/protocol.md."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class Meters:
    """The meters of one reconciler, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.found = Counter(
            "safelight_reconcile_findings", "What the sweep found amiss.", ["step"], registry=self.registry
        )
        self.acted = Counter("safelight_reconciled", "What the sweep set right.", ["step"], registry=self.registry)
        self.failed = Counter(
            "safelight_reconcile_failures",
            "Looks, and things found, that came to nothing and are tried again.",
            ["step"],
            registry=self.registry,
        )
