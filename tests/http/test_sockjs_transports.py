"""SockJS 0.3.3 over a real server: sessions by HTTP, frame by frame and chunk by chunk.

Each `test_group__name` proves what the protocol's own test `Group.test_name` does; what the protocol says in prose
only has a name of its own.
"""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.sockjs_server import PATIENCE, PROFILE, Listening, Response, Wire, close, echo, listening

from safelight.realtime.sockjs import Handler, SockJS, SockJSSession

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLOSED = 'c[3000,"Go away!"]'
OCCUPIED = 'c[2010,"Another connection still open"]'
INTERRUPTED = 'c[1002,"Connection interrupted"]'
MiB = 1024 * 1024
# What the protocol wants the server to escape.
BY_SERVER = re.compile("[\x00-\x1f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]")


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with listening(
        SockJS(echo, options=PROFILE, prefix="/echo"),
        SockJS(close, options=PROFILE, prefix="/close"),
        SockJS(watched(interrupted), options=PROFILE, prefix="/watched"),
        SockJS(burst, options=PROFILE, prefix="/burst"),
        SockJS(flood, options=replace(PROFILE, response_limit=64 * MiB), prefix="/flood"),
        SockJS(echo, options=replace(PROFILE, heartbeat=0.1), prefix="/lively"),
        SockJS(watched(timed_out), options=replace(PROFILE, disconnect_delay=0.2), prefix="/brisk"),
        SockJS(echo, options=replace(PROFILE, max_message=100, max_sessions=2), prefix="/narrow"),
    ) as running:
        yield running


@pytest.fixture
def url() -> str:
    return f"/echo/000/{uuid4()}"


@pytest.fixture
def closing() -> str:
    return f"/close/000/{uuid4()}"


def type_of(response: Response) -> str:
    return response["content-type"].replace(" ", "")


def assert_cors(response: Response) -> None:
    assert response["access-control-allow-origin"] == "*"
    assert response["access-control-allow-credentials"] == "true"


def assert_never_cached(response: Response) -> None:
    assert response["cache-control"] == "no-store, no-cache, must-revalidate, max-age=0"
    assert not response["expires"]
    assert not response["last-modified"]


def send(server: Listening, url: str, body: str) -> None:
    sent = server.post(f"{url}/xhr_send", body)
    assert sent.status == 204
    assert not sent.body


interrupted: queue.SimpleQueue[None] = queue.SimpleQueue()
timed_out: queue.SimpleQueue[None] = queue.SimpleQueue()


def watched(ended: queue.SimpleQueue[None]) -> Handler:
    """Echoes, and tells of the end."""

    async def handler(session: SockJSSession) -> None:
        await echo(session)
        ended.put(None)

    return handler


async def burst(session: SockJSSession) -> None:
    """Says all it has to say before anybody asks."""
    for text in "123":
        await session.send(text)


flooded: list[int] = []


async def flood(session: SockJSSession) -> None:
    """Says a KiB at a time for as long as there is room, and counts them in `flooded`."""
    flooded.append(0)
    while True:
        await session.send("x" * 1024)
        flooded[-1] += 1


@contextmanager
def streaming(server: Listening, url: str, suffix: str = "xhr_streaming", method: str = "POST") -> Iterator[Wire]:
    """A streaming response, its head and prelude read."""
    with server.connect() as wire:
        response = wire.begin(method, f"{url}/{suffix}")
        assert response.status == 200
        assert wire.chunk()
        yield wire


# --- protocol and framing ---


@contextmanager
def polling(server: Listening, url: str, suffix: str = "xhr", method: str = "POST") -> Iterator[Wire]:
    """A poll that is known to wait: the server asks for its body (100 Continue) when it waits for what else comes."""
    with server.connect() as wire:
        wire.request(method, f"{url}/{suffix}", headers={"Expect": "100-continue"})
        assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        yield wire


