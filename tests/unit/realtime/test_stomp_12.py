"""STOMP 1.2, sections "STOMP Frames" and "Augmented BNF": a test for each sentence that binds a server.

Each test quotes its sentence. The further sections are in test_stomp_12_connecting.py, test_stomp_12_client_frames.py
and test_stomp_12_server_frames.py; what 1.1 and 1.0 say otherwise is in test_stomp_earlier.py.
Text: https://stomp.github.io/stomp-specification-1.2.html

Sentences without a test of their own:

| sentence | why |
| --- | --- |
| "clients SHOULD continue to use the CONNECT command" | binds clients; both commands are taken |
| "clients MUST set … host" | binds clients; one server, no virtual hosts: any host will do, and none |
| "accept-version … SHOULD be … incrementing" | binds clients; any order is read |
| "SEND frames SHOULD include content-length and content-type" | binds clients; without them a body ends at NUL |
| "the client MUST send the server ACK frames" (client modes) | binds clients; nothing waits for ACKs (E10) |
| "in case the client did not process some messages, it SHOULD send NACK" | binds clients |
| "the client SHOULD: send DISCONNECT with a receipt, wait for it, close" | binds clients; our half is tested |
| "if, inside a time window …, the client … MAY consider the connection as dead" | binds the client's half |
| "MAY redeliver the message to another client" | a MAY of queues; here `after` tells again (E10, E13) |
| NACK: "send to a different client, discard it, or … a dead letter queue" | "server specific": it is discarded |
| "a STOMP server MAY 'update' header values by prepending …" | a MAY of relays |
| "the user defined headers MUST be passed through in the MESSAGE frame" | no SEND becomes a MESSAGE |
| "this destination SHOULD be identical to the one … in the SEND frame" | likewise |
| "`;charset=<encoding>` SHOULD get appended to … types which can be interpreted as text" | RFC 8259: JSON has none |
| "binary messages", "alternative encodings for message bodies" | what we send is JSON in UTF-8; what comes is bytes |
| "STOMP servers must be able to support clients which rapidly connect and disconnect" | tests/http/test_rounds.py |
| "previously received frames SHOULD continue to get processed" | tests/http/test_stomp_clients.py, over a socket |
"""

from __future__ import annotations

import pytest
from tests.conversing import error, frame, opened, parsed, read, subscribed

from safelight.errors import FrameTooLarge, ProtocolViolation
from safelight.realtime.session import Send, Session, Subscribe, Terms, Write
from safelight.realtime.stomp import CLIENT_COMMANDS, VERSIONS, Frame, Limits, Parser, encode
from safelight.realtime.subscription import message_tail

# --- Conformance ---


def test_implementations_may_impose_limits_on_unconstrained_inputs() -> None:
    """Conformance: "Implementations may impose implementation-specific limits on unconstrained inputs"."""
    session = opened(terms=Terms(subscriptions=2))
    wire = "".join(frame("SUBSCRIBE", id=str(number), destination="/d") for number in range(3))
    actions = session.receive(wire, 0)
    assert len([action for action in actions if isinstance(action, Subscribe)]) == 2
    assert "at most 2" in (error(actions).get("message") or "")


# --- STOMP Frames ---


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_a_line_ends_in_an_optional_carriage_return_and_a_required_line_feed(eol: str) -> None:
    """STOMP Frames: "an OPTIONAL carriage return (octet 13) followed by a REQUIRED line feed (octet 10)"."""
    assert parsed(f"SEND{eol}a:b{eol}{eol}x\0") == [Frame("SEND", (("a", "b"),), b"x")]


def test_a_carriage_return_alone_ends_no_line() -> None:
    """STOMP Frames, the same sentence: without the line feed nothing has ended."""
    with pytest.raises(ProtocolViolation):
        parsed("SEND\ra:b\r\rx\0\n")


def test_there_are_zero_or_more_header_entries() -> None:
    """STOMP Frames: "Following the command are zero or more header entries in <key>:<value> format"."""
    assert parsed("SEND\n\n\0SEND\na:1\n\n\0SEND\na:1\nb:2\n\n\0") == [
        Frame("SEND"),
        Frame("SEND", (("a", "1"),)),
        Frame("SEND", (("a", "1"), ("b", "2"))),
    ]


