"""STOMP 1.2, sections "Server Frames" and "Frames and Headers": see test_stomp_12.py for what is tested and how."""

from __future__ import annotations

import json

import pytest
from tests.conversing import error, frame, opened, read, subscribed, written

from safelight.errors import FieldError, Invalid, NotFound, TooManyConnections
from safelight.realtime.feed import Batch, Event
from safelight.realtime.messages import messages
from safelight.realtime.session import Close, Session, Subscribe, Write
from safelight.realtime.stomp import VERSIONS, Frame, Limits, Parser
from safelight.realtime.subscription import message_tail


def event(seq: int) -> Event:
    """A durable event as the hub has it."""
    body = {"jobId": "job_a", "photoId": "ph_a", "status": "QUEUED", "progressPercent": 0, "seq": seq}
    return Event.parse(json.dumps(body).encode())


def frames_of(text: str, version: str = "1.2") -> list[Frame]:
    """All frames of one message of the transport."""
    parser = Parser(Limits(body=10**7), version)
    parser.push(text.encode())
    return list(iter(parser.pop, None))


def test_these_frames_may_be_message_receipt_or_error() -> None:
    """Server Frames: "These frames MAY be one of: MESSAGE, RECEIPT, ERROR" (in addition to CONNECTED)."""
    session = opened()
    said = [session.connected("s", 0), session.receipt("r")]
    said.append(subscribed(session).message(message_tail("/d", "{}")))
    said += [action.data for action in session.receive("BOOM\n", 0) if isinstance(action, Write)]
    assert [read(text).command for text in said] == ["CONNECTED", "RECEIPT", "MESSAGE", "ERROR"]


# --- MESSAGE ---


@pytest.mark.parametrize("suffix", ["", "/batch"])
def test_message_must_include_the_destination(suffix: str) -> None:
    """MESSAGE: "The MESSAGE frame MUST include a destination header indicating the destination …"."""
    subscription = subscribed(opened(), destination=f"/topic/job/job_a{suffix}")
    for text in messages(subscription, Batch([event(1), event(2)]), (("recovered", "replay"), ("seq", "2"))):
        for found in frames_of(text):
            assert found.get("destination") == f"/topic/job/job_a{suffix}"


def test_message_must_contain_a_unique_message_id() -> None:
    """MESSAGE: "MUST also contain a message-id header with a unique identifier for that message"."""
    session = opened()
    subscriptions = [subscribed(session, id=name) for name in ("1", "2", "1@2")]
    seen = [read(each.message(message_tail("/d", "{}"))).get("message-id") for each in subscriptions * 50]
    assert None not in seen
    assert len(set(seen)) == 150


@pytest.mark.parametrize("name", ["0", "a b", " s ", r"a\cb", r"\\\r\n", "ü☃"])
def test_message_must_contain_the_matching_subscription(name: str) -> None:
    """MESSAGE: "and a subscription header matching the identifier of the subscription"."""
    session = opened()
    subscription = subscribed(session, id=name)
    assert f"\nsubscription:{name}\n" in subscription.message(message_tail("/d", "{}"))


@pytest.mark.parametrize("mode", ["client", "client-individual"])
@pytest.mark.parametrize("name", ["0", r"a\cb", "1@x", " s "])
def test_message_must_contain_an_ack_header_in_the_client_modes(mode: str, name: str) -> None:
    """MESSAGE: "then the MESSAGE frame MUST also contain an ack header", which ACK and NACK give back as it is."""
    session = opened()
    text = subscribed(session, id=name, ack=mode).message(message_tail("/d", "{}"))
    (line,) = [line for line in text.split("\n") if line.startswith("ack:")]
    for command in ("ACK", "NACK"):
        assert session.receive(f"{command}\nid:{line.removeprefix('ack:')}\n\n\0", 0) == []


def test_the_body_contains_the_contents() -> None:
    """MESSAGE: "The frame body contains the contents of the message"."""
    body = '{"filename":"a\\u0000\\n:☃.jpg"}'
    assert read(subscribed(opened()).message(message_tail("/d", body))).body == body.encode()


