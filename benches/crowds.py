"""Crowds of readers: sent away and back, all at once, overloaded with sleepers among them, coming and going for ever.

Readers are raw sockets in one event loop of this process; the server is a process of its own.
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import uvloop
from prometheus_client.parser import text_string_to_metric_families
from tests.feeding import cancel
from tests.http.test_live import JOB, serving
from tests.http.test_rounds import held, rounds
from tests.running import Client, Server
from tests.tally import Told
from tests.watching import Watcher, Wire, watching

from benches.faults import summary
from safelight import log
from safelight.realtime.registry import Quota

READERS_SENT_AWAY = 500
RETURNING = 5_000
OVERLOAD = 1_000
OVERLOAD_SECONDS = 600.0
# So many photos are cancelled while sleepers sleep, ten a second, two events each, in less than the two minutes
# after which a sleeper would be cut off, and leaves them further behind than a replay goes.
NAP_PHOTOS = 750
PAUSE = 0.1
ROUNDS = 50_000
LOOK_EVERY = 10_000
PATIENCE = OVERLOAD_SECONDS + 600.0
ADMIN = "root@example.org"
SETTINGS = {
    "max_connections": "100000",
    "max_subscriptions": "100000",
    "max_frames_per_second": "100000",
    "admins": ADMIN,
    "token_minutes": "120",
}
SMALL = 4 * 1024  # bytes of a receive buffer


def measure() -> dict[str, Any]:
    """The figures of each crowd."""
    crowds: dict[str, Callable[[Server, Client], Coroutine[Any, Any, dict[str, Any]]]] = {
        "sigterm": sigterm,
        "returning_at_once": returning,
        "overload": overload,
        "coming_and_going": coming_and_going,
    }
    found: dict[str, Any] = {}
    for name, crowd in crowds.items():
        print(f"  {name} …", file=sys.stderr, flush=True)
        with (
            TemporaryDirectory() as folder,
            Server(Path(folder), dict(SETTINGS)) as server,
            server.client(ADMIN) as client,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            found[name] = runner.run(crowd(server, client))
    found["tasks"] = asyncio.run(_tasks())
    return found


async def sigterm(server: Server, client: Client) -> dict[str, Any]:
    """SIGTERM amid a job: when readers are sent away, with which code, and whether they miss anything."""
    job_id, ids = await _declare(client, 200)
    watchers = [
        Watcher(server.port, lambda: client.token, job_id, after=None if number % 2 else 0, batch=number % 3 == 0)
        for number in range(READERS_SENT_AWAY)
    ]
    async with watching(watchers, PATIENCE):
        cancelling = asyncio.create_task(asyncio.to_thread(cancel, client, ids, 0.03))
        await watchers[0].until(lambda tally: tally.seen > 210)
        assert server.process
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 60)
        ended = time.monotonic()
        left = sorted(each.left_at - told for each in watchers if each.left_at is not None)
        await asyncio.to_thread(server.start)
        started = time.monotonic()
        for watcher in watchers:
            await watcher.placed()
        back = max(each.placed_at or 0 for each in watchers) - started
        await cancelling
        found = await _account(client, job_id, watchers)
    return {
        **found,
        "close_codes": dict(Counter(str(code) for each in watchers for code in each.codes)),
        "left_after_s": _spread(left),
        "server_ended_after_s": round(ended - told, 2),
        "all_back_after_s": round(back, 2),
    }


async def returning(server: Server, client: Client) -> dict[str, Any]:
    """A server that comes back finds so many readers at its door, half of them for a replay, half for a snapshot."""
    job_id, ids = await _declare(client, 100)
    await asyncio.to_thread(cancel, client, ids[:50])
    seq = (await asyncio.to_thread(client.job, job_id))["seq"]
    watchers = [
        Watcher(server.port, lambda: client.token, job_id, after=None if number % 2 else 101, batch=True)
        for number in range(RETURNING)
    ]
    began = time.monotonic()
    async with watching(watchers, PATIENCE):
        for watcher in watchers:
            await watcher.until(lambda tally: tally.seq is not None and tally.seq >= seq)
        took = [(each.placed_at or 0) - began for each in watchers]
        shown = time.monotonic() - began
        memory = _memory(server)
        before = time.monotonic()
        await asyncio.to_thread(cancel, client, ids[50:51])
        for watcher in watchers:
            await watcher.until(lambda tally: tally.seq is not None and tally.seq >= seq + 2)
        told = time.monotonic() - before
        await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")
        found = await _account(client, job_id, watchers)
    return {
        **found,
        "placed_after_s": _spread(took),
        "all_shown_after_s": round(shown, 2),
        "one_event_told_to_all_after_s": round(told, 2),
        "server_rss_mib": round(memory, 1),
    }


async def overload(server: Server, client: Client) -> dict[str, Any]:
    """Delays with all readers reading, then, for ten minutes, with a tenth of them falling asleep again and again; what
    sleepers get on waking, and the server's memory all the while.
    """
    job_id, ids = await _declare(client, 300 + math.ceil(OVERLOAD_SECONDS / PAUSE) + NAP_PHOTOS)
    base = (await asyncio.to_thread(client.job, job_id))["seq"]
    lags: list[float] = []

    def note(told: Told) -> None:
        if told.seq is not None and told.photo is not None:
            lags.append(time.time() - told.committed)

    readers = [
        Watcher(server.port, lambda: client.token, job_id, after=base, batch=True, on_event=note)
        for _ in range(OVERLOAD * 9 // 10)
    ]
    sleepers = [
        Watcher(server.port, lambda: client.token, job_id, after=base, batch=True, receive_buffer=SMALL)
        for _ in range(OVERLOAD // 10)
    ]
    everybody = [*readers, *sleepers]
    naps: list[_Nap] = []
    async with watching(everybody, PATIENCE):
        awake = await _delays(client, ids[:150], everybody, lags)
        again = await _delays(client, ids[150:300], everybody, lags)  # what differs without a reason
        with _sampled(server) as memory:
            began, start = time.monotonic(), 300
            while time.monotonic() - began < OVERLOAD_SECONDS:
                naps.append(await _nap(server, client, ids[start : start + NAP_PHOTOS], readers, sleepers, lags))
                start += NAP_PHOTOS
            seconds = time.monotonic() - began
        await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")
        found = await _account(client, job_id, everybody)
    asleep = [nap.delays["p99"] for nap in naps]
    return {
        **found,
        "seconds": round(seconds),
        "naps": len(naps),
        "delay_ms_all_awake": awake,
        "delay_ms_all_awake_again": again,
        "delay_ms_a_tenth_asleep": naps[0].delays,
        "p99_ms_of_each_nap": asleep,
        "p99_ratio": round(median(asleep) / awake["p99"], 2),
        "p99_ratio_of_the_same_twice": round(again["p99"] / awake["p99"], 2),
        "readers_behind_in_each_nap": [nap.behind for nap in naps],
        "snapshots_of_each_sleeper": sorted({each.tally.snapshots for each in sleepers}),
        "sleepers_on_one_connection": sum(each.connects == 1 for each in sleepers),
        "sleepers_caught_up_after_s": [round(nap.caught_up, 2) for nap in naps],
        "server_rss_mib": {
            "first": round(memory[0], 1),
            "median": round(median(memory), 1),
            "most": round(max(memory), 1),
            "last": round(memory[-1], 1),
            "at_each_waking": [round(nap.memory, 1) for nap in naps],
        },
    }


class _Nap(NamedTuple):
    """Milliseconds of delay to those awake, sleepers behind at its end, seconds they needed then, the server's MiB."""

    delays: dict[str, float]
    behind: int
    caught_up: float
    memory: float


