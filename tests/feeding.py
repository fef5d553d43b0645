"""What makes events for watchers: photos sent by a client that bears every outage, tokens that end when they should."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt

from tests.running import Client, Server

PATIENCE = 120.0


def feed(client: Client, items: Sequence[dict[str, Any]], photos: Sequence[bytes], at_once: int = 4) -> None:
    """Send and finalize every photo, again and again until the server has it; a URL refused is asked for anew."""

    def send(item: dict[str, Any], photo: bytes) -> None:
        url = [item["presignedUrl"]]

        def put() -> httpx.Response:
            answer = httpx.put(url[0], content=photo, timeout=10)
            if answer.status_code == 403:
                renewed = client.post(f"/commands/upload/{item['photoId']}/urls", json={})
                if renewed.status_code != 200:
                    return renewed
                url[0] = renewed.json()["presignedUrl"]
            return answer

        _persist(put, {200, 409})
        _persist(lambda: client.post(f"/commands/upload/{item['photoId']}/finalize"), {204})

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(send, items, photos))


def cancel(client: Client, photo_ids: Sequence[str], pause: float = 0.0) -> None:
    """Cancel photos one after the other, one every `pause` seconds while the server is as quick as that: each is a
    durable event, and a change of the job's counters another.
    """
    began = time.monotonic()
    for number, photo_id in enumerate(photo_ids, 1):
        _persist(lambda name=photo_id: client.post(f"/commands/upload/{name}/cancel"), {204})  # type: ignore[misc]
        time.sleep(max(0.0, began + number * pause - time.monotonic()))


def _persist(call: Callable[[], httpx.Response], wanted: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            answer = call()
            if answer.status_code in wanted:
                return
            # What a client waits out: a server fault, "too much at once", a URL that is no longer good.
            assert answer.status_code >= 500 or answer.status_code in {403, 429}, answer.text
        except httpx.TransportError:
            pass
        time.sleep(0.05)  # the server is away; it has no way to tell us when it is back
    raise AssertionError("the server did not come back")


def short_token(server: Server, client: Client, seconds: float) -> str:
    """An access token of the client's own sign-in that ends so soon."""
    secret = (server.folder / "data" / "secret").read_text().strip()
    claims = jwt.decode(client.token, secret, algorithms=["HS256"])
    return jwt.encode({**claims, "exp": int(time.time() + seconds)}, secret, algorithm="HS256")
