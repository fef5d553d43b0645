"""SockJS's codecs: what goes out comes back, and no input raises anything but the protocol's error."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.errors import FrameTooLarge, ProtocolViolation
from safelight.realtime import sockjs
from safelight.realtime.sockjs import AllowList, Options, answers, frames, hixie, routes, transports
from safelight.realtime.sockjs.options import page_of

FORM = "application/x-www-form-urlencoded"
# Everything that JavaScript calls a string, halves of surrogate pairs included.
texts = st.text(st.characters(), max_size=60)
messages = st.lists(texts, max_size=5)
# JSON, nearly JSON, and no JSON at all.
payloads = st.one_of(
    st.text(st.sampled_from('[]{}",:\\u0dtruefalsn \x00é\ud800'), max_size=30),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ).map(json.dumps),
    texts,
)
PURE = ["frames", "transports", "routes", "answers", "state", "deadlines", "options", "hixie"]
IMPURE = {"asyncio", "time", "socket", "os", "random", "secrets", "starlette", "uvicorn", "structlog", "threading"}


def units(found: list[str]) -> list[bytes]:
    """As JavaScript compares: in UTF-16 units, where two halves that meet are a pair."""
    return [text.encode("utf-16-le", "surrogatepass") for text in found]


@pytest.mark.parametrize("name", PURE)
def test_the_protocol_imports_no_clock_loop_or_framework(name: str) -> None:
    tree = ast.parse((Path(sockjs.__file__).parent / f"{name}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    assert not {module.split(".")[0] for module in found} & IMPURE
    ours = {module for module in found if module.startswith("safelight")}
    assert ours <= {"safelight.errors", "safelight.realtime.sockjs"} | {f"safelight.realtime.sockjs.{n}" for n in PURE}


# --- frames ---


@given(messages)
def test_an_array_frame_comes_back(sent: list[str]) -> None:
    frame = frames.array(map(frames.quote, sent))
    assert frame[0] == "a"
    frame.encode()  # no half of a pair is left in it, so that UTF-8 can carry it
    assert units(frames.decode_array(frame[1:])) == units(sent)
    assert units(frames.decode_websocket(frame[1:])) == units(sent)
    assert units(frames.decode_array(frame[1:].encode())) == units(sent)
    form = urlencode({"d": frame[1:]}).encode()
    assert units(frames.decode_form(form, f"{FORM}; charset=UTF-8")) == units(sent)


@given(texts)
def test_a_single_string_comes_back(sent: str) -> None:
    assert units(frames.decode_websocket(frames.quote(sent))) == units([sent])


@given(st.integers(1000, 4999), texts)
def test_a_close_frame_comes_back(code: int, reason: str) -> None:
    frame = frames.close(code, reason)
    found = json.loads(frame[1:])
    assert frame[0] == "c"
    assert found[0] == code
    assert units(found[1:]) == units([reason])


@given(payloads)
def test_no_payload_raises_anything_but_a_violation(payload: str) -> None:
    body = payload.encode(errors="surrogatepass")
    attempts: list[Callable[[], list[str]]] = [
        lambda: frames.decode_array(payload),
        lambda: frames.decode_array(body),
        lambda: frames.decode_websocket(payload),
        lambda: frames.decode_form(body, FORM),
        lambda: frames.decode_form(b"d=" + quote(body).encode(), FORM),
        lambda: frames.decode_form(body, "text/plain"),
    ]
    for decode in attempts:
        with suppress(ProtocolViolation):
            assert all(isinstance(each, str) for each in decode())


@given(st.binary(max_size=60), st.sampled_from([FORM, "text/plain", "", "é;;"]))
def test_no_bytes_raise_anything_but_a_violation(body: bytes, content_type: str) -> None:
    for decode in (frames.decode_form, lambda data, _type: frames.decode_array(data)):
        with suppress(ProtocolViolation):
            decode(body, content_type)


@pytest.mark.parametrize("body", ["[" * 100_000, "1" * 100_000, '[{"a":' * 50_000, "[1]", '"a"', "null", "{}", "NaN"])
def test_what_is_no_array_of_strings_is_a_violation(body: str) -> None:
    with pytest.raises(ProtocolViolation):
        frames.decode_array(body)


def test_a_form_has_few_fields() -> None:
    with pytest.raises(ProtocolViolation):
        frames.decode_form(b"&".join(b"d=a" for _ in range(1000)), FORM)


# --- transports ---


@given(messages)
def test_every_transport_carries_every_frame(sent: list[str]) -> None:
    frame = frames.array(map(frames.quote, sent))
    wrap = {name: transport.wrap(frame, "a.b").decode() for name, transport in transports.RECEIVING.items()}
    assert wrap["xhr"] == wrap["xhr_streaming"] == f"{frame}\n"
    assert wrap["eventsource"].count("\n") == wrap["eventsource"].count("\r") == 2
    assert wrap["eventsource"].removeprefix("data: ").removesuffix("\r\n\r\n") == frame
    assert json.loads(wrap["jsonp"].removeprefix("a.b(").removesuffix(");\r\n")) == frame
    script = wrap["htmlfile"].removeprefix("<script>\np(").removesuffix(");\n</script>\r\n")
    assert "<" not in script
    assert json.loads(script) == frame


@given(st.dictionaries(st.sampled_from(["c", "callback", "x"]), st.text(max_size=10)))
def test_a_callback_is_a_name_or_a_violation(query: dict[str, str]) -> None:
    with suppress(ProtocolViolation):
        name = transports.callback_of(query)
        assert name.isascii()
        assert name.translate(str.maketrans("_-.", "aaa")).isalnum()


# --- routes ---


@given(st.text(st.sampled_from("/.ax_ \n\u2028"), max_size=12) | st.text(max_size=30))
def test_every_path_leads_somewhere_or_nowhere(path: str) -> None:
    routes.find(path)
    assert not isinstance(routes.find(f"/a.b{path}/c/xhr"), routes.Receive)


@given(
    st.text(st.characters(exclude_characters="/."), min_size=1),
    st.text(st.characters(exclude_characters="/."), min_size=1),
)
def test_a_session_is_named_by_its_second_part_only(server: str, session: str) -> None:
    for name in transports.RECEIVING:
        route = routes.find(f"/{server}/{session}/{name}")
        assert isinstance(route, routes.Receive)
        assert route.session_id == session
    assert routes.find(f"/{server}/{session}/websocket") == routes.FramedWebSocket()
    assert routes.find(f"/{server}/{session}/nothing") is None


# --- answers ---

header = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)


@given(header, header, header)
def test_no_header_of_a_request_adds_one_to_its_answer(cookie: str, asked: str, origin: str) -> None:
    request = {"cookie": f"JSESSIONID={cookie}", "access-control-request-headers": asked, "origin": origin}
    found = dict(answers.extras(request, Options(cookie_needed=True), cors=True))
    assert found["set-cookie"].startswith("JSESSIONID=")
    assert found["set-cookie"].endswith("; path=/")
    assert found["set-cookie"].count(";") == 1
    for value in found.values():
        assert not set(value) & set("\r\n\0")


@given(header, header)
def test_an_upgrade_that_is_none_is_told_what_is_wrong(connection: str, upgrade: str) -> None:
    assert answers.not_upgrade(connection, upgrade).status == 400


@given(st.text(max_size=30), st.text(max_size=30))
def test_every_origin_is_judged(origin: str, host: str) -> None:
    for page in (origin, f"http://{origin}", page_of(None, origin), page_of(None, f"http://{origin}/")):
        allowed = AllowList()(page, host)
        assert not allowed or page is None or host in page


def test_a_script_url_cannot_leave_its_attribute() -> None:
    page = answers.iframe(Options(script_url='/a"b?c&d'), None, 0.0)
    assert b'src="/a&quot;b?c&amp;d"' in page.body


# --- hixie ---


@given(st.lists(st.text(max_size=20), max_size=5), st.data())
def test_hixie_texts_come_back_whatever_pieces_they_come_in(sent: list[str], data: st.DataObject) -> None:
    wire = b"".join(map(hixie.encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    parser = hixie.Parser(1000)
    found: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += parser.push(wire[start:end])
    assert found == sent
    assert parser.push(hixie.CLOSE + b"more") == []
    assert parser.closed


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\x00", b"\xff", b"\xff\x00"]), max_size=6))
def test_no_hixie_bytes_raise_anything_but_a_violation(pieces: list[bytes]) -> None:
    parser = hixie.Parser(30)
    with suppress(ProtocolViolation):
        for piece in pieces:
            parser.push(piece)


def test_a_hixie_text_has_a_limit_even_before_it_ends() -> None:
    with pytest.raises(FrameTooLarge):
        hixie.Parser(10).push(b"\x00" + b"x" * 11)
    assert hixie.Parser(10).push(b"\x00" + b"x" * 10 + b"\xff") == ["x" * 10]


@given(st.text(st.sampled_from("0123456789 ab"), max_size=14), st.text(max_size=14), st.binary(min_size=8, max_size=8))
def test_hixie_keys_prove_or_violate(first: str, second: str, nonce: bytes) -> None:
    headers = {"origin": "http://a", "host": "h", "sec-websocket-key1": first, "sec-websocket-key2": second}
    handshake = hixie.handshake_of(headers, "ws", "/x")
    assert handshake is not None
    with suppress(ProtocolViolation):
        assert len(handshake.proof(nonce)) == 16


def test_only_hixie_is_taken_for_hixie() -> None:
    assert hixie.handshake_of({"origin": "a", "sec-websocket-key": "k"}, "ws", "/") is None
    assert hixie.handshake_of({"origin": "a", "sec-websocket-version": "13"}, "ws", "/") is None
    assert hixie.handshake_of({"origin": "a", "sec-websocket-key1": "k"}, "ws", "/") is None
    assert hixie.handshake_of({"host": "a"}, "ws", "/") is None


def test_the_protocol_named_in_a_hixie_handshake_is_the_chosen_one() -> None:
    handshake = hixie.Handshake("http://a", "ws://h/x", None)
    assert handshake.head("v10.stomp").endswith(b"WebSocket-Protocol: v10.stomp\r\n\r\n")
