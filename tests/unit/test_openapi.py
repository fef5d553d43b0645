"""The document that the page's types are made from is the server's own, and says what every route answers."""

from __future__ import annotations

import json
from pathlib import Path

from safelight.app import openapi

KEPT = Path(__file__).parents[2] / "web" / "openapi.json"


def test_the_pages_document_is_fresh() -> None:
    assert json.loads(KEPT.read_text()) == openapi(), "run `make types`"


def test_every_route_says_what_it_does_and_how_it_fails() -> None:
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            if "security" in operation:
                assert "401" in operation["responses"], (method, path)
