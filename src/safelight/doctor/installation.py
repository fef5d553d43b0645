"""The settings, and the folder that they point to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, wrong
from safelight.doctor.patient import Patient
from safelight.settings import MiB, Settings

SECRET_CHARACTERS: Final = 32
# Beside one photo of the largest size: the database, logs, thumbnails.
SPARE_BYTES: Final = 1024 * MiB


async def settings(patient: Patient) -> Finding:
    """The settings are understood and fit together."""
    if patient.refusal:
        return wrong(patient.refusal, fixes.SETTINGS)
    chosen = patient.settings
    parts = (
        "PostgreSQL" if chosen.postgres else "SQLite",
        "S3" if chosen.s3 else "files on this disk",
        "wake-ups in memory" if chosen.alone else "NATS",
    )
    return ok(f"{', '.join(parts)}: {'one process' if chosen.alone else 'many machines'}.")


async def secret(patient: Patient) -> Finding:
    """What signs tokens and URLs is long enough, and nobody else's to read."""
    chosen = patient.settings
    kept = chosen.data_dir / "secret"
    if chosen.secret:
        if len(chosen.secret) >= SECRET_CHARACTERS:
            return ok(f"SAFELIGHT_SECRET has {len(chosen.secret)} characters.")
        return wrong(
            f"SAFELIGHT_SECRET has {len(chosen.secret)} characters; who guesses it signs in as anybody.",
            fixes.secret(SECRET_CHARACTERS),
        )
    if not kept.exists():
        return ok(f"It will be made at the first start and kept in {kept}.")
    if os.name == "posix" and (mode := stat.S_IMODE(kept.stat().st_mode)) & 0o077:
        return wrong(f"{kept} can be read by other accounts of this machine (mode {mode:o}).", fixes.private(kept))
    return ok(f"It is kept in {kept}, readable by its owner alone.")


async def public_url(patient: Patient) -> Finding:
    """SAFELIGHT_PUBLIC_URL, where it is set, is an address."""
    chosen = patient.settings.public_url
    if not chosen:
        return ok("It is not set: addresses are made from what each request asks for.")
    parts = urlsplit(chosen)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        return wrong(
            f"SAFELIGHT_PUBLIC_URL={chosen} is not an address.", fixes.public_url("https://photos.example.org")
        )
    return ok(f"{chosen}.")


async def data_folder(patient: Patient) -> Finding:
    """The data folder can be written to."""
    folder = patient.settings.data_dir
    there = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return wrong(f"{there.resolve()} cannot be written to: {error.strerror}.", fixes.folder(folder.resolve()))
    made = "" if folder.exists() else " It is not there yet; the first start makes it."
    return ok(f"{folder.resolve()} can be written to.{made}")


async def disk_space(patient: Patient) -> Finding:
    """There is room on the disk for the largest photo that is accepted."""
    chosen = patient.settings
    folder = _nearest(_bytes_folder(chosen))
    usage = shutil.disk_usage(folder)
    needed = chosen.max_file_bytes + SPARE_BYTES
    seen = f"{_gib(usage.free)} of {_gib(usage.total)} are free in {folder.resolve()}"
    if usage.free < needed:
        return wrong(
            f"{seen}; a photo of {chosen.max_file_mb:,} MiB, and a GiB for everything else, do not fit.",
            fixes.space(chosen.max_file_mb, max(1, (usage.free - SPARE_BYTES) // MiB)),
        )
    return ok(f"{seen}.")


def _bytes_folder(chosen: Settings) -> Path:
    return chosen.data_dir if chosen.s3 else chosen.storage_path


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _gib(size: int) -> str:
    return f"{size / 1024**3:,.1f} GiB"
