"""Percent in tenths (0–1000). Bytes weigh 70 points, the stages of processing the rest."""

from __future__ import annotations

from typing import Final

STORED: Final = 700
DONE: Final = 1000
_AT_STAGE: Final = {"VERIFYING": 720, "METADATA": 780, "THUMBNAILS": 850, "PUBLISHING": 950}


def uploading(bytes_sent: int, bytes_total: int) -> int:
    """The percent, in tenths, of an upload that has sent `bytes_sent` of `bytes_total`."""
    return STORED * bytes_sent // bytes_total if bytes_total else 0


def at_stage(stage: str) -> int:
    """The percent, in tenths, on entering a stage of processing."""
    return _AT_STAGE[stage]


def overall(work_done: int, work_total: int) -> int:
    """A job's percent in tenths, from the sums of its photos' weight × percent and weight.

    Rounded down, so that 100 means that every photo has ended.
    """
    return work_done // work_total if work_total else 0
