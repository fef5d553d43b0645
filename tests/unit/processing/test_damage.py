"""Files that are not what they claim: refused with a reason of ours, whatever is in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.processing.conftest import develop
from tests.unit.processing.samples import FORMATS, dng, encoded, picture

from safelight.errors import DamagedImage, PhotoError, TooManyPixels, UnsupportedType
from safelight.processing.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")
Write = Callable[[bytes], Path]

# Half of a DNG of ours is the sensor's values, and then nothing else is left of it; see below for its preview.
CUTTABLE = [name for name in FORMATS if name != "dng"]
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", CUTTABLE)
@pytest.mark.parametrize("share", [0.5, 0.9])
async def test_a_photo_cut_short_is_damaged(sandbox: Sandbox, write: Write, name: str, share: float) -> None:
    _, make = FORMATS[name]
    data = make()
    with pytest.raises(DamagedImage):
        await develop(sandbox, write(data[: int(len(data) * share)]))


@pytest.mark.parametrize("name", [name for name in CUTTABLE if not name.startswith("tiff")])
async def test_bytes_behind_the_end_are_no_damage(sandbox: Sandbox, write: Write, name: str) -> None:
    _, make = FORMATS[name]
    found = await develop(sandbox, write(make() + b"trailer of a phone" * 100))
    assert found.described.width == 1600


async def test_a_raw_file_with_a_damaged_preview_is_damaged(sandbox: Sandbox, write: Write) -> None:
    preview = encoded(picture(), "JPEG")
    broken = preview[: len(preview) // 2] + b"\xff\xd9"
    with pytest.raises(DamagedImage):
        await develop(sandbox, write(dng(broken, 1600, 1200)))


@pytest.mark.parametrize("kind", ["jpeg", "jpeg-progressive"])
async def test_a_jpeg_cut_short_and_closed_again_is_damaged(sandbox: Sandbox, write: Write, kind: str) -> None:
    data = FORMATS[kind][1]()
    with pytest.raises(DamagedImage):
        await develop(sandbox, write(data[: len(data) // 2] + b"\xff\xd9"))


async def test_a_sound_jpeg_from_careless_software_is_no_damage(sandbox: Sandbox, write: Write) -> None:
    data = encoded(picture(), "JPEG")
    frame = data.index(b"\xff\xdb")
    found = await develop(sandbox, write(data[:frame] + b"stray" + data[frame:]))
    assert found.described.width == 1600


@pytest.mark.parametrize(
    "data",
    [
        b"Dear diary, this is a JPEG, trust me.\n" * 50,
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
        b"PK\x03\x04" + bytes(100),
        b"\x00\x00\x00\x20ftypisom" + bytes(100),
        b"\xff",
        b"\x00" * 4096,
    ],
)
async def test_what_is_no_photo_is_unsupported(sandbox: Sandbox, write: Write, data: bytes) -> None:
    with pytest.raises(UnsupportedType):
        await develop(sandbox, write(data))


@pytest.mark.parametrize(
    "head", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"FUJIFILMCCD-RAW "]
)
async def test_a_signature_alone_is_no_photo(sandbox: Sandbox, write: Write, head: bytes) -> None:
    with pytest.raises((DamagedImage, UnsupportedType)):
        await develop(sandbox, write(head + b"nonsense" * 30))


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(16, 16), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("bomb", [png_of_size(30_000, 30_000), jpeg_of_size(30_000, 30_000)], ids=["png", "jpeg"])
async def test_too_many_pixels_are_refused_by_the_header_alone(sandbox: Sandbox, write: Write, bomb: bytes) -> None:
    with pytest.raises(TooManyPixels, match="30,000 x 30,000"):
        await develop(sandbox, write(bomb))


async def test_the_sandbox_works_on_after_all_that(sandbox: Sandbox, write: Write) -> None:
    with pytest.raises(DamagedImage):
        await develop(sandbox, write(jpeg_of_size(9_000, 9_000)))
    assert (await develop(sandbox, write(encoded(picture(), "JPEG")))).described.width == 1600


async def test_a_heic_without_a_picture_is_damaged(sandbox: Sandbox, write: Write) -> None:
    # Found by mutation: libheif opens a file without properties, and lists no picture.
    data = encoded(picture(48, 40), "HEIF")
    with pytest.raises(DamagedImage):
        await develop(sandbox, write(data.replace(b"ipco", b"ipNo")))


async def photo_or_reason(sandbox: Sandbox, path: Path) -> None:
    try:
        found = await develop(sandbox, path)
    except PhotoError:
        return
    assert found.made.large[8:12] == b"WEBP"
    assert 0 < found.described.width * found.described.height <= 250_000_000


@FUZZ
@given(head=st.sampled_from([make()[:64] for _, make in FORMATS.values()]), tail=st.binary(max_size=600))
async def test_nonsense_behind_any_header_gives_a_photo_or_a_reason(
    sandbox: Sandbox, write: Write, head: bytes, tail: bytes
) -> None:
    await photo_or_reason(sandbox, write(head + tail))


VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "gif": ("GIF", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {}),
    "heic": ("HEIF", {}),
}
SMALL = {name: encoded(picture(48, 40), kind, **options) for name, (kind, options) in VARIANTS.items()} | {
    "dng": dng(encoded(picture(48, 40), "JPEG"), 48, 40)
}


@FUZZ
@given(
    name=st.sampled_from(sorted(SMALL)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
@example(name="jpeg", changes=[(0.0, 0)])
async def test_a_photo_with_bytes_changed_gives_a_photo_or_a_reason(
    sandbox: Sandbox, write: Write, name: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(SMALL[name])
    for place, value in changes:
        data[int(place * len(data))] = value
    await photo_or_reason(sandbox, write(bytes(data)))
