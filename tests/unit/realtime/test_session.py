from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversing import TERMS, error, frame, opened, read

from safelight.errors import NotFound
from safelight.realtime import stomp
from safelight.realtime.session import Close, Connect, Send, Session, Subscribe, Terms, Unsubscribe, Write
from safelight.realtime.subscription import message_tail

# --- connecting ---


@pytest.mark.parametrize(
    ("accepted", "version"),
    [("1.2", "1.2"), ("1.0,1.1,1.2", "1.2"), ("1.1,1.0", "1.1"), ("1.0", "1.0"), ("2.0, 1.1", "1.1")],
)
def test_e1_the_highest_version_in_common_is_spoken(accepted: str, version: str) -> None:
    session = Session(0)
    assert session.receive(frame("STOMP", accept_version=accepted, host="h"), 0) == [Connect(None)]
    connected = read(session.connected("abc", 0), version)
    assert connected.command == "CONNECTED"
    assert (connected.get("version"), connected.get("session")) == (version, "abc")
    assert (connected.get("heart-beat") is None) == (version == "1.0")


def test_e1_without_accept_version_it_is_1_0() -> None:
    session = Session(0)
    session.receive(frame("CONNECT", login="", passcode="t"), 0)
    assert session.version == "1.0"


def test_e1_no_version_in_common_is_an_error_that_names_ours() -> None:
    found = error(Session(0).receive(frame("CONNECT", accept_version="3.0", host="h"), 0), "1.0")
    assert found.get("version") == "1.0,1.1,1.2"


@pytest.mark.parametrize(
    ("header", "token"),
    [("Authorization:Bearer abc", "abc"), ("authorization:bearer  abc", "abc"), ("passcode:abc", "abc")],
)
def test_e3_the_token_comes_by_either_header(header: str, token: str) -> None:
    wire = f"CONNECT\naccept-version:1.2\nhost:h\n{header}\n\n\0"
    assert Session(0).receive(wire, 0) == [Connect(token)]


def test_e3_without_a_connect_the_session_ends() -> None:
    session = Session(1_000, TERMS)
    assert session.tick(10_999) == []
    assert error(session.tick(11_000), "1.0").get("code") == "unauthenticated"
    assert session.receive(frame("CONNECT", accept_version="1.2", host="h"), 12_000) == []


@pytest.mark.parametrize(
    "wire",
    [
        frame("SUBSCRIBE", id="0", destination="/topic/jobs"),
        frame("MESSAGE", destination="/x"),
        frame("CONNECT", heart_beat="1", host="h"),
        frame("CONNECT", heart_beat="-1,0", host="h"),
        frame("CONNECT", body="x", host="h"),
        "no stomp at all\n",
        "\ud800\n",
    ],
)
def test_e7_a_bad_beginning_is_an_error(wire: str) -> None:
    assert error(Session(0).receive(wire, 0), "1.0").get("code") == "protocol-violation"


def test_a_second_connect_is_an_error() -> None:
    actions = opened().receive(frame("CONNECT", accept_version="1.2", host="h"), 0)
    assert error(actions).get("code") == "protocol-violation"


# --- heart-beats ---


def test_e5_heart_beats_go_out_when_nothing_else_did() -> None:
    session = opened(heart_beat="0,10000")
    assert session.tick(4_999) == []
    assert session.tick(5_000) == [Write("\n")]
    session.wrote(5_000)
    assert session.tick(9_999) == []
    session.wrote(9_999)
    assert session.tick(10_000) == []


@pytest.mark.parametrize(("heart_beat", "interval"), [("10000,0", 10_000), ("500,0", 10_000), ("60000,0", 60_000)])
def test_e5_a_silent_client_is_cut_after_the_grace(heart_beat: str, interval: int) -> None:
    session = opened(heart_beat=heart_beat)
    assert session.receive("\n", 1_000) == []
    assert session.tick(1_000 + interval + TERMS.grace) == []
    assert error(session.tick(1_001 + interval + TERMS.grace)).get("code") == "peer-silent"


