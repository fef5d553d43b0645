"""The distributed object store: any store that speaks S3."""

from safelight.adapters.s3.store import S3Store

__all__ = ["S3Store"]
