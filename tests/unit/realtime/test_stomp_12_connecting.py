"""STOMP 1.2, section "Connecting": see test_stomp_12.py for what is tested and how it is named."""

from __future__ import annotations

import re

import pytest
from tests.conversing import error, frame, opened, read

from safelight.errors import Unauthenticated
from safelight.realtime.session import Close, Connect, Send, Session, Terms, Write

TERMS = Terms(heart_beat=10_000, grace=5_000)


def connect(**headers: str) -> Session:
    """A session that took this CONNECT, and is connected."""
    session = Session(0, TERMS)
    (action,) = session.receive(frame("CONNECT", **headers), 0)
    assert isinstance(action, Connect)
    return session


# --- the connection attempt ---


def test_the_server_responds_with_a_connected_frame() -> None:
    """Connecting: "If the server accepts the connection attempt it will respond with a CONNECTED frame"."""
    connected = read(connect(accept_version="1.2", host="stomp.github.org").connected("abc", 0))
    assert (connected.command, connected.get("version")) == ("CONNECTED", "1.2")


def test_a_rejection_should_explain_why_and_close() -> None:
    """Connecting: "The server SHOULD respond back with an ERROR frame explaining why … and then close"."""
    session = connect(accept_version="1.2", host="h", passcode="wrong")
    found = error(session.fail(Unauthenticated("This token is not valid.")))
    assert found.get("message") == "This token is not valid."
    assert session.closed


@pytest.mark.parametrize("wire", [frame("SEND", destination="/a"), frame("DISCONNECT"), frame("ACK", id="1@s")])
def test_the_conversation_begins_with_connect(wire: str) -> None:
    """Connecting: "A STOMP client initiates the stream … by sending the CONNECT frame"."""
    assert "before CONNECT" in (error(Session(0).receive(wire, 0), "1.0").get("message") or "")


def test_what_follows_connect_unasked_waits_for_its_answer() -> None:
    """Connecting, the same sentence: a client may send on at once; the token is looked at first."""
    wire = frame("CONNECT", accept_version="1.2", host="h") + frame("SEND", destination="/a")
    first, second = Session(0).receive(wire, 0)
    assert first == Connect(None)
    assert isinstance(second, Send)


# --- CONNECT or STOMP Frame ---


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_servers_must_handle_a_stomp_frame_like_connect(version: str) -> None:
    """CONNECT or STOMP Frame: "MUST handle a STOMP frame in the same manner as a CONNECT frame"."""
    said = {"accept_version": version, "host": "h", "heart_beat": "20000,30000", "passcode": "a\\c:b"}
    answers, sessions = [], []
    for command in ("CONNECT", "STOMP"):
        session = Session(0, TERMS)
        answers.append((session.receive(frame(command, **said), 0), session.connected("s", 0)))
        sessions.append(session)
    assert answers[0] == answers[1]
    assert sessions[0].tick(15_000) == sessions[1].tick(15_000)


@pytest.mark.parametrize("headers", [{"host": "photos.example"}, {"host": ""}, {"host": "/"}, {}])
def test_any_virtual_host_is_the_default_one(headers: dict[str, str]) -> None:
    """CONNECT or STOMP Frame, host: "servers supporting virtual hosting MAY select a default virtual host"."""
    assert Session(0).receive(frame("CONNECT", accept_version="1.2", **headers), 0) == [Connect(None)]


def test_login_and_passcode_may_be_set() -> None:
    """CONNECT or STOMP Frame: "passcode: The password used to authenticate"; the token is ours, login is not needed."""
    wire = frame("CONNECT", accept_version="1.2", host="h", login="guest", passcode="token")
    assert Session(0).receive(wire, 0) == [Connect("token")]


def test_a_passcode_is_not_trimmed() -> None:
    """Value Encoding, of CONNECT in 1.2: "MUST never trim or pad headers with spaces"."""
    wire = frame("CONNECT", accept_version="1.2", host="h", passcode=" token ")
    assert Session(0).receive(wire, 0) == [Connect(" token ")]


# --- CONNECTED Frame ---


def test_connected_must_set_version() -> None:
    """CONNECTED Frame: "STOMP 1.2 servers MUST set the following headers: version"."""
    for version in ("1.1", "1.2"):
        session = connect(accept_version=version, host="h")
        assert read(session.connected("s", 0)).get("version") == session.version == version