def test_e5_no_heart_beats_are_expected_of_who_offers_none() -> None:
    session = opened(heart_beat="0,0")
    assert session.tick(10**9) == []
    assert opened("1.0", "10000,10000").tick(10**9) == []


# --- subscriptions ---


def test_a_subscribe_says_all_that_the_shell_needs() -> None:
    session = opened()
    wire = frame("SUBSCRIBE", id="s1", destination="/topic/job/job_a", after="17", receipt="r", ack="client")
    (action,) = session.receive(wire, 0)
    assert isinstance(action, Subscribe)
    assert (action.after, action.receipt) == (17, "r")
    assert action.subscription is session.subscriptions["s1"]
    assert action.subscription.destination == "/topic/job/job_a"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"id": "1"}, "protocol-violation"),
        ({"destination": "/a"}, "protocol-violation"),
        ({"id": "1", "destination": "/a", "ack": "never"}, "protocol-violation"),
        ({"id": "1", "destination": "/a", "after": "-1"}, "invalid-request"),
        ({"id": "1", "destination": "/a", "after": "x"}, "invalid-request"),
        ({"id": "1", "destination": "/a", "after": ""}, "invalid-request"),
    ],
)
def test_e7_a_bad_subscribe_is_an_error_with_its_receipt(headers: dict[str, str], code: str) -> None:
    found = error(opened().receive(frame("SUBSCRIBE", receipt="r:1".replace(":", "\\c"), **headers), 0))
    assert (found.get("code"), found.get("receipt-id")) == (code, "r:1")


def test_an_id_is_used_once_at_a_time() -> None:
    session = opened()
    wire = frame("SUBSCRIBE", id="1", destination="/a")
    session.receive(wire, 0)
    assert session.receive(frame("UNSUBSCRIBE", id="1", receipt="r"), 0) == [
        Unsubscribe("1"),
        Write(session.receipt("r")),
    ]
    assert session.receive(frame("UNSUBSCRIBE", id="1"), 0) == []
    assert len(session.receive(wire, 0)) == 1
    assert error(session.receive(wire, 0)).get("code") == "protocol-violation"


def test_e8_subscriptions_are_bounded() -> None:
    session = opened()
    wire = "".join(frame("SUBSCRIBE", id=str(number), destination="/a") for number in range(4))
    assert error(session.receive(wire, 0)).get("code") == "protocol-violation"


def test_1_0_may_subscribe_without_an_id() -> None:
    session = opened("1.0")
    (action,) = session.receive(frame("SUBSCRIBE", destination="/topic/jobs"), 0)
    assert isinstance(action, Subscribe)
    message = read(action.subscription.message(message_tail("/topic/jobs", "{}")), "1.0")
    assert message.get("subscription") is None
    message_id = message.get("message-id") or ""
    assert session.receive(frame("ACK", message_id=message_id), 0) == []
    assert session.receive(frame("UNSUBSCRIBE", destination="/topic/jobs"), 0) != []


@pytest.mark.parametrize("version", stomp.VERSIONS)
def test_a_message_is_whole(version: str) -> None:
    session = opened(version)
    subscription_id = "a:b\\c" if version == "1.0" else "a\\cb\\\\c"
    (action,) = session.receive(frame("SUBSCRIBE", id=subscription_id, destination="/d", ack="client"), 0)
    assert isinstance(action, Subscribe)
    body = '{"name":"ü\\n"}'
    text = action.subscription.message(message_tail("/d", body), "recovered:replay\nseq:7\n")
    message = read(text, version)
    assert message.body == body.encode()
    assert message.get("subscription") == "a:b\\c"
    assert (message.get("recovered"), message.get("seq")) == ("replay", "7")
    assert (message.get("destination"), message.get("content-type")) == ("/d", "application/json")
    assert message.get("ack") == (message.get("message-id") if version == "1.2" else None)


