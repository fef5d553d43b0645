"""SockJS 0.3.3 over a real server: WebSocket, framed and raw, of today and of the drafts.

Each `test_group__name` proves what the protocol's own test `Group.test_name` does; what the protocol says in prose
only has a name of its own.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.sockjs_server import PATIENCE, PROFILE, Listening, Response, Wire, close, echo, listening
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from safelight.realtime.sockjs import AllowList, SockJS, SockJSSession

CLOSED = 'c[3000,"Go away!"]'
# The example of the protocol's test_haproxy.
KEYS = {"Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00"}
PROOF = b"\xca4\x00\xd8\xa5\x08G\x97,\xd5qZ\xba\xbfC{"
HYBI = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Origin": "http://asd",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
}

sessions: queue.SimpleQueue[SockJSSession] = queue.SimpleQueue()


async def shown(session: SockJSSession) -> None:
    """Echoes, and shows its session once that has ended."""
    await echo(session)
    sessions.put(session)


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with listening(
        SockJS(echo, options=PROFILE, prefix="/echo"),
        SockJS(close, options=PROFILE, prefix="/close"),
        SockJS(shown, options=PROFILE, prefix="/shown"),
        SockJS(echo, options=replace(PROFILE, websocket=False), prefix="/disabled_websocket_echo"),
        SockJS(echo, options=replace(PROFILE, heartbeat=0.05), prefix="/lively"),
        SockJS(echo, options=replace(PROFILE, origins=AllowList(("https://a.example",))), prefix="/guarded"),
        SockJS(echo, options=replace(PROFILE, max_message=100, max_sessions=1), prefix="/narrow"),
    ) as running:
        yield running


@pytest.fixture
def path() -> str:
    return f"/echo/000/{uuid4()}/websocket"


def dial(server: Listening, path: str, **named: str) -> ClientConnection:
    origin = Origin(named["origin"]) if "origin" in named else None
    offered = [Subprotocol(named["subprotocol"])] if "subprotocol" in named else None
    return connect(
        f"ws://127.0.0.1:{server.port}{path}",
        compression=None,
        origin=origin,
        subprotocols=offered,
        open_timeout=PATIENCE,
        close_timeout=PATIENCE,
    )


def hear(socket: ClientConnection) -> str:
    text = socket.recv(PATIENCE)
    assert isinstance(text, str)
    return text


def closing(socket: ClientConnection) -> tuple[int, str]:
    """The close frame that comes next."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


class Hixie:
    """A client of draft hixie-76, or of -75 without keys."""

    def __init__(self, server: Listening, path: str, *, keys: bool = True, nonce: bytes = b"aaaaaaaa") -> None:
        self.wire = server.connect()
        headers = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Origin": f"http://{self.wire.host}"}
        self.wire.request("GET", path, nonce if keys else b"", {**headers, **(KEYS if keys else {})})
        self.response = self.wire.head()
        assert self.response.status == 101
        if keys:
            assert self.wire.read(16) == PROOF

    def __enter__(self) -> Hixie:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def send(self, text: str) -> None:
        self.wire.socket.sendall(b"\x00" + text.encode() + b"\xff")

    def recv(self) -> str:
        frame = self.wire.until(b"\xff")
        assert frame[0] == 0
        return frame[1:-1].decode()

    def closed(self) -> bool:
        return self.wire.rest() in (b"", b"\xff\x00")


# --- HTTP errors ---


def test_websocket_http_errors__http_method(server: Listening) -> None:
    response = server.get("/echo/0/0/websocket")
    assert response.status == 400
    assert 'Can "Upgrade" only to "WebSocket".' in response.text


def test_websocket_http_errors__invalid_connection_header(server: Listening) -> None:
    response = server.get("/echo/0/0/websocket", {"Upgrade": "WebSocket", "Connection": "close"})
    assert response.status == 400
    assert '"Connection" must be "Upgrade".' in response.text


@pytest.mark.parametrize("headers", [{"Upgrade": "WebSocket", "Connection": "Upgrade"}, {}])
@pytest.mark.parametrize("path", ["/echo/0/0/websocket", "/echo/websocket"])
def test_websocket_http_errors__invalid_method(server: Listening, path: str, headers: dict[str, str]) -> None:
    response = server.post(path, headers=headers)
    assert response.status == 405
    assert not response["content-type"]
    assert response["allow"] == "GET"
    assert not response.body


