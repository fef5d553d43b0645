"""Many machines, and one of them after the other falls over while photos come in.

Three servers behind a proxy that gives each request to the next, four workers, three NATS nodes, PostgreSQL, SeaweedFS,
all on this machine. For each fault five people send a job each, each watched by one of them; the fault begins when a
fifth of the photos is done. Counted: photos lost (not COMPLETED) and stuck (no end), and of all durable events those
that a watcher missed or saw twice. `refused` are the answers of 400 and more that the senders got, `silence_s` is the
longest time without any photo becoming COMPLETED, `going_on_after_s` the time from the end of the fault to the next
one that did.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.ahead import next_release
from tests.cluster import Cluster, cluster, restart
from tests.feeding import feed
from tests.pictures import jpeg
from tests.running import Client, Server
from tests.tally import Told
from tests.watching import Watcher, watching

from benches.faults import summary

PEOPLE = 5
EACH = 40
UNDISTURBED = 200
DOWN = 5.0
"""Seconds that what fell over stays away."""
MINUTE = 60.0
PATIENCE = 600.0
FAKETIME = os.environ.get("FAKETIME_LIBRARY", "")
"""libfaketime.so.1, where there is one: without it clocks are not set wrong."""

Fault = Callable[[Cluster], None]


def measure() -> dict[str, Any]:
    """The account of the undisturbed run and of each fault; DISASTERS names some alone, by how they begin."""
    chosen = tuple(os.environ.get("DISASTERS", "").split(","))
    found: dict[str, Any] = {}
    with TemporaryDirectory() as folder, cluster(Path(folder), servers=3, workers=4, nodes=3, ways=True) as machines:
        if chosen == ("",):
            found["undisturbed"] = _account_of(machines, "undisturbed", lambda _: None, UNDISTURBED)
        for name, fault in _faults(machines):
            if not name.startswith(chosen):
                continue
            found[name] = _account_of(machines, name, fault, UNDISTURBED if name.startswith("upgrade") else EACH)
    found["holds"] = all(not each[word] for each in found.values() for word in ("lost", "stuck", "missed", "doubled"))
    return found


def _faults(machines: Cluster) -> Iterator[tuple[str, Fault]]:
    for number, server in enumerate(machines.servers, 1):
        yield f"server_{number}_killed", lambda _, server=server: _kill(server)  # type: ignore[misc]
    for number, worker in enumerate(machines.workers, 1):
        yield f"worker_{number}_killed", lambda _, worker=worker: _kill(worker)  # type: ignore[misc]
    yield "nats_leader_killed", _nats_leader
    yield "all_of_nats_killed", _all_of_nats
    yield "postgres_restarted", lambda all_: all_.postgres.restart()
    yield "postgres_killed", _postgres
    yield "store_killed", _store
    yield "store_answers_503_for_a_minute", _store_unavailable
    yield "store_slow_for_a_minute", _store_slow
    yield "stores_key_changed", _key_changed
    yield "postgres_cut_off_for_10_s", lambda all_: _cut_off(all_.postgres.pause, all_.postgres.resume)
    yield "nats_cut_off_for_10_s", _nats_cut_off
    yield "store_cut_off_for_10_s", lambda all_: _cut_off(all_.seaweed.freeze, all_.seaweed.thaw)
    for name, processes in (("server", machines.servers[:1]), ("worker", machines.workers[:1])):
        yield f"{name}_stopped_for_10_s", lambda _, them=processes: _stop(them)  # type: ignore[misc]
        if FAKETIME:
            yield f"{name}_with_a_clock_10_minutes_wrong", lambda _, them=processes: _skew(them[0])  # type: ignore[misc]
    for (who, where), way in machines.ways.items():
        yield (
            f"{who}_cut_off_from_{where}_for_10_s",
            lambda all_, way=way: _cut_off(  # type: ignore[misc]
                lambda: all_.lanes.cut(*way), lambda: all_.lanes.mend(*way)
            ),
        )
    # The last: whatever starts anew is code that the database is ahead of.
    yield "upgrade_rolled_halfway", _upgrade


def _kill(process: Server) -> None:
    process.kill()
    time.sleep(DOWN)
    process.start()


def _stop(processes: list[Server]) -> None:
    """SIGSTOP: it holds its connections and answers nothing, as one whose network was cut."""
    with _stopped(processes):
        time.sleep(2 * DOWN)


@contextmanager
def _stopped(processes: list[Server]) -> Iterator[None]:
    ids = [each.process.pid for each in processes if each.process]
    for pid in ids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in ids:
            os.kill(pid, signal.SIGCONT)


def _nats_leader(machines: Cluster) -> None:
    leader = machines.nats.leader()
    machines.nats.kill(leader)
    time.sleep(DOWN)
    machines.nats.start_node(leader)


def _all_of_nats(machines: Cluster) -> None:
    for node in range(machines.nats.nodes):
        machines.nats.kill(node)
    time.sleep(DOWN)
    for node in range(machines.nats.nodes):
        machines.nats.start_node(node)


def _postgres(machines: Cluster) -> None:
    machines.postgres.kill()
    time.sleep(DOWN)
    machines.postgres.start()


def _store(machines: Cluster) -> None:
    machines.seaweed.kill()
    time.sleep(DOWN)
    machines.seaweed.start()


def _store_unavailable(machines: Cluster) -> None:
    machines.store.answer("", 503, "<Error><Code>SlowDown</Code></Error>")
    time.sleep(MINUTE)
    machines.store.heal()


def _store_slow(machines: Cluster) -> None:
    machines.store.delay = 1.0
    time.sleep(MINUTE)
    machines.store.delay = 0.0


def _key_changed(machines: Cluster) -> None:
    """The store knows another key from now on; the processes read theirs anew."""
    machines.seaweed.kill()
    machines.seaweed.secret_key = secrets.token_hex(16)
    machines.seaweed.start()
    time.sleep(DOWN)
    machines.credentials.write_text(machines.seaweed.keys)


def _cut_off(freeze: Callable[[], None], thaw: Callable[[], None]) -> None:
    freeze()
    time.sleep(2 * DOWN)
    thaw()


def _nats_cut_off(machines: Cluster) -> None:
    nodes = range(machines.nats.nodes)
    _cut_off(lambda: machines.nats.freeze(*nodes), lambda: machines.nats.thaw(*nodes))


def _upgrade(machines: Cluster) -> None:
    """A server and two workers become the next release; an old server and an old worker start again after that."""
    coming = next_release(machines.servers[0].folder.parent / "next")
    for process in (machines.servers[0], *machines.workers[:2]):
        restart(process, coming)
    for process in (machines.servers[1], machines.workers[2]):
        restart(process)


def _skew(process: Server) -> None:
    """It ends, comes back with a clock that is ten minutes ahead for half a minute, and then with the right one."""
    right = dict(process.environment)
    process.environment |= {"LD_PRELOAD": FAKETIME, "FAKETIME": "+10m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    process.stop()
    process.start()
    time.sleep(MINUTE / 2)
    process.environment = right
    process.stop()
    process.start()


# --- what all have in common ---


def _account_of(machines: Cluster, name: str, fault: Fault, each: int) -> dict[str, Any]:
    print(f"  {name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    found = asyncio.run(_run(machines, fault, each))
    return {**found, "seconds": round(time.monotonic() - began, 1)}


async def _run(machines: Cluster, fault: Fault, each: int) -> dict[str, Any]:
    people = [await asyncio.to_thread(machines.client) for _ in range(PEOPLE)]
    answers: list[int] = []
    for person in people:
        person.event_hooks["response"].append(lambda answer: answers.append(answer.status_code))
    photos = [jpeg(320, 240, seed=number) for number in range(each)]
    jobs = [await asyncio.to_thread(_declare, person, photos) for person in people]
    done: list[float] = []

    def note(told: Told) -> None:
        if told.photo and told.status == "COMPLETED" and told.seq is not None:
            done.append(time.monotonic())

    watchers = [
        Watcher(
            machines.proxy.port,
            lambda person=person: person.token,  # type: ignore[misc]
            job_id,
            after=0,
            batch=bool(number % 2),
            on_event=note,
        )
        for number, (person, (job_id, _)) in enumerate(zip(people, jobs, strict=True))
    ]
    async with watching(watchers, PATIENCE):
        feeding = [
            asyncio.create_task(asyncio.to_thread(feed, person, items, photos, 2))
            for person, (_, items) in zip(people, jobs, strict=True)
        ]
        await watchers[0].until(lambda _: len(done) >= PEOPLE * each // 5)
        await asyncio.to_thread(fault, machines)
        healed = time.monotonic()
        await asyncio.gather(*feeding)
        ended = [asyncio.create_task(watcher.until(lambda tally: tally.ended)) for watcher in watchers]
        await asyncio.wait(ended, timeout=PATIENCE / 2)
    standing = [person.job(job_id) for person, (job_id, _) in zip(people, jobs, strict=True)]
    states = [photo["status"] for job in standing for photo in job["photos"]]
    accounts = [summary([watcher.tally], job) for watcher, job in zip(watchers, standing, strict=True)]
    times = sorted(done)
    later = [when for when in times if when > healed]
    return {
        "photos": len(states),
        "lost": sum(state in {"FAILED", "CANCELLED"} for state in states),
        "stuck": sum(state not in {"COMPLETED", "FAILED", "CANCELLED"} for state in states),
        "events": sum(job["seq"] for job in standing),
        **{word: sum(account[word] for account in accounts) for word in ("seen", "missed", "doubled", "snapshots")},
        "refused": sum(status >= 400 for status in answers),
        "reconnects": sum(watcher.connects - 1 for watcher in watchers),
        "silence_s": round(max(b - a for a, b in pairwise(times)), 1),
        "going_on_after_s": round(later[0] - healed, 1) if later else None,
    }


def _declare(client: Client, photos: list[bytes]) -> tuple[str, list[dict[str, Any]]]:
    created = client.declare(*((f"{number}.jpg", len(photo)) for number, photo in enumerate(photos)))
    return created["jobId"], created["items"]