def answer(wire: Wire) -> str:
    """The body of a poll's answer."""
    return wire.read(int(wire.head()["content-length"])).decode()


def test_protocol__simple_session(server: Listening, url: str) -> None:
    opened = server.post(f"{url}/xhr")
    assert opened.status == 200
    assert opened.text == "o\n"
    send(server, url, '["a"]')
    assert server.post(f"{url}/xhr").text == 'a["a"]\n'
    assert server.post("/echo/000/bad_session/xhr_send", '["a"]').status == 404
    with polling(server, url):
        refused = server.post(f"{url}/xhr")
        assert refused.status == 200
        assert refused.text == f"{OCCUPIED}\n"


def test_the_first_connection_goes_on_when_another_was_refused(server: Listening, url: str) -> None:
    assert server.post(f"{url}/xhr").text == "o\n"
    with polling(server, url) as wire:
        assert server.post(f"{url}/xhr").text == f"{OCCUPIED}\n"
        send(server, url, '["a","b"]')
        assert answer(wire) == 'a["a","b"]\n'


def test_protocol__close_session(server: Listening, closing: str) -> None:
    assert server.post(f"{closing}/xhr").text == "o\n"
    for _ in range(3):
        response = server.post(f"{closing}/xhr")
        assert response.status == 200
        assert response.text == f"{CLOSED}\n"


def test_a_session_times_out_without_a_receiving_connection(server: Listening) -> None:
    url = f"/brisk/000/{uuid4()}"
    assert server.post(f"{url}/xhr").text == "o\n"
    timed_out.get(timeout=PATIENCE)
    assert server.post(f"{url}/xhr_send", '["a"]').status == 404
    assert server.post(f"{url}/xhr").text == "o\n"


def test_a_heartbeat_goes_out_after_every_silence(server: Listening) -> None:
    url = f"/lively/000/{uuid4()}"
    with streaming(server, url) as wire:
        assert [wire.chunk() for _ in range(4)] == [b"o\n", b"h\n", b"h\n", b"h\n"]
    url = f"/lively/000/{uuid4()}"
    assert server.post(f"{url}/xhr").text == "o\n"
    assert [server.post(f"{url}/xhr").text for _ in range(2)] == ["h\n", "h\n"]
    assert server.get(f"{url}/jsonp?c=x").text == 'x("h");\r\n'


# --- xhr ---


def test_xhr_polling__transport(server: Listening, url: str) -> None:
    response = server.post(f"{url}/xhr")
    assert response.status == 200
    assert response.text == "o\n"
    assert type_of(response) == "application/javascript;charset=UTF-8"
    assert_cors(response)
    assert_never_cached(response)
    response = server.post(f"{url}/xhr_send", '["x"]')
    assert response.status == 204
    assert not response.body
    assert type_of(response) == "text/plain;charset=UTF-8"
    assert_cors(response)
    assert_never_cached(response)
    assert "content-length" not in response.headers
    response = server.post(f"{url}/xhr")
    assert response.status == 200
    assert response.text == 'a["x"]\n'


def test_xhr_polling__invalid_session(server: Listening, url: str) -> None:
    assert server.post(f"{url}/xhr_send", '["x"]').status == 404


def test_xhr_polling__invalid_json(server: Listening, url: str) -> None:
    assert server.post(f"{url}/xhr").text == "o\n"
    for body, sentence in (('["x', "Broken JSON encoding."), ("", "Payload expected.")):
        response = server.post(f"{url}/xhr_send", body)
        assert response.status == 500
        assert sentence in response.text
    send(server, url, '["a"]')
    assert server.post(f"{url}/xhr").text == 'a["a"]\n'


