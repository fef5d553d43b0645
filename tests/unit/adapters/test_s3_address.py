"""Where a bucket is, as SAFELIGHT_STORAGE_URL says it."""

from __future__ import annotations

import pytest
from tests.unit.adapters.test_s3_signing import LASTING

from safelight.adapters.s3.address import Address
from safelight.adapters.s3.client import Client


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("s3://photos?region=eu-central-1", "https://photos.s3.eu-central-1.amazonaws.com/"),
        ("s3://my.photos?region=eu-central-1", "https://s3.eu-central-1.amazonaws.com/my.photos/"),
        ("s3://photos?region=eu-central-1&path_style=true", "https://s3.eu-central-1.amazonaws.com/photos/"),
        ("s3://photos?endpoint=http://127.0.0.1:8333", "http://127.0.0.1:8333/photos/"),
        ("s3://photos?endpoint=https://store.example/&path_style=0", "https://photos.store.example/"),
        (
            "s3://photos?endpoint=http://s3:8333&public_endpoint=https://photos.example",
            "https://photos.example/photos/",
        ),
    ],
)
async def test_urls_lead_where_clients_reach_the_bucket(url: str, base: str) -> None:
    client = Client(Address.parse(url), 1, LASTING)
    signed = client.presigner(lambda: 1_800_000_000_000).put("a/b", 1, 60)
    assert signed.url.startswith(base + "a/b?")
    await client.close()


def test_a_prefix_ends_in_one_slash() -> None:
    for url in ("s3://photos/a/b", "s3://photos/a/b/", "s3://photos//a/b//"):
        assert Address.parse(url).prefix == "a/b/"
    assert Address.parse("s3://photos").prefix == Address.parse("s3://photos/").prefix == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "Write s3://bucket"),
        ("https://photos", "Write s3://bucket"),
        ("s3://Photos", "Write s3://bucket"),
        ("s3://key:hidden@photos", "access keys do not belong in it"),
        ("s3://photos?endpont=http://x", "'endpont'"),
        ("s3://photos?endpoint=x:8333", "endpoint='x:8333'"),
        ("s3://photos?endpoint=http://x/photos", "https://host:port"),
        ("s3://photos?path_style=perhaps", "neither true nor false"),
    ],
)
def test_a_wrong_url_is_told_in_words(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")) as caught:
        Address.parse(url)
    assert "hidden" not in str(caught.value)
