"""A SockJS session as a state machine, under a clock that the test moves."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safelight.realtime.sockjs import Options
from safelight.realtime.sockjs.deadlines import Deadlines
from safelight.realtime.sockjs.state import ANOTHER, SessionState

CLOSED = 'c[3000,"Go away!"]'
INTERRUPTED = 'c[1002,"Connection interrupted"]'
DEFAULT = Options()


def opened(options: Options = DEFAULT) -> SessionState:
    """A session whose receiver has just written the open frame, at second 0."""
    state = SessionState(options, 0.0)
    assert state.attach(0.0) is None
    assert state.next_frame(0.0) == "o"
    state.wrote(2, 0.0)
    return state


def test_the_defaults_are_the_protocols() -> None:
    assert DEFAULT.heartbeat == 25
    assert DEFAULT.disconnect_delay == 5
    assert DEFAULT.response_limit == 128 * 1024


def test_the_open_frame_is_the_first_even_where_the_handler_was_quicker() -> None:
    state = SessionState(DEFAULT, 0.0)
    state.put("a")
    state.close(3000, "Go away!")
    assert state.attach(0.0) is None
    assert [state.next_frame(0.0) for _ in range(4)] == ["o", 'a["a"]', CLOSED, CLOSED]


def test_a_heartbeat_is_due_after_25_seconds_of_silence() -> None:
    state = opened()
    assert state.deadline() == 25.0
    assert state.next_frame(24.9) is None
    assert state.next_frame(25.0) == "h"
    state.wrote(2, 25.0)
    assert state.next_frame(49.9) is None
    state.put("a")
    assert state.next_frame(49.9) == 'a["a"]'
    state.wrote(7, 49.9)
    assert state.deadline() == pytest.approx(74.9)


def test_a_session_is_gone_5_seconds_after_its_receiver() -> None:
    state = opened()
    state.detach(10.0)
    assert state.deadline() == 15.0
    state.tick(14.9)
    still = not state.gone
    state.tick(15.0)
    assert still
    assert state.gone
    assert state.ended
    assert state.deadline() == math.inf


def test_a_session_that_nobody_came_for_is_gone_too() -> None:
    state = SessionState(DEFAULT, 0.0)
    state.tick(state.deadline())
    assert state.gone


def test_a_second_receiver_is_refused_and_the_first_goes_on() -> None:
    state = opened()
    assert state.attach(1.0) == ANOTHER
    state.put("a")
    assert state.next_frame(1.0) == 'a["a"]'


def test_a_second_receiver_of_a_session_that_closes_is_told_why() -> None:
    state = opened()
    state.close(3000, "Go away!")
    assert state.attach(1.0) == CLOSED


def test_the_close_frame_is_served_until_the_timeout() -> None:
    state = opened()
    state.close(3000, "Go away!")
    assert state.next_frame(0.0) == CLOSED
    state.detach(0.0)
    for second in (4.0, 8.0):
        assert state.attach(second) is None
        assert state.next_frame(second) == CLOSED
        state.detach(second)
    state.tick(13.0)
    assert state.gone


def test_an_interrupted_session_has_lost_what_waited() -> None:
    state = opened()
    state.put("a")
    state.interrupt(1.0)
    assert state.ended
    assert state.attach(1.0) is None
    assert state.next_frame(1.0) == INTERRUPTED


def test_only_the_first_reason_counts() -> None:
    state = opened()
    state.close(3000, "Go away!")
    state.close(3001, "Really!")
    state.interrupt(1.0)
    assert state.farewell == (3000, "Go away!")


def test_what_comes_or_goes_after_the_end_goes_nowhere() -> None:
    state = opened()
    state.accept(["early"])
    state.close(3000, "Go away!")
    state.accept(["late"])
    state.put("late")
    assert state.take() == "early"
    assert state.take() is None
    assert state.next_frame(0.0) == CLOSED


def test_both_queues_say_when_they_are_full() -> None:
    state = opened(replace(DEFAULT, inbox=100, outbox=10))
    state.accept(["x" * 90])
    found = [state.full]
    state.take()
    found.append(state.full)
    state.accept([""] * 7)  # a million empty strings are not nothing
    found.append(state.full)
    assert found == [True, False, True]
    state.put("é" * 4)  # counted in bytes
    found = [state.crowded]
    state.next_frame(0.0)
    assert [*found, state.crowded] == [True, False]


def test_a_raw_session_has_no_frames_and_no_heartbeats() -> None:
    state = SessionState(DEFAULT, 0.0, framed=False)
    state.attach(0.0)
    assert state.deadline() == math.inf
    state.put('"a"')
    state.put("")
    assert [state.next_message() for _ in range(3)] == ['"a"', "", None]


class Life(RuleBasedStateMachine):
    """Any order of events: what was put comes out once and in order, and there is at most one receiver."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state = SessionState(replace(DEFAULT, outbox=100), 0.0)
        self.attached = False
        self.lost = False
        self.closed = False
        self.put: list[str] = []
        self.got: list[str] = []
        self.frames = 0

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.state.deadline() <= self.now:
            self.state.tick(self.now)

    @precondition(lambda self: not self.state.ended and not self.state.crowded)
    @rule(text=st.text(max_size=5))
    def send(self, text: str) -> None:
        self.state.put(text)
        self.put.append(text)

    @precondition(lambda self: not self.state.gone)
    @rule()
    def attach(self) -> None:
        refusal = self.state.attach(self.now)
        assert (refusal is not None) == self.attached
        self.attached = True

    @precondition(lambda self: self.attached)
    @rule()
    def receive(self) -> None:
        frame = self.state.next_frame(self.now)
        if frame is None:
            return
        self.frames += 1
        assert (frame == "o") == (self.frames == 1)
        if frame[0] == "a":
            self.got += json.loads(frame[1:])
        if frame[0] == "c":
            assert self.state.ended
            assert self.lost or self.got == self.put
        self.state.wrote(len(frame), self.now)

    @precondition(lambda self: self.attached)
    @rule()
    def detach(self) -> None:
        self.state.detach(self.now)
        self.attached = False

    @precondition(lambda self: self.attached)
    @rule()
    def interrupt(self) -> None:
        self.state.interrupt(self.now)
        self.attached, self.lost = False, True

    @rule()
    def close(self) -> None:
        self.state.close(3000, "Go away!")

    @invariant()
    def in_order_and_once(self) -> None:
        assert self.got == self.put[: len(self.got)]
        assert not (self.state.gone and self.attached)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- deadlines ---


def test_items_come_out_when_they_are_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() is None
    assert deadlines.by("b", 2.0)
    assert deadlines.by("a", 1.0)
    assert deadlines.next() == 1.0
    assert deadlines.due(0.9) == []
    assert deadlines.due(5.0) == ["a", "b"]
    assert deadlines.next() is None


def test_a_deadline_can_be_brought_forward_and_never_put_off() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.by("a", 5.0)
    assert not deadlines.by("a", 6.0)
    assert deadlines.by("a", 1.0)
    assert deadlines.due(1.0) == ["a"]
    assert deadlines.due(9.0) == []
    assert deadlines.by("a", 6.0)


def test_what_is_forgotten_is_never_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.by("a", 1.0)
    deadlines.by("b", 2.0)
    deadlines.forget("a")
    deadlines.forget("never")
    assert deadlines.next() == 2.0
    assert len(deadlines) == 1
    assert deadlines.due(9.0) == ["b"]
