"""The store, whichever it is: everything that an upload does to it, once, under a key that is removed again."""

from __future__ import annotations

import secrets
import time
from email.utils import parsedate_to_datetime
from typing import Final

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, wrong
from safelight.doctor.patient import Patient
from safelight.doctor.probe import EXPIRES_IN, probing, told
from safelight.errors import SafelightError
from safelight.settings import MiB

# The smallest part, but for the last, that S3 completes an upload with.
PART: Final = 5 * MiB
SMALL: Final = 1024
# S3 refuses what is signed a quarter of an hour off; a clock that is a minute off will get there.
CLOCK_SECONDS: Final = 60.0


async def store(patient: Patient) -> Finding:
    """The store can be reached with the access that this server has."""
    await patient.store.check()
    chosen = patient.settings
    if chosen.s3:
        bucket = patient.bucket
        return ok(f"Bucket {bucket.name} at {bucket.endpoint or 'AWS'}{bucket.prefix and f', under {bucket.prefix}'}.")
    return ok(f"{chosen.storage_path.resolve()}.")


async def single_put(patient: Patient) -> Finding:
    """A PUT to a signed URL is stored, sealed and read back by a signed URL, whole and in ranges."""
    data = secrets.token_bytes(SMALL)
    async with probing(patient) as probe:
        sent = await probe.put(patient.store.presign_put(probe.key, SMALL, expires_in=EXPIRES_IN), data)
        if sent.status_code != 200:
            return wrong(f"A PUT to a signed URL is answered {told(sent)}.", fixes.put_refused(sent))
        sealed = await patient.store.complete_single(probe.key)
        found = await patient.store.head(probe.key)
        if found is None or found.size != SMALL or sealed.size != SMALL:
            return wrong("What was stored cannot be seen right after it: the store is not consistent.", fixes.STRONG)
        url = patient.store.presign_get(probe.key, expires_in=EXPIRES_IN).url
        ranged = await patient.browser.get(url, headers={"origin": probe.origin, "range": "bytes=100-199"})
        whole = await patient.browser.get(url, headers={"origin": probe.origin})
    if whole.status_code != 200 or whole.content != data:
        return wrong(f"A GET by a signed URL is answered {told(whole)}, not with what was stored.", fixes.GET)
    if ranged.status_code != 206 or ranged.content != data[100:200]:
        return wrong(f"A GET of a range is answered {ranged.status_code} instead of 206.", fixes.RANGES)
    return ok("Sent, sealed, read back whole and in part.")


async def etag(patient: Patient) -> Finding:
    """Each PUT is answered with an ETag, which completing a multipart upload asks for."""
    async with probing(patient) as probe:
        signed = patient.store.presign_put(probe.key, SMALL, expires_in=EXPIRES_IN)
        answer = await probe.put(signed, bytes(SMALL))
    if answer.status_code == 200 and answer.headers.get("etag"):
        return ok(f"ETag: {answer.headers['etag']}")
    return wrong(f"A PUT is answered {told(answer)} without an ETag.", fixes.ETAG)


async def signed_size(patient: Patient) -> Finding:
    """One byte more than was signed is refused."""
    async with probing(patient) as probe:
        signed = patient.store.presign_put(probe.key, SMALL, expires_in=EXPIRES_IN)
        answer = await probe.put(signed, bytes(SMALL + 1))
    if answer.is_success:
        return wrong("One byte more than was signed is taken: a client may fill the store.", fixes.SIGNED_SIZE)
    return ok(f"One byte more is answered {answer.status_code}.")


async def multipart(patient: Patient) -> Finding:
    """A multipart upload takes its parts, lists them, is put together whole; another one is aborted."""
    sizes = {1: PART, 2: 1}
    async with probing(patient) as probe:
        upload = await probe.begin(PART)
        parts = []
        for number, size in sizes.items():
            signed = patient.store.presign_part(probe.key, upload, number, size, expires_in=EXPIRES_IN)
            answer = await probe.put(signed, bytes(size))
            if answer.status_code != 200 or not answer.headers.get("etag"):
                return wrong(f"The PUT of a part is answered {told(answer)}.", fixes.put_refused(answer))
            parts.append((number, answer.headers["etag"].strip('"')))
        listed = {part.part_number: part.size for part in await patient.store.list_parts(probe.key, upload)}
        if listed != sizes:
            return wrong(f"Of parts of {sizes} bytes the store lists {listed}: no upload can resume.", fixes.MULTIPART)
        whole = await patient.store.complete_multipart(probe.key, upload, parts, sum(sizes.values()))
        aborted = await probe.begin(PART)
        await patient.store.abort(probe.key, aborted)
        if (probe.key, aborted) in {(key, upload) for key, upload, _ in await patient.store.list_uploads()}:
            return wrong("An upload that was aborted is still listed.", fixes.MULTIPART)
    return ok(f"{whole.size:,} bytes in two parts, listed and put together; another upload aborted.")


async def checksums(patient: Patient) -> Finding:
    """The store takes derived files as Safelight sends them: without checksum headers that others may not know."""
    async with probing(patient) as probe:
        try:
            await patient.store.put({probe.key: bytes(SMALL)}, "image/webp")
        except SafelightError as error:
            return wrong(error.message, fixes.CHECKSUMS)
        if await patient.store.head(probe.key) is None:
            return wrong("A derived file was taken, and is not there.", fixes.STRONG)
    return ok("A derived file was stored without any.")


async def clock(patient: Patient) -> Finding:
    """This machine's clock is at most a minute off the store's: what is signed a quarter of an hour off is refused."""
    async with probing(patient) as probe:
        began = time.time()
        answer = await patient.browser.get(patient.store.presign_get(probe.key, expires_in=EXPIRES_IN).url)
        now = (began + time.time()) / 2
    said = answer.headers.get("date")
    if not said:
        return wrong("The store's answers have no Date.", fixes.DATE)
    off = now - parsedate_to_datetime(said).timestamp()
    if abs(off) > CLOCK_SECONDS:
        return wrong(f"This machine is {fixes.ahead(off)} the store ({said}).", fixes.CLOCK)
    return ok(f"Less than {abs(off) + 1:.0f} s off.")
