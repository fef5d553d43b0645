"""STOMP 1.2, section "Client Frames": see test_stomp_12.py for what is tested and how it is named."""

from __future__ import annotations

import pytest
from tests.conversing import error, frame, opened, read, subscribed, written

from safelight.errors import NotFound
from safelight.realtime.session import Close, Send, Session, Subscribe, Terms, Unsubscribe, Write
from safelight.realtime.stomp import Frame
from safelight.realtime.subscription import Subscription, message_tail


def message(subscription: Subscription, version: str = "1.2") -> Frame:
    """The next MESSAGE of a subscription."""
    return read(subscription.message(message_tail(subscription.destination, "{}")), version)


def complaint(session: Session, wire: str) -> str:
    """The sentence of the ERROR that this ends in."""
    found = error(session.receive(wire, 0), session.version or "1.0")
    assert found.get("code") == "protocol-violation"
    return found.get("message") or ""


@pytest.mark.parametrize("command", ["CONNECTED", "MESSAGE", "RECEIPT", "ERROR", "PING", "subscribe"])
def test_for_a_frame_not_in_this_list_the_server_may_respond_with_an_error(command: str) -> None:
    """Client Frames: "for such a frame a STOMP 1.2 server MAY respond with an ERROR frame and then close"."""
    assert complaint(opened(), frame(command, destination="/a", id="1"))


# --- SEND ---


def test_send_has_one_required_header_destination() -> None:
    """SEND: "It has one REQUIRED header, destination"."""
    assert "destination" in complaint(opened(), frame("SEND", "{}"))


@pytest.mark.parametrize("destination", ["/app/x", "/queue/a b", "no slash", "", "/ü?#%"])
def test_the_destination_is_an_opaque_string(destination: str) -> None:
    """SEND: "STOMP treats this destination as an opaque string"; what it means is the shell's to say."""
    (send,) = opened().receive(frame("SEND", destination=destination), 0)
    assert isinstance(send, Send)
    assert send.destination == destination


def test_the_body_of_send_is_the_message() -> None:
    """SEND: "The body of the SEND frame is the message to be sent"."""
    (send,) = opened().receive(frame("SEND", "hello queue a\n", destination="/a"), 0)
    assert isinstance(send, Send)
    assert send.frame.body == b"hello queue a\n"


