"""What a server at log level `debug` has taken in, by its own account, over all its lives."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from tests.running import Server


@dataclass(frozen=True)
class Received:
    """Bytes of PUTs: those that arrived whole, and those that were cut off."""

    whole: int
    in_part: int
    again: int
    """Bytes that arrived whole after the same part, or file, had done so already."""


def received(server: Server) -> Received:
    whole, in_part, again = 0, 0, 0
    times: Counter[tuple[str, int | None]] = Counter()
    for line in server.log.splitlines():
        if '"received' not in line or not line.startswith("{") or not line.endswith("}"):
            continue
        told = json.loads(line)
        if told["event"] == "received":
            place = (told["key"], told["part"])
            whole += told["bytes"]
            again += told["bytes"] if times[place] else 0
            times[place] += 1
        elif told["event"] == "received in part":
            in_part += told["bytes"]
    return Received(whole, in_part, again)
