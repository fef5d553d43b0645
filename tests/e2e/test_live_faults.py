"""Watchers of jobs through faults: servers killed, lines cut, readers asleep. Nothing is missed and nothing doubled.

`python -m benches faults crowds` does the same at full size, and prints the figures.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from typing import Any

from tests.feeding import cancel, feed, short_token
from tests.line import Line
from tests.pictures import jpeg
from tests.running import Client, Server
from tests.watching import ABNORMAL, Watcher, watching

PATIENCE = 60.0
SERVICE_RESTART = 1012


async def declared(client: Client, count: int, size: int = 1_000) -> tuple[str, list[dict[str, Any]]]:
    """A job of so many photos, and its items."""
    created = await asyncio.to_thread(client.declare, *((f"{number}.jpg", size) for number in range(count)))
    return created["jobId"], created["items"]


async def at_the_end(client: Client, job_id: str, watchers: Sequence[Watcher]) -> None:
    """Every watcher comes to the end of the job and shows it as it is."""
    await asyncio.to_thread(client.ended, job_id, PATIENCE)
    for watcher in watchers:
        await watcher.until(lambda tally: tally.ended)
    job = await asyncio.to_thread(client.job, job_id)
    assert [watcher.tally.faults(job) for watcher in watchers] == [{}] * len(watchers)


async def test_a_server_killed_and_started_again_amid_a_job(start: Callable[..., Server]) -> None:
    server = start()
    photos = [jpeg(seed=number) for number in range(40)]
    with server.client() as client:
        created = await asyncio.to_thread(client.declare, *((f"{n}.jpg", len(p)) for n, p in enumerate(photos)))
        job_id, items = created["jobId"], created["items"]
        watchers = [
            Watcher(server.port, lambda: client.token, job_id, after=after, batch=batch)
            for after, batch in ((0, False), (0, True), (30, False), (None, False), (None, True))
        ]
        async with watching(watchers):
            feeding = asyncio.create_task(asyncio.to_thread(feed, client, items, photos))
            await watchers[0].until(lambda tally: tally.seen > 100)
            server.kill()
            await asyncio.to_thread(server.start)
            await feeding
            await at_the_end(client, job_id, watchers)
        assert all(watcher.codes == [ABNORMAL] for watcher in watchers)
        assert all(watcher.connects == 2 for watcher in watchers)
        assert watchers[0].tally.covered == 0  # a replay, and no snapshot, was the way back


async def test_a_line_that_is_cut_again_and_again(server: Server, client: Client) -> None:
    photos = [jpeg(seed=number) for number in range(40)]
    created = await asyncio.to_thread(client.declare, *((f"{n}.jpg", len(p)) for n, p in enumerate(photos)))
    job_id, items = created["jobId"], created["items"]
    async with Line(server.port) as line:
        line.delay = 0.01
        watchers = [
            Watcher(line.port, lambda: client.token, job_id, after=after, batch=batch)
            for after, batch in ((0, False), (0, True), (None, False))
        ]
        async with watching(watchers):
            feeding = asyncio.create_task(asyncio.to_thread(feed, client, items, photos, 1))
            for cut in range(1, 9):
                await watchers[0].until(lambda tally, due=cut: tally.seen >= due * 25)  # type: ignore[misc]
                line.cut()
            await feeding
            await at_the_end(client, job_id, watchers)
        assert all(watcher.connects >= 5 for watcher in watchers)


async def test_a_reader_that_was_stopped_wakes_to_a_snapshot(server: Server, client: Client) -> None:
    job_id, items = await declared(client, 900)
    arguments = ("-m", "tests.watching", str(server.port), client.token, job_id)
    reader = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            assert reader.stdout
            assert await reader.stdout.readline() == b"watching\n"
            reader.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(cancel, client, [item["photoId"] for item in items[:300]])
            assert (await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")).status_code == 204
            job = await asyncio.to_thread(client.job, job_id)
            reader.send_signal(signal.SIGCONT)
            tally = json.loads(await reader.stdout.readline())
    finally:
        reader.kill()
        await reader.wait()
    assert (tally["status"], tally["seq"]) == (job["status"], job["seq"])
    assert tally["missed"] == tally["doubled"] == tally["fallen"] == 0
    assert tally["connects"] == 1
    assert tally["snapshots"] == 2  # the first, and the one on waking
    assert tally["seen"] + tally["covered"] == job["seq"]
    assert {standing[3] for standing in tally["photos"].values()} == {"CANCELLED"}


async def test_a_line_that_stalls_costs_its_reader_nothing_but_time(server: Server, client: Client) -> None:
    job_id, items = await declared(client, 900)
    async with Line(server.port) as line:
        stalled = Watcher(line.port, lambda: client.token, job_id, after=0)
        quick = Watcher(server.port, lambda: client.token, job_id, after=0)
        async with watching([stalled, quick]):
            await stalled.until(lambda tally: tally.seq == 901)
            line.stall()
            await asyncio.to_thread(cancel, client, [item["photoId"] for item in items[:300]])
            await asyncio.to_thread(client.post, f"/commands/upload-jobs/{job_id}/cancel")
            await quick.until(lambda tally: tally.ended)
            line.flow()
            await at_the_end(client, job_id, [stalled, quick])
        assert (stalled.connects, stalled.tally.snapshots) == (1, 1)
        assert quick.tally.covered == 0


async def test_what_was_trimmed_meanwhile_is_told_by_a_snapshot(start: Callable[..., Server]) -> None:
    server = start()
    with server.client() as client:
        job_id, items = await declared(client, 20)
        watcher = Watcher(server.port, lambda: client.token, job_id, after=0, returns=False)
        async with watching([watcher]):
            await watcher.until(lambda tally: tally.seq == 21)
        await asyncio.to_thread(cancel, client, [item["photoId"] for item in items[:10]])
        with sqlite3.connect(server.folder / "data" / "safelight.db") as database:
            trimmed = database.execute("DELETE FROM events WHERE job_id = ? AND seq <= 30", (job_id,)).rowcount
        database.close()
        assert trimmed == 30
        path = f"/queries/upload-jobs/{job_id}/events"
        polled = [(await asyncio.to_thread(client.get, f"{path}?after={after}")).json() for after in (21, 30)]
        assert (polled[0]["reset"], polled[0]["seq"]) == (True, polled[1]["seq"])
        assert "reset" not in polled[1]
        assert polled[1]["events"][0]["seq"] == 31
        near = Watcher(server.port, lambda: client.token, job_id, after=30)
        async with watching([watcher, near]):
            await watcher.until(lambda tally: tally.snapshots == 1 and tally.covered > 0)
            await asyncio.to_thread(cancel, client, [item["photoId"] for item in items[10:]])
            await asyncio.gather(*(each.until(lambda tally: tally.ended) for each in (watcher, near)))
        job = await asyncio.to_thread(client.job, job_id)
        assert watcher.tally.faults(job) == {}
        assert (near.tally.snapshots, near.tally.missed, near.tally.doubled) == (0, 0, 0)


async def test_a_token_that_ends_amid_a_job(server: Server, client: Client) -> None:
    job_id, items = await declared(client, 60)
    tokens = [short_token(server, client, 2.5), client.token]
    forgetful = Watcher(server.port, lambda: tokens.pop(0), job_id, after=0)
    careful = Watcher(server.port, lambda: short_token(server, client, 2.5), job_id, after=0)
    async with watching([forgetful, careful]):
        careful.renew(client.token)
        feeding = asyncio.create_task(asyncio.to_thread(cancel, client, [item["photoId"] for item in items], 0.08))
        await feeding
        await at_the_end(client, job_id, [forgetful, careful])
    assert (forgetful.errors, forgetful.connects) == (["token-expired"], 2)
    assert (careful.errors, careful.connects) == ([], 1)


async def test_sigterm_sends_readers_away_one_by_one_and_they_come_back(start: Callable[..., Server]) -> None:
    server = start(drain_seconds="1.5")
    with server.client() as client:
        job_id, items = await declared(client, 100)
        watchers = [
            Watcher(server.port, lambda: client.token, job_id, after=None if number % 2 else 0, batch=number % 3 == 0)
            for number in range(50)
        ]
        async with watching(watchers):
            ids = [item["photoId"] for item in items]
            events = asyncio.create_task(asyncio.to_thread(cancel, client, ids, 0.02))
            assert server.process
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait, 30)
            spread = [watcher.left_at for watcher in watchers if watcher.left_at is not None]
            assert max(spread) - min(spread) >= 1
            await asyncio.to_thread(server.start)
            await events
            await at_the_end(client, job_id, watchers)
        assert [watcher.codes for watcher in watchers] == [[SERVICE_RESTART]] * 50
