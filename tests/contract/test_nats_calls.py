"""Calls over NATS when messages, processes or NATS itself are lost; what all is well with is in test_sockjs_relay."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
from tests.servers.nats import Nats

from safelight.adapters.nats import NatsCalls
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.frames import Frame, Kind
from safelight.adapters.nats.servers import parse
from safelight.ports.calls import Answer, CallLost

PATIENCE = 20.0
BEAT = 0.2
ROOT = Path(__file__).parents[2]


class Lossy(Connection):
    """A connection that loses messages: those of calls for which `loses` says so."""

    loses: Callable[[Frame], bool] = staticmethod(lambda _: False)

    async def publish(
        self, subject: str, payload: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        if ".peer." in subject and payload and self.loses(Frame(payload)):
            return True
        return await super().publish(subject, payload, reply=reply, headers=headers)


Make = Callable[[], NatsCalls]


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(6)}"


@asynccontextmanager
async def process(nats: Nats, prefix: str) -> AsyncIterator[tuple[NatsCalls, Lossy]]:
    """What one process has."""
    connection = Lossy(parse(nats.urls))
    calls = NatsCalls(connection, prefix=prefix, beat=BEAT)
    try:
        yield calls, connection
    finally:
        await calls.close()
        await connection.close()


class Heard:
    """An answer, part by part."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.first = asyncio.Event()

    async def __call__(self, part: bytes) -> None:
        self.parts.append(part)
        self.first.set()


async def echo(request: bytes, answer: Answer) -> None:
    await answer(request)


async def for_ever(_request: bytes, answer: Answer) -> None:
    await answer(b"begun")
    await asyncio.Event().wait()


async def begun(calls: NatsCalls) -> asyncio.Task[bool]:
    """A call of which the first part has come."""
    heard = Heard()
    calling = asyncio.create_task(calls.call("s", b"", heard))
    async with asyncio.timeout(PATIENCE):
        await heard.first.wait()
    return calling


async def lost(calling: asyncio.Task[bool], reason: str) -> float:
    """Wait until it is lost; the seconds that took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(CallLost, match=reason):
            await calling
    return time.monotonic() - began


async def test_what_is_larger_than_a_message_comes_whole(nats: Nats, prefix: str) -> None:
    async with process(nats, prefix) as (home, _), process(nats, prefix) as (away, _):
        large, heard = secrets.token_bytes(3_500_000), Heard()
        assert await home.hold("s", echo)
        assert await away.call("s", large, heard)
        assert heard.parts == [large]
        assert await away.call("s", b"", heard)
        assert heard.parts == [large, b""]


async def test_names_are_names_and_no_patterns(nats: Nats, prefix: str) -> None:
    async with process(nats, prefix) as (home, _), process(nats, prefix) as (away, _):
        for name in ("*", ">", "a.b", "a b", "", "é"):
            assert await home.hold(name, echo)
            assert not await away.hold(name, echo)
            heard = Heard()
            assert await away.call(name, b"x", heard)
            assert heard.parts == [b"x"]
        assert not await away.call("other", b"x", Heard())


async def test_every_part_comes_once_though_messages_are_lost(nats: Nats, prefix: str) -> None:
    chance = random.Random(7)

    def loses(frame: Frame) -> bool:
        return frame.kind in (Kind.PART, Kind.TAKEN) and chance.random() < 0.3

    parts = [b"%d;" % number * (500_000 if number % 10 == 9 else 1) for number in range(30)]

    async def count(_request: bytes, answer: Answer) -> None:
        for part in parts:
            await answer(part)

    async with process(nats, prefix) as (home, one), process(nats, prefix) as (away, other):
        one.loses = other.loses = loses
        assert await home.hold("s", count)
        heard = Heard()
        async with asyncio.timeout(PATIENCE):
            assert await away.call("s", b"", heard)
        assert heard.parts == parts


@pytest.mark.parametrize("gone", [Kind.OPEN, Kind.DONE])
async def test_a_call_whose_beginning_or_end_is_lost_is_lost(gone: Kind, nats: Nats, prefix: str) -> None:
    async with process(nats, prefix) as (home, one), process(nats, prefix) as (away, other):
        assert await home.hold("s", echo)
        one.loses = other.loses = lambda frame: frame.kind is gone
        calling = asyncio.create_task(away.call("s", b"", Heard()))
        assert await lost(calling, "does not know of it") < 5


@pytest.mark.parametrize("gone", [Kind.HANG_UP, None])
async def test_who_hangs_up_is_noticed(gone: Kind | None, nats: Nats, prefix: str) -> None:
    cancelled = asyncio.Event()

    async def serve(request: bytes, answer: Answer) -> None:
        try:
            await for_ever(request, answer)
        finally:
            cancelled.set()

    async with process(nats, prefix) as (home, _), process(nats, prefix) as (away, other):
        assert await home.hold("s", serve)
        calling, also = await begun(away), await begun(away)
        other.loses = lambda frame: frame.kind is gone
        calling.cancel()
        async with asyncio.timeout(PATIENCE):
            await cancelled.wait()
        assert not also.done()
        also.cancel()


async def test_a_holder_that_breaks_off_is_noticed_at_once(nats: Nats, prefix: str) -> None:
    async def fails(_request: bytes, answer: Answer) -> None:
        await answer(b"begun")
        raise RuntimeError("broken")

    async with process(nats, prefix) as (home, _), process(nats, prefix) as (away, _):
        assert await home.hold("s", fails)
        assert await lost(await begun(away), "gave it up") < 1
        assert await home.hold("t", for_ever)
        await home.release("s")
        assert await home.hold("s", for_ever)
        calling = await begun(away)
        await home.close()
        assert await lost(calling, "gave it up") < 1
        assert await away.hold("s", echo)


HOLDER = """
import asyncio, sys
from safelight.adapters.nats import NatsCalls
from safelight.adapters.nats.connection import Connection
from safelight.adapters.nats.servers import parse
from tests.contract.test_nats_calls import BEAT, begun, for_ever

