"""Whether the parts that a client names are those that the store has: one rule for every store."""

from __future__ import annotations

from collections.abc import Sequence

from safelight.errors import FieldError, PartMismatch
from safelight.ports import StoredPart


def verify(named: Sequence[tuple[int, str]], stored: Sequence[StoredPart], size: int) -> None:
    """PartMismatch, naming what does not fit, unless `named`, as `(part_number, etag)`, are all the parts stored, in
    order and without gaps, and hold `size` bytes together.
    """
    etags = {part.part_number: part.etag for part in stored}
    wrong = [
        FieldError(f"parts[{index}]", f"part {number} is not stored with this ETag")
        for index, (number, etag) in enumerate(named)
        if etags.get(number) != etag
    ]
    numbers = [number for number, _ in named]
    missing = sorted(etags.keys() - set(numbers))
    if wrong or missing or numbers != list(range(1, len(numbers) + 1)):
        raise PartMismatch(errors=wrong or [FieldError("parts", f"part {n} is not named") for n in missing])
    held = sum(part.size for part in stored)
    if held != size:
        raise PartMismatch(f"The parts hold {held:,} bytes, but the upload has {size:,}. Send the rest.")