def test_send_supports_a_transaction_header() -> None:
    """SEND: "SEND supports a transaction header which allows for transactional sends"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    assert session.receive(frame("SEND", "1", destination="/a", transaction="t"), 0) == []
    (send,) = session.receive(frame("COMMIT", transaction="t"), 0)
    assert isinstance(send, Send)


def test_an_application_may_add_arbitrary_headers_to_send() -> None:
    """SEND: "An application MAY add any arbitrary user defined headers to the SEND frame"."""
    (send,) = opened().receive(frame("SEND", destination="/a", priority="9", x_mine="a\\cb"), 0)
    assert isinstance(send, Send)
    assert (send.frame.get("priority"), send.frame.get("x-mine")) == ("9", "a:b")


def test_a_send_that_fails_must_be_an_error_and_the_end() -> None:
    """SEND: "If the server cannot successfully process the SEND frame …, the server MUST send … ERROR … and close"."""
    session = opened()
    (send, _) = session.receive(frame("SEND", destination="/nowhere", receipt="r"), 0)
    assert isinstance(send, Send)
    assert error(session.fail(NotFound("There is no such destination."), send.receipt)).get("receipt-id") == "r"


# --- SUBSCRIBE ---


def test_subscribe_requires_a_destination() -> None:
    """SUBSCRIBE: "the SUBSCRIBE frame requires a destination header"."""
    assert "destination" in complaint(opened(), frame("SUBSCRIBE", id="0"))


def test_messages_are_delivered_as_message_frames() -> None:
    """SUBSCRIBE: "Any messages … will henceforth be delivered as MESSAGE frames from the server to the client"."""
    assert message(subscribed(opened())).command == "MESSAGE"


def test_a_subscription_that_fails_must_be_an_error_and_the_end() -> None:
    """SUBSCRIBE: "If the server cannot successfully create the subscription, the server MUST send … ERROR …"."""
    session = opened()
    (action,) = session.receive(frame("SUBSCRIBE", id="0", destination="/foreign", receipt="r"), 0)
    assert isinstance(action, Subscribe)
    assert error(session.fail(NotFound(), action.receipt)).get("receipt-id") == "r"


def test_additional_headers_may_customize_the_subscription() -> None:
    """SUBSCRIBE: "STOMP servers MAY support additional server specific headers": `after`; others mean nothing."""
    wire = frame("SUBSCRIBE", id="0", destination="/d", after="17", selector="a > 1", durable="true")
    (action,) = opened().receive(wire, 0)
    assert isinstance(action, Subscribe)
    assert action.after == 17


def test_subscribe_must_include_an_id() -> None:
    """SUBSCRIBE id Header: "an id header MUST be included in the frame to uniquely identify the subscription"."""
    assert "id" in complaint(opened(), frame("SUBSCRIBE", destination="/d"))


def test_the_id_relates_messages_to_the_subscription() -> None:
    """SUBSCRIBE id Header: "allows … to relate subsequent MESSAGE or UNSUBSCRIBE frames to the original"."""
    session = opened()
    one, two = subscribed(session, id="1"), subscribed(session, id="2")
    assert [message(each).get("subscription") for each in (one, two, one)] == ["1", "2", "1"]


def test_different_subscriptions_must_use_different_identifiers() -> None:
    """SUBSCRIBE id Header: "different subscriptions MUST use different subscription identifiers"."""
    session = opened()
    subscribed(session, id="1")
    assert "already" in complaint(session, frame("SUBSCRIBE", id="1", destination="/other"))


def test_identifiers_belong_to_their_connection() -> None:
    """SUBSCRIBE id Header, the same sentence: "Within the same connection"."""
    assert subscribed(opened()).key == subscribed(opened()).key == "s"


@pytest.mark.parametrize("mode", ["auto", "client", "client-individual"])
def test_the_valid_ack_modes_are_taken(mode: str) -> None:
    """SUBSCRIBE ack Header: "The valid values for the ack header are auto, client, or client-individual"."""
    assert subscribed(opened(), ack=mode).ack == mode


@pytest.mark.parametrize("mode", ["AUTO", "none", "client individual", ""])
def test_other_ack_modes_are_refused(mode: str) -> None:
    """SUBSCRIBE ack Header, the same sentence."""
    assert "ack mode" in complaint(opened(), frame("SUBSCRIBE", id="0", destination="/d", ack=mode))


def test_the_ack_mode_defaults_to_auto() -> None:
    """SUBSCRIBE ack Header: "If the header is not set, it defaults to auto"."""
    assert subscribed(opened()).ack == "auto"


def test_in_auto_mode_nothing_waits_for_an_ack() -> None:
    """SUBSCRIBE ack Header: "the client does not need to send the server ACK frames for the messages it receives"."""
    subscription = subscribed(opened())
    assert [message(subscription).get("ack") for _ in range(100)] == [None] * 100


@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_in_the_client_modes_a_subscription_goes_on_without_acks(mode: str) -> None:
    """SUBSCRIBE ack Header: "the server will assume the message has not been processed and MAY redeliver"."""
    subscription = subscribed(opened(), ack=mode)
    assert len({message(subscription).get("message-id") for _ in range(100)}) == 100


@pytest.mark.parametrize("mode", ["client", "client-individual"])
@pytest.mark.parametrize("order", [(3, 1, 2), (1, 2, 3), (3,), (2, 2)])
def test_an_ack_of_a_later_message_must_not_use_up_an_earlier_one(mode: str, order: tuple[int, ...]) -> None:
    """SUBSCRIBE ack Header: "for a subsequent message MUST NOT cause a previous message to get acknowledged"."""
    session = opened()
    subscription = subscribed(session, ack=mode)
    acks = [message(subscription).get("ack") or "" for _ in range(3)]
    for number, command in zip(order, ("ACK", "NACK", "ACK"), strict=False):
        assert session.receive(frame(command, id=acks[number - 1], receipt="r"), 0) == [Write(session.receipt("r"))]


# --- UNSUBSCRIBE ---


def test_unsubscribe_removes_the_subscription() -> None:
    """UNSUBSCRIBE: "Once the subscription is removed the STOMP connection will no longer receive messages"."""
    session = opened()
    subscribed(session, id="1")
    subscribed(session, id="2")
    assert session.receive(frame("UNSUBSCRIBE", id="1"), 0) == [Unsubscribe("1")]
    assert list(session.subscriptions) == ["2"]


def test_unsubscribe_must_include_an_id() -> None:
    """UNSUBSCRIBE: "an id header MUST be included in the frame to uniquely identify the subscription to remove"."""
    session = opened()
    subscribed(session)
    assert "id" in complaint(session, frame("UNSUBSCRIBE", destination="/d"))


@pytest.mark.parametrize("name", ["t", "", "S", " s", "/d"])
def test_the_id_must_match_an_existing_subscription(name: str) -> None:
    """UNSUBSCRIBE: "This header MUST match the subscription identifier of an existing subscription"."""
    session = opened()
    subscribed(session)
    assert "no subscription" in complaint(session, frame("UNSUBSCRIBE", id=name))


def test_what_ended_already_may_be_ended_again() -> None:
    """UNSUBSCRIBE, the same sentence: a repeated command is not an error where its effect already holds (contract)."""
    session = opened()
    subscribed(session)
    session.receive(frame("UNSUBSCRIBE", id="s"), 0)
    assert session.receive(frame("UNSUBSCRIBE", id="s", receipt="r"), 0) == [Write(session.receipt("r"))]


# --- ACK and NACK ---


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_ack_must_include_an_id(command: str) -> None:
    """ACK: "The ACK frame MUST include an id header"; NACK "takes the same headers as ACK: id (REQUIRED)"."""
    session = opened()
    name = message(subscribed(session, ack="client")).get("message-id") or ""
    assert "id" in complaint(session, frame(command, message_id=name, subscription="s"))


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("name", ["2@s", "1@t", "12345", "", "-1@s", "01@", "1@s "])
def test_the_id_must_match_the_ack_header_of_a_message(command: str, name: str) -> None:
    """ACK: "matching the ack header of the MESSAGE being acknowledged"."""
    session = opened()
    message(subscribed(session, ack="client"))
    assert "never sent" in complaint(session, frame(command, id=name))


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_an_acknowledgment_may_be_part_of_a_transaction(command: str) -> None:
    """ACK: "Optionally, a transaction header MAY be specified"; "transaction (OPTIONAL)" of NACK."""
    session = opened()
    name = message(subscribed(session, ack="client")).get("ack") or ""
    for end in ("COMMIT", "ABORT"):
        session.receive(frame("BEGIN", transaction="t"), 0)
        assert session.receive(frame(command, id=name, transaction="t"), 0) == []
        assert session.receive(frame(end, transaction="t"), 0) == []


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_that_transaction_must_have_begun(command: str) -> None:
    """ACK: "indicating that the message acknowledgment SHOULD be part of the named transaction"."""
    session = opened()
    name = message(subscribed(session, ack="client")).get("ack") or ""
    assert "no open transaction" in complaint(session, frame(command, id=name, transaction="t"))


# --- BEGIN, COMMIT, ABORT ---


@pytest.mark.parametrize("command", ["BEGIN", "COMMIT", "ABORT"])
def test_the_transaction_header_is_required(command: str) -> None:
    """BEGIN, COMMIT, ABORT: "The transaction header is REQUIRED"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    assert "transaction" in complaint(session, frame(command))


