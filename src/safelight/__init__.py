"""Safelight: photo ingest that loses nothing and shows nothing that is not true."""

__version__ = "0.1.0"
