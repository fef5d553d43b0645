"""SockJS 0.3.3 over a real server: what the fixed addresses answer, and which addresses are sessions.

Each `test_group__name` proves what the protocol's own test `Group.test_name` does; what the protocol says in prose
only has a name of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.sockjs_server import PROFILE, Listening, Response, close, echo, listening

from safelight.realtime.sockjs import AllowList, SockJS

YEARLY = re.compile("max-age=[1-9][0-9]{6}")
PAGE = re.compile(
    r"""<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script>
    document.domain = document.domain;
    _sockjs_onload = function\(\){SockJS.bootstrap_iframe\(\);};
  </script>
  <script src="(?P<script>[^"]*)"></script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"""
)


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with listening(
        SockJS(echo, options=PROFILE, prefix="/echo"),
        SockJS(close, options=PROFILE, prefix="/close"),
        SockJS(echo, options=replace(PROFILE, websocket=False), prefix="/disabled_websocket_echo"),
        SockJS(echo, options=replace(PROFILE, cookie_needed=True), prefix="/cookie_needed_echo"),
        SockJS(echo, options=replace(PROFILE, origins=AllowList(("https://a.example",))), prefix="/guarded"),
        SockJS(echo, options=replace(PROFILE, base_url="https://node7.example/echo"), prefix="/a/b/c/d/pinned"),
    ) as running:
        yield running


def type_of(response: Response) -> str:
    return response["content-type"].replace(" ", "")


def assert_405(response: Response) -> None:
    assert response.status == 405
    assert not response["content-type"]
    assert response["allow"]
    assert not response.body


def assert_cors(response: Response, origin: str | None) -> None:
    assert response["access-control-allow-origin"] == (origin if origin and origin != "null" else "*")
    assert response["access-control-allow-credentials"] == "true"


def assert_never_cached(response: Response) -> None:
    assert response["cache-control"] == "no-store, no-cache, must-revalidate, max-age=0"
    assert not response["expires"]
    assert not response["last-modified"]


def assert_yearly(response: Response) -> None:
    assert "public" in response["cache-control"]
    assert YEARLY.search(response["cache-control"])
    assert response["expires"]


def assert_options(server: Listening, path: str, methods: str) -> None:
    for origin in (None, "test", "null"):
        response = server.options(path, {"Origin": origin} if origin else {})
        assert response.status == 204
        assert_yearly(response)
        assert int(response["access-control-max-age"]) > 1_000_000
        assert response["access-control-allow-methods"] == methods
        assert not response.body
        assert_cors(response, origin)


# --- Greeting url ---


@pytest.mark.parametrize("path", ["/echo", "/echo/"])
def test_base_url_greeting__greeting(server: Listening, path: str) -> None:
    response = server.get(path)
    assert response.status == 200
    assert type_of(response) == "text/plain;charset=UTF-8"
    assert response.text == "Welcome to SockJS!\n"
    assert not response["set-cookie"]


