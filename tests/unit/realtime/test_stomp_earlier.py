"""STOMP 1.1 and 1.0: the sentences that bind a server and say otherwise than 1.2 (test_stomp_12.py).

Texts: https://stomp.github.io/stomp-specification-1.1.html and …-1.0.html. Borne in both, as the BNF of neither has it:
a carriage return at the end of a line, which is taken for part of the line's end as in 1.2.
"""

from __future__ import annotations

import pytest
from tests.conversing import error, frame, opened, parsed, read, subscribed

from safelight.errors import ProtocolViolation
from safelight.realtime.session import Connect, Session, Subscribe, Terms, Unsubscribe, Write
from safelight.realtime.stomp import Frame, encode
from safelight.realtime.subscription import message_tail

EARLIER = ["1.1", "1.0"]


# --- 1.1 ---


@pytest.mark.parametrize(("escaped", "plain"), [(r"\n", "\n"), (r"\c", ":"), (r"\\", "\\")])
def test_1_1_has_three_escapes(escaped: str, plain: str) -> None:
    """1.1, Value Encoding: "the following transformations MUST be applied": all but the carriage return."""
    assert parsed(f"SEND\nk{escaped}:v{escaped}\n\n\0", "1.1")[0].headers == ((f"k{plain}", f"v{plain}"),)
    assert f"k{escaped}:v{escaped}\n" in encode(Frame("ERROR", ((f"k{plain}", f"v{plain}"),)), "1.1")


@pytest.mark.parametrize("escape", [r"\r", r"\t", "\\"])
def test_1_1_undefined_escape_sequences_must_be_fatal(escape: str) -> None:
    r"""1.1, Value Encoding: "Undefined escape sequences such as \r … MUST be treated as a fatal protocol error"."""
    wire = f"SEND\ndestination:/a\na:{escape}\n\n\0"
    assert error(opened("1.1").receive(wire, 0), "1.1").get("code") == "protocol-violation"


def test_1_1_must_never_trim() -> None:
    """1.1, Value Encoding: "In STOMP 1.1, clients and servers MUST never trim or pad headers with spaces"."""
    (receipt,) = opened("1.1").receive("BEGIN\ntransaction:t\nreceipt: r \n\n\0", 0)
    assert receipt == Write("RECEIPT\nreceipt-id: r \n\n\0")


def test_1_1_other_frames_must_not_have_a_body() -> None:
    """1.1, Value Encoding: "All other frames MUST NOT have a body"."""
    wire = frame("SUBSCRIBE", "body", id="s", destination="/d")
    assert error(opened("1.1").receive(wire, 0), "1.1").get("code") == "protocol-violation"


def test_1_1_should_handle_a_stomp_frame_like_connect() -> None:
    """1.1, CONNECT or STOMP Frame: "STOMP servers SHOULD handle a STOMP frame in the same manner as CONNECT"."""
    session = Session(0)
    assert session.receive(frame("STOMP", accept_version="1.1", host="h", passcode="t"), 0) == [Connect("t")]
    assert read(session.connected("s", 0), "1.1").get("version") == "1.1"


def test_1_1_subscribe_must_include_an_id() -> None:
    """1.1, SUBSCRIBE id Header: "An id header MUST be included in the frame"."""
    found = error(opened("1.1").receive(frame("SUBSCRIBE", destination="/d"), 0), "1.1")
    assert "id" in (found.get("message") or "")


def test_1_1_unsubscribe_requires_the_id() -> None:
    """1.1, UNSUBSCRIBE: "It requires that the id header matches the id value of previous SUBSCRIBE operation"."""
    for headers in ({"destination": "/d"}, {"id": "t"}):
        session = opened("1.1")
        subscribed(session)
        assert error(session.receive(frame("UNSUBSCRIBE", **headers), 0), "1.1").get("code") == "protocol-violation"


@pytest.mark.parametrize("name", ["s", r"a\cb", "1@x", " s "])
@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_1_1_ack_has_two_required_headers(command: str, name: str) -> None:
    """1.1, ACK: "two REQUIRED headers: message-id, … and subscription"; NACK: "takes the same headers"."""
    session = opened("1.1")
    text = subscribed(session, id=name, ack="client").message(message_tail("/d", "{}"))
    (line,) = [line for line in text.split("\n") if line.startswith("message-id:")]
    assert session.receive(f"{command}\n{line}\nsubscription:{name}\n\n\0", 0) == []


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize(
    "headers",
    [
        {"message_id": "1@s"},
        {"subscription": "s"},
        {"id": "1@s"},
        {"message_id": "1@s", "subscription": "t"},
        {"message_id": "2@s", "subscription": "s"},
        {"message_id": "1", "subscription": "s"},
    ],
)
def test_1_1_both_must_match(command: str, headers: dict[str, str]) -> None:
    """1.1, ACK: "MUST contain a value matching the message-id", "MUST be set to match … the subscription's id"."""
    session = opened("1.1")
    subscribed(session, ack="client").message(message_tail("/d", "{}"))
    assert error(session.receive(frame(command, **headers), 0), "1.1").get("code") == "protocol-violation"


