from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.errors import FrameTooLarge, ProtocolViolation
from safelight.realtime.stomp import CLIENT_COMMANDS, VERSIONS, Frame, Limits, Parser, encode

LIMITS = Limits(headers=8, line=200, body=500)


def parse(data: bytes, version: str = "1.2", limits: Limits = LIMITS) -> list[Frame]:
    parser = Parser(limits, version)
    parser.push(data)
    frames = []
    while (frame := parser.pop()) is not None:
        frames.append(frame)
    return frames


# What each version can say: 1.0 trims and cannot escape, 1.1 has no escape for a carriage return.
SAYABLE = {
    "1.2": st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
    "1.1": st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=20),
    "1.0": st.text(st.characters(exclude_characters="\0\r\n:", codec="utf-8"), max_size=20).map(str.strip),
}


@st.composite
def frames(draw: st.DrawFn, version: str) -> Frame:
    text = SAYABLE[version]
    headers = draw(st.lists(st.tuples(text.filter(bool), text), max_size=7))
    headers = [(name, value) for name, value in headers if name != "content-length"]
    body = draw(st.text(st.characters(codec="utf-8"), max_size=50)).encode()
    return Frame("SEND", (*headers, ("content-length", str(len(body)))), body)


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_what_is_encoded_is_parsed_as_it_was_in_any_pieces(version: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(frames(version), min_size=1, max_size=4))
    wire = b"".join(encode(frame, version).encode() + b"\n" * data.draw(st.integers(0, 2)) for frame in sent)
    parser = Parser(Limits(), version)
    got = []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        parser.push(wire[start:end])
        while (frame := parser.pop()) is not None:
            got.append(frame)
    assert got == sent


SCRAPS = [
    b"SEND\n",
    b"CONNECT\r\n",
    b"a:b\n",
    b"a:\\",
    b"\\c",
    b"content-length:3\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b":",
]
soup = st.lists(st.binary(max_size=60) | st.sampled_from(SCRAPS))


def take(pieces: list[bytes], version: str) -> tuple[list[Frame], bool]:
    """The frames in what comes, and whether it ended in a violation."""
    parser, got = Parser(LIMITS, version), []
    try:
        for piece in pieces:
            parser.push(piece)
            while (frame := parser.pop()) is not None:
                got.append(frame)
    except ProtocolViolation:
        return got, True
    return got, False


@pytest.mark.parametrize("version", VERSIONS)
@given(pieces=soup)
def test_no_input_raises_anything_but_a_violation_and_pieces_change_nothing(version: str, pieces: list[bytes]) -> None:
    as_it_came = take(pieces, version)
    assert take([b"".join(pieces)], version) == as_it_came
    assert take([bytes([octet]) for octet in b"".join(pieces)], version) == as_it_came


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_what_was_parsed_is_encoded_to_something_that_parses_alike(version: str, data: st.DataObject) -> None:
    name, value = SAYABLE[version].filter(bool), SAYABLE[version]
    said = st.tuples(name, value).filter(lambda header: header[0] != "content-length")  # which says how it goes on
    headers = tuple(data.draw(st.lists(said, max_size=5)))
    (once,) = parse(encode(Frame("ERROR", headers), version).encode(), version, Limits())
    assert once.headers == headers
    assert encode(once, version) == encode(Frame("ERROR", headers), version)


@pytest.mark.parametrize("version", VERSIONS)
@given(text=st.text(st.characters(codec="utf-8"), max_size=30))
def test_no_text_in_a_header_ends_it_or_its_frame(version: str, text: str) -> None:
    (frame,) = parse(encode(Frame("ERROR", (("message", text), ("last", "1"))), version).encode(), version, Limits())
    assert [name for name, _ in frame.headers] == ["message", "last"]


@pytest.mark.parametrize("command", sorted(CLIENT_COMMANDS))
def test_every_command_is_known(command: str) -> None:
    assert parse(f"{command}\na:b\n\n\0".encode()) == [Frame(command, (("a", "b"),))]


def test_lines_may_end_in_carriage_return_and_line_feed() -> None:
    assert parse(b"SEND\r\na:b\r\n\r\nbody\0\r\n") == [Frame("SEND", (("a", "b"),), b"body")]


def test_heart_beats_between_frames_are_skipped() -> None:
    assert parse(b"\n\r\n\nBEGIN\n\n\0\n\n\nABORT\n\n\0\n") == [Frame("BEGIN"), Frame("ABORT")]