def test_a_blank_line_begins_the_body_and_null_ends_it() -> None:
    """STOMP Frames: "A blank line … indicates the end of the headers and the beginning of the body"."""
    assert parsed("SEND\na:b\n\n\nc:d\n\n\0") == [Frame("SEND", (("a", "b"),), b"\nc:d\n\n")]
    with pytest.raises(ProtocolViolation):
        parsed("SEND\na:b\n\0\n")


def test_null_can_be_followed_by_multiple_eols() -> None:
    """STOMP Frames: "The NULL octet can be optionally followed by multiple EOLs"."""
    assert parsed("BEGIN\n\n\0\n\r\n\n\r\nABORT\n\n\0\n\n") == [Frame("BEGIN"), Frame("ABORT")]


@pytest.mark.parametrize("command", ["send", "Send", "sEND"])
def test_commands_are_case_sensitive(command: str) -> None:
    """STOMP Frames: "All commands and header names referenced in this document are case sensitive"."""
    assert error(opened().receive(f"{command}\ndestination:/a\n\n\0", 0)).get("code") == "protocol-violation"


@pytest.mark.parametrize("name", ["Destination", "DESTINATION"])
def test_header_names_are_case_sensitive(name: str) -> None:
    """STOMP Frames, the same sentence: another case is another header."""
    assert "destination" in (error(opened().receive(f"SEND\n{name}:/a\n\n\0", 0)).get("message") or "")


# --- Value Encoding ---


def test_commands_and_headers_are_utf_8() -> None:
    """Value Encoding: "The commands and headers are encoded in UTF-8"."""
    assert parsed("SEND\nnäme:wért ☃\n\n\0")[0].get("näme") == "wért ☃"
    assert encode(Frame("RECEIPT", (("receipt-id", "ü"),)), "1.2").encode() == b"RECEIPT\nreceipt-id:\xc3\xbc\n\n\0"
    for wire in (b"SEND\na:\xff\n\n\0", b"SEND\n\xc3:a\n\n\0", b"S\xc3ND\n\n\0", b"SEND\na:\xed\xa0\x80\n\n\0"):
        with pytest.raises(ProtocolViolation):
            parsed(wire)


@pytest.mark.parametrize("command", ["MESSAGE", "RECEIPT", "ERROR"])
def test_frames_escape_carriage_return_line_feed_and_colon(command: str) -> None:
    """Value Encoding: "All frames except the CONNECT and CONNECTED frames will also escape …"."""
    assert encode(Frame(command, (("k:\r\n", "v:\r\n"),)), "1.2") == f"{command}\nk\\c\\r\\n:v\\c\\r\\n\n\n\0"


def test_a_message_escapes_its_subscription_and_message_id() -> None:
    """Value Encoding, the same sentence: MESSAGE frames are written by another way than the rest."""
    subscription = subscribed(opened(), id="a\\cb\\r\\n\\\\", ack="client")
    text = subscription.message(message_tail("/d", "{}"))
    assert "subscription:a\\cb\\r\\n\\\\\n" in text
    message = read(text)
    assert message.get("subscription") == "a:b\r\n\\"
    assert message.get("message-id") == message.get("ack") == "1@a:b\r\n\\"


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_connect_frames_are_not_escaped(command: str) -> None:
    """Value Encoding: "The CONNECT and CONNECTED frames do not escape the carriage return, line feed or colon"."""
    assert parsed(f"{command}\npasscode:a\\n\\c:\\t\n\n\0")[0].get("passcode") == "a\\n\\c:\\t"
    assert encode(Frame("CONNECTED", (("server", "a:\\b"),)), "1.2") == "CONNECTED\nserver:a:\\b\n\n\0"


@pytest.mark.parametrize(("escaped", "plain"), [(r"\r", "\r"), (r"\n", "\n"), (r"\c", ":"), (r"\\", "\\")])
def test_the_transformations_must_be_applied_when_decoding(escaped: str, plain: str) -> None:
    r"""Value Encoding: "When decoding frame headers, the following transformations MUST be applied: \r \n \c \\"."""
    assert parsed(f"SEND\nk{escaped}:v{escaped}w\n\n\0")[0].headers == ((f"k{plain}", f"v{plain}w"),)


