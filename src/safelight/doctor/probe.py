"""A key of the doctor's own in the store, and bytes to it as a browser sends them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from safelight.doctor.patient import SECONDS, Patient
from safelight.ports import ObjectStore, SignedUrl

EXPIRES_IN: Final = 300


@dataclass
class Probe:
    """A key that nobody else uses, and the multipart uploads begun on it. Nothing of it stays."""

    store: ObjectStore
    browser: httpx.AsyncClient
    origin: str
    key: str = field(default_factory=lambda: f"doctor/{secrets.token_hex(12)}")
    uploads: list[str] = field(default_factory=list)

    async def put(self, signed: SignedUrl, data: bytes, origin: str | None = None) -> httpx.Response:
        """PUT `data` to a signed URL, from a page of `origin`."""
        headers = {"origin": origin or self.origin, **signed.headers}
        return await self.browser.put(signed.url, content=data, headers=headers)

    async def begin(self, part_size: int) -> str:
        """Begin a multipart upload."""
        self.uploads.append(await self.store.create_multipart(self.key, part_size))
        return self.uploads[-1]

    async def remove(self) -> None:
        """Remove all of it; what cannot be removed is tried nevertheless, and the first reason raised."""
        ends = [self.store.abort(self.key, upload) for upload in (None, *self.uploads)]
        async with asyncio.timeout(SECONDS * 3):
            outcomes = await asyncio.gather(*ends, self.store.delete(self.key), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome


@asynccontextmanager
async def probing(patient: Patient) -> AsyncIterator[Probe]:
    """A probe that is removed at the end, whatever happens."""
    probe = Probe(patient.store, patient.browser, patient.origins[0])
    try:
        yield probe
    finally:
        await probe.remove()


def told(answer: httpx.Response) -> str:
    """What an answer says in a few words: its status, and the reason that S3 or Safelight give in the body."""
    text = answer.text[:4096]
    code = re.search(r"<Code>([^<]*)</Code>", text) or re.search(r'"code":\s*"([^"]*)"', text)
    message = re.search(r"<Message>([^<]*)</Message>", text) or re.search(r'"detail":\s*"([^"]*)"', text)
    said = " ".join(found[1] for found in (code, message) if found)
    return f"{answer.status_code}{f' ({said})' if said else ''}"
