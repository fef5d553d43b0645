from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.joblog import MB, THROUGH, JobLog, crash, lease, receive, retry, store

from safelight.domain.events import encode, job_status_update
from safelight.domain.job import Job
from safelight.errors import NotFound
from safelight.realtime.feed import Batch
from safelight.realtime.hub import Hub, Pace
from safelight.realtime.reader import Reader

JOB = "job_a"
PATIENCE = 20.0


@pytest.fixture
async def hub(log: JobLog) -> AsyncIterator[Hub]:
    # No regular check: what a test sees came by the broker or by a gap that was noticed.
    hub = Hub(log.broker, log, Pace(backlog=20, chunk=8, check_every=3600, patience=0))
    await hub.start()
    yield hub
    await hub.close()


async def batch(reader: Reader) -> Batch:
    async with asyncio.timeout(PATIENCE):
        return await anext(reader)


async def until(reader: Reader, seq: int) -> list[dict[str, Any]]:
    """Everything up to the event of that number, and no further than its batch."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        async for each in reader:
            found += [json.loads(event.body) for event in each.events]
            if any(body.get("seq") == seq for body in found):
                return found
    raise AssertionError("the reader ended")


def seqs(bodies: list[dict[str, Any]]) -> list[int]:
    return [body["seq"] for body in bodies if "seq" in body]


# --- recovery ---


async def test_e13_e15_without_after_the_present_state_comes_and_then_what_is_new(log: JobLog, hub: Hub) -> None:
    first, second = await log.create(JOB, 2)
    reader = await hub.watch_job(JOB)
    snapshot = await batch(reader)
    assert (snapshot.recovered, snapshot.seq) == ("snapshot", 3)
    bodies = [json.loads(event.body) for event in snapshot.events]
    assert [body.get("photoId") for body in bodies] == [first, second, None]
    assert bodies[-1]["seq"] == 3
    await log.change(JOB, first, receive())
    assert seqs(await until(reader, 5)) == [4, 5]


async def test_e13_after_a_number_every_event_since_comes(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    await log.change(JOB, photo, *THROUGH)
    last = log.written[JOB].job.seq
    reader = await hub.watch_job(JOB, after=3)
    replay = await batch(reader)
    assert (replay.recovered, replay.seq) == ("replay", last)
    assert [event.seq for event in replay.events] == list(range(4, last + 1))[:8]
    again = await hub.watch_job(JOB, after=5)
    reads = log.reads
    assert [event.seq for event in (await batch(again)).events] == list(range(6, last + 1))
    assert log.reads == reads, "what the log of the topic still has is not read again"


async def test_e13_after_the_newest_number_the_replay_is_empty(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB, after=2)
    empty = await batch(reader)
    assert (empty.recovered, empty.seq, list(empty.events)) == ("replay", 2, [])
    await log.change(JOB, photo, receive())
    assert (await batch(reader)).recovered is None


@pytest.mark.parametrize("after", [1, 99])
async def test_e13_where_history_is_too_short_or_lost_a_snapshot_comes(log: JobLog, hub: Hub, after: int) -> None:
    (photo,) = await log.create(JOB)
    await log.change(JOB, photo, *THROUGH[:3])
    log.trim(JOB, 3)
    other = await hub.watch_job(JOB)
    await batch(other)
    snapshot = await batch(await hub.watch_job(JOB, after=after))
    assert (snapshot.recovered, snapshot.seq) == ("snapshot", log.written[JOB].job.seq)


async def test_e13_what_happens_during_the_read_is_neither_lost_nor_doubled(log: JobLog, hub: Hub) -> None:
    first, second = await log.create(JOB, 2)
    log.may_read.clear()
    reader = await hub.watch_job(JOB, after=0)
    reading = asyncio.create_task(batch(reader))
    async with asyncio.timeout(PATIENCE):
        await log.reading.wait()
    await log.change(JOB, first, *THROUGH)
    log.may_read.set()
    got = [json.loads(event.body) for event in (await reading).events]
    await log.change(JOB, second, *THROUGH)
    last = log.written[JOB].job.seq
    got += await until(reader, last)
    assert seqs(got) == list(range(1, last + 1))


async def test_e13_a_snapshot_read_during_changes_is_followed_by_exactly_the_rest(log: JobLog, hub: Hub) -> None:
    first, second = await log.create(JOB, 2)
    await log.change(JOB, first, *THROUGH[:2])
    early = await hub.watch_job(JOB)
    await batch(early)
    log.may_read.clear()
    log.reading.clear()
    reader = await hub.watch_job(JOB)
    reading = asyncio.create_task(batch(reader))
    async with asyncio.timeout(PATIENCE):
        await log.reading.wait()
    await log.change(JOB, first, *THROUGH[2:])
    log.may_read.set()
    snapshot = await reading
    assert snapshot.seq is not None
    await log.change(JOB, second, receive())
    last = log.written[JOB].job.seq
    assert seqs(await until(reader, last)) == list(range(snapshot.seq + 1, last + 1))


async def test_a_thousand_readers_that_return_at_once_share_the_reads(log: JobLog, hub: Hub) -> None:
    await log.create(JOB, 5)
    readers = [await hub.watch_job(JOB) for _ in range(1000)]
    batches = await asyncio.gather(*(batch(reader) for reader in readers))
    assert {each.seq for each in batches} == {6}
    assert log.reads <= 2


async def test_readers_that_return_to_places_before_a_snapshot_share_one_read(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    await log.change(JOB, photo, *THROUGH)
    last = log.written[JOB].job.seq
    newcomer = await hub.watch_job(JOB)
    assert (await batch(newcomer)).seq == last
    reads = log.reads
    returned = [await hub.watch_job(JOB, after=3 + number % 2) for number in range(6)]
    told = await asyncio.gather(*(until(reader, last) for reader in returned))
    assert [seqs(each) for each in told] == [list(range(4 + number % 2, last + 1)) for number in range(6)]
    assert log.reads == reads + 1


async def test_of_a_long_replay_the_log_keeps_what_it_has_room_for(log: JobLog, hub: Hub) -> None:
    photos = await log.create(JOB, 30)
    newcomer = await hub.watch_job(JOB)
    await batch(newcomer)
    for photo in photos[:4]:
        await log.change(JOB, photo, receive())
    last = log.written[JOB].job.seq
    first = await hub.watch_job(JOB, after=2)
    assert seqs(await until(first, last)) == list(range(3, last + 1))
    reads = log.reads
    covered = await hub.watch_job(JOB, after=last - 20)
    assert seqs(await until(covered, last)) == list(range(last - 19, last + 1))
    assert log.reads == reads
    before = await hub.watch_job(JOB, after=last - 21)
    assert seqs(await until(before, last)) == list(range(last - 20, last + 1))
    assert log.reads == reads + 1


async def test_a_job_that_is_not_there_is_said(hub: Hub) -> None:
    with pytest.raises(NotFound):
        await batch(await hub.watch_job("job_none"))


# --- what the broker loses ---


async def test_e16_a_lost_message_is_read_as_soon_as_the_gap_shows(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, photo, receive(), store, tell=False)
    await log.change(JOB, photo, lease)
    last = log.written[JOB].job.seq
    assert seqs(await until(reader, last)) == list(range(3, last + 1))


async def test_e16_losing_every_message_costs_the_interval_of_the_check(log: JobLog) -> None:
    hub = Hub(log.broker, log, Pace(check_every=0.01))
    await hub.start()
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, photo, *THROUGH, tell=False)
    last = log.written[JOB].job.seq
    assert seqs(await until(reader, last)) == list(range(3, last + 1))
    await hub.close()


async def test_e16_doubled_and_crossed_messages_come_once_and_in_order(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, photo, *THROUGH, tell=False)
    events = log.written[JOB].events
    last = log.written[JOB].job.seq
    for seq in [6, 3, 3, 4, 8, 5, 2, 7, 4, last, *range(5, last)]:
        await log.broker.publish(f"job.{JOB}", events[seq])
    assert seqs(await until(reader, last)) == list(range(3, last + 1))


async def test_e16_a_gap_that_was_trimmed_becomes_a_snapshot(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, photo, receive(), store, tell=False)
    log.trim(JOB, 4)
    await log.change(JOB, photo, lease)
    recovered = await batch(reader)
    assert (recovered.recovered, recovered.seq) == ("snapshot", log.written[JOB].job.seq)


async def test_a_message_that_is_not_an_event_is_ignored(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    for payload in [b"", b"{", b"[]", b"7", b"{}", b'{"jobId":1}']:
        await log.broker.publish(f"job.{JOB}", payload)
    await log.change(JOB, photo, receive())
    assert seqs(await until(reader, 4)) == [3, 4]


# --- byte progress ---


async def test_e17_of_byte_progress_a_slow_reader_gets_the_newest_alone(log: JobLog, hub: Hub) -> None:
    first, second = await log.create(JOB, 2)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, first, receive(0))
    await log.change(JOB, second, receive(0))
    for step in range(1, 100):
        await log.progress(JOB, first, step * MB // 100)
        await log.progress(JOB, second, step * MB // 100)
        await asyncio.sleep(0)
    got: list[dict[str, Any]] = []
    while not [body for body in got if body.get("bytesSent") == 990_000 and body["photoId"] == second]:
        got += [json.loads(event.body) for event in (await batch(reader)).events]
    thin = [body for body in got if "seq" not in body]
    assert len(thin) < 20
    for photo in (first, second):
        own = [body["progressPercent"] for body in got if body.get("photoId") == photo]
        assert own == sorted(own)


async def test_e17_byte_progress_waits_for_a_slow_socket_and_a_stage_does_not(log: JobLog, hub: Hub) -> None:
    uploading, stored = await log.create(JOB, 2)
    reader = await hub.watch_job(JOB)
    await log.change(JOB, uploading, receive(0))
    await log.change(JOB, stored, receive())
    await until(reader, log.written[JOB].job.seq)
    await log.progress(JOB, uploading, 1_000)
    await batch(reader)
    await asyncio.sleep(0.2)  # how long the socket took this write
    written_at = asyncio.get_running_loop().time()
    await log.progress(JOB, uploading, 2_000)
    telling = asyncio.create_task(batch(reader))
    await asyncio.sleep(0.05)
    assert not telling.done()
    assert 0.3 < reader.pause < 2
    await log.change(JOB, stored, store)
    assert [event.key for event in (await telling).events] == [stored]
    assert asyncio.get_running_loop().time() - written_at < reader.pause
    late = await batch(reader)
    assert [(event.key, event.seq) for event in late.events] == [(uploading, None)]
    assert asyncio.get_running_loop().time() - written_at >= 0.4


async def test_e17_what_a_reader_is_spared_is_counted(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await log.change(JOB, photo, receive(0))
    await until(reader, 4)
    await log.progress(JOB, photo, 1)
    await batch(reader)
    for sent in range(2, 102):
        await log.progress(JOB, photo, sent)
    while json.loads((await batch(reader)).events[-1].body)["bytesSent"] < 101:
        pass
    conflated = hub.meters.registry.get_sample_value("safelight_live_conflated_total")
    assert conflated is not None
    assert 90 <= conflated <= 99
    assert hub.meters.registry.get_sample_value("safelight_live_snapshots_total") == 1


async def test_e18_nothing_comes_after_the_end_and_nothing_falls(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    late = []
    await log.change(JOB, photo, receive(100_000))
    for sent in (300_000, 200_000, 500_000):
        body = json.loads(log.written[JOB].events[3]) | {
            "bytesSent": sent,
            "progressPercent": round(sent / MB * 70, 1),
        }
        del body["seq"]
        late.append(json.dumps(body).encode())
        await log.broker.publish(f"job.{JOB}", late[-1])
    await log.change(JOB, photo, receive(), *THROUGH[1:])
    for payload in late:
        await log.broker.publish(f"job.{JOB}", payload)
    (other,) = await log.create("job_b")
    fence = await hub.watch_job("job_b", after=0)
    await log.change("job_b", other, receive())
    await until(fence, 4)  # the late messages have been through the hub by now
    got = await until(reader, log.written[JOB].job.seq)
    percents = [body["progressPercent"] for body in got if body.get("photoId")]
    assert percents == sorted(percents)
    ended = next(at for at, body in enumerate(got) if body["status"] == "COMPLETED")
    assert not [body for body in got[ended + 1 :] if body.get("photoId")]
    await expect_nothing(log, reader)


async def test_e18_a_topic_opened_by_a_replay_learns_where_photos_stand(log: JobLog, hub: Hub) -> None:
    first, second = await log.create(JOB, 2)
    await log.change(JOB, first, receive(0), receive(), *THROUGH[1:])
    await log.change(JOB, second, receive(0))
    reader = await hub.watch_job(JOB, after=log.written[JOB].job.seq)
    await batch(reader)
    stale = json.loads(log.written[JOB].events[4])
    stale |= {"photoId": first, "status": "UPLOADING"}
    del stale["seq"]
    await log.broker.publish(f"job.{JOB}", json.dumps(stale).encode())
    got: list[dict[str, Any]] = []
    sent = 0
    while not got:  # what comes before the photos are known is dropped, as byte progress may be
        sent += 1000
        await log.progress(JOB, second, sent)
        try:
            async with asyncio.timeout(0.05):
                got += [json.loads(event.body) for event in (await anext(reader)).events]
        except TimeoutError:
            continue
    assert {body["photoId"] for body in got} == {second}


@pytest.mark.parametrize("topic", ["job", "user"])
async def test_e18_progress_of_a_job_that_crossed_with_a_change_of_it_does_not_take_that_back(
    log: JobLog, hub: Hub, topic: str
) -> None:
    first, second = await log.create(JOB, 2)
    reader = await (hub.watch_job(JOB) if topic == "job" else hub.watch_user("usr_me"))
    told: list[float] = []

    async def listen() -> None:
        async for each in reader:
            told.extend(event.percent for event in each.events if event.job_wide)

    async def progress(percent: float, job: Job | None = None) -> None:
        """Tell, without a number, how far the job is, or was."""
        job = job or log.written[JOB].job
        body = {**job_status_update(job, job.updated_at), "progressPercent": percent}
        for name in (f"job.{JOB}", "user.usr_me"):
            await log.broker.publish(name, encode(body).encode())
        await asyncio.sleep(3 / Pace().hertz)  # or the next would replace it

    listening = asyncio.create_task(listen())
    await log.change(JOB, first, receive(1))
    await progress(12.3)
    stale = log.written[JOB].job
    await log.change(JOB, first, *THROUGH)
    await progress(1.2, stale)
    await progress(45.6)
    stale = log.written[JOB].job
    await log.change(JOB, second, *THROUGH)
    await progress(78.9, stale)
    assert {12.3, 45.6, 100.0} <= set(told)
    assert not {1.2, 78.9} & set(told)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert (await batch(await hub.watch_user("usr_me"))).events == []


async def test_e18_a_new_attempt_begins_anew(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    await log.change(JOB, photo, receive(700_000), crash, retry, receive(0))
    await log.progress(JOB, photo, 10_000)
    got: list[dict[str, Any]] = []
    while not got or got[-1].get("bytesSent") != 10_000:
        got += [json.loads(event.body) for event in (await batch(reader)).events]
    assert got[-1]["attempt"] == 2


async def expect_nothing(log: JobLog, reader: Reader) -> None:
    """That a reader has nothing more to get, told by a later event coming first."""
    job_id = reader.topic.removeprefix("job.")
    last = log.written[job_id].job.seq
    event = json.loads(log.written[job_id].events[last]) | {"seq": last + 1}
    await log.broker.publish(f"job.{job_id}", json.dumps(event).encode())
    assert seqs(await until(reader, last + 1)) == [last + 1]


# --- slow readers ---


async def test_e19_a_reader_too_far_behind_gets_a_snapshot_and_goes_on(log: JobLog, hub: Hub) -> None:
    ids = await log.create(JOB, 10)
    slow, quick = await hub.watch_job(JOB), await hub.watch_job(JOB)
    await until(slow, 11)
    await until(quick, 11)
    for photo in ids[:5]:
        await log.change(JOB, photo, *THROUGH)
        await until(quick, log.written[JOB].job.seq)
    recovered = await batch(slow)
    last = log.written[JOB].job.seq
    assert (recovered.recovered, recovered.seq) == ("snapshot", last)
    rest = [json.loads(event.body) for event in recovered.events] + await until(slow, last)
    assert [body["photoId"] for body in rest if body.get("photoId")] == ids
    await log.change(JOB, ids[5], receive())
    assert seqs(await until(slow, last + 1)) == [last + 1]


async def test_e23_a_reader_that_does_not_read_holds_nothing(log: JobLog, hub: Hub) -> None:
    ids = await log.create(JOB, 50)
    asleep = [await hub.watch_job(JOB) for _ in range(100)]
    await asyncio.gather(*(batch(reader) for reader in asleep))
    quick = await hub.watch_job(JOB)
    await until(quick, log.written[JOB].job.seq)
    for photo in ids:
        await log.change(JOB, photo, *THROUGH)
        await until(quick, log.written[JOB].job.seq)
    reads = log.reads
    last = log.written[JOB].job.seq
    for got in await asyncio.gather(*(until(reader, last) for reader in asleep)):
        # What was left of the first snapshot, then one that stands for all that was missed.
        assert len([body for body in got if body.get("photoId")]) < 2 * len(ids)
    assert log.reads - reads <= 2


async def test_readers_in_step_share_their_batches(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    one, other = await hub.watch_job(JOB), await hub.watch_job(JOB)
    await batch(one), await batch(other)
    await log.change(JOB, photo, receive())
    assert await batch(one) is await batch(other)


# --- a user's jobs ---


async def test_e21_of_all_jobs_the_active_ones_come_and_then_changes(log: JobLog, hub: Hub) -> None:
    (done,) = await log.create("job_done")
    await log.change("job_done", done, *THROUGH)
    (photo,) = await log.create("job_one")
    await log.create("job_foreign", user_id="usr_other")
    reader = await hub.watch_user("usr_me")
    snapshot = await batch(reader)
    assert (snapshot.recovered, snapshot.seq) == ("snapshot", None)
    assert [event.key for event in snapshot.events] == ["job_one"]
    await log.change("job_one", photo, *THROUGH)
    statuses: list[str] = []
    while "COMPLETED" not in statuses:
        statuses += [event.status for event in (await batch(reader)).events]
    assert statuses[-1] == "COMPLETED"


async def test_e21_every_end_is_told_and_of_the_rest_the_latest(log: JobLog, hub: Hub) -> None:
    reader = await hub.watch_user("usr_me")
    await batch(reader)
    for number in range(15):
        (photo,) = await log.create(f"job_{number}")
        await log.change(f"job_{number}", photo, *THROUGH)
    (photo,) = await log.create("job_again")
    await log.change("job_again", photo, receive(), crash, retry)
    seen: list[tuple[str, str]] = []
    while ("job_again", "IN_PROGRESS") not in seen:
        seen += [(event.key, event.status) for event in (await batch(reader)).events]
    assert [job for job, status in seen if status == "COMPLETED"] == [f"job_{n}" for n in range(15)]
    assert seen.index(("job_again", "FAILED")) < seen.index(("job_again", "IN_PROGRESS"))


async def test_e21_an_end_whose_message_was_lost_is_found(log: JobLog) -> None:
    hub = Hub(log.broker, log, Pace(check_every=0.01))
    await hub.start()
    (photo,) = await log.create(JOB)
    reader = await hub.watch_user("usr_me")
    await batch(reader)
    await log.change(JOB, photo, *THROUGH, tell=False)
    statuses: list[str] = []
    while "COMPLETED" not in statuses:
        statuses += [event.status for event in (await batch(reader)).events]
    await hub.close()


# --- coming and going ---


async def test_e28_a_job_that_is_deleted_ends_its_readers(log: JobLog, hub: Hub) -> None:
    await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    del log.written[JOB]
    await hub.check()
    with pytest.raises(StopAsyncIteration):
        await batch(reader)


async def test_topics_go_with_their_last_reader(log: JobLog, hub: Hub) -> None:
    (photo,) = await log.create(JOB)
    one, other = await hub.watch_job(JOB), await hub.watch_job(JOB)
    await batch(one)
    hub.release(one)
    assert hub.topics == [f"job.{JOB}"]
    hub.release(other)
    hub.release(other)
    assert hub.topics == []
    back = await hub.watch_job(JOB)
    await batch(back)
    await log.change(JOB, photo, receive())
    assert seqs(await until(back, 4)) == [3, 4]


async def test_a_reader_that_is_released_ends(log: JobLog, hub: Hub) -> None:
    await log.create(JOB)
    reader = await hub.watch_job(JOB)
    await batch(reader)
    waiting = asyncio.create_task(batch(reader))
    await asyncio.sleep(0)
    hub.release(reader)
    with pytest.raises(StopAsyncIteration):
        await waiting
