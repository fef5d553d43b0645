"""`python -m safelight.cli` is the `safelight` command."""

from safelight.cli import main

main()
