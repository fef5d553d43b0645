"""Identifiers: opaque, sortable by time, prefixed (contract.md)."""

from __future__ import annotations

from ulid import ULID


def new_id(prefix: str) -> str:
    """Such as `job_01k…`: the prefix and a lower-case ULID."""
    return f"{prefix}_{str(ULID()).lower()}"