def test_messages_sent_in_a_transaction_are_processed_at_its_commit_together() -> None:
    """BEGIN: "any messages sent … during a transaction will be processed atomically based on the transaction"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    for body in "123":
        assert session.receive(frame("SEND", body, destination="/a", transaction="t"), 0) == []
    sent = session.receive(frame("COMMIT", transaction="t"), 0)
    assert [send.frame.body for send in sent if isinstance(send, Send)] == [b"1", b"2", b"3"]


def test_the_identifier_binds_frames_to_the_named_transaction() -> None:
    """BEGIN: "will be used for SEND, COMMIT, ABORT, ACK, and NACK frames to bind them to the named transaction"."""
    session = opened(terms=Terms())
    session.receive(frame("BEGIN", transaction="a") + frame("BEGIN", transaction="b"), 0)
    for name in "abab":
        session.receive(frame("SEND", name, destination="/x", transaction=name), 0)
    assert session.receive(frame("ABORT", transaction="a"), 0) == []
    sent = session.receive(frame("COMMIT", transaction="b"), 0)
    assert [send.frame.body for send in sent if isinstance(send, Send)] == [b"b", b"b"]


def test_different_transactions_must_use_different_identifiers() -> None:
    """BEGIN: "Within the same connection, different transactions MUST use different transaction identifiers"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    assert "already" in complaint(session, frame("BEGIN", transaction="t"))