def test_xhr_polling__content_types(server: Listening, url: str) -> None:
    assert server.post(f"{url}/xhr").text == "o\n"
    types = ["text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8"]
    types += ["text/xml; charset=utf-8", "text/xml"]
    for each in types:
        sent = server.post(f"{url}/xhr_send", '["a"]', {"Content-Type": each})
        assert sent.status == 204
        assert not sent.body
    assert server.post(f"{url}/xhr").text == "a" + json.dumps(["a"] * len(types), separators=(",", ":")) + "\n"


def test_a_poll_takes_all_that_waits_in_one_frame(server: Listening) -> None:
    url = f"/burst/000/{uuid4()}"
    assert server.post(f"{url}/xhr").text == "o\n"
    assert server.post(f"{url}/xhr").text == 'a["1","2","3"]\n'
    assert server.post(f"{url}/xhr").text == f"{CLOSED}\n"


def test_xhr_polling__sending_empty_frame(server: Listening, url: str) -> None:
    """As later revisions of the protocol have it."""
    assert server.post(f"{url}/xhr").text == "o\n"
    send(server, url, "[]")
    send(server, url, '["a"]')
    assert server.post(f"{url}/xhr").text == 'a["a"]\n'


def test_a_post_without_content_length_has_no_body(server: Listening, url: str) -> None:
    """The protocol's http-quirks: "Doing POST without Content-Length shouldn't break the server"."""
    with server.connect() as wire:
        wire.socket.sendall(f"POST {url}/xhr HTTP/1.1\r\nHost: {wire.host}\r\n\r\n".encode())
        assert answer(wire) == "o\n"


# --- xhr_streaming ---


def test_xhr_streaming__transport(server: Listening, url: str) -> None:
    with server.connect() as wire:
        response = wire.begin("POST", f"{url}/xhr_streaming")
        assert response.status == 200
        assert type_of(response) == "application/javascript;charset=UTF-8"
        assert_cors(response)
        assert_never_cached(response)
        assert wire.chunk() == b"h" * 2048 + b"\n"
        assert wire.chunk() == b"o\n"
        send(server, url, '["x"]')
        assert wire.chunk() == b'a["x"]\n'


def test_xhr_streaming__response_limit(server: Listening, url: str) -> None:
    message = f'"{"x" * 128}"'
    with streaming(server, url) as wire:
        assert wire.chunk() == b"o\n"
        for _ in range(31):
            send(server, url, f"[{message}]")
            assert wire.chunk() == f"a[{message}]\n".encode()
        assert wire.chunk() == b""
    send(server, url, '["on"]')
    with streaming(server, url) as wire:
        assert wire.chunk() == b'a["on"]\n'


# --- eventsource ---


def test_event_source__transport(server: Listening, url: str) -> None:
    with server.connect() as wire:
        response = wire.begin("GET", f"{url}/eventsource")
        assert response.status == 200
        assert type_of(response) == "text/event-stream;charset=UTF-8"
        assert_never_cached(response)
        assert wire.chunk() == b"\r\n"
        assert wire.chunk() == b"data: o\r\n\r\n"
        send(server, url, '["x"]')
        assert wire.chunk() == b'data: a["x"]\r\n\r\n'
        send(server, url, r'["  \u0000\n\r "]')
        assert wire.chunk() == rb'data: a["  \u0000\n\r "]' + b"\r\n\r\n"


def test_event_source__response_limit(server: Listening, url: str) -> None:
    message = f'["{"x" * 4096}"]'
    with streaming(server, url, "eventsource", "GET") as wire:
        assert wire.chunk() == b"data: o\r\n\r\n"
        send(server, url, message)
        assert wire.chunk() == f"data: a{message}\r\n\r\n".encode()
        assert wire.chunk() == b""


# --- htmlfile ---

HEAD = r"""
<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.%s;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
""".strip()


