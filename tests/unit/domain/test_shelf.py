"""Where a photo stands, and what the words of a search mean."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.shelf import DAY, camera_of, day_of, first_of, wall_clock, words


@given(st.datetimes())
def test_a_photo_stands_on_the_day_that_its_camera_showed(moment: datetime) -> None:
    place = wall_clock(moment.isoformat(timespec="milliseconds") + "+13:45")
    assert place is not None
    assert day_of(place) == moment.date()
    assert first_of(moment.date()) <= place < first_of(moment.date()) + DAY


@pytest.mark.parametrize("taken_at", [None, "", "yesterday", "2024-02-30T00:00:00"])
def test_what_is_no_time_has_no_place(taken_at: str | None) -> None:
    assert wall_clock(taken_at) is None


def _days(search: str) -> list[tuple[date, date] | None]:
    return [(day_of(word.span[0]), day_of(word.span[1])) if word.span else None for word in words(search)]


def test_years_months_and_days_are_spans_and_everything_else_is_not() -> None:
    assert _days("2024 2023-12 2024-02-29") == [
        (date(2024, 1, 1), date(2025, 1, 1)),
        (date(2023, 12, 1), date(2024, 1, 1)),
        (date(2024, 2, 29), date(2024, 3, 1)),
    ]
    assert _days("0000 2024-13 2023-02-29 20245 2024- IMG_2024 9999 9999-12-31 ٢٠٢٤") == [None] * 9
    assert _days("  ") == []


@given(st.dates(max_value=date(9998, 12, 31)))
def test_a_day_lies_in_its_month_and_in_its_year(day: date) -> None:
    iso = day.isoformat()
    for word in words(f"{iso} {iso[:7]} {iso[:4]}"):
        assert word.span
        assert word.span[0] <= first_of(day) < word.span[1]


def test_a_camera_is_its_maker_its_model_and_its_lens() -> None:
    assert (
        camera_of({"make": "SONY", "model": "ILCE-7M3", "lensModel": "FE 35mm", "iso": 100}) == "SONY ILCE-7M3 FE 35mm"
    )
    assert camera_of({"iso": 100, "make": 3}) is None
