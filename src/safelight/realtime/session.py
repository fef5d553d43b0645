"""One STOMP conversation as a state machine: frames of the client in, actions for the shell out. Pure.

The clock is an argument: `now` is in milliseconds of any steady clock. The shell carries out actions in order
and stops at the first that fails, answering with `fail`.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal

from safelight.errors import (
    FrameTooLarge,
    Invalid,
    PeerSilent,
    ProtocolViolation,
    SafelightError,
    TooManyFrames,
    Unauthenticated,
)
from safelight.realtime import stomp
from safelight.realtime.bucket import Bucket
from safelight.realtime.stomp import Frame
from safelight.realtime.subscription import AckMode, Subscription

POLICY: Final = 1008  # RFC 6455, 7.4.1: "a message that violates its policy"
NORMAL: Final = 1000
HEART_BEAT: Final = "\n"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session grants. Times are milliseconds; `grace` is the silence borne beyond the agreed interval,
    because browsers run the timers of background tabs once a minute."""

    frame: stomp.Limits = field(default_factory=stomp.Limits)
    connect_within: int = 10_000
    heart_beat: int = 10_000
    grace: int = 65_000
    subscriptions: int = 256
    transactions: int = 16
    transaction_bytes: int = 1024 * 1024
    frames_per_second: float = 100.0
    frames_at_once: float = 1_000.0


@dataclass(frozen=True, slots=True)
class Write:
    """Send this text to the client."""

    data: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Check the token, then answer with `Session.connected`."""

    token: str | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Begin delivery; `receipt`, where one was asked for, is due when the place in the topic is known."""

    subscription: Subscription
    after: int | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End delivery to this subscription."""

    id: str


@dataclass(frozen=True, slots=True)
class Send:
    """A message of the client. The RECEIPT that it asked for follows as an action of its own."""

    destination: str
    frame: Frame
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the transport with this WebSocket code (RFC 6455, 7.4); nothing may be sent any more."""

    code: int


Action = Write | Connect | Subscribe | Unsubscribe | Send | Close