def test_html_file__transport(server: Listening, url: str) -> None:
    with server.connect() as wire:
        response = wire.begin("GET", f"{url}/htmlfile?c=%63allback")
        assert response.status == 200
        assert type_of(response) == "text/html;charset=UTF-8"
        assert_never_cached(response)
        head = wire.chunk().decode()
        assert head.strip() == HEAD % "callback"
        assert len(head) > 1024
        assert wire.chunk() == b'<script>\np("o");\n</script>\r\n'
        send(server, url, '["x"]')
        assert wire.chunk() == b'<script>\np("a[\\"x\\"]");\n</script>\r\n'


def test_no_message_ends_the_script_that_carries_it(server: Listening, url: str) -> None:
    with streaming(server, url, "htmlfile?c=x", "GET") as wire:
        assert wire.chunk()
        send(server, url, '["</script><!--"]')
        script = wire.chunk().decode()
        assert script.count("<") == 2
        quoted = script.removeprefix("<script>\np(").removesuffix(");\n</script>\r\n")
        assert json.loads(quoted) == 'a["</script><!--"]'


@pytest.mark.parametrize("suffix", ["htmlfile", "htmlfile?c=", "jsonp", "jsonp?d=x"])
def test_html_file_and_json_polling__no_callback(server: Listening, suffix: str) -> None:
    response = server.get(f"/echo/a/a/{suffix}")
    assert response.status == 500
    assert '"callback" parameter required' in response.text


@pytest.mark.parametrize("suffix", ["htmlfile", "jsonp"])
@pytest.mark.parametrize("callback", ["%20", "*", "abc(", "abc%28", "%C3%A9", "x" * 257])
def test_html_file_and_json_polling__invalid_callback(server: Listening, suffix: str, callback: str) -> None:
    """As later revisions of the protocol have it: whatever is no name is no callback."""
    response = server.get(f"/echo/a/a/{suffix}?c={callback}")
    assert response.status == 500
    assert 'invalid "callback" parameter' in response.text


def test_html_file__response_limit(server: Listening, url: str) -> None:
    message = "x" * 4096
    with streaming(server, url, "htmlfile?c=callback", "GET") as wire:
        assert wire.chunk() == b'<script>\np("o");\n</script>\r\n'
        send(server, url, f'["{message}"]')
        assert wire.chunk() == f'<script>\np("a[\\"{message}\\"]");\n</script>\r\n'.encode()
        assert wire.chunk() == b""


# --- jsonp ---


def test_json_polling__transport(server: Listening, url: str) -> None:
    response = server.get(f"{url}/jsonp?c=%63allback")
    assert response.status == 200
    assert type_of(response) == "application/javascript;charset=UTF-8"
    assert_never_cached(response)
    assert response["x-content-type-options"] == "nosniff"
    assert response.text == 'callback("o");\r\n'
    response = server.post(f"{url}/jsonp_send", "d=%5B%22x%22%5D", FORM)
    assert response.status == 200
    assert response.text == "ok"
    assert type_of(response) == "text/plain;charset=UTF-8"
    assert_never_cached(response)
    response = server.get(f"{url}/jsonp?c=%63allback")
    assert response.status == 200
    assert response.text == 'callback("a[\\"x\\"]");\r\n'


def test_json_polling__invalid_json(server: Listening, url: str) -> None:
    assert server.get(f"{url}/jsonp?c=x").text == 'x("o");\r\n'
    response = server.post(f"{url}/jsonp_send", "d=%5B%22x", FORM)
    assert response.status == 500
    assert "Broken JSON encoding." in response.text
    for body in ("", "d=", "p=p"):
        response = server.post(f"{url}/jsonp_send", body, FORM)
        assert response.status == 500
        assert "Payload expected." in response.text
    assert server.post(f"{url}/jsonp_send", "d=%5B%22b%22%5D", FORM).text == "ok"
    response = server.get(f"{url}/jsonp?c=x")
    assert response.status == 200
    assert response.text == 'x("a[\\"b\\"]");\r\n'