# --- acknowledgements ---


def acknowledged(session: Session, version: str) -> list[str]:
    """Three messages to a client-individual subscription, by what an ACK has to say of them."""
    (action,) = session.receive(frame("SUBSCRIBE", id="s", destination="/d", ack="client"), 0)
    assert isinstance(action, Subscribe)
    messages = [read(action.subscription.message(message_tail("/d", "{}")), version) for _ in range(3)]
    return [message.get("message-id") or "" for message in messages]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_e10_what_was_sent_may_be_acknowledged_even_late(command: str) -> None:
    session = opened()
    ids = acknowledged(session, "1.2")
    assert session.receive(frame(command, id=ids[2]), 0) == []
    session.receive(frame("UNSUBSCRIBE", id="s"), 0)
    assert session.receive(frame(command, id=ids[0], receipt="r"), 0) == [Write(session.receipt("r"))]


def test_e10_1_1_names_the_subscription_too() -> None:
    session = opened("1.1")
    ids = acknowledged(session, "1.1")
    assert session.receive(frame("ACK", message_id=ids[0], subscription="s"), 0) == []
    assert error(session.receive(frame("ACK", message_id=ids[0], subscription="t"), 0), "1.1").get("code")


@pytest.mark.parametrize("name", ["4@s", "0@s", "1@t", "x@s", "", "@", "1"])
def test_e10_what_was_never_sent_may_not(name: str) -> None:
    session = opened()
    acknowledged(session, "1.2")
    assert error(session.receive(frame("ACK", id=name), 0)).get("code") == "protocol-violation"


def test_1_0_has_no_nack() -> None:
    found = error(opened("1.0").receive(frame("NACK", message_id="1@s"), 0), "1.0")
    assert found.get("code") == "protocol-violation"


# --- sending, transactions, receipts, leaving ---


def test_e6_every_frame_that_asks_gets_its_receipt_after_its_effect() -> None:
    session = opened()
    send, written = session.receive(frame("SEND", "{}", destination="/app/x", receipt="r1"), 0)
    assert isinstance(send, Send)
    assert (send.destination, send.frame.body, send.receipt) == ("/app/x", b"{}", "r1")
    assert written == Write(session.receipt("r1"))
    for number, wire in enumerate(["BEGIN", "ABORT", "BEGIN", "COMMIT"]):
        (written,) = session.receive(frame(wire, transaction="t", receipt=str(number)), 0)
        assert isinstance(written, Write)
        assert read(written.data).get("receipt-id") == str(number)


def test_e11_a_transaction_is_carried_out_at_its_commit() -> None:
    session = opened()
    wire = frame("BEGIN", transaction="t") + frame("SEND", "1", destination="/a", transaction="t", receipt="r")
    (receipt,) = session.receive(wire, 0)
    assert receipt == Write(session.receipt("r"))
    session.receive(frame("SEND", "2", destination="/a", transaction="t"), 0)
    now = session.receive(frame("SEND", "3", destination="/a"), 0)
    sent = now + session.receive(frame("COMMIT", transaction="t"), 0)
    assert [send.frame.body for send in sent if isinstance(send, Send)] == [b"3", b"1", b"2"]
    session.receive(frame("BEGIN", transaction="t") + frame("SEND", "4", destination="/a", transaction="t"), 0)
    assert session.receive(frame("ABORT", transaction="t"), 0) == []


@pytest.mark.parametrize(
    "wire",
    [
        frame("BEGIN"),
        frame("COMMIT", transaction="none"),
        frame("ABORT", transaction="none"),
        frame("SEND", destination="/a", transaction="none"),
        frame("BEGIN", transaction="t") * 2,
        "".join(frame("BEGIN", transaction=str(number)) for number in range(3)),
    ],
)
def test_e11_a_transaction_out_of_order_is_an_error(wire: str) -> None:
    assert error(opened().receive(wire, 0)).get("code") == "protocol-violation"


