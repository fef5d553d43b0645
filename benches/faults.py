"""Jobs watched through faults: how many events were expected, seen, missed and doubled (the last two must be 0).

The server is killed, the line is cut, the reader sleeps, events are trimmed, the token ends. See crowds.py for many.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.feeding import cancel, feed, short_token
from tests.line import Line
from tests.pictures import jpeg
from tests.running import Client, Server
from tests.tally import Tally
from tests.watching import Watcher, watching

PHOTOS = 500
CUT_EVERY = 2.0
NAP = 5.0
# Ten minutes, far beyond the two after which the server gives up a reader.
SLEEP = 600.0
PATIENCE = SLEEP + 300.0


def measure() -> dict[str, Any]:
    """The account of each fault."""
    faults: dict[str, Callable[[Server, Client], Awaitable[dict[str, Any]]]] = {
        "killed": killed,
        "cut_every_2_seconds": cut,
        "stopped_for_a_moment": lambda server, client: stopped(server, client, NAP),
        "stopped_beyond_the_limit": lambda server, client: stopped(server, client, SLEEP),
        "trimmed": trimmed,
        "token_ended": token_ended,
    }
    found = {}
    for name, fault in faults.items():
        print(f"  {name} …", file=sys.stderr, flush=True)
        with TemporaryDirectory() as folder, Server(Path(folder)) as server, server.client() as client:
            began = time.perf_counter()
            found[name] = asyncio.run(_within(fault(server, client)))
            found[name]["seconds"] = round(time.perf_counter() - began, 1)
    found["holds"] = {
        "nothing_missed_or_doubled": all(not each["missed"] and not each["doubled"] for each in found.values())
    }
    return found


async def _within(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        return await work


async def killed(server: Server, client: Client) -> dict[str, Any]:
    """kill -9 of the server and its start on the same data, three times during the job; five watchers."""
    job_id, items, photos = await declare_photos(client, PHOTOS)
    watchers = [
        Watcher(server.port, lambda: client.token, job_id, after=after, batch=batch)
        for after, batch in ((0, False), (0, True), (PHOTOS // 2, False), (None, False), (None, True))
    ]
    async with watching(watchers, PATIENCE):
        feeding = asyncio.create_task(asyncio.to_thread(feed, client, items, photos))
        for kill in range(1, 4):
            await watchers[0].until(lambda tally, due=kill: tally.seen > due * PHOTOS * 2)  # type: ignore[misc]
            server.kill()
            await asyncio.to_thread(server.start)
        await feeding
        return await account(client, job_id, watchers)


async def cut(server: Server, client: Client) -> dict[str, Any]:
    """The line is cut every two seconds."""
    job_id, items, photos = await declare_photos(client, PHOTOS)
    async with Line(server.port) as line:
        watchers = [
            Watcher(line.port, lambda: client.token, job_id, after=after, batch=batch)
            for after, batch in ((0, False), (0, True), (PHOTOS // 2, False), (None, False), (None, True))
        ]
        async with watching(watchers, PATIENCE):
            feeding = asyncio.create_task(asyncio.to_thread(feed, client, items, photos, 1))
            while not (await asyncio.wait({feeding}, timeout=CUT_EVERY))[0]:
                line.cut()
            feeding.result()
            return await account(client, job_id, watchers)


async def stopped(server: Server, client: Client, seconds: float) -> dict[str, Any]:
    """A reader's process is stopped (SIGSTOP) for so long, while a job of 900 photos is cancelled to its end."""
    created = await asyncio.to_thread(client.declare, *((f"{number}.jpg", 1_000) for number in range(900)))
    job_id, ids = created["jobId"], [item["photoId"] for item in created["items"]]
    reader = await _reader(server, client, job_id)
    try:
        assert reader.stdout
        await reader.stdout.readline()
        reader.send_signal(signal.SIGSTOP)
        fell_asleep = time.monotonic()
        await asyncio.to_thread(cancel, client, ids[:300])
        await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")
        await asyncio.sleep(max(0.0, fell_asleep + seconds - time.monotonic()))  # its sleep is what is tested
        reader.send_signal(signal.SIGCONT)
        woke = time.monotonic()
        told = loads(await reader.stdout.readline())
        caught_up = time.monotonic() - woke
    finally:
        if reader.returncode is None:
            reader.kill()
        await reader.wait()
    connects = told.pop("connects")
    told["photos"] = {photo: tuple(standing) for photo, standing in told["photos"].items()}
    told.pop("_reaching")
    job = await asyncio.to_thread(client.job, job_id)
    return {**summary([Tally(**told)], job), "connects": connects, "caught_up_after_s": round(caught_up, 2)}