def test_json_polling__content_types(server: Listening, url: str) -> None:
    assert server.get(f"{url}/jsonp?c=x").text == 'x("o");\r\n'
    assert server.post(f"{url}/jsonp_send", "d=%5B%22abc%22%5D", FORM).text == "ok"
    assert server.post(f"{url}/jsonp_send", '["%61bc"]', {"Content-Type": "text/plain"}).text == "ok"
    assert server.get(f"{url}/jsonp?c=x").text == 'x("a[\\"abc\\",\\"%61bc\\"]");\r\n'


def test_json_polling__close(server: Listening, closing: str) -> None:
    assert server.get(f"{closing}/jsonp?c=x").text == 'x("o");\r\n'
    for _ in range(2):
        assert server.get(f"{closing}/jsonp?c=x").text == 'x("c[3000,\\"Go away!\\"]");\r\n'


# --- JSON Unicode Encoding ---


def test_json_encoding__xhr_server_encodes(server: Listening, url: str) -> None:
    killer = [char for char in map(chr, range(255, 65536)) if BY_SERVER.match(char)]
    escaped = '"' + "".join(f"\\u{ord(char):04x}" for char in killer) + '"'
    assert server.post(f"{url}/xhr").text == "o\n"
    send(server, url, '["' + "".join(killer) + '"]')
    response = server.post(f"{url}/xhr")
    assert response.status == 200
    assert response.text.strip()[2:-1] == escaped


def test_json_encoding__xhr_server_decodes(server: Listening, url: str) -> None:
    # The protocol lists what browsers escape; here it is every character of the plane that is one.
    killer = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)
    escaped = '"' + "".join(f"\\u{ord(char):04x}" for char in killer) + '"'
    assert server.post(f"{url}/xhr").text == "o\n"
    send(server, url, f"[{escaped}]")
    response = server.post(f"{url}/xhr")
    assert response.status == 200
    assert json.loads(response.text[1:]) == [killer]


def test_half_a_surrogate_pair_comes_back_as_it_went(server: Listening, url: str) -> None:
    assert server.post(f"{url}/xhr").text == "o\n"
    send(server, url, r'["\ud800 \udfff \ud83d\ude00"]')
    assert server.post(f"{url}/xhr").text == 'a["\\ud800 \\udfff \U0001f600"]\n'


# --- Handling close ---


def test_handling_close__close_frame(server: Listening, closing: str) -> None:
    with streaming(server, closing) as first:
        assert first.chunk() == b"o\n"
        assert first.chunk() == f"{CLOSED}\n".encode()
        with streaming(server, closing) as second:
            assert second.chunk() == f"{CLOSED}\n".encode()
            assert first.chunk() == b""
            assert second.chunk() == b""


def test_handling_close__close_request(server: Listening, url: str) -> None:
    with streaming(server, url) as first:
        assert first.chunk() == b"o\n"
        with streaming(server, url) as second:
            assert second.chunk() == f"{OCCUPIED}\n".encode()
            assert second.chunk() == b""


def test_handling_close__abort_xhr_streaming(server: Listening) -> None:
    url = f"/watched/000/{uuid4()}"
    with streaming(server, url) as first:
        assert first.chunk() == b"o\n"
        with streaming(server, url) as second:
            assert second.chunk() == f"{OCCUPIED}\n".encode()
            assert second.chunk() == b""
    aborted = time.monotonic()
    interrupted.get(timeout=PATIENCE)
    assert time.monotonic() - aborted < 4  # and not the 5 seconds of a session without a receiver
    with streaming(server, url) as third:
        assert third.chunk() == f"{INTERRUPTED}\n".encode()
        assert third.chunk() == b""


