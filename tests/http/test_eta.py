"""How long a job still takes, told while nothing but bytes moves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.http.test_live import PATIENCE, Peer
from tests.running import Client, Server
from websockets.asyncio.client import connect

GiB = 1024**3


async def test_e25_a_job_that_is_one_huge_file_tells_how_long_it_takes(server: Server, client: Client) -> None:
    created = await asyncio.to_thread(client.declare, ("huge.tiff", GiB), mime="image/tiff")
    job_id, photo_id = created["jobId"], created["items"][0]["photoId"]
    async with connect(f"ws://127.0.0.1:{server.port}/ws") as socket, asyncio.timeout(PATIENCE):
        peer = Peer(socket)
        await peer.sign_in(client.token)
        for destination in (f"/topic/job/{job_id}", "/topic/jobs"):
            await peer.say("SUBSCRIBE", id=destination, destination=destination)
        told: dict[str, dict[str, Any]] = {}
        share = 0
        while len(told) < 2:
            share += 1
            report = {"photoId": photo_id, "bytesSent": share * GiB // 20, "bytesTotal": GiB}
            assert (await asyncio.to_thread(client.post, "/commands/upload/progress", json=report)).status_code == 204
            body: dict[str, Any] = {}
            while body.get("bytesSent", -1) < report["bytesSent"]:
                frame = await peer.hear()
                body = json.loads(frame.body)
                if "photoId" not in body and "seq" not in body and "etaSeconds" in body:
                    told[frame.get("subscription") or ""] = body
    for body in told.values():
        assert body["status"] == "IN_PROGRESS"
        assert 0 < body["progressPercent"] < 70
        assert body["bytesTotal"] == GiB
        assert 0 < body["etaSeconds"] <= 10 * PATIENCE