async def _nap(
    server: Server,
    client: Client,
    ids: Sequence[str],
    readers: Sequence[Watcher],
    sleepers: Sequence[Watcher],
    lags: list[float],
) -> _Nap:
    """Sleepers stop reading while these photos are cancelled, and wake."""
    for sleeper in sleepers:
        assert sleeper.wire
        sleeper.wire.transport.pause_reading()
    delays = await _delays(client, ids, readers, lags)
    behind = await asyncio.to_thread(_backlogs, client)
    seq = (await asyncio.to_thread(client.job, readers[0].job_id))["seq"]
    woke = time.monotonic()
    for sleeper in sleepers:
        assert sleeper.wire
        sleeper.wire.transport.resume_reading()
    await _all_at(sleepers, seq)
    return _Nap(delays, behind, time.monotonic() - woke, _memory(server))


async def coming_and_going(server: Server, client: Client) -> dict[str, Any]:
    """What is left of so many connections: each stays until a moment of chance and goes in a way of chance."""
    job_id, _ = await _declare(client, 1)
    await _come_and_go(server, client, job_id, 1_000)  # what is loaded or grown once is no leak
    held = {"0": await _held_by(server, client)}
    began = time.monotonic()
    for done in range(LOOK_EVERY, ROUNDS + 1, LOOK_EVERY):
        await _come_and_go(server, client, job_id, LOOK_EVERY)
        held[str(done)] = await _held_by(server, client)
    seconds = time.monotonic() - began
    return {"rounds": ROUNDS, "rounds_per_s": round(ROUNDS / seconds), "held_after_rounds": held}


