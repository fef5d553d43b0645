"""How a file will be sent, under which name, or why it cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain import plan
from safelight.domain.plan import MiB


@pytest.mark.parametrize("size", [1, 5 * MiB, 8 * MiB])
def test_up_to_8_mib_goes_as_a_single_put(size: int) -> None:
    assert plan.parts(size) is None


def test_above_it_goes_in_8_mib_parts() -> None:
    parts = plan.parts(8 * MiB + 1)
    assert parts is not None
    assert (parts.size, parts.count) == (8 * MiB, 2)
    assert [parts.size_of(n, 8 * MiB + 1) for n in (1, 2)] == [8 * MiB, 1]


@given(st.integers(8 * MiB + 1, 50_000 * MiB))
def test_parts_always_cover_the_file_within_10_000(total: int) -> None:
    parts = plan.parts(total)
    assert parts is not None
    assert parts.count <= 10_000
    assert sum(parts.size_of(n, total) for n in range(1, parts.count + 1)) == total
    if total <= 80_000 * MiB:
        assert parts.size == 8 * MiB or total > 10_000 * 8 * MiB


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("a\x00b\n.jpg", "ab.jpg"),
        ("gpj\u202e.exe", "gpj.exe"),
        ("..", "photo"),
        ("///", "photo"),
        ("Urlaub 🏖️ שלום.jpg", "Urlaub 🏖️ שלום.jpg"),
        ("cafe\u0301.jpg", "café.jpg"),
    ],
)
def test_names_are_cleaned_not_refused(name: str, clean: str) -> None:
    assert plan.clean_name(name) == clean


@given(st.text(max_size=600))
def test_a_clean_name_is_always_fit_to_save_under(name: str) -> None:
    clean = plan.clean_name(name)
    assert 0 < len(clean.encode()) <= 255
    assert not set("/\\\x00\n\r\u202e") & set(clean)
    assert clean not in {".", ".."}


def test_a_long_name_keeps_its_ending() -> None:
    assert plan.clean_name("é" * 300 + ".jpeg").endswith("é.jpeg")


def test_a_path_keeps_its_folders_and_climbs_nowhere() -> None:
    assert plan.clean_path("2026/../Mai/./a.jpg") == "2026/Mai/a.jpg"
    assert plan.clean_path(None) is None


@pytest.mark.parametrize(
    ("name", "mime", "size", "code"),
    [
        ("a.jpg", "image/jpeg", 0, "empty-file"),
        ("a.txt", "text/plain", 9, "unsupported-type"),
        ("a.svg", "image/svg+xml", 9, "unsupported-type"),
        ("a.jpg", "image/jpeg", 11, "file-too-large"),
    ],
)
def test_what_can_never_become_a_photo_is_refused_with_its_reason(name: str, mime: str, size: int, code: str) -> None:
    refusal = plan.refusal(name, mime, size, 10)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize(("name", "mime"), [("a.NEF", ""), ("a", "image/jpeg"), ("a.heic", "application/octet-stream")])
def test_a_likely_photo_is_taken(name: str, mime: str) -> None:
    assert plan.refusal(name, mime, 5, 10) is None