def test_a_body_with_a_length_may_hold_nul() -> None:
    assert parse(b"SEND\ncontent-length:3\n\na\0b\0") == [Frame("SEND", (("content-length", "3"),), b"a\0b")]


def test_a_body_without_a_length_ends_at_the_first_nul() -> None:
    assert parse(b"SEND\n\na\0") == [Frame("SEND", (), b"a")]


def test_of_a_repeated_header_the_first_counts() -> None:
    (frame,) = parse(b"SEND\nfoo:World\nfoo:Hello\n\n\0")
    assert frame.get("foo") == "World"


def test_a_value_may_have_colons_and_spaces() -> None:
    (frame,) = parse(b"SEND\na: b:c \n\n\0")
    assert frame.get("a") == " b:c "


def test_1_0_trims() -> None:
    (frame,) = parse(b"SEND\na : b \n\n\0", "1.0")
    assert frame.get("a") == "b"


def test_escapes_are_those_of_the_version() -> None:
    wire = rb"SEND" + b"\n" + rb"a\c\n:\\\c" + b"\n\n\0"
    assert parse(wire, "1.2")[0].headers == (("a:\n", "\\:"),)
    assert parse(wire, "1.1")[0].headers == (("a:\n", "\\:"),)
    assert parse(wire, "1.0")[0].headers == ((r"a\c\n", r"\\\c"),)
    assert parse(b"SEND\na:\\r\n\n\0", "1.2")[0].get("a") == "\r"


@pytest.mark.parametrize(
    ("version", "escape"),
    [("1.2", r"\t"), ("1.2", "\\"), ("1.2", r"\C"), ("1.1", r"\r"), ("1.1", r"\0")],
)
def test_an_undefined_escape_is_a_violation(version: str, escape: str) -> None:
    with pytest.raises(ProtocolViolation, match="no header escape"):
        parse(f"SEND\na:{escape}\n\n\0".encode(), version)


def test_connect_is_not_escaped_in_any_version() -> None:
    for version in VERSIONS:
        (frame,) = parse(b"CONNECT\npasscode:a\\nb\\\n\n\0", version)
        assert frame.get("passcode") == "a\\nb\\"
        assert encode(Frame("CONNECTED", (("server", "a\\:b"),)), version) == "CONNECTED\nserver:a\\:b\n\n\0"


def test_what_a_version_cannot_say_becomes_a_space_and_never_a_header() -> None:
    assert encode(Frame("ERROR", (("message", "a\r\nb\0"),)), "1.0") == "ERROR\nmessage:a  b \n\n\0"
    assert encode(Frame("ERROR", (("message", "a\r\nb:"),)), "1.1") == "ERROR\nmessage:a \\nb\\c\n\n\0"
    assert encode(Frame("ERROR", (("message", "a\r\nb"),)), "1.2") == "ERROR\nmessage:a\\r\\nb\n\n\0"


@pytest.mark.parametrize(
    "wire",
    [
        b"HELLO\n\n\0",
        b"send\n\n\0",
        b"GET / HTTP/1.1\n\n\0",
        b"SEND\0",
        b"SEND\na:b\0",
        b"SEND\nab\n\n\0",
        b"SEND\n:b\n\n\0",
        b"SEND\na:\xff\n\n\0",
        b"\xff\xfe\n",
        b"SEND\na:b\rc\n\n\0",
        b"SEND\ncontent-length:x\n\n\0",
        b"SEND\ncontent-length:-1\n\n\0",
        b"SEND\ncontent-length:2\n\nabc\0",
        b"SEND\ncontent-length:" + b"9" * 30 + b"\n\n\0",
    ],
)
def test_garbage_is_a_violation(wire: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        parse(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"SEND\n" + b"a:b\n" * 9 + b"\n\0",
        b"SEND\na:" + b"b" * 300,
        b"A" * 300,
        b"SEND\ncontent-length:501\n\n",
        b"SEND\n\n" + b"b" * 501,
    ],
)
def test_e8_what_is_too_large_is_refused_before_it_is_whole(wire: bytes) -> None:
    with pytest.raises(FrameTooLarge):
        parse(wire)


def test_what_is_at_the_limits_is_taken() -> None:
    wire = b"SEND\n" + b"a:b\n" * 8 + b"\n" + b"b" * 500 + b"\0"
    assert len(parse(wire)[0].body) == 500
    assert parse(b"SEND\na:" + b"b" * 198 + b"\n\n\0")[0].get("a") == "b" * 198