@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_1_1_message_has_no_ack_header(mode: str) -> None:
    """1.1, MESSAGE: destination, message-id and subscription; the ack header came with 1.2."""
    found = read(subscribed(opened("1.1"), ack=mode).message(message_tail("/d", "{}")), "1.1")
    assert [name for name, _ in found.headers][:3] == ["subscription", "message-id", "destination"]
    assert found.get("ack") is None


def test_1_1_heart_beats_are_a_single_newline() -> None:
    """1.1, Heart-beating: "it MUST send a single newline byte (0x0A)"."""
    assert opened("1.1", "0,10000").tick(9_999) == [Write("\n")]


# --- 1.0 ---


def test_1_0_the_server_acknowledges_with_a_session() -> None:
    """1.0: "the server will always acknowledge the connection, by sending" CONNECTED with a session header."""
    session = Session(0)
    session.receive("CONNECT\nlogin: user\npasscode:t\n\n\0", 0)
    connected = read(session.connected("abc", 0), "1.0")
    assert (connected.command, connected.get("session")) == ("CONNECTED", "abc")


def test_1_0_headers_may_be_padded() -> None:
    """1.0, in most examples: "login: <username>", "destination: /queue/foo"."""
    session = Session(0)
    assert session.receive("CONNECT\nlogin: user\npasscode: token \n\n\0", 0) == [Connect("token")]
    session.connected("s", 0)
    (action,) = session.receive("SUBSCRIBE\ndestination: /queue/foo\nack: client\nid: 1\n\n\0", 0)
    assert isinstance(action, Subscribe)
    assert (action.subscription.destination, action.subscription.ack) == ("/queue/foo", "client")


def test_1_0_nothing_is_escaped() -> None:
    """1.0, BNF: "header-value = 1*<any CHAR except LF>": colons stand, and a backslash is one."""
    assert parsed("SEND\na:b:c\\n\\t\\\n\n\0", "1.0")[0].get("a") == "b:c\\n\\t\\"
    assert encode(Frame("RECEIPT", (("receipt-id", "b:c\\n\\t"),)), "1.0") == "RECEIPT\nreceipt-id:b:c\\n\\t\n\n\0"


def test_1_0_the_body_of_subscribe_is_ignored() -> None:
    """1.0, SUBSCRIBE: "The body of the SUBSCRIBE command is ignored"."""
    (action,) = opened("1.0").receive(frame("SUBSCRIBE", "body", destination="/d"), 0)
    assert isinstance(action, Subscribe)


def test_1_0_ack_modes_are_auto_and_client() -> None:
    """1.0, SUBSCRIBE: "The valid values for ack are auto (the default …) and client"."""
    assert subscribed(opened("1.0")).ack == "auto"
    assert subscribed(opened("1.0"), ack="client").ack == "client"
    wire = frame("SUBSCRIBE", destination="/d", ack="client-individual")
    assert "ack mode" in (error(opened("1.0").receive(wire, 0), "1.0").get("message") or "")


def test_1_0_with_an_id_messages_bear_a_subscription() -> None:
    """1.0, SUBSCRIBE: "If an id header is supplied then Stomp brokers should append a subscription header"."""
    session = opened("1.0")
    assert read(subscribed(session, id="1").message(message_tail("/d", "{}")), "1.0").get("subscription") == "1"
    (action,) = session.receive(frame("SUBSCRIBE", destination="/d"), 0)
    assert isinstance(action, Subscribe)
    assert read(action.subscription.message(message_tail("/d", "{}")), "1.0").get("subscription") is None


