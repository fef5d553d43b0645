"""The public address: what stands between clients and the server must pass bodies, addresses and CORS as they are."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from safelight.doctor import fixes
from safelight.doctor.cors import exposes, hidden, preflight, refusal
from safelight.doctor.finding import Finding, ok, reason_of, unknown, wrong
from safelight.doctor.patient import SECONDS, Patient, origin_of
from safelight.doctor.probe import EXPIRES_IN, probing, told
from safelight.domain.plan import PART_SIZE
from safelight.settings import MiB

# A thousand files with names of the usual length, and more than the one MiB that nginx takes by default.
JSON_BYTES: Final = MiB + 64 * 1024
DECLARE: Final = "/commands/upload-jobs"


async def public_address(patient: Patient) -> Finding:
    """Safelight answers at the public address."""
    try:
        answer = await patient.web.get("/health/live")
    except httpx.HTTPError as error:
        return wrong(f"{patient.url} cannot be reached: {reason_of(error)}.", fixes.address(patient.home))
    if answer.status_code in {502, 503, 504}:
        return wrong(
            f"The proxy answers {answer.status_code}: it does not reach Safelight.", fixes.upstream(patient.home)
        )
    if _json(answer).get("status") != "ok":
        server = answer.headers.get("server", "something else")
        return wrong(
            f"{server} answers {answer.status_code} to /health/live, not Safelight.", fixes.upstream(patient.home)
        )
    return ok(f"Safelight answers at {patient.url}.")


async def readiness(patient: Patient) -> Finding:
    """The server behind the public address has all that it needs."""
    answer = await patient.web.get("/health/ready")
    checks: dict[str, str] = _json(answer).get("checks", {})
    if answer.status_code == 200:
        return ok("It is ready.")
    away = ", ".join(f"{part} {state}" for part, state in checks.items() if state != "ok")
    return wrong(f"It is not ready: {away or told(answer)}.", fixes.NOT_READY)


async def forwarded_address(patient: Patient) -> Finding:
    """The server knows the address by which clients reach it: signed URLs begin with it."""
    believed = _json(await patient.web.get("/health/live")).get("url")
    if not isinstance(believed, str):
        return unknown("The server does not tell: it is an older Safelight.")
    if origin_of(believed) == origin_of(patient.url):
        return ok(f"It is {believed}.")
    return wrong(
        f"The server takes {believed} for its address: signed URLs lead there, and cookies are made for it.",
        fixes.forwarded(patient.url),
    )


async def json_bodies(patient: Patient) -> Finding:
    """A proxy lets a body of 1 MiB pass, as a job of a thousand files is declared."""
    body = b'{"files":"' + b"x" * (JSON_BYTES - 12) + b'"}'
    try:
        answer = await patient.web.post(DECLARE, content=body, headers={"content-type": "application/json"})
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError) as error:
        return wrong(f"The connection broke while {JSON_BYTES:,} bytes were sent: {reason_of(error)}.", fixes.BODY_CAP)
    if _json(answer).get("code") == "unauthenticated":
        return ok(f"{JSON_BYTES:,} bytes reach the server.")
    return wrong(f"{JSON_BYTES:,} bytes do not reach the server: the answer is {told(answer)}.", fixes.BODY_CAP)


async def photo_bodies(patient: Patient) -> Finding:
    """A proxy lets 8 MiB pass, as photos come, to a store that is on the server's disk."""
    async with probing(patient) as probe:
        url = patient.store.presign_put(probe.key, PART_SIZE, expires_in=EXPIRES_IN).url
        try:
            answer = await patient.web.put(url, content=bytes(PART_SIZE), timeout=SECONDS * 6)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError) as error:
            return wrong(
                f"The connection broke while {PART_SIZE:,} bytes were sent: {reason_of(error)}.", fixes.BODY_CAP
            )
        if answer.status_code == 200:
            found = await patient.store.complete_single(probe.key)
            if found.size == PART_SIZE:
                return ok(f"{PART_SIZE:,} bytes reach the store.")
    if str(_json(answer).get("code", "")).startswith("signature-"):
        return wrong(f"The server refuses what is signed here: {told(answer)}.", fixes.OTHER_SERVER)
    return wrong(f"{PART_SIZE:,} bytes do not reach the store: the answer is {told(answer)}.", fixes.BODY_CAP)


async def cross_origin(patient: Patient) -> Finding:
    """Pages of SAFELIGHT_ALLOWED_ORIGINS may call the API through the proxy, and read what they need of its answers."""
    async with probing(patient) as probe:
        for origin in patient.settings.allowed_origins:
            if complaint := await _complaint(patient, probe.key, origin):
                return wrong(f"{origin}: {complaint}.", fixes.cross_origin(origin))
    return ok(f"{', '.join(patient.settings.allowed_origins)}: allowed.")


async def http2(patient: Patient) -> Finding:
    """It is known whether clients reach the public address by HTTP/2: over HTTP/1.1 six requests go at once."""
    parts = urlsplit(patient.url)
    if parts.scheme != "https":
        return ok("Plain HTTP, so HTTP/1.1: a browser sends six requests at once.")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with asyncio.timeout(SECONDS):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.transport.abort()
    if chosen == "h2":
        return ok("HTTP/2.")
    return ok(f"HTTP/1.1: a browser sends six requests at once. {fixes.HTTP2}")


async def _complaint(patient: Patient, key: str, origin: str) -> str:
    """Why a page of `origin` cannot use the API, or (where it is this server) the store; empty where it can."""
    asked = await patient.web.options(DECLARE, headers=preflight(origin, "POST", "authorization"))
    if complaint := refusal(asked, origin, "POST", "authorization"):
        return complaint
    called = await patient.web.post(DECLARE, json={}, headers={"origin": origin})
    if complaint := hidden(called, origin):
        return f"the answer {complaint}"
    if patient.settings.s3:
        return ""
    url = patient.store.presign_put(key, 1, expires_in=EXPIRES_IN).url
    sent = await patient.web.put(url, content=b"x", headers={"origin": origin})
    if complaint := hidden(sent, origin):
        return f"the answer to a PUT {complaint}"
    return "" if exposes(sent, "ETag") else "the answer to a PUT does not expose its ETag"


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The body, where it is a JSON object; anything else is not Safelight's."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
