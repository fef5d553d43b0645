"""Thumbnails per second and core: the whole pipeline against bare libvips that makes the same two sizes.

Bare libvips is one process with one thread and no cache, which decodes from a file and encodes into memory. The
pipeline does that with one child, and beside it verifies every byte, reads the metadata, makes the ThumbHash, and
stores both thumbnails durably; like a worker it has one photo in the child and one in waiting. Both are measured in
alternating pairs on the same photos.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crc32c
import pyvips

from safelight.adapters.disk import DiskStore
from safelight.processing.imaging import EFFORT, LARGE, QUALITY, SMALL
from safelight.processing.pipeline import PhotoToProcess, process
from safelight.processing.sandbox import Sandbox

MiB = 1024 * 1024
PAIRS = 9
LIMIT_RATIO = 0.8
BARE = f"""
import json, sys, time
import pyvips
pyvips.cache_set_max(0)
for line in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    for path in json.loads(line):
        large = pyvips.Image.thumbnail(path, {LARGE}, height={LARGE}, size="down", output_profile="srgb").copy_memory()
        small = large.thumbnail_image({SMALL}, height={SMALL}, size="down")
        for image in (large, small):
            image.webpsave_buffer(Q={QUALITY}, effort={EFFORT}, keep=0)
    print(json.dumps([time.perf_counter() - start, time.process_time() - cpu]), flush=True)
"""


def measure() -> dict[str, Any]:
    """The ratio of throughputs (pipeline to bare libvips), by wall clock and by CPU time, median and spread."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> dict[str, Any]:
    photos = _photos(folder)
    store = DiskStore(folder / "store", base_url="", secret=b"bench", clock=lambda: 0)
    stored = [await _store(store, number, path) for number, path in enumerate(photos)]
    sandbox = Sandbox(
        size=1,
        memory_bytes=2048 * MiB,
        cpu_seconds=60,
        wall_seconds=120,
        max_pixels=250_000_000,
        budget_bytes=2048 * MiB,
    )
    await sandbox.start()
    with subprocess.Popen(  # noqa: ASYNC220 - starting it is not measured
        [sys.executable, "-c", BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "VIPS_CONCURRENCY": "1"},
        text=True,
    ) as bare:
        await asyncio.to_thread(_bare, bare, photos)
        await _pipeline(stored, store, sandbox)
        pairs = []
        for number in range(PAIRS):
            if number % 2:
                ours = await _pipeline(stored, store, sandbox)
                theirs = await asyncio.to_thread(_bare, bare, photos)
            else:
                theirs = await asyncio.to_thread(_bare, bare, photos)
                ours = await _pipeline(stored, store, sandbox)
            pairs.append((theirs, ours))
        bare.communicate()
    await sandbox.close()
    await store.close()
    return {
        "photos": {path.stem: path.stat().st_size for path in photos},
        "pairs": PAIRS,
        "bare_photos_per_second": _spread([len(photos) / theirs[0] for theirs, _ in pairs]),
        "pipeline_photos_per_second": _spread([len(photos) / ours[0] for _, ours in pairs]),
        "ratio": _spread([theirs[0] / ours[0] for theirs, ours in pairs]),
        "ratio_of_cpu": _spread([theirs[1] / ours[1] for theirs, ours in pairs]),
        "ratio_limit": LIMIT_RATIO,
    }


def _bare(bare: subprocess.Popen[str], photos: list[Path]) -> tuple[float, float]:
    """Wall-clock and CPU seconds for all photos."""
    assert bare.stdin is not None
    assert bare.stdout is not None
    bare.stdin.write(json.dumps([str(path) for path in photos]) + "\n")
    bare.stdin.flush()
    wall, cpu = json.loads(bare.stdout.readline())
    return wall, cpu


async def _pipeline(photos: list[PhotoToProcess], store: DiskStore, sandbox: Sandbox) -> tuple[float, float]:
    """Wall-clock and CPU seconds for all photos, of this process and the child together."""

    async def on_stage(_: str) -> None: ...

    async def work() -> None:
        while waiting:
            await process(waiting.pop(), store, sandbox, on_stage)

    waiting = list(reversed(photos))
    start, cpu = time.perf_counter(), _cpu(sandbox)
    async with asyncio.TaskGroup() as workers:
        workers.create_task(work())
        workers.create_task(work())
    return time.perf_counter() - start, _cpu(sandbox) - cpu


def _cpu(sandbox: Sandbox) -> float:
    (child,) = sandbox.pids()
    user, system = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return time.process_time() + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _store(store: DiskStore, number: int, path: Path) -> PhotoToProcess:
    data = await asyncio.to_thread(path.read_bytes)
    key = f"originals/ph_{number}.1"
    await store.put({key: data}, "image/jpeg")
    return PhotoToProcess(f"ph_{number}", key, len(data), f"{crc32c.crc32c(data):08x}", None)


def _photos(folder: Path) -> list[Path]:
    """JPEGs as cameras write them: structure at all scales, a little noise, 12 and 24 megapixels, one progressive."""
    kinds: list[tuple[str, int, int, Callable[[pyvips.Image, Path], None]]] = [
        ("12mp", 4000, 3000, lambda image, path: image.jpegsave(path, Q=88)),
        ("24mp", 6000, 4000, lambda image, path: image.jpegsave(path, Q=88)),
        ("24mp-progressive", 6000, 4000, lambda image, path: image.jpegsave(path, Q=88, interlace=True)),
    ]
    made = []
    for name, width, height, save in kinds:
        for number in range(2):
            path = folder / f"{name}-{number}.jpg"
            save(_scene(width, height, seed=number), path)
            made.append(path)
    return made


def _scene(width: int, height: int, seed: int) -> pyvips.Image:
    red, green, blue = (_band(width, height, seed * 1000 + band) for band in range(3))
    return red.bandjoin(green).bandjoin(blue).cast("uchar").copy(interpretation="srgb")


def _band(width: int, height: int, seed: int) -> pyvips.Image:
    mixed = pyvips.Image.gaussnoise(width, height, sigma=3, mean=120, seed=seed)
    for scale, strength in ((400, 40), (60, 22), (9, 12)):
        across, down = width // scale + 2, height // scale + 2
        coarse = pyvips.Image.gaussnoise(across, down, sigma=strength, mean=0, seed=seed + scale)
        mixed += coarse.resize(scale, kernel="cubic").crop(0, 0, width, height)
    return mixed


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here instead of to standard output")
    to = parser.parse_args().json
    figures = json.dumps(measure(), indent=2)
    if to:
        to.write_text(figures + "\n")
    else:
        print(figures)
