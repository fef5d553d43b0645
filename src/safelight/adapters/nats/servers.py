"""Which servers, and who we are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

PORT = 4222


@dataclass(frozen=True, slots=True)
class Servers:
    """`urls` without credentials. `tls`: nothing is told to a server that does not encrypt."""

    urls: tuple[str, ...]
    user: str | None
    password: str | None
    token: str | None
    tls: bool

    def __str__(self) -> str:
        return ", ".join(url.partition("://")[2] for url in self.urls)


def parse(urls: Sequence[str]) -> Servers:
    """`nats://host:port` or `tls://…` for each server, with `user:password@` or `token@`, the same for all.

    The servers of a cluster that are found out later are reached as the same user. ValueError says what is wrong.
    """
    split = [_split(url) for url in urls]
    if not split:
        raise ValueError("NATS needs at least one server: nats://host:4222")
    known: set[tuple[str | None, str | None]] = {(each.username, each.password) for each in split if each.username}
    if len(known) > 1:
        raise ValueError("NATS: all servers must be reached as the same user.")
    user, password = (None if part is None else unquote(part) for part in (known or {(None, None)}).pop())
    tls = any(each.scheme == "tls" for each in split)
    scheme = "tls" if tls else "nats"
    plain = tuple(f"{scheme}://{_host(each)}" for each in split)
    if password is None:
        return Servers(plain, None, None, user, tls)
    return Servers(plain, user, password, None, tls)


def _split(url: str) -> SplitResult:
    shown = url.rpartition("@")[2]
    try:
        split = urlsplit(url)
        if split.scheme in ("nats", "tls") and split.hostname and (split.port or PORT) > 0 and not split.path:
            return split
    except ValueError as error:
        raise ValueError(f"NATS: {shown!r} is not the address of a server: {error}.") from error
    raise ValueError(f"NATS: {shown!r} is not the address of a server; it should look like nats://host:{PORT}")


def _host(split: SplitResult) -> str:
    host = split.hostname or ""
    return f"[{host}]:{split.port or PORT}" if ":" in host else f"{host}:{split.port or PORT}"
