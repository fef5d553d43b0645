"""All checks, in the order in which they are told. The docstring of each is the sentence of docs/doctor.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from safelight.doctor import broker, cors, database, installation, lifecycle, live, proxy, store
from safelight.doctor.finding import Finding
from safelight.doctor.patient import Patient

Examine = Callable[[Patient], Awaitable[Finding]]
Applies = Callable[[Patient], bool]


def _always(_: Patient) -> bool:
    return True


def _s3(patient: Patient) -> bool:
    return patient.settings.s3


def _postgres(patient: Patient) -> bool:
    return patient.settings.postgres


def _nats(patient: Patient) -> bool:
    return not patient.settings.alone


def _url(patient: Patient) -> bool:
    return patient.examines_url


def _url_of_disk(patient: Patient) -> bool:
    return patient.examines_url and not patient.settings.s3


def _url_and_origins(patient: Patient) -> bool:
    return patient.examines_url and bool(patient.settings.allowed_origins)


@dataclass(frozen=True, slots=True)
class Check:
    """`needs` names the check without whose success this one could only repeat what that one said."""

    name: str
    examine: Examine
    needs: str = ""
    applies: Applies = _always


CHECKS: Final = (
    Check("settings", installation.settings),
    Check("secret", installation.secret, "settings"),
    Check("public URL", installation.public_url, "settings"),
    Check("data folder", installation.data_folder, "settings"),
    Check("disk space", installation.disk_space, "settings"),
    Check("database", database.database, "settings"),
    Check("schema", database.schema, "database"),
    Check("database latency", database.latency, "schema"),
    Check("database clock", database.clock, "schema", _postgres),
    Check("NATS", broker.nats, "settings", _nats),
    Check("task copies", broker.copies, "NATS", _nats),
    Check("broker", broker.broker, "NATS"),
    Check("store", store.store, "data folder"),
    Check("single PUT", store.single_put, "store"),
    Check("ETag", store.etag, "store"),
    Check("signed size", store.signed_size, "store"),
    Check("multipart", store.multipart, "store"),
    Check("checksums", store.checksums, "store"),
    Check("store clock", store.clock, "store", _s3),
    Check("CORS", cors.cors, "store", _s3),
    Check("unfinished uploads", lifecycle.unfinished_uploads, "store", _s3),
    Check("expiry", lifecycle.expiry, "store", _s3),
    Check("versioning", lifecycle.versioning, "store", _s3),
    Check("public address", proxy.public_address, applies=_url),
    Check("readiness", proxy.readiness, "public address", _url),
    Check("forwarded address", proxy.forwarded_address, "public address", _url),
    Check("JSON bodies", proxy.json_bodies, "public address", _url),
    Check("photo bodies", proxy.photo_bodies, "public address", _url_of_disk),
    Check("cross-origin", proxy.cross_origin, "public address", _url_and_origins),
    Check("streaming", live.streaming, "public address", _url),
    Check("WebSocket", live.websocket, "public address", _url),
    Check("HTTP/2", proxy.http2, "public address", _url),
)