@pytest.mark.parametrize("suffix", ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"])
def test_base_url_greeting__not_found(server: Listening, suffix: str) -> None:
    assert server.get(f"/echo{suffix}").status == 404


def test_a_base_url_may_be_more_complex(server: Listening) -> None:
    assert server.get("/a/b/c/d/pinned").text == "Welcome to SockJS!\n"
    assert server.get("/a/b/c/d/pinnedtoo").status == 404


def test_only_reading_is_a_method_of_the_greeting(server: Listening) -> None:
    assert_405(server.post("/echo"))
    assert server.ask("HEAD", "/echo/info").status == 405


# --- IFrame page ---


def assert_iframe(server: Listening, path: str) -> None:
    response = server.get(path)
    assert response.status == 200
    assert type_of(response) == "text/html;charset=UTF-8"
    assert_yearly(response)
    assert response["etag"]
    assert not response["last-modified"]
    match = PAGE.fullmatch(response.text.strip())
    assert match
    assert match["script"].startswith(("/", "http"))
    assert not response["set-cookie"]


def test_iframe_page__simple_url(server: Listening) -> None:
    assert_iframe(server, "/echo/iframe.html")


@pytest.mark.parametrize("name", ["iframe-a", "iframe-", "iframe-0.1.2", "iframe-0.1.2abc-dirty.2144"])
def test_iframe_page__versioned_url(server: Listening, name: str) -> None:
    assert_iframe(server, f"/echo/{name}.html")


@pytest.mark.parametrize(
    "name", ["iframe-a.html?t=1234", "iframe-0.1.2.html?t=123414", "iframe-0.1.2abc-dirty.2144.html?t=qweqweq123"]
)
def test_iframe_page__queried_url(server: Listening, name: str) -> None:
    assert_iframe(server, f"/echo/{name}")


@pytest.mark.parametrize(
    "name", ["iframe.htm", "iframe", "IFRAME.HTML", "IFRAME", "iframe.HTML", "iframe.xml", "iframe-/.html"]
)
def test_iframe_page__invalid_url(server: Listening, name: str) -> None:
    assert server.get(f"/echo/{name}").status == 404


def test_iframe_page__cacheability(server: Listening) -> None:
    first, second = server.get("/echo/iframe.html"), server.get("/echo/iframe.html")
    assert first["etag"]
    assert first["etag"] == second["etag"]
    again = server.get("/echo/iframe.html", {"If-None-Match": first["etag"]})
    assert again.status == 304
    assert not again["content-type"]
    assert not again.body


def test_the_iframe_page_lets_in_no_page_that_may_not_come_by_itself(server: Listening) -> None:
    policy = server.get("/guarded/iframe.html")["content-security-policy"]
    assert policy == "frame-ancestors 'self' https://a.example"


# --- Info ---


def test_info__basic(server: Listening) -> None:
    response = server.get("/echo/info")
    assert response.status == 200
    assert type_of(response) == "application/json;charset=UTF-8"
    assert not response["set-cookie"]
    assert_never_cached(response)
    assert_cors(response, None)
    told = json.loads(response.body)
    assert told["websocket"] is True
    assert told["cookie_needed"] is False
    assert told["origins"] == ["*:*"]
    assert isinstance(told["entropy"], int)
    assert "base_url" not in told


def test_info__entropy(server: Listening) -> None:
    numbers = [json.loads(server.get("/echo/info").body)["entropy"] for _ in range(3)]
    assert len(set(numbers)) > 1
    assert all(0 <= number < 1 << 32 for number in numbers)


def test_info__options(server: Listening) -> None:
    assert_options(server, "/echo/info", "OPTIONS, GET")


def test_info__options_null_origin(server: Listening) -> None:
    response = server.options("/echo/info", {"Origin": "null"})
    assert response.status == 204
    assert not response.body
    assert response["access-control-allow-origin"] == "*"


def test_info__disabled_websocket(server: Listening) -> None:
    response = server.get("/disabled_websocket_echo/info")
    assert response.status == 200
    assert json.loads(response.body)["websocket"] is False


def test_info_sends_clients_to_the_base_url_that_it_is_given(server: Listening) -> None:
    assert json.loads(server.get("/a/b/c/d/pinned/info").body)["base_url"] == "https://node7.example/echo"


# --- Session URLs ---


@pytest.mark.parametrize("name", ["/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"])
def test_session_urls__any_value(server: Listening, name: str) -> None:
    response = server.post(f"/echo{name}/xhr")
    assert response.status == 200
    assert response.text == "o\n"


@pytest.mark.parametrize("suffix", ["//", "/a./a", "/a/a.", "/./.", "/", "///"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_session_urls__invalid_paths(server: Listening, method: str, suffix: str) -> None:
    assert server.ask(method, f"/echo{suffix}/xhr").status == 404


def test_session_urls__ignoring_server_id(server: Listening) -> None:
    assert server.post("/echo/000/ignoring/xhr").text == "o\n"
    sent = server.post("/echo/000/ignoring/xhr_send", '["a"]')
    assert sent.status == 204
    assert not sent.body
    assert server.post("/echo/999/ignoring/xhr").text == 'a["a"]\n'


# --- transports' addresses ---


@pytest.mark.parametrize("suffix", ["/xhr", "/xhr_send"])
def test_xhr_polling__options(server: Listening, suffix: str) -> None:
    assert_options(server, f"/echo/abc/abc{suffix}", "OPTIONS, POST")


def test_xhr_streaming__options(server: Listening) -> None:
    assert_options(server, "/echo/abc/abc/xhr_streaming", "OPTIONS, POST")


@pytest.mark.parametrize(
    ("method", "suffix", "allow"),
    [
        ("GET", "xhr", "OPTIONS, POST"),
        ("PUT", "xhr_streaming", "OPTIONS, POST"),
        ("DELETE", "xhr_send", "OPTIONS, POST"),
        ("POST", "eventsource", "OPTIONS, GET"),
        ("POST", "htmlfile", "GET"),
        ("POST", "jsonp", "GET"),
        ("GET", "jsonp_send", "POST"),
    ],
)
def test_another_method_of_a_transport_is_405(server: Listening, method: str, suffix: str, allow: str) -> None:
    response = server.ask(method, f"/echo/a/b/{suffix}")
    assert_405(response)
    assert response["allow"] == allow


def test_xhr_polling__request_headers_cors(server: Listening) -> None:
    for number, (given, expected) in enumerate([("a, b, c", "a, b, c"), ("", ""), (None, "")]):
        headers = {} if given is None else {"Access-Control-Request-Headers": given}
        response = server.post(f"/echo/000/cors{number}/xhr", headers=headers)
        assert response.status == 200
        assert_cors(response, None)
        assert response["access-control-allow-headers"] == expected
    preflight = server.options(
        "/echo/000/cors/xhr", {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-a"}
    )
    assert preflight["access-control-allow-headers"] == "x-a"


# --- origins ---


@pytest.mark.parametrize("suffix", ["/info", "/a/b/xhr", "/a/b/xhr_send", "/a/b/eventsource", "/a/b/jsonp?c=x"])
@pytest.mark.parametrize("where", ["Origin", "Referer"])
def test_a_page_that_is_not_on_the_list_is_refused(server: Listening, suffix: str, where: str) -> None:
    method = "POST" if "xhr" in suffix else "GET"
    value = "https://b.example" if where == "Origin" else "https://b.example/page?q"
    response = server.ask(method, f"/guarded{suffix}", headers={where: value})
    assert response.status == 403
    assert not response["access-control-allow-origin"]


def test_a_page_without_origin_is_not_on_the_list(server: Listening) -> None:
    assert server.get("/guarded/info", {"Origin": "null"}).status == 403
    assert server.get("/guarded/info", {"Referer": "http://[broken"}).status == 403
    assert server.get("/guarded/info", {"Origin": "http://[broken"}).status == 403


def test_listed_pages_own_pages_and_no_pages_are_welcome(server: Listening) -> None:
    own = f"http://127.0.0.1:{server.port}"
    for origin in ("https://a.example", own):
        response = server.get("/guarded/info", {"Origin": origin})
        assert response.status == 200
        assert_cors(response, origin)
        assert response["vary"] == "Origin"
    assert server.get("/guarded/info").status == 200
    assert server.get("/guarded/info", {"Referer": f"{own}/page"}).status == 200


# --- JSESSIONID cookie ---


def assert_cookie(response: Response, value: str = "dummy") -> None:
    parts = [part.strip() for part in response["set-cookie"].split(";")]
    assert parts[0] == f"JSESSIONID={value}"
    assert parts[1].lower() == "path=/"


def test_jsessionid_cookie__basic(server: Listening) -> None:
    response = server.get("/cookie_needed_echo/info")
    assert response.status == 200
    assert not response["set-cookie"]
    assert json.loads(response.body)["cookie_needed"] is True


def test_jsessionid_cookie__xhr(server: Listening) -> None:
    response = server.post("/cookie_needed_echo/000/c1/xhr")
    assert response.status == 200
    assert response.text == "o\n"
    assert_cookie(response)
    response = server.post("/cookie_needed_echo/000/c2/xhr", headers={"Cookie": "a=b; JSESSIONID=abcdef"})
    assert response.text == "o\n"
    assert_cookie(response, "abcdef")


@pytest.mark.parametrize("cookie", ['JSESSIONID="a b"', "XJSESSIONID=a", "JSESSIONID=", "JSESSIONID=\u00e9"])
def test_a_cookie_that_is_none_is_not_echoed(server: Listening, cookie: str) -> None:
    assert_cookie(server.options("/cookie_needed_echo/000/c3/xhr", {"Cookie": cookie}))


@pytest.mark.parametrize(
    ("name", "method", "suffix"),
    [
        ("xhr_streaming", "POST", "xhr_streaming"),
        ("eventsource", "GET", "eventsource"),
        ("htmlfile", "GET", "htmlfile?c=%63allback"),
    ],
)
def test_jsessionid_cookie__xhr_streaming_eventsource_htmlfile(
    server: Listening, name: str, method: str, suffix: str
) -> None:
    with server.connect() as wire:
        response = wire.begin(method, f"/cookie_needed_echo/000/{name}/{suffix}")
        assert response.status == 200
        assert_cookie(response)


def test_jsessionid_cookie__jsonp(server: Listening) -> None:
    response = server.get("/cookie_needed_echo/000/jsonp/jsonp?c=%63allback")
    assert response.status == 200
    assert_cookie(response)
    assert response.text == 'callback("o");\r\n'
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = server.post("/cookie_needed_echo/000/jsonp/jsonp_send", "d=%5B%22x%22%5D", form)
    assert response.status == 200
    assert response.text == "ok"
    assert_cookie(response)


# --- HTTP/1.0 and 1.1: the greeting ---


def test_http10__synchronous(server: Listening) -> None:
    with server.connect() as wire:
        response = wire.begin("GET", "/echo", headers={"Connection": "Keep-Alive"}, version="1.0")
        assert response.status == 200
        assert not response["transfer-encoding"]
        assert response["content-length"] == "19"
        assert wire.read(19) == b"Welcome to SockJS!\n"
        assert response["connection"] in ("close", "")
        assert wire.closed()


def test_http11__synchronous(server: Listening) -> None:
    with server.connect() as wire:
        for _ in range(2):
            response = wire.begin("GET", "/echo", headers={"Connection": "Keep-Alive"})
            assert response.status == 200
            assert response.version == "1.1"
            assert response["connection"].lower() in ("keep-alive", "")
            assert response["content-length"] == "19"
            assert not response["transfer-encoding"]
            assert wire.read(19) == b"Welcome to SockJS!\n"
