"""Whatever is sent to whichever route, the server never breaks, and answers only what its OpenAPI document says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.pictures import jpeg
from tests.running import Client, Server

from safelight.app import openapi

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# A long poll that waits is right and slow; the ids of real rows are mixed in so that commands get past "not found".
LONG_POLL = "/queries/upload-jobs/{job_id}/events"


class _Fuzzed:
    """A signed-in client with a job of photos in several states."""

    def __init__(self, client: Client) -> None:
        photo = jpeg(seed=77)
        created = client.declare(("a.jpg", len(photo)), ("b.jpg", 20_000_000), ("c.jpg", 0))
        self.job_id = created["jobId"]
        self.photo_ids = [item["photoId"] for item in created["items"]]
        self.headers = {"authorization": f"Bearer {client.token}"}


@pytest.fixture(scope="module")
def fuzzed(server: Server) -> Iterator[_Fuzzed]:
    with server.client() as client:
        yield _Fuzzed(client)


# Signing out would make every later call a 401, which tests nothing.
api = schemathesis.openapi.from_dict(openapi()).exclude(path_regex="/api/auth/logout")


@api.parametrize()
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_route_breaks_on_any_input(case: schemathesis.Case[Any], server: Server, fuzzed: _Fuzzed) -> None:
    chosen = len(repr(case.body)) + len(repr(case.query))
    if case.path_parameters and chosen % 2:
        if "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = fuzzed.job_id
        if "photo_id" in case.path_parameters:
            case.path_parameters["photo_id"] = fuzzed.photo_ids[chosen % len(fuzzed.photo_ids)]
    if case.path == LONG_POLL:
        case.query = {**(case.query or {}), "waitSeconds": 0}
    case.call_and_validate(base_url=server.url, headers=fuzzed.headers, checks=CHECKS)