async def main(url, prefix, what):
    calls = NatsCalls(Connection(parse([url])), prefix=prefix, beat=BEAT)
    if what == "hold":
        assert await calls.hold("s", for_ever)
    else:
        await begun(calls)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def another(nats: Nats, prefix: str, what: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own that holds `s`, or calls it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", HOLDER, nats.urls[0], prefix, what),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )
    assert child.stdout
    try:
        while (line := await child.stdout.readline()) != b"ready\n":
            assert line, "it ended"
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(SIGCONT)
            child.kill()
        await child.wait()


async def test_a_holder_that_is_killed_is_noticed_and_its_names_are_free(nats: Nats, prefix: str) -> None:
    async with process(nats, prefix) as (away, _), another(nats, prefix, "hold") as child:
        assert not await away.hold("s", echo)
        calling = await begun(away)
        child.send_signal(SIGKILL)
        assert await lost(calling, "is gone") < 2
        assert not await away.call("s", b"", Heard())
        assert await away.hold("s", echo)


async def test_a_holder_that_is_silent_is_lost_but_keeps_its_names(nats: Nats, prefix: str) -> None:
    async with process(nats, prefix) as (away, _), another(nats, prefix, "hold") as child:
        calling = await begun(away)
        child.send_signal(SIGSTOP)
        assert await lost(calling, "is silent") < 3
        assert not await away.hold("s", echo)
        child.send_signal(SIGCONT)
        (await begun(away)).cancel()


async def test_a_caller_that_is_killed_is_noticed(nats: Nats, prefix: str) -> None:
    cancelled = asyncio.Event()

    async def serve(request: bytes, answer: Answer) -> None:
        try:
            await for_ever(request, answer)
        finally:
            cancelled.set()

    async with process(nats, prefix) as (home, _):
        assert await home.hold("s", serve)
        async with another(nats, prefix, "call") as child:
            child.send_signal(SIGKILL)
            async with asyncio.timeout(PATIENCE):
                await cancelled.wait()


async def test_names_are_kept_while_nats_is_away_and_forgets_them(tmp_path: Path, prefix: str) -> None:
    with Nats(tmp_path / "nats") as nats:
        async with process(nats, prefix) as (home, one), process(nats, prefix) as (away, other):
            assert await home.hold("s", echo)
            assert await home.hold("t", for_ever)
            heard = Heard()
            calling = asyncio.create_task(away.call("t", b"", heard))
            await heard.first.wait()
            nats.kill()
            assert await lost(calling, "the connection to NATS was lost") < 2
            with pytest.raises(CallLost, match="not connected"):
                await away.call("u", b"", heard)
            assert not await away.hold("u", echo)
            nats.forget()
            nats.start()
            assert await one.wait(PATIENCE)
            assert await other.wait(PATIENCE)
            async with asyncio.timeout(PATIENCE):
                while not await away.call("s", b"x", heard):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.02)
            assert heard.parts == [b"begun", b"x"]
            assert not await away.hold("s", echo)
