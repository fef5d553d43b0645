"""What a file is by its content. Its name and declared type are claims; the first bytes decide who decodes it."""

from __future__ import annotations

from typing import BinaryIO, Final

from safelight.processing import tiff

HEAD: Final = 512

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"FUJIFILMCCD-RAW ", "image/x-fuji-raf"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\x00", "image/x-panasonic-rw2"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "image/x-canon-crw"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"\x00MRM", "image/x-minolta-mrw"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
)
_AVIF: Final = {b"avif", b"avis"}
_HEIC: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# Camera RAW in TIFF's clothes: who made it tells which kind.
_RAW_MAKERS: Final = (
    ("canon", "image/x-canon-cr2"),
    ("nikon", "image/x-nikon-nef"),
    ("sony", "image/x-sony-arw"),
    ("pentax", "image/x-pentax-pef"),
    ("ricoh", "image/x-pentax-pef"),
    ("samsung", "image/x-samsung-srw"),
    ("hasselblad", "image/x-hasselblad-3fr"),
    ("kodak", "image/x-kodak-dcr"),
    ("epson", "image/x-epson-erf"),
)
_COLOUR_FILTER_ARRAY: Final = 32803
_LINEAR_RAW: Final = 34892


def media_type(file: BinaryIO) -> str | None:
    """The media type of the content, or None where it is no photo that Safelight decodes."""
    file.seek(0)
    head = file.read(HEAD)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        return _of_tiff(file, head)
    return None


def is_raw(kind: str) -> bool:
    """Whether a media type is one of camera RAW's."""
    return kind.startswith("image/x-")


def ends_early(file: BinaryIO, kind: str, size: int) -> bool:
    """Whether the container itself says that bytes are missing, where libvips does not notice it."""
    if kind == "image/webp":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 > size
    return kind == "image/gif" and not _gif_is_whole(file)


def _gif_is_whole(file: BinaryIO) -> bool:
    """Walk the blocks to the trailer (GIF89a, 27); of an animation libvips looks at the first picture alone."""
    file.seek(10)
    _skip_colours(file, file.read(1))
    file.seek(2, 1)
    while (mark := file.read(1)) != b";":
        if mark == b",":
            file.seek(8, 1)
            _skip_colours(file, file.read(1))
            file.seek(1, 1)
        elif mark == b"!":
            file.seek(1, 1)
        else:
            # No block begins like that: the file has ended, or its decoder is to say what is wrong with it.
            return mark != b""
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
    return True


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << (flags[0] & 7) + 1, 1)


def _of_brands(head: bytes) -> str | None:
    """ISO 14496-12, 4.3: the major brand, its version, and compatible brands up to the end of the box."""
    end = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] == b"crx ":
        return "image/x-canon-cr3"
    if _AVIF & set(brands):
        return "image/avif"
    return "image/heic" if _HEIC & set(brands) else None


def _of_tiff(file: BinaryIO, head: bytes) -> str:
    """RAW where the sensor's colour filters, a DNG version or Canon's mark say so, else an ordinary TIFF."""
    first = tiff.directories(file)[:1]
    main = first[0] if first else {}
    if tiff.DNG_VERSION in main:
        return "image/x-adobe-dng"
    sensor = head[8:10] == b"CR" or any(
        directory.get(tiff.PHOTOMETRIC) in ((_COLOUR_FILTER_ARRAY,), (_LINEAR_RAW,))
        for directory in tiff.directories(file)
    )
    if not sensor:
        return "image/tiff"
    maker = tiff.text(main.get(tiff.MAKE)) or ""
    return next((kind for name, kind in _RAW_MAKERS if maker.lower().startswith(name)), "image/x-dcraw")
