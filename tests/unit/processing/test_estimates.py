"""The memory that decoding is expected to take is what it takes at most: the budget rests on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.unit.processing.samples import dng, encoded, picture, vips

from safelight.processing.sandbox import child_environment

MiB = 1024 * 1024
WIDTH, HEIGHT = 4000, 3000
PICTURE = picture(WIDTH, HEIGHT)
FAST = {"preset": "ultrafast"}
# Not getrusage: its peak is that of the process which started this one, if that was larger.
MEASURE = """
import json, re, sys
from pathlib import Path
from safelight.processing import imaging

def resident(which):
    return 1024 * int(re.search(which + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

imaging.prepare()
path, kind = Path(sys.argv[1]), sys.argv[2]
before = resident("VmRSS")
described = imaging.describe(path, kind, 10**9)
imaging.thumbnails(path, kind)
print(json.dumps([described.decode_bytes, resident("VmHWM") - before]))
"""


PHOTOS: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "jpeg-progressive": ("image/jpeg", lambda: vips(PICTURE).jpegsave_buffer(interlace=True)),
    "jpeg-progressive-444": (
        "image/jpeg",
        lambda: vips(PICTURE).jpegsave_buffer(interlace=True, subsample_mode="off"),
    ),
    "png-interlaced": ("image/png", lambda: vips(PICTURE).pngsave_buffer(interlace=True, compression=1)),
    "png-16-interlaced": (
        "image/png",
        lambda: vips(PICTURE).colourspace("rgb16").pngsave_buffer(interlace=True, compression=1),
    ),
    "webp-alpha": ("image/webp", lambda: vips(PICTURE).bandjoin(99).webpsave_buffer(effort=0)),
    "gif": ("image/gif", lambda: vips(PICTURE).gifsave_buffer(effort=1)),
    "tiff-one-strip": (
        "image/tiff",
        lambda: encoded(PICTURE, "TIFF", compression="tiff_deflate", tiffinfo={278: HEIGHT}),
    ),
    "avif-444": (
        "image/avif",
        lambda: vips(PICTURE).heifsave_buffer(compression="av1", effort=0, subsample_mode="off"),
    ),
    "avif-12": (
        "image/avif",
        lambda: (
            vips(PICTURE)
            .colourspace("rgb16")
            .heifsave_buffer(compression="av1", effort=0, bitdepth=12, subsample_mode="off")
        ),
    ),
    "heic-alpha": ("image/heic", lambda: encoded(PICTURE.convert("RGBA"), "HEIF", enc_params=FAST)),
    "dng-developed": (
        "image/x-adobe-dng",
        lambda: dng(encoded(picture(160, 120), "JPEG"), 160, 120, sensor=(WIDTH, HEIGHT)),
    ),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_decoding_takes_no_more_than_estimated(tmp_path: Path, name: str) -> None:
    media_type, make = PHOTOS[name]
    path = tmp_path / "photo"
    path.write_bytes(make())
    measured = subprocess.run(
        [sys.executable, "-P", "-c", MEASURE, str(path), media_type],
        env=child_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    estimated, peak = json.loads(measured.stdout)
    assert peak <= estimated, f"{peak // MiB} MiB, estimated were {estimated // MiB}"