def test_transformations_are_applied_once_from_the_left() -> None:
    r"""Value Encoding, the same sentence: `\\n` is a backslash and an n."""
    assert parsed(r"SEND" + "\n" + r"a:\\n\\\\c\\\n" + "\n\n\0")[0].get("a") == "\\n\\\\c\\\n"


@pytest.mark.parametrize("escape", [r"\t", r"\C", r"\0", r"\ ", r"\é", "\\"])
@pytest.mark.parametrize("place", ["k{}:v", "k:v{}"])
def test_undefined_escape_sequences_must_be_fatal(escape: str, place: str) -> None:
    r"""Value Encoding: "Undefined escape sequences such as \t MUST be treated as a fatal protocol error"."""
    actions = opened().receive(f"SEND\ndestination:/a\n{place.format(escape)}\n\n\0", 0)
    assert error(actions).get("code") == "protocol-violation"


@pytest.mark.parametrize("text", ["\r", "\n", ":", "\\", "\\n", "a:\\\r\n\\c", "\\\\"])
def test_the_reverse_transformation_must_be_applied_when_encoding(text: str) -> None:
    """Value Encoding: "Conversely when encoding frame headers, the reverse transformation MUST be applied"."""
    assert parsed(encode(Frame("ERROR", ((f"k{text}", text),)), "1.2"))[0].headers == ((f"k{text}", text),)


def test_servers_must_never_trim_or_pad_headers() -> None:
    """Value Encoding: "In STOMP 1.2, clients and servers MUST never trim or pad headers with spaces"."""
    (receipt,) = opened().receive("BEGIN\ntransaction: t \nreceipt:  r \t\n\n\0", 0)
    assert receipt == Write("RECEIPT\nreceipt-id:  r \t\n\n\0")
    assert parsed("SEND\n a : b \n\n\0")[0].headers == ((" a ", " b "),)


# --- Body ---


def test_only_send_of_the_clients_frames_may_have_a_body() -> None:
    """Body: "Only the SEND, MESSAGE, and ERROR frames MAY have a body"."""
    (send,) = opened().receive(frame("SEND", "hello", destination="/a"), 0)
    assert isinstance(send, Send)
    assert send.frame.body == b"hello"


@pytest.mark.parametrize("command", sorted(CLIENT_COMMANDS - {"SEND"}))
def test_all_other_frames_must_not_have_a_body(command: str) -> None:
    """Body: "All other frames MUST NOT have a body"."""
    session = Session(0) if command in {"CONNECT", "STOMP"} else opened()
    wire = frame(command, "body", id="s", destination="/d", transaction="t", host="h", accept_version="1.2")
    found = error(session.receive(wire, 0), session.version or "1.0")
    assert "must not have a body" in (found.get("message") or "")


def test_our_other_frames_have_none() -> None:
    """Body, the same sentence, of CONNECTED and RECEIPT."""
    session = opened()
    assert read(session.connected("s", 0)).body == read(session.receipt("r")).body == b""


# --- Standard Headers: content-length ---


@pytest.mark.parametrize("command", sorted(CLIENT_COMMANDS))
def test_all_frames_may_include_a_content_length(command: str) -> None:
    """Header content-length: "All frames MAY include a content-length header"."""
    assert parsed(f"{command}\ncontent-length:0\n\n\0") == [Frame(command, (("content-length", "0"),))]


def test_this_number_of_octets_must_be_read_whatever_they_are() -> None:
    """Header content-length: "this number of octets MUST be read, regardless of whether … there are NULL octets"."""
    for body in (b"\0", b"a\0b\0", b"\0\0\0", "é☃".encode(), b"\xff\xfe", b"\n\n"):
        wire = b"SEND\ncontent-length:%d\n\n%s\0" % (len(body), body)
        assert [each.body for each in parsed(wire * 2)] == [body, body]


