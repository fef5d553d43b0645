"""What SockJSHttp sets right in uvicorn, for whatever application is behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send
from tests.sockjs_server import Listening, listening


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with how many bytes came; in two pieces of unknown length under `/open`, and for `/storage/` too."""
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = b"%d" % count
    headers = [] if scope["path"] == "/open" else [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/open":
        await send({"type": "http.response.body", "body": b"count ", "more_body": True})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with listening(app=measure) as running:
        yield running


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_response_of_unknown_length_to_http10_ends_with_the_connection(server: Listening, method: str) -> None:
    with server.connect() as wire:
        response = wire.begin(method, "/open", headers={"Connection": "keep-alive"}, version="1.0")
        assert not response["transfer-encoding"]
        assert response["connection"] == "close"
        assert wire.rest() == (b"count 0" if method == "GET" else b"")


def test_a_response_of_known_length_to_http10_is_as_it_was(server: Listening) -> None:
    with server.connect() as wire:
        response = wire.ask("POST", "/closed", "abc", version="1.0")
        assert response["content-length"] == "1"
        assert response.body == b"3"
        assert wire.closed()


def test_a_response_of_unknown_length_to_http11_has_a_chunk_a_piece(server: Listening) -> None:
    with server.connect() as wire:
        assert wire.begin("GET", "/open")["transfer-encoding"] == "chunked"
        assert [wire.chunk() for _ in range(3)] == [b"count ", b"0", b""]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("size", [0, 1, 100_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_that_asks_for_an_upgrade_in_vain_keeps_its_body(
    server: Listening, method: str, size: int, chunked: bool
) -> None:
    """Stock uvicorn reads such a body as the next request: a way to smuggle one past a proxy."""
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n" * (size // 26 + 1)
    headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": ""}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, smuggled[:size]) if size else b"0\r\n\r\n"
    else:
        headers["Content-Length"] = str(size)
        body = smuggled[:size]
    with server.connect() as wire:
        for _ in range(2):
            wire.request(method, "/storage/a", b"", headers)
            wire.socket.sendall(body)
            wire.request("GET", "/closed")
            assert [wire.read(int(wire.head()["content-length"])) for _ in range(2)] == [b"%d" % size, b"0"]
