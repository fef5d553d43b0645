"""The server of the fan-out bench: Safelight's live channel over a broker in memory, fed by lines of standard input.

`python -m benches.fanout_server PORT`. Every line is the JSON of a durable event, published to the broker as commands
do after they commit. Real are the broker, the hub (routing, sequence, gaps, conflation), STOMP, the connection with its
checks, meters and heart-beats, and uvicorn as `safelight serve` runs it. Not there: the database, so that what is
measured is the fan-out, and not how fast events can be made.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from typing import Any

import orjson
import uvicorn

from safelight.adapters.memory import MemoryBroker
from safelight.app.clock import local as now
from safelight.cli.serving import uvicorn_options
from safelight.domain.identity import Identity
from safelight.log import configure
from safelight.realtime.endpoints import LiveChannel, LiveContext
from safelight.realtime.hub import Hub

JOB = "job_bench"
KEPT = 1_000


class Log:
    """The events of the one job: a History in memory."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._seq = 0

    def append(self, body: bytes) -> None:
        """The next event; its seq is in its body."""
        self._seq = orjson.loads(body)["seq"]
        self._events.append((self._seq, body))

    async def events_after(self, _job_id: str, after: int) -> list[tuple[int, bytes]] | None:
        found = [(seq, body) for seq, body in self._events if seq > after]
        return found if len(found) == self._seq - after else None

    async def snapshot(self, _job_id: str) -> tuple[int, list[bytes]]:
        status = {"jobId": JOB, "status": "IN_PROGRESS", "progressPercent": 1.0, "timestamp": "", "seq": self._seq}
        return self._seq, [orjson.dumps(status)]

    async def active_jobs(self, _user_id: str) -> list[bytes]:
        return []


async def main(port: int) -> None:
    """Serve until told to stop."""
    configure("info")
    broker, log = MemoryBroker(), Log()
    hub = Hub(broker, log)
    await hub.start()

    async def authenticate(token: str) -> Identity:
        return Identity(token, f"{token}@example.org", now() + 86_400_000, None)

    async def owns_job(_user_id: str, job_id: str) -> bool:
        return job_id == JOB

    async def report_progress(_user_id: str, _body: Any) -> None:
        return None

    async def feed() -> None:
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        async for line in lines:
            log.append(line)
            await broker.publish(f"job.{JOB}", line)

    live = LiveChannel(LiveContext(hub, authenticate, owns_job, report_progress, now))
    server = uvicorn.Server(uvicorn.Config(live, lifespan="off", **uvicorn_options()))
    feeding = asyncio.create_task(feed())
    await server.serve([socket.create_server(("127.0.0.1", port), backlog=1024)])
    feeding.cancel()
    await live.close()
    await hub.close()


if __name__ == "__main__":
    options = uvicorn.Config(None, loop="auto")  # type: ignore[arg-type]
    with asyncio.Runner(loop_factory=options.get_loop_factory()) as runner:
        runner.run(main(int(sys.argv[1])))