def test_the_frame_still_needs_to_be_terminated_with_null() -> None:
    """Header content-length: "The frame still needs to be terminated with a NULL octet"."""
    wire = b"SEND\ndestination:/a\ncontent-length:2\n\nabc\0"
    assert "No NUL" in (error(opened().receive(wire, 0)).get("message") or "")
    assert parsed(b"SEND\ncontent-length:2\n\nab") == []


def test_our_frames_with_a_body_include_a_content_length() -> None:
    """Header content-length: "SEND, MESSAGE and ERROR frames SHOULD include a content-length header"."""
    session = opened()
    message = read(subscribed(session).message(message_tail("/d", '{"a":"ü"}')))
    assert message.get("content-length") == str(len(message.body)) == "10"
    found = error(session.receive("BOOM\n", 0))
    assert found.get("content-length") == str(len(found.body))


def test_a_body_with_null_must_include_a_content_length() -> None:
    """Header content-length: "If the frame body contains NULL octets, the frame MUST include a content-length"."""
    sent = Frame("ERROR", (), b"a\0b")
    (found,) = parsed(encode(sent, "1.2"))
    assert (found.body, found.get("content-length")) == (b"a\0b", "3")


# --- Standard Headers: content-type ---


def test_our_frames_with_a_body_include_a_content_type_that_is_a_mime_type() -> None:
    """Header content-type: "SHOULD include a content-type header"; "its value MUST be a MIME type"."""
    session = opened()
    assert read(subscribed(session).message(message_tail("/d", "{}"))).get("content-type") == "application/json"
    assert error(session.receive("BOOM\n", 0)).get("content-type") == "application/problem+json"


@pytest.mark.parametrize("header", ["", "content-type:text/plain\n", "content-type:application/octet-stream\n"])
def test_without_a_content_type_a_body_is_a_binary_blob(header: str) -> None:
    """Header content-type: "Otherwise, the receiver SHOULD consider the body to be a binary blob"."""
    wire = f"SEND\ndestination:/a\n{header}content-length:3\n\n".encode() + b"\xff\0\xfe\0"
    (send,) = opened().receive(wire, 0)
    assert isinstance(send, Send)
    assert send.frame.body == b"\xff\0\xfe"


def test_servers_must_support_utf_8() -> None:
    """Header content-type: "All STOMP clients and servers MUST support UTF-8 encoding and decoding"."""
    body = '{"name":"naïve ☃ 写真 \N{CAMERA}"}'
    assert parsed(f"SEND\n\n{body}\0")[0].body.decode() == body
    assert read(subscribed(opened()).message(message_tail("/d", body))).body.decode() == body


# --- Standard Headers: receipt ---


@pytest.mark.parametrize("receipt", ["77", "a b", "ü☃", r"a\cb", r"\r\n\\", "", "0"])
def test_a_receipt_may_have_an_arbitrary_value(receipt: str) -> None:
    """Header receipt: "Any client frame other than CONNECT MAY specify a receipt header with an arbitrary value"."""
    (answer,) = opened().receive(f"BEGIN\ntransaction:t\nreceipt:{receipt}\n\n\0", 0)
    assert answer == Write(f"RECEIPT\nreceipt-id:{receipt}\n\n\0")


RECEIPTS = {
    "SEND": {"destination": "/a"},
    "UNSUBSCRIBE": {"id": "s"},
    "ACK": {"id": "1@s"},
    "NACK": {"id": "1@s"},
    "BEGIN": {"transaction": "new"},
    "COMMIT": {"transaction": "t"},
    "ABORT": {"transaction": "t"},
    "DISCONNECT": {},
}


@pytest.mark.parametrize("command", sorted(RECEIPTS))
def test_every_frame_that_asks_is_acknowledged(command: str) -> None:
    """Header receipt: "This will cause the server to acknowledge the processing of the client frame"."""
    session = opened()
    subscribed(session).message(message_tail("/d", "{}"))
    session.receive(frame("BEGIN", transaction="t"), 0)
    actions = session.receive(frame(command, **RECEIPTS[command], receipt="r"), 0)
    assert actions.count(Write("RECEIPT\nreceipt-id:r\n\n\0")) == 1


