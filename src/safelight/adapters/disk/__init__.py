"""The embedded object store: keys are files under one root."""

from safelight.adapters.disk.store import DiskStore

__all__ = ["DiskStore"]