def test_1_0_unsubscribe_requires_either_a_destination_or_an_id() -> None:
    """1.0, UNSUBSCRIBE: "It requires either a destination header or an id header"."""
    session = opened("1.0", terms=Terms())
    session.receive(frame("SUBSCRIBE", destination="/a"), 0)
    for name, destination in (("1", "/b"), ("2", "/b"), ("3", "/c")):
        subscribed(session, id=name, destination=destination)
    assert session.receive(frame("UNSUBSCRIBE", destination="/a"), 0) == [Unsubscribe(" /a")]
    assert session.receive(frame("UNSUBSCRIBE", id="3"), 0) == [Unsubscribe("3")]
    # "to no longer receive messages from that destination"
    assert session.receive(frame("UNSUBSCRIBE", destination="/b"), 0) == [Unsubscribe("1"), Unsubscribe("2")]
    assert session.subscriptions == {}
    assert error(session.receive(frame("UNSUBSCRIBE"), 0), "1.0").get("code") == "protocol-violation"


@pytest.mark.parametrize("headers", [{"id": "s"}, {}])
def test_1_0_ack_has_one_required_header(headers: dict[str, str]) -> None:
    """1.0, ACK: "one required header, message-id, which must contain a value matching the message-id"."""
    session = opened("1.0")
    (action,) = session.receive(frame("SUBSCRIBE", destination="/d", ack="client", **headers), 0)
    assert isinstance(action, Subscribe)
    name = read(action.subscription.message(message_tail("/d", "{}")), "1.0").get("message-id") or ""
    session.receive(frame("BEGIN", transaction="t"), 0)
    assert session.receive(frame("ACK", message_id=name, transaction="t"), 0) == []
    assert session.receive(f"ACK\nmessage-id: {name}\n\n\0", 0) == []
    assert error(session.receive(frame("ACK", message_id=f"9{name}"), 0), "1.0").get("code") == "protocol-violation"


def test_1_0_has_no_nack() -> None:
    """1.0, BNF: client-command has no NACK."""
    session = opened("1.0")
    subscribed(session, ack="client").message(message_tail("/d", "{}"))
    assert "NACK" in (error(session.receive(frame("NACK", message_id="1@s"), 0), "1.0").get("message") or "")


def test_1_0_has_no_heart_beats() -> None:
    """1.0 has no such section: none is offered, sent or expected, whatever CONNECT says."""
    session = opened("1.0", "10000,10000")
    assert read(session.connected("s", 0), "1.0").get("heart-beat") is None
    assert session.tick(10**9) == []


# --- both ---


@pytest.mark.parametrize("version", EARLIER)
def test_earlier_transactions_are_as_in_1_2(version: str) -> None:
    """1.1 and 1.0, BEGIN: "any messages sent or acknowledged during a transaction will be handled atomically"."""
    session = opened(version)
    session.receive(frame("BEGIN", transaction="t") + frame("SEND", "1", destination="/a", transaction="t"), 0)
    assert len(session.receive(frame("COMMIT", transaction="t"), 0)) == 1
    assert error(session.receive(frame("ABORT", transaction="t"), 0), version).get("code") == "protocol-violation"


@pytest.mark.parametrize("version", EARLIER)
def test_earlier_receipts_are_as_in_1_2(version: str) -> None:
    """1.1 and 1.0, receipt: "Any client frame other than CONNECT may specify a receipt header"; its body is empty."""
    (receipt,) = opened(version).receive(frame("BEGIN", transaction="t", receipt="message-12345"), 0)
    assert receipt == Write("RECEIPT\nreceipt-id:message-12345\n\n\0")


@pytest.mark.parametrize("version", EARLIER)
def test_earlier_bodies_are_as_in_1_2(version: str) -> None:
    """1.1 and 1.0, content-length: "this number of bytes should be read, regardless of … null characters"."""
    wire = b"SEND\ncontent-length:3\n\na\0b\0SEND\n\nab\0"
    assert [each.body for each in parsed(wire, version)] == [b"a\0b", b"ab"]
    with pytest.raises(ProtocolViolation):
        parsed(b"SEND\ncontent-length:2\n\na\0b\0", version)


@pytest.mark.parametrize("version", EARLIER)
def test_earlier_errors_have_a_message(version: str) -> None:
    """1.1 and 1.0, ERROR: "should contain a message header with a short description of the error"."""
    found = error(opened(version).receive("SEND\nreceipt:r\n\n\0", 0), version)
    assert found.get("message") == "A SEND frame needs the header destination."
    assert found.get("receipt-id") == "r"
    assert found.get("content-length") == str(len(found.body))


@pytest.mark.parametrize("version", EARLIER)
def test_earlier_lines_may_end_as_in_1_2(version: str) -> None:
    """1.1 and 1.0, BNF: lines end in LF; a carriage return before it is borne."""
    assert parsed("SEND\r\na:b\r\n\r\nx\0", version) == [Frame("SEND", (("a", "b"),), b"x")]
