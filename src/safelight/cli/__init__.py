"""The terminal: `safelight serve · worker · reconcile · user · token · doctor · openapi`."""

from __future__ import annotations

import sys

from safelight.cli.commands import terminal


def main() -> None:
    """The entry of the `safelight` command."""
    sys.exit(terminal())