def test_an_upgrade_to_something_else_is_refused(server: Listening) -> None:
    response = server.get("/echo/0/0/websocket", {"Upgrade": "h2c", "Connection": "Upgrade"})
    assert response.status == 400
    assert 'Can "Upgrade" only to "WebSocket".' in response.text


def test_a_connection_serves_on_behind_an_upgrade_that_was_none(server: Listening) -> None:
    with server.connect() as wire:
        for kind in ("WebSocket", "h2c"):
            headers = {"Upgrade": kind, "Connection": "Upgrade"}
            for body in ("", "GET / HTTP/1.1\r\n\r\n"):
                wire.request("POST", "/echo/0/0/websocket", body, headers)
                wire.request("GET", "/echo")
                assert answer(wire).status == 405
                assert answer(wire).body == b"Welcome to SockJS!\n"
            chunked = {**headers, "Transfer-Encoding": "chunked"}
            wire.request("PUT", "/echo/0/0/websocket", "3\r\nabc\r\n0\r\n\r\n", chunked)
            wire.request("GET", "/echo")
            assert answer(wire).status == 405
            assert answer(wire).body == b"Welcome to SockJS!\n"


def test_a_body_comes_with_its_request_though_that_asks_for_an_upgrade(server: Listening) -> None:
    """As Java's HTTP client asks for h2c with everything that it posts."""
    url = f"/echo/000/{uuid4()}"
    assert server.post(f"{url}/xhr").text == "o\n"
    headers = {"Upgrade": "h2c", "Connection": "Upgrade"}
    with server.connect() as wire:
        wire.socket.sendall(
            f"POST {url}/xhr_send HTTP/1.1\r\nHost: {wire.host}\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
            "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert wire.head().status == 100
        wire.socket.sendall(b'["a"]')
        assert wire.head().status == 204
    assert server.post(f"{url}/xhr_send", '["b"]', headers).status == 204
    texts = server.post(f"{url}/xhr").text
    assert texts in ('a["a"]\n', 'a["a","b"]\n')


def answer(wire: Wire) -> Response:
    response = wire.head()
    response.body = wire.read(int(response["content-length"]))
    return response


def test_a_hundred_upgrades_in_one_packet_are_a_hundred_answers(server: Listening) -> None:
    with server.connect() as wire:
        one = f"POST /echo/websocket HTTP/1.1\r\nHost: {wire.host}\r\nUpgrade: a\r\nConnection: upgrade\r\n"
        wire.socket.sendall(f"{one}Content-Length: 0\r\n\r\n".encode() * 100)
        assert [answer(wire).status for _ in range(100)] == [405] * 100


@pytest.mark.parametrize("suffix", ["/websocket", "/0/0/websocket", ""])
def test_without_websockets_there_is_no_address_for_them(server: Listening, suffix: str) -> None:
    if suffix:
        assert server.get(f"/disabled_websocket_echo{suffix}").status == 404
    with pytest.raises(InvalidStatus) as refused, dial(server, f"/disabled_websocket_echo{suffix}"):
        pass
    assert refused.value.response.status_code == 404


# --- WebSocket of today (and hybi-10) ---


def test_websocket_hybi10__transport(server: Listening, path: str) -> None:
    with dial(server, path) as socket:
        assert hear(socket) == "o"
        socket.send("")
        socket.send('["a"]')
        assert hear(socket) == 'a["a"]'
        socket.send('"a single string"')
        assert hear(socket) == 'a["a single string"]'
        socket.send(b'["bytes"]')
        assert hear(socket) == 'a["bytes"]'


def test_websocket_hybi10__close(server: Listening) -> None:
    with dial(server, f"/close/000/{uuid4()}/websocket") as socket:
        assert hear(socket) == "o"
        assert hear(socket) == CLOSED
        assert closing(socket) == (1000, "Normal closure")


@pytest.mark.parametrize("version", ["7", "8", "13"])
def test_websocket_hybi10__headers_sanity(server: Listening, path: str, version: str) -> None:
    with server.connect() as wire:
        response = wire.begin("GET", path, headers={**HYBI, "Sec-WebSocket-Version": version})
        assert response.status == 101
        assert response["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
        assert response["connection"].lower() == "upgrade"
        assert response["upgrade"].lower() == "websocket"
        assert not response["content-length"]
        assert wire.read(3) == b"\x81\x01o"


def test_websocket_hybi10__broken_json(server: Listening, path: str) -> None:
    for broken in ('["a', "{}", "[1]"):
        with dial(server, path) as socket:
            assert hear(socket) == "o"
            socket.send(broken)
            assert closing(socket)[0] == 1002


def test_websocket_hybi10__firefox_602_connection_header(server: Listening, path: str) -> None:
    headers = {**HYBI, "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": "7"}
    with server.connect() as wire:
        assert wire.begin("GET", path, headers=headers).status == 101


def test_the_origin_of_a_draft_is_looked_at_as_any_other(server: Listening) -> None:
    with server.connect() as wire:
        headers = {**HYBI, "Sec-WebSocket-Version": "8"}
        assert wire.begin("GET", "/guarded/0/0/websocket", headers=headers).status == 403
    with server.connect() as wire:
        headers |= {"Sec-WebSocket-Origin": "https://a.example"}
        assert wire.begin("GET", "/guarded/0/0/websocket", headers=headers).status == 101


def test_a_page_that_is_not_on_the_list_gets_no_websocket(server: Listening) -> None:
    with dial(server, "/guarded/0/0/websocket", origin="https://a.example") as socket:
        assert hear(socket) == "o"
    with (
        pytest.raises(InvalidStatus) as refused,
        dial(server, "/guarded/0/0/websocket", origin="https://b.example"),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_heartbeats_go_out_over_websocket(server: Listening) -> None:
    with dial(server, f"/lively/000/{uuid4()}/websocket") as socket:
        assert [hear(socket) for _ in range(3)] == ["o", "h", "h"]


def test_a_session_ends_with_its_websocket(server: Listening) -> None:
    with dial(server, f"/shown/000/{uuid4()}/websocket", subprotocol="v12.stomp") as socket:
        assert socket.subprotocol == "v12.stomp"
        assert hear(socket) == "o"
        socket.send('["abc"]')
        assert hear(socket) == 'a["abc"]'
    session = sessions.get(timeout=PATIENCE)
    assert session.transport == "websocket"
    assert session.subprotocol == "v12.stomp"
    assert session.headers["host"] == f"127.0.0.1:{server.port}"
    assert session.bytes_sent == len('oa["abc"]')


def test_a_message_that_is_too_large_ends_the_websocket(server: Listening) -> None:
    with dial(server, "/narrow/websocket") as socket:
        socket.send("x" * 101)
        assert closing(socket)[0] == 1009


def test_no_more_websockets_than_there_is_room_for(server: Listening) -> None:
    with (
        dial(server, "/narrow/0/0/websocket"),
        pytest.raises(InvalidStatus) as refused,
        dial(server, "/narrow/0/0/websocket"),
    ):
        pass
    assert refused.value.response.status_code == 503


# --- raw WebSocket ---


@pytest.mark.parametrize("suffix", ["/websocket", "", "/"])
def test_raw_websocket__transport(server: Listening, suffix: str) -> None:
    with dial(server, f"/echo{suffix}") as socket:
        socket.send("Hello world!\uffff")
        assert hear(socket) == "Hello world!\uffff"


def test_raw_websocket__close(server: Listening) -> None:
    with dial(server, "/close/websocket") as socket:
        assert closing(socket) == (3000, "Go away!")


def test_a_raw_websocket_has_no_framing_and_no_heartbeats(server: Listening) -> None:
    with dial(server, "/lively/websocket") as socket, dial(server, "/lively/0/0/websocket") as clock:
        assert [hear(clock) for _ in range(3)] == ["o", "h", "h"]
        for text in ("", '["a"]', "h"):
            socket.send(text)
            assert hear(socket) == text


def test_bytes_that_are_no_text_end_a_raw_websocket(server: Listening) -> None:
    with dial(server, "/echo/websocket") as socket:
        socket.send(b"text")
        assert hear(socket) == "text"
        socket.send(b"\xff")
        assert closing(socket)[0] == 1007


# --- hixie-76 and -75 ---


def test_websocket_hixie76__transport(server: Listening, path: str) -> None:
    with Hixie(server, path) as socket:
        assert socket.recv() == "o"
        socket.send('["a"]')
        assert socket.recv() == 'a["a"]'


def test_websocket_hixie76__close(server: Listening) -> None:
    with Hixie(server, f"/close/000/{uuid4()}/websocket") as socket:
        assert socket.recv() == "o"
        assert socket.recv() == CLOSED
        assert socket.closed()


def test_websocket_hixie76__empty_frame(server: Listening, path: str) -> None:
    with Hixie(server, path) as socket:
        assert socket.recv() == "o"
        socket.send("")
        socket.send('["a"]')
        assert socket.recv() == 'a["a"]'


def test_websocket_hixie76__reuse_session_id(server: Listening, path: str) -> None:
    with dial(server, path) as first, Hixie(server, path) as second:
        assert hear(first) == second.recv() == "o"
        first.send('["a"]')
        assert hear(first) == 'a["a"]'
        second.send('["b"]')
        assert second.recv() == 'a["b"]'
    with Hixie(server, path) as again:
        assert again.recv() == "o"
        again.send('["a"]')
        assert again.recv() == 'a["a"]'


def test_websocket_hixie76__haproxy(server: Listening, path: str) -> None:
    with server.connect() as wire:
        origin = f"http://{wire.host}"
        headers = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Origin": origin, **KEYS}
        response = wire.begin("GET", path, headers=headers)
        assert response.status == 101
        assert response["connection"].lower() == "upgrade"
        assert response["upgrade"].lower() == "websocket"
        assert response["sec-websocket-location"] == f"ws://{wire.host}{path}"
        assert response["sec-websocket-origin"] == origin
        assert "content-length" not in response.headers
        for byte in b"aaaaaaaa":
            wire.socket.sendall(bytes([byte]))
        assert wire.read(16) == PROOF
        assert wire.read(3) == b"\x00o\xff"


def test_websocket_hixie76__broken_json(server: Listening, path: str) -> None:
    with Hixie(server, path) as socket:
        assert socket.recv() == "o"
        socket.send('["a')
        assert socket.closed()


def test_hixie75_has_no_keys(server: Listening, path: str) -> None:
    with Hixie(server, path, keys=False) as socket:
        assert socket.response["websocket-origin"] == f"http://{socket.wire.host}"
        assert socket.response["websocket-location"] == f"ws://{socket.wire.host}{path}"
        assert socket.recv() == "o"
        socket.send('["a"]')
        assert socket.recv() == 'a["a"]'
        socket.wire.socket.sendall(b"\xff\x00")
        assert socket.wire.rest() == b"\xff\x00"


@pytest.mark.parametrize("frame", [b"\x80\x01a", b"\xff\x01", b"\x00" + b"x" * (2 << 20)])
def test_what_is_no_frame_of_a_hixie_draft_ends_it(server: Listening, path: str, frame: bytes) -> None:
    with Hixie(server, path) as socket:
        assert socket.recv() == "o"
        with suppress(ConnectionError):  # closed on bytes that were not read yet
            socket.wire.socket.sendall(frame)
            assert socket.closed()


def test_keys_of_no_draft_are_refused(server: Listening, path: str) -> None:
    with server.connect() as wire:
        headers = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Origin": "http://a"}
        keys = {"Sec-WebSocket-Key1": "nospace1", "Sec-WebSocket-Key2": "1 2"}
        wire.request("GET", path, b"aaaaaaaa", headers | keys)
        assert wire.head().status == 101
        assert wire.closed()


def test_a_hixie_client_of_a_foreign_page_is_refused(server: Listening) -> None:
    with server.connect() as wire:
        headers = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Origin": "http://b.example", **KEYS}
        wire.request("GET", "/guarded/websocket", b"aaaaaaaa", headers)
        assert answer(wire).status == 403


def test_every_websocket_is_told_of_a_shutdown() -> None:
    with (
        listening(SockJS(echo, options=PROFILE, prefix="/echo")) as server,
        dial(server, "/echo/0/0/websocket") as today,
        Hixie(server, "/echo/0/0/websocket") as draft,
    ):
        assert hear(today) == draft.recv() == "o"
        server.stop()
        assert closing(today)[0] == 1012
        assert draft.closed()
