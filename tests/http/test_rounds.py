"""Clients that come and go, and readers that sleep too long: nothing of them stays behind, and they miss nothing."""

from __future__ import annotations

import asyncio
import gc
import random
from pathlib import Path

from tests.http.test_live import JOB, ME, PATIENCE, Live, eventually, serving
from tests.joblog import THROUGH
from tests.line import Line
from tests.watching import Watcher, Wire

ROUNDS = 600
AT_ONCE = 20


async def test_clients_may_rapidly_connect_and_disconnect() -> None:
    """STOMP 1.2, Connection Lingering: "must be able to support clients which rapidly connect and disconnect"."""
    async with serving() as live:
        await live.log.create(JOB)
        chance = random.Random(1)
        await rounds(live, chance, AT_ONCE)
        before = await held(live)
        await asyncio.gather(*(rounds(live, random.Random(seed), ROUNDS // AT_ONCE) for seed in range(AT_ONCE)))
        assert await held(live) == before


async def rounds(live: Live, chance: random.Random, count: int) -> None:
    """Come, stay until a moment of chance, go in a way of chance."""
    for _ in range(count):
        heard: asyncio.Queue[str] = asyncio.Queue()
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda heard=heard: Wire(live.port, lambda command, _headers, _body: heard.put_nowait(command)),  # type: ignore[misc]
            "127.0.0.1",
            live.port,
        )
        stay = chance.choice(["nothing", "upgrade", "connect", "connected", "subscribe", "message"])
        if stay != "nothing":
            await wire.opened
        if stay not in {"nothing", "upgrade"}:
            wire.say("CONNECT", accept_version="1.2", host="h", passcode=ME)
        if stay in {"subscribe", "message"}:
            wire.say("SUBSCRIBE", id="0", destination=f"/topic/job/{JOB}")
        if stay == "connected":
            assert await heard.get() == "CONNECTED"
        if stay == "message":
            assert [await heard.get(), await heard.get()] == ["CONNECTED", "MESSAGE"]
        if stay in {"connected", "message"} and chance.random() < 0.5:
            wire.say("DISCONNECT", receipt="bye")
        else:
            wire.cut()
        await wire.closed


async def held(live: Live) -> tuple[int, int, int, list[str]]:
    """Tasks, file descriptors, connections and topics, once what is leaving has left."""
    await eventually(lambda: not len(live.channel.registry) and not live.hub.topics)
    quiet, last = 0, -1
    while quiet < 20:  # until twenty turns in a row change nothing
        await asyncio.sleep(0.01)
        tasks = len(asyncio.all_tasks())
        quiet, last = (quiet + 1 if tasks == last else 0), tasks
    gc.collect()
    return last, _descriptors(), len(live.channel.registry), live.hub.topics


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_e23_a_reader_cut_off_in_its_sleep_comes_back_and_misses_nothing() -> None:
    async with serving(send_within=0.3) as live, Line(live.port) as line:
        ids = await live.log.create(JOB, 300)
        sleeper = Watcher(line.port, lambda: ME, JOB, after=0, receive_buffer=4096)
        running = asyncio.create_task(sleeper.run())
        async with asyncio.timeout(PATIENCE):
            await sleeper.until(lambda tally: tally.seq == 301)
            line.stall()
            for photo in ids[:150]:
                await live.log.change(JOB, photo, *THROUGH)
            await eventually(lambda: not len(live.channel.registry))
            line.flow()
            line.cut()
            await sleeper.until(lambda tally: tally.replays == 2)  # nobody was there to trim the table
            for photo in ids[150:]:
                await live.log.change(JOB, photo, *THROUGH)
            await sleeper.until(lambda tally: tally.ended)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        job = live.log.written[JOB].job
        photos = [{"photoId": each.id, "status": each.status} for each in live.log.written[JOB].photos.values()]
        assert sleeper.tally.faults({"seq": job.seq, "status": job.status, "photos": photos}) == {}
        assert sleeper.connects == 2
