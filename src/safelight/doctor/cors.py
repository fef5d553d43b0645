"""CORS of an S3 store, found out as a browser does: by a preflight, and by what the answer to a PUT exposes."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import httpx

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, Verdict, ok, wrong
from safelight.doctor.patient import Patient
from safelight.doctor.probe import EXPIRES_IN, Probe, probing, told
from safelight.errors import SafelightError
from safelight.ports.upkeep import Bucket, NotOffered, Rules

RULE: Final = "safelight"
EXPOSED: Final = "ETag"
ASKED_METHOD: Final = "PUT"
# What a browser adds to a photo; it must be allowed by name or by an asterisk.
ASKED_HEADER: Final = "content-type"


async def cors(patient: Patient) -> Finding:
    """Pages may send photos to the store, and read the ETag of its answers."""
    async with probing(patient) as probe:
        for origin in patient.origins:
            if complaint := await _complaint(patient, probe, origin):
                fix = await _fix(patient)
                return wrong(f"{origin}: {complaint}", fix.fix, fix.mend)
    return ok(f"{', '.join(patient.origins)}: PUT is allowed, ETag exposed.")


def rule(origins: list[str]) -> dict[str, Any]:
    """What Safelight's pages need of a bucket."""
    return {
        "ID": RULE,
        "AllowedOrigins": origins,
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": [EXPOSED],
        "MaxAgeSeconds": 3600,
    }


def merged(rules: Rules, origins: list[str]) -> Rules:
    """Others' rules as they are, and before them ours: the first one that matches an origin decides.

    Ours keeps the pages that it had: another Safelight may be using the bucket.
    """
    had = [origin for each in rules if each.get("ID") == RULE for origin in each.get("AllowedOrigins", ())]
    return [rule(list(dict.fromkeys([*had, *origins]))), *(each for each in rules if each.get("ID") != RULE)]


def preflight(origin: str, method: str, headers: str) -> dict[str, str]:
    """The headers of the question that a browser asks before a request to another origin."""
    return {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}


def refusal(answer: httpx.Response, origin: str, method: str, header: str) -> str:
    """Why a browser would not send its request after this answer to its preflight; empty where it would."""
    if not answer.is_success:
        return f"the preflight is answered {told(answer)}"
    if unmatched := hidden(answer, origin):
        return f"the preflight {unmatched}"
    if not {method, "*"} & _names(answer, "access-control-allow-methods", str.upper):
        return f"the preflight does not allow {method}"
    if not {header, "*"} & _names(answer, "access-control-allow-headers", str.lower):
        return f"the preflight does not allow the header {header}"
    return ""


def hidden(answer: httpx.Response, origin: str) -> str:
    """Why a browser would keep this answer from its page; empty where it would not."""
    allowed = answer.headers.get("access-control-allow-origin")
    return "" if allowed in {origin, "*"} else f"is answered for {allowed or 'no origin'}"


def exposes(answer: httpx.Response, header: str) -> bool:
    """Whether a page may read this header of the answer."""
    return bool({header.lower(), "*"} & _names(answer, "access-control-expose-headers", str.lower))


async def _complaint(patient: Patient, probe: Probe, origin: str) -> str:
    signed = patient.store.presign_put(probe.key, 1, expires_in=EXPIRES_IN)
    asked = await patient.browser.options(signed.url, headers=preflight(origin, ASKED_METHOD, ASKED_HEADER))
    if complaint := refusal(asked, origin, ASKED_METHOD, ASKED_HEADER):
        return f"{complaint}, so no photo can be sent."
    answer = await probe.put(signed, b"x", origin)
    if complaint := hidden(answer, origin):
        return f"the PUT {complaint}, so it counts as failed."
    if not exposes(answer, EXPOSED):
        return "the answer to a PUT does not expose its ETag, so no large photo can be completed."
    return ""


async def _fix(patient: Patient) -> Finding:
    """What to do, and the means where the store offers them."""
    bucket, origins = patient.bucket, patient.origins
    try:
        present = await bucket.cors()
    except NotOffered:
        return Finding(Verdict.UNKNOWN, "", fixes.cors_elsewhere(origins))
    except SafelightError as error:
        return Finding(Verdict.UNKNOWN, "", fixes.cors(bucket, [rule(origins)], error.message))
    wanted = merged(present, origins)
    return wrong("", fixes.cors(bucket, wanted), partial(_mend, bucket, present, wanted))


async def _mend(bucket: Bucket, present: Rules, wanted: Rules) -> str:
    await bucket.set_cors(wanted)
    return fixes.change("CORS rules", present, await bucket.cors())


def _names(answer: httpx.Response, header: str, form: Any) -> set[str]:
    return {form(name.strip()) for name in answer.headers.get(header, "").split(",")}
