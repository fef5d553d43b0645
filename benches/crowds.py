"""Crowds of readers: sent away and back, all at once, overloaded with sleepers among them, coming and going for ever.

Readers are raw sockets in one event loop of this process; the server is a process of its own.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

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

READERS_SENT_AWAY = 500
RETURNING = 5_000
OVERLOAD = 1_000
ROUNDS = 10_000
PATIENCE = 600.0
ADMIN = "root@example.org"
SETTINGS = {
    "max_connections": "100000",
    "max_subscriptions": "100000",
    "max_frames_per_second": "100000",
    "admins": ADMIN,
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
    """Delays with all readers reading, then with a tenth of them asleep; what the sleepers get on waking."""
    job_id, ids = await _declare(client, 1_300)
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
    async with watching(everybody, PATIENCE):
        with _sampled(server) as memory:
            awake = await _delays(client, ids[:150], everybody, lags)
            again = await _delays(client, ids[150:300], everybody, lags)  # what differs without a reason
            for sleeper in sleepers:
                assert sleeper.wire
                sleeper.wire.transport.pause_reading()
            await asyncio.to_thread(cancel, client, ids[300:600])  # until the sleepers' buffers are full
            await _all_at(readers, (await asyncio.to_thread(client.job, job_id))["seq"])
            asleep = await _delays(client, ids[600:750], readers, lags)
            behind = await asyncio.to_thread(_backlogs, client)
            await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")
            for reader in readers:
                await reader.until(lambda tally: tally.ended)
            woke = time.monotonic()
            for sleeper in sleepers:
                assert sleeper.wire
                sleeper.wire.transport.resume_reading()
            for sleeper in sleepers:
                await sleeper.until(lambda tally: tally.ended)
            caught_up = time.monotonic() - woke
        found = await _account(client, job_id, everybody)
    return {
        **found,
        "delay_ms_all_awake": awake,
        "delay_ms_all_awake_again": again,
        "delay_ms_a_tenth_asleep": asleep,
        "p99_ratio": round(asleep["p99"] / awake["p99"], 2),
        "p99_ratio_of_the_same_twice": round(again["p99"] / awake["p99"], 2),
        "readers_behind_meanwhile": behind,
        "sleepers_given_a_snapshot": sum(each.tally.snapshots == 1 for each in sleepers),
        "sleepers_on_one_connection": sum(each.connects == 1 for each in sleepers),
        "sleepers_caught_up_after_s": round(caught_up, 2),
        "server_rss_mib": {"first": round(memory[0], 1), "most": round(max(memory), 1), "last": round(memory[-1], 1)},
    }


async def coming_and_going(server: Server, client: Client) -> dict[str, Any]:
    """What is left of so many connections: each stays until a moment of chance and goes in a way of chance."""
    job_id, _ = await _declare(client, 1)
    await _come_and_go(server, client, job_id, ROUNDS // 10)  # what is loaded or grown once is no leak
    before = await _held_by(server, client)
    began = time.monotonic()
    await _come_and_go(server, client, job_id, ROUNDS)
    seconds = time.monotonic() - began
    after = await _held_by(server, client)
    return {"rounds": ROUNDS, "rounds_per_s": round(ROUNDS / seconds), "before": before, "after": after}


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
    """Tasks, descriptors and connections of a live channel in this process, before and after a thousand rounds."""
    log.configure("warning")
    async with serving() as live:
        await live.log.create(JOB)
        await rounds(live, random.Random(1), 50)
        before = await held(live)
        await asyncio.gather(*(rounds(live, random.Random(seed), 50) for seed in range(20)))
        after = await held(live)
    names = ("tasks", "descriptors", "connections", "topics")
    return {
        "rounds": 1_000,
        "before": dict(zip(names, before, strict=True)),
        "after": dict(zip(names, after, strict=True)),
    }


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
    """Milliseconds from an event's commit to its arrival, of ten events a second to every reader."""
    lags.clear()
    await asyncio.to_thread(cancel, client, ids, 0.1)
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