def test_several_messages_in_one_text_are_each_whole() -> None:
    """STOMP Frames, of a stream of ours: each MESSAGE ends where its content-length says, with NULL."""
    subscription = subscribed(opened(), destination="/topic/job/job_a")
    batch = Batch([event(seq) for seq in range(1, 301)])
    found = [each for text in messages(subscription, batch, ()) for each in frames_of(text)]
    assert [json.loads(each.body)["seq"] for each in found] == list(range(1, 301))
    assert all(each.get("content-length") == str(len(each.body)) for each in found)


def test_server_specific_headers_may_be_added() -> None:
    """MESSAGE: "in addition to the server specific headers that MAY get added": `recovered`, `seq`, on the first."""
    subscription = subscribed(opened(), destination="/topic/job/job_a")
    (text,) = messages(subscription, Batch([event(1), event(2)]), (("recovered", "replay"), ("seq", "2")))
    first, second = frames_of(text)
    assert (first.get("recovered"), first.get("seq")) == ("replay", "2")
    assert second.get("recovered") is second.get("seq") is None


# --- RECEIPT ---


def test_a_receipt_must_include_the_receipt_id() -> None:
    """RECEIPT: "MUST include the header receipt-id, where the value is the value of the receipt header"."""
    (receipt,) = opened().receive(frame("BEGIN", transaction="t", receipt="message-12345"), 0)
    assert written(receipt) == Frame("RECEIPT", (("receipt-id", "message-12345"),))


def test_a_receipt_is_sent_once_the_frame_was_processed() -> None:
    """RECEIPT: "sent … once a server has successfully processed a client frame": it stands after its frame's effect."""
    session = opened()
    _, receipt = session.receive(frame("SEND", destination="/a", receipt="1"), 0)
    assert isinstance(receipt, Write)
    subscribed(session)
    _, receipt = session.receive(frame("UNSUBSCRIBE", id="s", receipt="2"), 0)
    assert written(receipt).get("receipt-id") == "2"


def test_a_frame_that_failed_gets_no_receipt() -> None:
    """RECEIPT, the same sentence: "successfully"."""
    assert [type(action) for action in opened().receive(frame("COMMIT", transaction="t", receipt="1"), 0)] == [
        Write,
        Close,
    ]


def test_receipts_come_in_the_order_of_their_frames() -> None:
    """RECEIPT: "a cumulative acknowledgment that all the previous frames have been received by the server"."""
    wire = "".join(frame("SEND", destination="/a", receipt=str(number)) for number in range(20))
    got = [written(a).get("receipt-id") for a in opened().receive(wire, 0) if isinstance(a, Write)]
    assert got == [str(number) for number in range(20)]


# --- ERROR ---


def test_the_server_must_close_just_after_an_error() -> None:
    """ERROR: "In this case, it MUST then close the connection just after sending the ERROR frame"."""
    session = opened()
    first, second = session.receive("BOOM\n", 0)
    assert written(first).command == "ERROR"
    assert second == Close(1008)
    assert session.closed
    assert session.tick(10**9) == session.receive(frame("SEND", destination="/a"), 0) == session.fail(NotFound()) == []


def test_an_error_should_contain_a_message_and_may_say_more_in_its_body() -> None:
    """ERROR: "SHOULD contain a message header with a short description …, and the body MAY contain more"."""
    fields = [FieldError("updates[0].bytesSent", "is negative")]
    found = error(opened().fail(Invalid("Correct the fields.", errors=fields)))
    assert found.get("message") == "Correct the fields."
    assert json.loads(found.body)["errors"] == [{"field": "updates[0].bytesSent", "message": "is negative"}]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param("SUBSCRIBE\nreceipt:a\\cb\n\n\0", id="a header is missing"),
        pytest.param("COMMIT\ntransaction:none\nreceipt:a\\cb\n\n\0", id="there is no such thing"),
        pytest.param("MESSAGE\nreceipt:a\\cb\n\n\0", id="no frame of clients"),
        pytest.param("BEGIN\ntransaction:t\nreceipt:a\\cb\n\nbody\0", id="no body allowed"),
        pytest.param("SEND\nreceipt:a\\cb\ndestination:\\t\n\n", id="an undefined escape"),
        pytest.param("SEND\nreceipt:a\\cb\ncontent-length:9999999\n\n", id="too large"),
        pytest.param("SEND\nreceipt:a\\cb\ndestination:/a\ncontent-length:1\n\nxyz\0", id="no NULL at the end"),
    ],
)
def test_an_error_should_name_the_receipt_of_its_frame(wire: str) -> None:
    """ERROR: "the ERROR frame SHOULD set the receipt-id header to match … the receipt header of the frame"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="before", receipt="earlier"), 0)
    assert error(session.receive(wire, 0)).get("receipt-id") == "a:b"


@pytest.mark.parametrize("wire", ["BOOM\n", "SEND\nab\n", frame("SUBSCRIBE")])
def test_an_error_names_no_receipt_that_was_not_asked_for(wire: str) -> None:
    """ERROR, the same sentence: "if the frame included a receipt header"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="before", receipt="earlier"), 0)
    assert error(session.receive(wire, 0)).get("receipt-id") is None