def test_the_session_identifies_the_session() -> None:
    """CONNECTED Frame: "session: A session identifier that uniquely identifies the session" (the connection's id)."""
    assert read(connect(accept_version="1.2", host="h").connected("7f", 0)).get("session") == "7f"


def test_the_server_field_must_contain_a_server_name() -> None:
    """CONNECTED Frame: "The field MUST contain a server-name field": name ["/" version] *(comment)."""
    server = read(connect(accept_version="1.2", host="h").connected("s", 0)).get("server") or ""
    assert re.fullmatch(r"[!#-'*+.0-9A-Z^-z|~-]+(/[0-9.]+)?( .+)*", server)


# --- Protocol Negotiation ---


def test_a_missing_accept_version_means_1_0() -> None:
    """Protocol Negotiation: "If the accept-version header is missing, … the client only supports version 1.0"."""
    connected = connect(login="", passcode="").connected("s", 0)
    assert read(connected, "1.0").get("version") == "1.0"


@pytest.mark.parametrize(
    ("accepted", "version"),
    [("1.0,1.1,2.0", "1.1"), ("1.0,1.1,1.2", "1.2"), ("1.2,1.1,1.0", "1.2"), ("1.2", "1.2"), ("0.9,1.0,99", "1.0")],
)
def test_the_highest_version_in_common_is_used(accepted: str, version: str) -> None:
    """Protocol Negotiation: "the highest protocol version that both the client and server have in common"."""
    assert read(connect(accept_version=accepted, host="h").connected("s", 0)).get("version") == version


def test_that_version_is_used_for_the_rest_of_the_session() -> None:
    """Protocol Negotiation: "The protocol that will be used for the rest of the session"."""
    escaped = frame("BEGIN", transaction=r"\r")
    for accepted, known in (("1.0,1.1", False), ("1.1,1.2", True)):
        session = connect(accept_version=accepted, host="h")
        session.connected("s", 0)
        assert (session.receive(escaped, 0) == []) == known


@pytest.mark.parametrize("accepted", ["2.1", "", "1.20", "1", "x", "1.2;1.1", "٢.١"])
def test_no_common_version_must_be_an_error_that_lists_ours(accepted: str) -> None:
    """Protocol Negotiation: "the server MUST respond with an ERROR frame similar to the following and then close"."""
    found = error(Session(0).receive(frame("CONNECT", accept_version=accepted, host="h"), 0), "1.0")
    assert found.get("version") == "1.0,1.1,1.2"
    assert found.get("message") == "Supported protocol versions are 1.0, 1.1, 1.2."


def test_after_that_error_the_session_is_closed() -> None:
    """Protocol Negotiation, the same sentence: "and then close the connection"."""
    session = Session(0)
    *_, close = session.receive(frame("CONNECT", accept_version="3.0", host="h"), 0)
    assert isinstance(close, Close)
    assert session.receive(frame("CONNECT", accept_version="1.2", host="h"), 0) == []


# --- Heart-beating ---


def beats(cx_cy: str | None) -> Session:
    """A connected session of a client that sent this heart-beat header, at time 0."""
    headers = {} if cx_cy is None else {"heart_beat": cx_cy}
    session = connect(accept_version="1.2", host="h", **headers)
    session.connected("s", 0)
    return session


def first_beat(session: Session) -> int | None:
    """When the first heart-beat goes out, in milliseconds; None where none does in ten minutes."""
    return next((now for now in range(0, 600_000, 500) if session.tick(now) == [Write("\n")]), None)


def given_up(session: Session) -> int | None:
    """When a silent client is given up; None where it is not in ten minutes."""
    return next((now for now in range(0, 600_000, 500) if any(isinstance(a, Close) for a in session.tick(now))), None)


def test_each_party_declares_itself_by_a_heart_beat_header() -> None:
    """Heart-beating: "MUST contain two positive integers separated by a comma": what we can, what we want."""
    connected = read(beats("0,0").connected("s", 0))
    assert connected.get("heart-beat") == "10000,10000"


@pytest.mark.parametrize("value", ["1", "1,", ",1", "a,b", "1;2", "-1,0", "1.5,0", "1,2,3", "", "٣,٣"])
def test_a_heart_beat_header_of_another_form_is_an_error(value: str) -> None:
    """Heart-beating: "When used, the heart-beat header MUST contain two positive integers separated by a comma"."""
    wire = f"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:{value}\n\n\0"
    assert "heart-beat" in (error(Session(0).receive(wire, 0), "1.0").get("message") or "")