async def _come_and_go(server: Server, client: Client, job_id: str, count: int) -> None:
    left = iter(range(count))

    async def one_after_the_other(chance: random.Random) -> None:
        for _ in left:
            wire = Wire(server.port, lambda *_: None)
            await asyncio.get_running_loop().create_connection(lambda own=wire: own, "127.0.0.1", server.port)  # type: ignore[misc]
            await wire.opened
            if chance.random() < 0.9:
                wire.say("CONNECT", accept_version="1.2", host="h", passcode=client.token)
            if chance.random() < 0.5:
                wire.say("SUBSCRIBE", id="0", destination=f"/topic/job/{job_id}")
            if chance.random() < 0.5:
                wire.say("DISCONNECT", receipt="bye")
            else:
                wire.cut()
            await wire.closed

    await asyncio.gather(*(one_after_the_other(random.Random(seed)) for seed in range(50)))


async def _tasks() -> dict[str, Any]:
    """What a live channel in this process holds, all of Python's objects included, after some thousands of rounds."""
    log.configure("warning")
    async with serving(quota=Quota(frames_per_second=1e6, frames_at_once=1e6)) as live:
        await live.log.create(JOB)
        names = ("tasks", "descriptors", "connections", "topics")
        found = {}
        for done in range(0, 6_000, 1_000):
            await asyncio.gather(*(rounds(live, random.Random(done + seed), 50) for seed in range(20)))
            found[str(done)] = {**dict(zip(names, await held(live), strict=True)), "objects": len(gc.get_objects())}
    return {"held_after_rounds": found}


# --- what all have in common ---


async def _declare(client: Client, count: int) -> tuple[str, list[str]]:
    job: dict[str, Any] = {}
    for start in range(0, count, 1_000):
        files = [{"filename": f"{n}.jpg", "mimeType": "image/jpeg", "bytes": 1_000} for n in range(start, count)][
            :1_000
        ]
        path = f"/commands/upload-jobs/{job['jobId']}/files" if job else "/commands/upload-jobs"
        answer = await asyncio.to_thread(client.post, path, json={"files": files, "expectedCount": count})
        assert answer.is_success, answer.text
        job = {**answer.json(), **job, "items": [*job.get("items", []), *answer.json()["items"]]}
    return job["jobId"], [item["photoId"] for item in job["items"]]


async def _account(client: Client, job_id: str, watchers: Sequence[Watcher]) -> dict[str, Any]:
    await asyncio.to_thread(client.ended, job_id, PATIENCE)
    for watcher in watchers:
        await watcher.until(lambda tally: tally.ended)
    return summary([watcher.tally for watcher in watchers], await asyncio.to_thread(client.job, job_id))


async def _delays(
    client: Client, ids: Sequence[str], readers: Sequence[Watcher], lags: list[float]
) -> dict[str, float]:
    """Milliseconds from an event's commit to its arrival, of some ten changes a second to every reader."""
    lags.clear()
    await asyncio.to_thread(cancel, client, ids, PAUSE)
    seq = (await asyncio.to_thread(client.job, readers[0].job_id))["seq"]
    await _all_at(readers, seq)
    return {"median": _ms(lags, 50), "p99": _ms(lags, 99), "max": round(max(lags) * 1000, 1), "samples": len(lags)}


async def _all_at(readers: Sequence[Watcher], seq: int) -> None:
    for reader in readers:
        await reader.until(lambda tally: tally.seq is not None and tally.seq >= seq)


def _ms(samples: Sequence[float], percent: int) -> float:
    return round(quantiles(samples, n=100)[percent - 1] * 1000, 1)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(seconds, n=100)
    named = {"first": min(seconds), "median": cuts[49], "p99": cuts[98], "last": max(seconds)}
    return {name: round(value, 2) for name, value in named.items()}


def _backlogs(client: Client) -> int:
    items = client.get("/api/admin/connections").json()["items"]
    return sum(item["backlog"] > 0 for item in items)


async def _held_by(server: Server, client: Client) -> dict[str, float]:
    """What the server holds, once it lists no connection any more."""
    while (await asyncio.to_thread(client.get, "/api/admin/connections")).json()["items"]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    text = (await asyncio.to_thread(client.get, "/metrics")).text
    gauge = sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "safelight_live_connections"
    )
    assert server.process
    place = Path(f"/proc/{server.process.pid}")
    return {
        "connections": gauge,
        "descriptors": len(await asyncio.to_thread(lambda: list((place / "fd").iterdir()))),
        "threads": len(await asyncio.to_thread(lambda: list((place / "task").iterdir()))),
        "rss_mib": round(_memory(server), 1),
    }


def _memory(server: Server) -> float:
    """MiB of resident memory of the server itself."""
    assert server.process
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


@contextmanager
def _sampled(server: Server) -> Iterator[list[float]]:
    """The server's memory, four times a second, for as long as the block runs."""
    samples, done = [_memory(server)], threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            samples.append(_memory(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()