async def trimmed(server: Server, client: Client) -> dict[str, Any]:
    """Watchers are away while their events are made, and trimmed from the table."""
    created = await asyncio.to_thread(client.declare, *((f"{number}.jpg", 1_000) for number in range(PHOTOS)))
    job_id, ids = created["jobId"], [item["photoId"] for item in created["items"]]
    watchers = [Watcher(server.port, lambda: client.token, job_id, after=0, batch=bool(n % 2)) for n in range(5)]
    async with watching(watchers, PATIENCE):
        for watcher in watchers:
            await watcher.until(lambda tally: tally.seq == PHOTOS + 1)
    await asyncio.to_thread(cancel, client, ids[:-100])
    seq = (await asyncio.to_thread(client.job, job_id))["seq"]
    database = sqlite3.connect(server.folder / "data" / "safelight.db")
    with database:
        database.execute("DELETE FROM events WHERE job_id = ? AND seq <= ?", (job_id, seq - 10))
    database.close()
    async with watching(watchers, PATIENCE):
        await asyncio.to_thread(cancel, client, ids[-100:])
        return await account(client, job_id, watchers)


async def token_ended(server: Server, client: Client) -> dict[str, Any]:
    """Tokens of three seconds: three watchers renew theirs in time, two are ended by it and come back."""
    created = await asyncio.to_thread(client.declare, *((f"{number}.jpg", 1_000) for number in range(PHOTOS)))
    job_id, ids = created["jobId"], [item["photoId"] for item in created["items"]]
    watchers = [Watcher(server.port, lambda: short_token(server, client, 3), job_id, after=0) for _ in range(5)]
    async with watching(watchers, PATIENCE):
        cancelling = asyncio.create_task(asyncio.to_thread(cancel, client, ids, 0.02))
        while not (await asyncio.wait({cancelling}, timeout=1.0))[0]:
            for watcher in watchers[:3]:
                if watcher.wire is not None:
                    watcher.renew(short_token(server, client, 3))
        cancelling.result()
        found = await account(client, job_id, watchers)
    return {**found, "errors": [dict(Counter(watcher.errors)) for watcher in watchers]}


# --- what all have in common ---


async def declare_photos(client: Client, count: int) -> tuple[str, list[dict[str, Any]], list[bytes]]:
    """A job of so many real photos."""
    photos = [jpeg(seed=number) for number in range(count)]
    created = await asyncio.to_thread(client.declare, *((f"{n}.jpg", len(p)) for n, p in enumerate(photos)))
    return created["jobId"], created["items"], photos


async def account(client: Client, job_id: str, watchers: Sequence[Watcher]) -> dict[str, Any]:
    """Once all have seen the end of the job."""
    await asyncio.to_thread(client.ended, job_id, PATIENCE)
    for watcher in watchers:
        await watcher.until(lambda tally: tally.ended)
    job = await asyncio.to_thread(client.job, job_id)
    found = summary([watcher.tally for watcher in watchers], job)
    return {**found, "connects": sum(watcher.connects for watcher in watchers)}


def summary(tallies: Sequence[Tally], job: dict[str, Any]) -> dict[str, Any]:
    """The figures of all watchers together. Expected is seen plus what snapshots stood for, where nothing is missed."""
    faults = Counter[str]()
    for tally in tallies:
        faults.update(tally.faults(job))
    return {
        "watchers": len(tallies),
        "expected": sum(job["seq"] - tally.since for tally in tallies),
        "seen": sum(tally.seen for tally in tallies),
        "by_snapshot": sum(tally.covered for tally in tallies),
        "missed": faults.pop("missed", 0),
        "doubled": faults.pop("doubled", 0),
        "other_faults": dict(faults),
        "snapshots": sum(tally.snapshots for tally in tallies),
        "replays": sum(tally.replays for tally in tallies),
    }


async def _reader(server: Server, client: Client, job_id: str) -> Process:
    arguments = ("-m", "tests.watching", str(server.port), client.token, job_id)
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, limit=1 << 24)