def test_a_missing_header_must_be_treated_as_0_0() -> None:
    """Heart-beating: "A missing heart-beat header MUST be treated the same way as a "heart-beat:0,0" header"."""
    for header in (None, "0,0"):
        assert first_beat(beats(header)) is None
        assert given_up(beats(header)) is None


def test_who_cannot_send_is_not_expected_to() -> None:
    """Heart-beating: "if <cx> is 0 … or <sy> is 0 … then there will be none"."""
    assert given_up(beats("0,10000")) is None
    session = Session(0, Terms(heart_beat=0))
    session.receive(frame("CONNECT", accept_version="1.2", host="h", heart_beat="10,10"), 0)
    assert read(session.connected("s", 0)).get("heart-beat") == "0,0"
    assert given_up(session) is None
    assert first_beat(session) is None


def test_who_wants_none_gets_none() -> None:
    """Heart-beating, the same in the other direction: "<sx> and <cy> are used the same way"."""
    assert first_beat(beats("10000,0")) is None


@pytest.mark.parametrize(("cx", "interval"), [(1, 10_000), (10_000, 10_000), (30_000, 30_000)])
def test_they_are_expected_every_max_cx_sy_milliseconds(cx: int, interval: int) -> None:
    """Heart-beating: "otherwise, there will be heart-beats every MAX(<cx>,<sy>) milliseconds"."""
    assert given_up(beats(f"{cx},0")) == interval + TERMS.grace + 500


@pytest.mark.parametrize(("cy", "interval"), [(1, 10_000), (10_000, 10_000), (30_000, 30_000)])
def test_the_sender_must_send_at_least_every_n_milliseconds(cy: int, interval: int) -> None:
    """Heart-beating: "the sender MUST send new data over the network connection at least every <n> milliseconds"."""
    session, last = beats(f"0,{cy}"), 0
    for now in range(0, 300_000, 1_000):  # the shell ticks once a second
        if session.tick(now):
            session.wrote(now)
            assert now - last <= interval
            last = now
    assert last > 300_000 - interval


def test_without_a_real_frame_it_must_send_an_eol() -> None:
    """Heart-beating: "if the sender has no real STOMP frame to send, it MUST send an end-of-line (EOL)"."""
    assert beats("0,10000").tick(9_999) == [Write("\n")]


def test_with_a_real_frame_it_need_not() -> None:
    """Heart-beating, the same sentence: what was written counts."""
    session = beats("0,10000")
    session.wrote(9_000)
    assert session.tick(9_999) == []


@pytest.mark.parametrize(
    "data", ["\n", "\r\n", "S", frame("SEND", destination="/a"), "END\ndestination:/a\n\nhalf a bo"]
)
def test_any_new_data_indicates_that_the_remote_end_is_alive(data: str) -> None:
    """Heart-beating: "any new data received over the network connection is an indication that [it] is alive"."""
    session = beats("10000,0")
    if data.startswith("END"):
        session.receive("S", 0)
    session.receive(data, 14_000)
    assert not any(isinstance(action, Close) for action in session.tick(14_000 + 10_000))


def test_a_silent_receiver_may_consider_the_connection_as_dead() -> None:
    """Heart-beating: "if, inside a time window of at least <n> milliseconds, the receiver did not receive any …"."""
    assert error(beats("10000,0").tick(100_000)).get("code") == "peer-silent"


def test_the_receiver_should_be_tolerant() -> None:
    """Heart-beating: "because of timing inaccuracies, the receiver SHOULD be tolerant and take … an error margin"."""
    session = beats("10000,0")
    assert session.tick(10_000) == session.tick(10_000 + TERMS.grace) == []


def test_before_connected_there_are_none() -> None:
    """Heart-beating: "This happens at the very beginning of the STOMP session": they follow from CONNECTED."""
    session = Session(0, TERMS)
    session.receive(frame("CONNECT", accept_version="1.2", host="h", heart_beat="1,1"), 0)
    assert session.tick(9_000) == []


def test_a_second_connect_is_refused() -> None:
    """Frames and Headers: CONNECT opens a session; one that is open has agreed on its terms."""
    for command in ("CONNECT", "STOMP"):
        found = error(opened().receive(frame(command, accept_version="1.1", host="h"), 0))
        assert "connected already" in (found.get("message") or "")
