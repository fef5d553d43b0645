"""One STOMP conversation without a socket: what a client says as text, what the session answers as frames."""

from __future__ import annotations

import json

from safelight.realtime.session import Action, Close, Connect, Session, Subscribe, Terms, Write
from safelight.realtime.stomp import Frame, Limits, Parser
from safelight.realtime.subscription import Subscription

TERMS = Terms(subscriptions=3, transactions=2, transaction_bytes=2_000)


def frame(command: str, body: str = "", **headers: str) -> str:
    """A client's frame; `_` in a header's name stands for `-`."""
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"{command}\n{lines}\n{body}\0"


def opened(version: str = "1.2", heart_beat: str = "0,0", now: int = 0, terms: Terms = TERMS) -> Session:
    """A session of that version, connected at `now`."""
    session = Session(now, terms)
    actions = session.receive(
        frame("CONNECT", accept_version=version, host="h", heart_beat=heart_beat, passcode="t"), now
    )
    assert actions == [Connect("t")]
    session.connected("s", now)
    return session


def read(text: str, version: str = "1.2") -> Frame:
    """The first frame of a text that the server wrote."""
    parser = Parser(Limits(), version)
    parser.push(text.encode())
    found = parser.pop()
    assert found is not None
    return found


def error(actions: list[Action], version: str = "1.2") -> Frame:
    """The ERROR that ends these actions, checked for what every ERROR has."""
    written, close = actions[-2:]
    assert isinstance(written, Write)
    assert close == Close(1008)
    found = read(written.data, version)
    assert found.command == "ERROR"
    problem = json.loads(found.body)
    assert problem["code"] == found.get("code")
    assert problem["detail"] == found.get("message")
    return found


def written(action: Action, version: str = "1.2") -> Frame:
    """The frame that an action sends."""
    assert isinstance(action, Write)
    return read(action.data, version)


def subscribed(session: Session, **headers: str) -> Subscription:
    """A subscription to `/d` with id `s`, or whatever the headers say instead."""
    (action,) = session.receive(frame("SUBSCRIBE", **{"id": "s", "destination": "/d", **headers}), 0)
    assert isinstance(action, Subscribe)
    return action.subscription


def parsed(wire: bytes | str, version: str = "1.2") -> list[Frame]:
    """The frames of what a client sent, without a session."""
    parser = Parser(Limits(), version)
    parser.push(wire.encode() if isinstance(wire, str) else wire)
    found = []
    while (each := parser.pop()) is not None:
        found.append(each)
    return found