def test_a_subscribe_that_asks_hands_its_receipt_to_the_shell() -> None:
    """Header receipt, of SUBSCRIBE: it is answered once the place in the topic is known (E6, test_live.py)."""
    (action,) = opened().receive(frame("SUBSCRIBE", id="s", destination="/d", receipt="r"), 0)
    assert isinstance(action, Subscribe)
    assert action.receipt == "r"


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_connect_has_no_receipt(command: str) -> None:
    """Header receipt, the same sentence: "other than CONNECT"."""
    session = Session(0)
    (action,) = session.receive(frame(command, accept_version="1.2", host="h", receipt="r"), 0)
    assert not isinstance(action, Write)
    assert read(session.connected("s", 0)).get("receipt-id") is None


# --- Repeated Header Entries ---


def test_of_repeated_header_entries_only_the_first_should_be_used() -> None:
    """Repeated Header Entries: "only the first header entry SHOULD be used as the value of header entry"."""
    wire = "SEND\ndestination:/a\ncontent-length:3\nreceipt:1\ndestination:/b\ncontent-length:x\nreceipt:2\n\na\0b\0"
    send, receipt = opened().receive(wire, 0)
    assert isinstance(send, Send)
    assert (send.destination, send.frame.body) == ("/a", b"a\0b")
    assert receipt == Write("RECEIPT\nreceipt-id:1\n\n\0")


# --- Size Limits ---


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param("SEND\n" + "a:b\n" * 65, id="the number of frame headers allowed in a single frame"),
        pytest.param("SEND\na:" + "b" * 8 * 1024, id="the maximum length of header lines"),
        pytest.param("SEND\ndestination:/a\n\n" + "b" * (256 * 1024 + 1), id="the maximum size of a frame body"),
        pytest.param(f"SEND\ncontent-length:{256 * 1024 + 1}\n\n", id="the maximum size of a frame body, announced"),
    ],
)
def test_if_limits_are_exceeded_the_server_should_send_an_error_and_close(wire: str) -> None:
    """Size Limits: "If these limits are exceeded the server SHOULD send the client an ERROR frame and then close"."""
    assert error(opened().receive(wire, 0)).get("code") == "frame-too-large"


@pytest.mark.parametrize("piece", [1, 1000])
def test_servers_may_place_limits_and_hold_no_more(piece: int) -> None:
    """Size Limits: "To prevent malicious clients from exploiting memory allocation": refused before it is whole."""
    parser, sent = Parser(Limits(headers=4, line=100, body=100)), 0

    def push_for_ever() -> None:
        nonlocal sent
        while sent < 10_000:
            parser.push(b"A" * piece)
            sent += piece
            parser.pop()

    with pytest.raises(FrameTooLarge):
        push_for_ever()
    assert sent <= 101 + piece


# --- Augmented BNF ---


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param("SEND\n:b\n\n\0", id="header-name is at least one octet"),
        pytest.param("SEND\nab\n\n\0", id="header has a colon"),
        pytest.param("SEND\na:b\rc\n\n\0", id="no bare CR in a header-value"),
        pytest.param("SEND\na\rb:c\n\n\0", id="no bare CR in a header-name"),
        pytest.param("SEND \n\n\0", id="command is the whole line"),
        pytest.param("HELLO\n\n\0", id="command is one of these"),
        pytest.param("SEND\n\n\0x\n\n\0", id="only EOLs between frames"),
        pytest.param("SEND\n\n\0 SEND\n\n\0", id="no spaces between frames"),
        pytest.param("\0\n", id="a frame has a command"),
    ],
)
def test_what_the_grammar_does_not_have_is_refused(wire: str) -> None:
    """Augmented BNF: "frame-stream = 1*frame"; "header-name = 1*<any OCTET except CR or LF or ":">"."""
    with pytest.raises(ProtocolViolation):
        parsed(wire)


def test_a_header_value_may_be_empty() -> None:
    """Augmented BNF: "header-value = *<any OCTET except CR or LF or ":">"."""
    assert parsed("SEND\na:\n\n\0")[0].get("a") == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_colon_that_was_not_escaped_is_borne(version: str) -> None:
    """Augmented BNF, the same rule: many clients do not escape, and the first colon alone divides."""
    assert parsed("SEND\ndestination:/a:b\n\n\0", version)[0].get("destination") == "/a:b"