class Session:
    """The server's side of one conversation."""

    def __init__(self, now: int, terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        # The shell puts the user's own in its place, once it knows who it is.
        self.bucket = Bucket(self.terms.frames_per_second, self.terms.frames_at_once, now)
        self.version: str | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self._parser = stomp.Parser(self.terms.frame)
        self._state: Literal["new", "open", "closed"] = "new"
        self._opened = self._heard = self._wrote = now
        self._beat_out = self._beat_in = 0
        self._transactions: dict[str, list[Send]] = {}
        self._transaction_bytes = 0
        # How many messages an ended subscription got: late ACKs may name them, and none is numbered like another.
        self._ended: dict[str, int] = {}
        self._forgotten = 0

    @property
    def closed(self) -> bool:
        """Whether the conversation has ended, by DISCONNECT or ERROR."""
        return self._state == "closed"

    # --- what the shell tells ---

    def receive(self, data: bytes | str, now: int) -> list[Action]:
        """Actions for what the client sent. Never raises for it: a violation becomes ERROR and Close."""
        if self.closed:
            return []
        self._heard = now
        actions: list[Action] = []
        frame: Frame | None = None
        try:
            self._parser.push(data.encode(errors="surrogatepass") if isinstance(data, str) else data)
            while (frame := self._next()) is not None:
                if not self.bucket.take(now):
                    raise TooManyFrames(retry_after=self.bucket.wait())
                actions += self._handle(frame)
                frame = None
        except SafelightError as error:
            return actions + self.fail(error, frame.get("receipt") if frame else self._parser.receipt)
        return actions

    def tick(self, now: int) -> list[Action]:
        """Heart-beats that are due and deadlines that have passed; to be called about once a second."""
        if self.closed:
            return []
        if self._state == "new":
            if now - self._opened < self.terms.connect_within:
                return []
            limit = f"{self.terms.connect_within / 1000:g} seconds"
            return self.fail(Unauthenticated(f"No valid CONNECT came within {limit}. Connect again."))
        if self._beat_in and now - self._heard > self._beat_in + self.terms.grace:
            return self.fail(PeerSilent())
        # At half of what was promised: the receiver's tolerance for "timing inaccuracies" is not strained.
        if self._beat_out and now - self._wrote >= self._beat_out // 2:
            return [Write(HEART_BEAT)]
        return []

    def wrote(self, now: int) -> None:
        """Something went out: it counts as a heart-beat."""
        self._wrote = now

    def connected(self, session_id: str, now: int) -> str:
        """The CONNECTED frame, once the token was found good."""
        self._state = "open"
        self._heard = self._wrote = now
        headers = [("version", self._version), ("server", "safelight"), ("session", session_id)]
        if self._version != "1.0":
            headers.append(("heart-beat", f"{self.terms.heart_beat},{self.terms.heart_beat}"))
        return stomp.encode(Frame("CONNECTED", tuple(headers)), self._version)

    def receipt(self, receipt_id: str, headers: tuple[tuple[str, str], ...] = ()) -> str:
        """The RECEIPT frame that a client frame asked for."""
        return stomp.encode(Frame("RECEIPT", (("receipt-id", receipt_id), *headers)), self._version)

    def fail(self, error: SafelightError, receipt_id: str | None = None) -> list[Action]:
        """ERROR, then Close, as "the server MUST then close the connection just after sending the ERROR"."""
        if self.closed:
            return []
        self._state = "closed"
        headers = [("message", error.message), ("code", error.code)]
        headers.append(("content-type", "application/problem+json"))
        if receipt_id is not None:
            headers.append(("receipt-id", receipt_id))
        if error.retry_after is not None:
            headers.append(("retry-after", str(error.retry_after)))
        if self.version is None:
            headers.append(("version", ",".join(reversed(stomp.VERSIONS))))
        problem: dict[str, object] = {"code": error.code, "detail": error.message}
        if error.errors:
            problem["errors"] = [asdict(field_error) for field_error in error.errors]
        body = json.dumps(problem, ensure_ascii=False).encode(errors="replace")
        return [Write(stomp.encode(Frame("ERROR", tuple(headers), body), self._version)), Close(POLICY)]

    # --- what the client says ---

    @property
    def _version(self) -> str:
        return self.version or "1.0"

    def _next(self) -> Frame | None:
        # "Clients MUST NOT send any more frames after the DISCONNECT frame": the rest is not read.
        return None if self.closed else self._parser.pop()

    def _handle(self, frame: Frame) -> list[Action]:
        if frame.command not in stomp.CLIENT_COMMANDS:
            raise ProtocolViolation(f"{frame.command} is a frame that only servers send.")
        # 1.0: "The body of the SUBSCRIBE command is ignored."
        ignored = frame.command == "SUBSCRIBE" and self.version == "1.0"
        if frame.body and frame.command != "SEND" and not ignored:
            raise ProtocolViolation(f"A {frame.command} frame must not have a body.")
        if frame.command in {"CONNECT", "STOMP"}:
            return self._connect(frame)
        if self.version is None:
            raise ProtocolViolation(f"{frame.command} came before CONNECT. Send CONNECT first.")
        actions = self._perform(frame)
        receipt = frame.get("receipt")
        # A SUBSCRIBE is answered by the shell, with the place reached in the topic.
        if receipt is not None and frame.command != "SUBSCRIBE":
            at = -1 if frame.command == "DISCONNECT" else len(actions)
            actions.insert(at, Write(self.receipt(receipt)))
        return actions

    def _connect(self, frame: Frame) -> list[Action]:
        if self.version is not None:
            raise ProtocolViolation("This session is connected already. Send CONNECT once.")
        accepted = [version.strip() for version in frame.get_or("accept-version", "1.0").split(",")]
        version = next((version for version in stomp.VERSIONS if version in accepted), None)
        if version is None:
            raise ProtocolViolation(f"Supported protocol versions are {', '.join(reversed(stomp.VERSIONS))}.")
        beats = re.fullmatch(r"\s*([0-9]{1,12})\s*,\s*([0-9]{1,12})\s*", frame.get_or("heart-beat", "0,0"))
        if beats is None:
            raise ProtocolViolation("The heart-beat header is not of the form <milliseconds>,<milliseconds>.")
        self.version = self._parser.version = version
        offered, wanted = int(beats[1]), int(beats[2])
        if version != "1.0" and self.terms.heart_beat:
            self._beat_in = offered and max(offered, self.terms.heart_beat)
            self._beat_out = wanted and max(wanted, self.terms.heart_beat)
        token = _token(frame)
        # 1.0's examples pad, those of CONNECT too.
        return [Connect(token.strip() if token and version == "1.0" else token)]

    def _perform(self, frame: Frame) -> list[Action]:
        match frame.command:
            case "SEND":
                send = Send(_need(frame, "destination"), frame, frame.get("receipt"))
                return self._buffered(frame, send)
            case "SUBSCRIBE":
                return [self._subscribe(frame)]
            case "UNSUBSCRIBE":
                return self._unsubscribe(frame)
            case "ACK" | "NACK":
                self._acknowledge(frame)
                return self._buffered(frame, None)
            case "DISCONNECT":
                self._state = "closed"
                return [Close(NORMAL)]
            case _:
                return self._transact(frame)

    def _key(self, frame: Frame) -> str:
        """A subscription's id; 1.0 may do without, then it is a space (ids have none) and the destination."""
        if self.version == "1.0" and frame.get("id") is None:
            return f" {_need(frame, 'destination')}"
        return _need(frame, "id")

    def _subscribe(self, frame: Frame) -> Subscribe:
        key, _ = self._key(frame), _need(frame, "destination")
        if key in self.subscriptions:
            raise ProtocolViolation(f"There is a subscription {key[:80]!r} already. Use another id.")
        if len(self.subscriptions) >= (most := self.terms.subscriptions):
            raise ProtocolViolation(f"A connection has at most {most} subscriptions. End some of them first.")
        ack = frame.get_or("ack", "auto")
        if ack not in {"auto", "client", "client-individual"} or (self.version == "1.0" and "-" in ack):
            raise ProtocolViolation(f"STOMP {self.version} has no ack mode {ack[:40]!r}.")
        after = frame.get("after")
        if after is not None and not re.fullmatch(r"[0-9]{1,15}", after):
            raise Invalid("The header after is not a number. Send the last seq that you have seen.")
        mode: AckMode = "auto" if ack == "auto" else "client" if ack == "client" else "client-individual"
        subscription = Subscription(key, frame, mode, self._version, self._ended.pop(key, self._forgotten))
        self.subscriptions[key] = subscription
        return Subscribe(subscription, None if after is None else int(after), frame.get("receipt"))

    def _unsubscribe(self, frame: Frame) -> list[Action]:
        key = self._key(frame)
        if self.version == "1.0":
            # Either header will do: without an id "to no longer receive messages from that destination".
            keys = [own for own, each in self.subscriptions.items() if key in {own, f" {each.destination}"}]
        else:
            keys = [key] if key in self.subscriptions else []
        if not keys and key not in self._ended:  # what ended already is as wanted
            raise ProtocolViolation(f"There is no subscription {key.strip()[:80]!r} to end. Send SUBSCRIBE first.")
        for own in keys:
            self._ended[own] = self.subscriptions.pop(own).sent
            if len(self._ended) > self.terms.subscriptions:
                self._forgotten = max(self._forgotten, self._ended.pop(next(iter(self._ended))))
        return [Unsubscribe(own) for own in keys]

    def _acknowledge(self, frame: Frame) -> None:
        # Events can be had again by `after`, so nothing outstanding is kept: that the message was sent is all
        # there is to check.
        if self.version == "1.0" and frame.command == "NACK":
            raise ProtocolViolation("STOMP 1.0 has no NACK.")
        name = _need(frame, "id" if self.version == "1.2" else "message-id")
        number, _, key = name.partition("@")
        if self.version == "1.1" and _need(frame, "subscription") != key:
            raise ProtocolViolation(f"{frame.command} names a message of another subscription.")
        subscription = self.subscriptions.get(key)
        sent = subscription.sent if subscription else self._ended.get(key, 0)
        if not re.fullmatch(r"[0-9]{1,15}", number) or not 1 <= int(number) <= sent:
            raise ProtocolViolation(f"{frame.command} names a message {name[:80]!r} that was never sent.")

    def _transact(self, frame: Frame) -> list[Action]:
        name = _need(frame, "transaction")
        if frame.command == "BEGIN":
            if name in self._transactions:
                raise ProtocolViolation(f"The transaction {name[:80]!r} has begun already. Use another name.")
            if len(self._transactions) >= (most := self.terms.transactions):
                raise ProtocolViolation(f"A connection has at most {most} open transactions. Commit sooner.")
            self._transactions[name] = []
            return []
        buffered = self._transactions.pop(name, None)
        if buffered is None:
            raise ProtocolViolation(f"There is no open transaction {name[:80]!r}. Send BEGIN first.")
        self._transaction_bytes -= sum(_cost(action) for action in buffered)
        if frame.command == "ABORT":
            return []
        receipt = frame.get("receipt")
        return [replace(send, receipt=receipt) for send in buffered]

    def _buffered(self, frame: Frame, action: Send | None) -> list[Action]:
        """The action now, or kept for its COMMIT where it names a transaction."""
        now = [] if action is None else [action]
        name = frame.get("transaction")
        if name is None:
            return [*now]
        buffered = self._transactions.get(name)
        if buffered is None:
            raise ProtocolViolation(f"There is no open transaction {name[:80]!r}. Send BEGIN first.")
        self._transaction_bytes += sum(_cost(kept) for kept in now)
        if self._transaction_bytes > self.terms.transaction_bytes:
            raise FrameTooLarge("The open transactions hold too many bytes. Commit sooner.")
        buffered += now
        return []


def _cost(send: Send) -> int:
    """Bytes that a buffered SEND holds, with a share for each header so that empty frames count too."""
    headers = sum(len(name) + len(value) + 128 for name, value in send.frame.headers)
    return 256 + len(send.frame.body) + headers


def _need(frame: Frame, name: str) -> str:
    value = frame.get(name)
    if value is None:
        raise ProtocolViolation(f"A {frame.command} frame needs the header {name}.")
    return value


def _token(frame: Frame) -> str | None:
    """The bearer token of a CONNECT: `Authorization: Bearer …` in any case, or else `passcode`."""
    for name, value in frame.headers:
        if name.lower() == "authorization":
            scheme, _, token = value.strip().partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return frame.get("passcode")