def test_e8_what_transactions_hold_is_bounded() -> None:
    session = opened()
    session.receive(frame("BEGIN", transaction="t"), 0)
    wire = frame("SEND", "x" * 500, destination="/a", transaction="t")
    assert error(session.receive(wire * 4, 0)).get("code") == "frame-too-large"
    again = opened()
    for _ in range(10):  # what was committed or aborted counts no longer
        again.receive(frame("BEGIN", transaction="t") + wire + frame("ABORT", transaction="t"), 0)
    assert not again.closed


def test_e26_frames_are_bounded_and_the_error_says_how_long_to_wait() -> None:
    session = Session(0, Terms(frames_per_second=10, frames_at_once=20))
    session.receive(frame("CONNECT", accept_version="1.2", host="h", passcode="t"), 0)
    session.connected("s", 0)
    assert len(session.receive(frame("SEND", destination="/a") * 19 + "\n" * 100, 0)) == 19
    assert len(session.receive(frame("SEND", destination="/a"), 100)) == 1
    found = error(session.receive(frame("SEND", destination="/a", receipt="r"), 100))
    assert (found.get("code"), found.get("retry-after"), found.get("receipt-id")) == ("too-many-frames", "1", "r")


def test_disconnect_gets_its_receipt_then_the_end_and_nothing_after_it_is_read() -> None:
    session = opened()
    actions = session.receive(frame("DISCONNECT", receipt="77") + "garbage\n" + frame("SEND"), 0)
    assert actions == [Write(session.receipt("77")), Close(1000)]
    assert session.closed
    assert session.tick(10**9) == []


def test_e7_what_the_shell_refuses_becomes_an_error_once() -> None:
    session = opened()
    found = error(session.fail(NotFound("There is no job."), "r9"))
    assert found.get("message") == "There is no job."
    assert (found.get("code"), found.get("receipt-id")) == ("not-found", "r9")
    assert session.fail(NotFound()) == []


def test_e7_a_frame_of_the_server_or_with_a_body_that_it_may_not_have_is_an_error() -> None:
    for wire in (frame("RECEIPT", receipt_id="1"), frame("UNSUBSCRIBE", "body", id="1")):
        assert error(opened().receive(wire, 0)).get("code") == "protocol-violation"


def test_what_came_before_the_violation_is_carried_out() -> None:
    actions = opened().receive(frame("SEND", "1", destination="/a") + "BOOM\n", 0)
    assert isinstance(actions[0], Send)
    assert error(actions).get("code") == "protocol-violation"


COMMANDS = sorted(stomp.CLIENT_COMMANDS | stomp.SERVER_COMMANDS)
NAMES = ["id", "destination", "receipt", "transaction", "ack", "after", "message-id", "subscription"]
NAMES += ["accept-version", "heart-beat", "content-length"]
VALUES = st.sampled_from(["1", "s", "1@s", "0,0", "1.2", "1.1", "auto", "\\", "é"]) | st.text(max_size=5)


@given(
    st.sampled_from(stomp.VERSIONS),
    st.lists(
        st.tuples(st.sampled_from(COMMANDS), st.dictionaries(st.sampled_from(NAMES), VALUES), st.text(max_size=9))
        | st.binary(max_size=30)
    ),
)
def test_no_conversation_raises_and_an_end_is_the_end(
    version: str, said: list[tuple[str, dict[str, str], str] | bytes]
) -> None:
    session = opened(version)
    for now, each in enumerate(said):
        wire = each if isinstance(each, bytes) else frame(each[0], each[2], **each[1])
        ended = session.closed
        actions = session.receive(wire, now)
        assert not (ended and actions)
        assert session.closed == (ended or any(isinstance(action, Close) for action in actions))
        if session.closed and not ended:
            assert isinstance(actions[-1], Close)
