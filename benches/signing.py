"""Presigned URLs a second, and what a photo's way costs at an S3 store: time a step, and calls a life.

Signing is measured against botocore's own `generate_presigned_url`, in turns in one run; the steps run on a real
SeaweedFS, and beside it on the disk store. Calls are counted by a proxy before SeaweedFS.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.e2e.proxy import Proxy
from tests.servers.seaweed import BUCKET, SeaweedFS
from tests.storing import MIB, Bench, OverHttp, content, disk_bench, s3_bench, s3_store

from safelight.domain.photo import THUMBNAIL_SIZES, thumbnail_key
from safelight.ports import ObjectStore

ROUNDS = 7
URLS = 1_000
PHOTOS = 40
PHOTO = content(3 * MIB)
PART = 8 * MIB
LARGE = content(2 * PART + MIB)
THUMBNAIL = content(20_000)
UPLOAD = "91f6e575920d2d503d8597338fd1637d580f4243_6f1f0982dd2c4be381a48ad7090d5fd7"
LIMIT_MICROSECONDS = 100


def measure() -> dict[str, Any]:
    """URLs a second of each signer, milliseconds of each step, and calls of each life."""
    with TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "seaweed") as seaweed:
        return asyncio.run(_measure(Path(folder), seaweed))


async def _measure(folder: Path, seaweed: SeaweedFS) -> dict[str, Any]:
    disk, s3 = disk_bench(folder / "disk"), s3_bench(folder, seaweed)
    disk.part = s3.part = PART
    for bench in (disk, s3):
        bench.open()
    figures = {
        "signing": _signing(disk.store, s3.store, seaweed.client()),
        "limit_microseconds_a_url": LIMIT_MICROSECONDS,
        "milliseconds": {"s3": await _steps(s3), "disk": await _steps(disk)},
        "calls_to_s3": await _calls(folder, seaweed),
    }
    for bench in (disk, s3):
        await bench.close()
    return figures


# --- signing ---


def _signing(disk: ObjectStore, s3: ObjectStore, botocore: Any) -> dict[str, Any]:
    signers: dict[str, Callable[[int], object]] = {
        "put": lambda n: s3.presign_put(_key(n), len(PHOTO), expires_in=3600),
        "part": lambda n: s3.presign_part(_key(0), UPLOAD, n + 1, PART, expires_in=3600),
        "put_disk": lambda n: disk.presign_put(_key(n), len(PHOTO), expires_in=3600),
        "part_disk": lambda n: disk.presign_part(_key(0), UPLOAD, n + 1, PART, expires_in=3600),
        "put_botocore": lambda n: _botocore(botocore, "put_object", _key(n), ContentLength=len(PHOTO)),
        "part_botocore": lambda n: _botocore(
            botocore, "upload_part", _key(0), UploadId=UPLOAD, PartNumber=n + 1, ContentLength=PART
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in signers}
    for _ in range(ROUNDS):
        for name, sign in signers.items():
            start = time.perf_counter()
            for number in range(URLS):
                sign(number)
            seconds[name].append(time.perf_counter() - start)
    ratios = {
        kind: [peer / own for own, peer in zip(seconds[kind], seconds[f"{kind}_botocore"], strict=True)]
        for kind in ("put", "part")
    }
    return {
        "urls_a_second": {name: _spread([URLS / each for each in taken]) for name, taken in seconds.items()},
        "microseconds_a_url": {name: _spread([each / URLS * 1e6 for each in taken]) for name, taken in seconds.items()},
        "times_botocore": {kind: _spread(values) for kind, values in ratios.items()},
    }


def _botocore(client: Any, operation: str, key: str, **parameters: object) -> str:
    signed: str = client.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": key, **parameters}, ExpiresIn=3600)
    return signed


# --- steps ---


async def _steps(bench: Bench) -> dict[str, Any]:
    """A photo of 3 MiB, then one of 17 MiB in three parts, again and again; the median of each step."""
    taken: dict[str, list[float]] = {}

    async def timed(step: str, work: Awaitable[Any]) -> Any:
        start = time.perf_counter()
        result = await work
        taken.setdefault(step, []).append((time.perf_counter() - start) * 1000)
        return result

    store = bench.store
    for number in range(PHOTOS):
        key = _key(number)
        await bench.put(PHOTO, key)
        await timed("seal_3_mib", store.complete_single(key))
        await timed("head", store.head(key))
        await timed("local_copy_3_mib", bench.read(key))
        await timed("put_thumbnails", store.put(_thumbnails(number), "image/webp"))
        await timed("delete", store.delete(key))
    for number in range(PHOTOS // 8):
        key = _key(PHOTOS + number)
        upload = await timed("create_multipart", store.create_multipart(key, PART))
        parts = [await _part(bench, key, upload, n) for n in (1, 2, 3)]
        await timed("list_parts", store.list_parts(key, upload))
        await timed("seal_three_parts", store.complete_multipart(key, upload, parts, len(LARGE)))
        await store.delete(key)
    return {step: _spread(values) for step, values in taken.items()}


async def _part(bench: Bench, key: str, upload: str, number: int) -> tuple[int, str]:
    return await bench.put_part(upload, number, LARGE[(number - 1) * PART : number * PART], key)


# --- calls ---


async def _calls(folder: Path, seaweed: SeaweedFS) -> dict[str, dict[str, int]]:
    with Proxy(seaweed.ports[0]) as proxy:
        bench = Bench(lambda: s3_store(seaweed, folder, "counted", proxy.url), OverHttp(), PART)
        bench.open()

        async def counted(work: Awaitable[Any]) -> tuple[int, Any]:
            before = len(proxy.heads)
            result = await work
            return len(proxy.heads) - before, result

        store, single, large = bench.store, _key(1), _key(2)
        whole: dict[str, int] = {}
        whole["put_by_client"], _ = await counted(bench.put(PHOTO, single))
        whole["seal"], _ = await counted(store.complete_single(single))
        whole["read"], _ = await counted(bench.read(single))
        whole["thumbnails"], _ = await counted(store.put(_thumbnails(1), "image/webp"))
        in_parts: dict[str, int] = {}
        in_parts["begin"], upload = await counted(store.create_multipart(large, PART))
        sending = asyncio.gather(*(_part(bench, large, upload, n) for n in (1, 2, 3)))
        in_parts["put_by_client"], parts = await counted(sending)
        in_parts["seal"], _ = await counted(store.complete_multipart(large, upload, parts, len(LARGE)))
        in_parts["read"], _ = await counted(bench.read(large))
        in_parts["thumbnails"], _ = await counted(store.put(_thumbnails(2), "image/webp"))
        await bench.close()
    for life in (whole, in_parts):
        life["by_safelight"] = sum(life.values()) - life["put_by_client"]
    return {"single": whole, "three_parts": in_parts}


def _key(number: int) -> str:
    return f"originals/ph_01kb6t3v9m5qj8x2c7h4n0{number:04}.1"


def _thumbnails(number: int) -> dict[str, bytes]:
    return {thumbnail_key(f"ph_{number}", size): THUMBNAIL for size in THUMBNAIL_SIZES}


def _spread(values: list[float]) -> dict[str, float]:
    digits = 0 if statistics.median(values) > 1000 else 2
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
