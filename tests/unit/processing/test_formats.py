"""Every format, every orientation, every kind of colour: thumbnails as a person would expect them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips
from PIL import Image
from tests.unit.processing.conftest import develop
from tests.unit.processing.samples import (
    BLUE,
    FORMATS,
    GREEN,
    RED,
    STORED,
    YELLOW,
    alike,
    corners,
    dng,
    encoded,
    picture,
    turned,
    vips,
)

from safelight.processing.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")
Write = Callable[[bytes], Path]
UPRIGHT = [RED, GREEN, BLUE, YELLOW]


def opened(webp: bytes) -> Image.Image:
    return Image.open(io.BytesIO(webp))


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_is_known_by_content_and_developed(sandbox: Sandbox, write: Write, name: str) -> None:
    media_type, make = FORMATS[name]
    found = await develop(sandbox, write(make()))
    assert found.described.media_type == media_type
    assert (found.described.width, found.described.height) == (1600, 1200)
    assert opened(found.made.large).size == (1024, 768)
    assert opened(found.made.small).size == (256, 192)
    assert alike(corners(found.made.large), UPRIGHT)
    assert alike(corners(found.made.small), UPRIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", STORED)
async def test_all_eight_orientations_come_out_upright(
    sandbox: Sandbox, write: Write, orientation: int, kind: str
) -> None:
    found = await develop(sandbox, write(turned(orientation, kind)))
    assert (found.described.width, found.described.height) == (400, 300)
    assert opened(found.made.large).size == (400, 300)
    assert alike(corners(found.made.large), UPRIGHT)


async def test_heic_is_turned_by_its_own_property_and_never_by_exif(sandbox: Sandbox, write: Write) -> None:
    # Pillow's plugin writes `irot` for EXIF given as bytes (above), and none for an Exif object.
    exif = Image.Exif()
    exif[0x0112] = 6
    found = await develop(sandbox, write(encoded(picture(400, 300), "HEIF", exif=exif)))
    assert (found.described.width, found.described.height, found.described.orientation) == (400, 300, 1)
    assert alike(corners(found.made.large), UPRIGHT)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
async def test_raw_previews_are_turned_as_the_camera_was_held(sandbox: Sandbox, write: Write, orientation: int) -> None:
    turn = STORED[orientation]
    stored = picture() if turn is None else picture().transpose(turn)
    found = await develop(
        sandbox, write(dng(encoded(stored, "JPEG"), stored.width, stored.height, orientation=orientation))
    )
    assert (found.described.width, found.described.height) == (1600, 1200)
    assert opened(found.made.large).size == (1024, 768)
    assert alike(corners(found.made.large), UPRIGHT)


async def test_a_raw_preview_that_was_turned_already_stays(sandbox: Sandbox, write: Write) -> None:
    upright = picture(1200, 1600)
    found = await develop(sandbox, write(dng(encoded(upright, "JPEG"), 1600, 1200, orientation=6, sensor=(1600, 1200))))
    assert opened(found.made.large).size == (768, 1024)
    assert alike(corners(found.made.large), UPRIGHT)


async def test_a_raw_preview_too_small_is_replaced_by_the_sensors_picture(sandbox: Sandbox, write: Write) -> None:
    found = await develop(sandbox, write(dng(encoded(picture(160, 120), "JPEG"), 160, 120, sensor=(2400, 1800))))
    assert (found.described.width, found.described.height) == (2400, 1800)
    assert opened(found.made.large).size == (1024, 768)


@pytest.mark.parametrize("size", [(1, 1), (100, 50), (256, 256), (300, 2), (20_000, 3)])
async def test_small_photos_are_never_enlarged(sandbox: Sandbox, write: Write, size: tuple[int, int]) -> None:
    found = await develop(sandbox, write(encoded(picture(*size), "PNG")))
    for box, webp in ((1024, found.made.large), (256, found.made.small)):
        width, height = opened(webp).size
        assert width == min(size[0], box)
        assert 1 <= height <= size[1]


async def test_colour_profiles_become_srgb(sandbox: Sandbox, write: Write) -> None:
    wide = vips(picture()).icc_transform("p3", input_profile="srgb")
    for data in (wide.jpegsave_buffer(Q=95), wide.pngsave_buffer(), wide.tiffsave_buffer(), wide.webpsave_buffer(Q=95)):
        assert b"p3" in data or b"P3" in data or b"ICC" in data or b"icc" in data or b"acsp" in data
        found = await develop(sandbox, write(data))
        assert alike(corners(found.made.large), UPRIGHT)


async def test_heic_colour_profiles_become_srgb(sandbox: Sandbox, write: Write) -> None:
    wide = vips(picture()).icc_transform("p3", input_profile="srgb")
    profile = wide.get("icc-profile-data")
    image = Image.frombytes("RGB", (wide.width, wide.height), bytes(wide.write_to_memory()))
    found = await develop(sandbox, write(encoded(image, "HEIF", icc_profile=profile, quality=95)))
    assert alike(corners(found.made.large), UPRIGHT)


async def test_cmyk_and_grey(sandbox: Sandbox, write: Write) -> None:
    found = await develop(sandbox, write(encoded(picture().convert("CMYK"), "JPEG", quality=95)))
    red, green, blue, _ = corners(found.made.large)
    assert red[0] > max(red[1:])
    assert green[1] > max(green[0], green[2])
    assert blue[2] > max(blue[:2])
    found = await develop(sandbox, write(encoded(picture().convert("L"), "JPEG", quality=95)))
    assert all(max(colour) - min(colour) <= 3 for colour in corners(found.made.large))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF"])
async def test_transparency_stays(sandbox: Sandbox, write: Write, kind: str) -> None:
    image = picture(600, 400).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 300, 200))
    found = await develop(sandbox, write(encoded(image, kind)))
    thumbnail = opened(found.made.large)
    assert thumbnail.mode == "RGBA"
    clear, solid = thumbnail.getpixel((100, 100)), thumbnail.getpixel((500, 300))
    assert isinstance(clear, tuple)
    assert isinstance(solid, tuple)
    assert clear[3] == 0
    assert solid[3] == 255


async def test_grey_with_transparency(sandbox: Sandbox, write: Write) -> None:
    found = await develop(sandbox, write(encoded(picture(300, 200).convert("LA"), "PNG")))
    assert opened(found.made.large).size == (300, 200)


async def test_thumbnails_carry_no_metadata(sandbox: Sandbox, write: Write) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    wide = vips(picture()).icc_transform("p3", input_profile="srgb")
    data = encoded(picture(), "JPEG", exif=exif, icc_profile=wide.get("icc-profile-data"), comment=b"a secret place")
    found = await develop(sandbox, write(data))
    for webp in (found.made.large, found.made.small):
        assert b"secret" not in webp
        assert not set(opened(webp).info) & {"exif", "icc_profile", "xmp"}
        assert {name for name in pyvips.Image.webpload_buffer(webp).get_fields() if name.endswith("-data")} == set()