def test_additional_headers_should_help() -> None:
    """ERROR: "SHOULD add additional headers to help identify the original frame": and what it was, and when again."""
    found = error(opened().fail(TooManyConnections(retry_after=30), "r"))
    assert (found.get("code"), found.get("retry-after"), found.get("receipt-id")) == ("too-many-connections", "30", "r")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_about_hostile_bytes_is_whole(version: str) -> None:
    """ERROR, with Value Encoding: what a client sent and an ERROR repeats can neither end it nor add a header."""
    session = opened(version)
    hostile = "x\\n\\r\\ccode\\ntransaction" if version == "1.2" else "x\\n\\c" if version == "1.1" else "x:y"
    found = error(session.receive(frame("COMMIT", transaction=hostile), 0), version)
    assert [name for name, _ in found.headers] == ["message", "code", "content-type", "content-length"]


# --- Frames and Headers ---


REQUIRED = {
    "SEND": ["destination"],
    "SUBSCRIBE": ["destination", "id"],
    "UNSUBSCRIBE": ["id"],
    "ACK": ["id"],
    "NACK": ["id"],
    "BEGIN": ["transaction"],
    "COMMIT": ["transaction"],
    "ABORT": ["transaction"],
}


@pytest.mark.parametrize(("command", "name"), [(command, name) for command in REQUIRED for name in REQUIRED[command]])
def test_each_frame_must_use_its_required_headers(command: str, name: str) -> None:
    """Frames and Headers: "all the headers … that each frame MUST or MAY use"; a missing one is named."""
    given = {other: "s" for other in REQUIRED[command] if other != name}
    assert (error(opened().receive(frame(command, **given), 0)).get("message") or "").endswith(f"the header {name}.")


@pytest.mark.parametrize("command", sorted(REQUIRED))
def test_each_frame_may_use_others(command: str) -> None:
    """Frames and Headers: "STOMP servers MAY use additional headers"; those that mean nothing here do no harm."""
    session = opened()
    subscription = subscribed(session)
    subscription.message(message_tail("/d", "{}"))
    session.receive(frame("BEGIN", transaction="t"), 0)
    given = {"destination": "/a", "id": "s", "transaction": "t", "x_mine": "1", "persistent": "true", "expires": "0"}
    given |= {"SUBSCRIBE": {"id": "new"}, "BEGIN": {"transaction": "new"}}.get(command, {})
    given |= {"id": "1@s"} if command in {"ACK", "NACK"} else {}
    session.receive(frame(command, **given), 0)
    assert not session.closed


def test_a_conversation_in_one_piece_and_in_single_octets_is_the_same() -> None:
    """STOMP Frames: "assumes a reliable 2-way streaming network protocol": frames, not messages of the transport."""
    wire = frame("CONNECT", accept_version="1.2", host="h") + "\n\r\n" + frame("BEGIN", transaction="t", receipt="1")
    wire += frame("SEND", "é\n", destination="/a", transaction="t", receipt="ü") + frame("COMMIT", transaction="t")
    wire += frame("SUBSCRIBE", id="s", destination="/d") + frame("DISCONNECT", receipt="bye")
    whole, pieces = Session(0), Session(0)
    at_once = whole.receive(wire, 0)
    one_by_one = [action for octet in wire.encode() for action in pieces.receive(bytes([octet]), 0)]
    assert [each for each in at_once if not isinstance(each, Subscribe)] == [
        each for each in one_by_one if not isinstance(each, Subscribe)
    ]
    assert len(at_once) == len(one_by_one)