@pytest.mark.parametrize(("suffix", "method", "frame"), [("xhr", "POST", "{}\n"), ("jsonp?c=x", "GET", 'x("{}");\r\n')])
def test_handling_close__abort_xhr_polling(server: Listening, suffix: str, method: str, frame: str) -> None:
    def framed(text: str) -> str:
        return frame.format(text if suffix == "xhr" else text.replace('"', '\\"'))

    url = f"/watched/000/{uuid4()}"
    assert server.ask(method, f"{url}/{suffix}").text == framed("o")
    with polling(server, url, suffix, method):
        assert server.ask(method, f"{url}/{suffix}").text == framed(OCCUPIED)
    aborted = time.monotonic()
    interrupted.get(timeout=PATIENCE)
    assert time.monotonic() - aborted < 4  # and not the 5 seconds of a session without a receiver
    assert server.ask(method, f"{url}/{suffix}").text == framed(INTERRUPTED)


# --- HTTP/1.0 and 1.1: streams ---


def test_http10__streaming(server: Listening, closing: str) -> None:
    with server.connect() as wire:
        response = wire.begin("POST", f"{closing}/xhr_streaming", headers={"Connection": "Keep-Alive"}, version="1.0")
        assert response.status == 200
        assert not response["transfer-encoding"]
        assert not response["content-length"]
        assert wire.read(2049) == b"h" * 2048 + b"\n"
        assert wire.read(2) == b"o\n"
        assert wire.read(19) == f"{CLOSED}\n".encode()
        assert wire.closed()


def test_http11__streaming(server: Listening, closing: str) -> None:
    with server.connect() as wire:
        response = wire.begin("POST", f"{closing}/xhr_streaming", headers={"Connection": "Keep-Alive"})
        assert response.status == 200
        assert response["transfer-encoding"].lower() == "chunked"
        assert not response["content-length"]
        assert wire.chunk() == b"h" * 2048 + b"\n"
        assert wire.chunk() == b"o\n"
        assert wire.chunk() == f"{CLOSED}\n".encode()
        assert wire.chunk() == b""
        again = wire.ask("GET", "/echo")
        assert again.status == 200


# --- bounds ---


def test_a_body_that_is_too_large_is_refused_and_the_connection_serves_on(server: Listening) -> None:
    url = f"/narrow/000/{uuid4()}"
    assert server.post(f"{url}/xhr").text == "o\n"
    with server.connect() as wire:
        assert wire.ask("POST", f"{url}/xhr_send", json.dumps(["x" * 100])).status == 413
        assert wire.ask("POST", f"{url}/xhr_send", json.dumps(["x" * 90])).status == 204


@pytest.mark.parametrize(
    ("method", "suffix"), [("POST", "xhr_streaming"), ("GET", "eventsource"), ("GET", "htmlfile?c=f")]
)
def test_e23_of_a_stream_that_nobody_reads_little_is_taken(server: Listening, method: str, suffix: str) -> None:
    with streaming(server, f"/flood/000/{uuid4()}", suffix, method):
        before, taken = -1, 0
        while taken != before or not taken:  # until it has stood still for a while
            before = taken
            time.sleep(0.3)
            taken = flooded[-1]
        assert taken < 512  # KiB; it was more than 4,000 with the buffers that uvicorn and Linux have


def test_no_more_sessions_than_there_is_room_for(server: Listening) -> None:
    responses = [server.post(f"/narrow/000/{uuid4()}/xhr") for _ in range(3)]
    assert responses[-1].status == 503
    assert responses[-1]["retry-after"]
    assert_cors(responses[-1])


def test_a_server_that_stops_says_so_to_who_waits() -> None:
    with listening(SockJS(echo, options=PROFILE, prefix="/echo")) as server, server.connect() as wire:
        assert wire.begin("POST", "/echo/000/a/xhr_streaming").status == 200
        assert wire.chunk()
        assert wire.chunk() == b"o\n"
        assert server.post("/echo/000/b/xhr").text == "o\n"
        with polling(server, "/echo/000/b") as poll:
            server.stop()
            assert wire.chunk() == b'c[1012,"Service restart"]\n'
            assert wire.chunk() == b""
            assert answer(poll) == 'c[1012,"Service restart"]\n'
