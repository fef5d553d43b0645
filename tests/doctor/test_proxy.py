"""The doctor on a real server behind proxies that do wrong what proxies do wrong."""

from __future__ import annotations

import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.examining import finding_of
from tests.running import Server
from tests.servers.spoiling import Way, plain, replacing, spoiling, without

from safelight.doctor import Finding, Verdict, fixes

CERTIFICATE = Path(__file__).parent / "loopback.pem"
ELSEWHERE = "https://elsewhere.example"
MIB = 1024 * 1024
PROXY_CHECKS = [
    "public address",
    "readiness",
    "forwarded address",
    "JSON bodies",
    "photo bodies",
    "cross-origin",
    "streaming",
    "WebSocket",
    "HTTP/2",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("behind"), {"allowed_origins": ELSEWHERE}) as running:
        yield running


async def found(name: str, server: Server, way: Way, **settings: object) -> Finding:
    """What the doctor finds that knows what the server knows."""
    given = {"data_dir": server.folder / "data", "allowed_origins": ELSEWHERE, **settings}
    return await finding_of(name, server.folder, way.url, settings=given)


@pytest.mark.parametrize("name", PROXY_CHECKS)
async def test_a_proxy_that_is_well_is_found_so(server: Server, name: str) -> None:
    async with spoiling(server.port) as way:
        finding = await found(name, server, way)
    assert finding.verdict is Verdict.OK, finding
    store = server.folder / "data" / "store"
    assert [path for path in store.rglob("*") if path.is_file()] == []


CAP = {"largest": MIB}
NO_UPGRADE = {"request": without("upgrade", "connection")}
OTHER_HOST = {"request": replacing("^host:.*$", "host: backend:8080\r")}
NO_CORS = {"response": without("access-control-allow-origin")}
NOT_OURS = {"answered": {"^GET": plain("200 OK", "<h1>Welcome to nginx!</h1>", "text/html")}}
BAD_GATEWAY = {"answered": {".": plain("502 Bad Gateway", "<h1>502</h1>", "text/html")}}
NO_PATH = {"answered": {"^POST /ws/": plain("404 Not Found", "<h1>404</h1>", "text/html")}}
NOT_EXPOSED = {"response": without("access-control-expose-headers")}
SPOILED: list[tuple[str, dict[str, Any], str, str]] = [
    ("public address", BAD_GATEWAY, "answers 502", "proxy_pass http://127.0.0.1:8080"),
    ("public address", NOT_OURS, "not Safelight", "proxy_pass http://127.0.0.1:8080"),
    ("forwarded address", OTHER_HOST, "http://backend:8080/", "SAFELIGHT_PUBLIC_URL="),
    ("JSON bodies", CAP, "the answer is 413", fixes.BODY_CAP),
    ("photo bodies", CAP, "the answer is 413", fixes.BODY_CAP),
    ("cross-origin", NO_CORS, f"{ELSEWHERE}: the preflight is answered for no origin", "proxy_hide_header"),
    ("cross-origin", NOT_EXPOSED, "does not expose its ETag", "proxy_hide_header"),
    ("streaming", {"gathers": True}, "0 bytes of a response that streams came in 5 s", fixes.BUFFERING),
    ("streaming", NO_PATH, "answered 404", fixes.LIVE_PATHS),
    ("WebSocket", NO_UPGRADE, "answered 200 instead of 101", fixes.UPGRADE),
    ("WebSocket", OTHER_HOST, "sends another Host", "proxy_set_header Host $http_host"),
]


@pytest.mark.parametrize(("name", "how", "seen", "fix"), SPOILED)
async def test_what_a_proxy_spoils_is_found(
    server: Server, name: str, how: dict[str, Any], seen: str, fix: str
) -> None:
    async with spoiling(server.port, **how) as way:
        finding = await found(name, server, way)
    assert finding.verdict is Verdict.WRONG
    assert seen in finding.seen
    assert fix in finding.fix


@pytest.mark.parametrize("name", ["JSON bodies", "photo bodies"])
@pytest.mark.parametrize("how", [NO_UPGRADE, OTHER_HOST, {"gathers": True}])
async def test_other_faults_do_not_spoil_bodies(server: Server, name: str, how: dict[str, Any]) -> None:
    async with spoiling(server.port, **how) as way:
        assert (await found(name, server, way)).verdict is Verdict.OK


async def test_an_address_that_leads_nowhere_is_found(server: Server) -> None:
    async with spoiling(server.port) as way:
        pass
    finding = await found("public address", server, way)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.address("http://127.0.0.1:8080"))


async def test_a_server_with_another_secret_is_found(server: Server) -> None:
    async with spoiling(server.port) as way:
        finding = await found("photo bodies", server, way, secret="another one, which is long enough for all")
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.OTHER_SERVER)
    assert "signature-invalid" in finding.seen


async def test_a_server_that_lacks_something_is_found(start: Callable[..., Server]) -> None:
    lacking = start(allowed_origins=ELSEWHERE)
    shutil.rmtree(lacking.folder / "data" / "store" / "arriving")
    async with spoiling(lacking.port) as way:
        finding = await finding_of("readiness", lacking.folder / "other", way.url)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.NOT_READY)
    assert "store unavailable" in finding.seen


# --- TLS, which the proxy ends ---


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The side of the proxy, whose certificate is trusted here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def told_of_tls(head: str) -> str:
    return head.replace("\r\n", "\r\nX-Forwarded-Proto: https\r\n", 1)


@pytest.mark.parametrize("name", PROXY_CHECKS)
async def test_a_proxy_that_ends_tls_is_found_well(server: Server, trusted: ssl.SSLContext, name: str) -> None:
    async with spoiling(server.port, tls=trusted, request=told_of_tls) as way:
        finding = await found(name, server, way)
    assert finding.verdict is Verdict.OK, finding


async def test_a_proxy_that_does_not_tell_of_tls_is_found(server: Server, trusted: ssl.SSLContext) -> None:
    async with spoiling(server.port, tls=trusted) as way:
        finding = await found("forwarded address", server, way)
    assert (finding.verdict, finding.fix) == (Verdict.WRONG, fixes.forwarded(way.url))


async def test_a_certificate_that_is_not_trusted_is_found(
    server: Server, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with spoiling(server.port, tls=trusted) as way:
        finding = await found("public address", server, way)
    assert finding.verdict is Verdict.WRONG
    assert "certificate" in finding.seen.lower()


@pytest.mark.parametrize(("offered", "seen"), [(["h2", "http/1.1"], "HTTP/2."), (["http/1.1"], fixes.HTTP2)])
async def test_http_2_is_told(server: Server, trusted: ssl.SSLContext, offered: list[str], seen: str) -> None:
    trusted.set_alpn_protocols(offered)
    async with spoiling(server.port, tls=trusted) as way:
        finding = await found("HTTP/2", server, way)
    assert finding.verdict is Verdict.OK
    assert seen in finding.seen


async def test_a_first_frame_at_once_is_not_waited_for(server: Server) -> None:
    async with spoiling(server.port) as way:
        began = time.monotonic()
        await found("streaming", server, way)
    assert time.monotonic() - began < 3