def test_an_identifier_is_free_again_after_its_end() -> None:
    """BEGIN, the same sentence: what was committed or aborted is no transaction any more."""
    session = opened()
    for end in ("COMMIT", "ABORT", "COMMIT"):
        assert session.receive(frame("BEGIN", transaction="t") + frame(end, transaction="t"), 0) == []


def test_disconnect_aborts_what_was_not_committed() -> None:
    """BEGIN: "will be implicitly aborted if the client sends a DISCONNECT frame"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t") + frame("SEND", "1", destination="/a", transaction="t"), 0)
    assert session.receive(frame("DISCONNECT"), 0) == [Close(1000)]


def test_an_error_aborts_what_was_not_committed() -> None:
    """BEGIN, the same sentence: "or if the TCP connection fails for any reason"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t") + frame("SEND", "1", destination="/a", transaction="t"), 0)
    assert not any(isinstance(action, Send) for action in session.receive("BOOM\n", 0))


@pytest.mark.parametrize("command", ["COMMIT", "ABORT"])
def test_it_must_specify_the_transaction_to_end(command: str) -> None:
    """COMMIT, ABORT: "MUST specify the identifier of the transaction to commit", "to abort"."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    assert "no open transaction" in complaint(session, frame(command, transaction="u"))


def test_the_receipts_of_a_transaction_come_where_they_were_asked_for() -> None:
    """Header receipt, of frames in a transaction: the SEND's when it is held, the COMMIT's after all was done."""
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    (held,) = session.receive(frame("SEND", "1", destination="/a", transaction="t", receipt="r1"), 0)
    send, done = session.receive(frame("COMMIT", transaction="t", receipt="r2"), 0)
    assert written(held).get("receipt-id") == "r1"
    assert isinstance(send, Send)
    assert written(done).get("receipt-id") == send.receipt == "r2"


# --- DISCONNECT ---


def test_disconnect_is_answered_after_all_that_came_before_it() -> None:
    """DISCONNECT: "the client is assured that all previous frames have been received by the server"."""
    session = opened()
    wire = (
        frame("SEND", "1", destination="/a") + frame("SEND", "2", destination="/a") + frame("DISCONNECT", receipt="77")
    )
    *sends, receipt, close = session.receive(wire, 0)
    assert [send.frame.body for send in sends if isinstance(send, Send)] == [b"1", b"2"]
    assert (receipt, close) == (Write("RECEIPT\nreceipt-id:77\n\n\0"), Close(1000))


def test_disconnect_needs_no_receipt() -> None:
    """Frames and Headers: "DISCONNECT: REQUIRED: none"."""
    assert opened().receive(frame("DISCONNECT"), 0) == [Close(1000)]


@pytest.mark.parametrize("after", [frame("SEND", destination="/a"), "garbage\n", "\n", "\xff\xff"])
def test_what_comes_after_disconnect_is_not_read(after: str) -> None:
    """DISCONNECT: "Clients MUST NOT send any more frames after the DISCONNECT frame is sent"."""
    session = opened()
    assert session.receive(frame("DISCONNECT") + after, 0) == [Close(1000)]
    assert session.receive(after, 0) == []


def test_a_message_id_is_never_used_again() -> None:
    """MESSAGE: "a message-id header with a unique identifier", even under an id that was used before."""
    session = opened(terms=Terms(subscriptions=2))
    seen = []
    for turn in range(20):
        subscription = subscribed(session, id=str(turn % 5))
        seen += [message(subscription).get("message-id") for _ in range(turn % 3)]
        session.receive(frame("UNSUBSCRIBE", id=str(turn % 5)), 0)
    assert len(set(seen)) == len(seen)
