"""What an S3 bucket does by itself as time passes: end uploads that nobody completed, and nothing else of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from safelight.doctor import fixes
from safelight.doctor.finding import Finding, ok, unknown, wrong
from safelight.doctor.patient import Patient
from safelight.errors import StoreRefused
from safelight.ports.upkeep import Bucket, NotOffered, Rules

# With the prefix behind it, since another Safelight may be using the bucket.
PARTS_RULE: Final = "safelight unfinished parts"
SINGLES_RULE: Final = "safelight unfinished single PUTs"
INCOMING: Final = "incoming/"
# Uploads end by SAFELIGHT_UPLOAD_DAYS; the bucket takes what is left a week later.
SPARE_DAYS: Final = 7


async def unfinished_uploads(patient: Patient) -> Finding:
    """The bucket itself drops what is left of uploads that nobody completed, and not before they have expired."""
    bucket, days = patient.bucket, patient.settings.upload_days
    try:
        present = await bucket.lifecycle()
    except NotOffered:
        return unknown("The store offers no lifecycle rules; the reconciler alone drops what is left.")
    except StoreRefused as error:
        return unknown(error.message, fixes.lifecycle(bucket, rules(bucket.prefix, days), "This access key may not."))
    wanted = merged(present, bucket.prefix, days)
    manual = fixes.lifecycle(bucket, wanted)
    mend = partial(_mend, bucket, present, wanted)
    if early := [rule for rule in wanted if _too_soon(rule, bucket.prefix, days)]:
        names = ", ".join(str(rule.get("ID", "without ID")) for rule in early)
        return wrong(
            f"Of others' rules, {names} would end uploads that Safelight still waits for ({days} days).",
            fixes.foreign_rule(days + SPARE_DAYS),
        )
    parts = _soonest(present, bucket.prefix, _aborts)
    singles = _soonest(present, bucket.prefix + INCOMING, _expires)
    if parts is None or singles is None:
        missing = "parts" if parts is None else "single PUTs"
        return wrong(f"No rule ends {missing} that nobody completed: they are billed, and not seen.", manual, mend)
    if min(parts, singles) <= days:
        return wrong(
            f"They are ended after {min(parts, singles)} days, while Safelight waits for {days}.", manual, mend
        )
    return ok(f"Parts are ended after {parts} days, single PUTs after {singles}; they expire after {days}.")


async def expiry(patient: Patient) -> Finding:
    """No rule of the bucket deletes photos."""
    bucket = patient.bucket
    try:
        present = await bucket.lifecycle()
    except NotOffered:
        return ok("The store offers no lifecycle rules.")
    except StoreRefused as error:
        return unknown(error.message)
    for rule in present:
        reach = _prefix(rule)
        if not _enabled(rule) or _tagged(rule) or reach.startswith(bucket.prefix + INCOMING):
            continue
        ends = rule.get("Expiration", {})
        if ends.keys() & {"Days", "Date"} and (bucket.prefix.startswith(reach) or reach.startswith(bucket.prefix)):
            return wrong(
                f"The rule {rule.get('ID', 'without ID')} deletes what lies under {reach or 'every prefix'} after"
                f" {_term(ends)}: photos go with it.",
                fixes.photos_expire(bucket),
            )
    return ok("None does.")


async def versioning(patient: Patient) -> Finding:
    """It is known whether deleted photos stay as old versions."""
    try:
        state = await patient.bucket.versioning()
    except NotOffered:
        return unknown("The store does not tell.")
    except StoreRefused as error:
        return unknown(error.message)
    if state == "Enabled":
        return ok("On: deleted photos stay as old versions, billed, until a lifecycle rule of yours ends these.")
    return ok("Off: what is deleted is gone.")


def rules(prefix: str, upload_days: int) -> Rules:
    """What ends the remains of uploads, a week after these have expired."""
    days = upload_days + SPARE_DAYS
    return [
        {
            "ID": f"{PARTS_RULE} {prefix}".strip(),
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
        },
        {
            "ID": f"{SINGLES_RULE} {prefix}".strip(),
            "Status": "Enabled",
            "Filter": {"Prefix": prefix + INCOMING},
            "Expiration": {"Days": days},
        },
    ]


def merged(present: Rules, prefix: str, upload_days: int) -> Rules:
    """Others' rules as they are, and ours."""
    ours = rules(prefix, upload_days)
    ids = {rule["ID"] for rule in ours}
    return [*(rule for rule in present if rule.get("ID") not in ids), *ours]


async def _mend(bucket: Bucket, present: Rules, wanted: Rules) -> str:
    await bucket.set_lifecycle(wanted)
    return fixes.change("lifecycle rules", present, await bucket.lifecycle())


def _too_soon(rule: dict[str, Any], prefix: str, days: int) -> bool:
    terms = [_aborts(rule)] if prefix.startswith(_prefix(rule)) or _prefix(rule).startswith(prefix) else []
    if _prefix(rule).startswith(prefix + INCOMING):
        terms.append(_expires(rule))
    return _enabled(rule) and any(term is not None and term <= days for term in terms)


def _soonest(present: Rules, prefix: str, term: Callable[[dict[str, Any]], int | None]) -> int | None:
    """After how many days all that lies under `prefix` is ended, by the first rule that says so."""
    covering = [r for r in present if _enabled(r) and _unconditional(r) and prefix.startswith(_prefix(r))]
    return min((days for rule in covering if (days := term(rule)) is not None), default=None)


def _aborts(rule: dict[str, Any]) -> int | None:
    days: int | None = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return days


def _expires(rule: dict[str, Any]) -> int | None:
    days: int | None = rule.get("Expiration", {}).get("Days")
    return days


def _enabled(rule: dict[str, Any]) -> bool:
    return bool(rule.get("Status") == "Enabled")


def _unconditional(rule: dict[str, Any]) -> bool:
    """Whether it is for all keys under its prefix, not only for those of a tag or a size."""
    return set(rule.get("Filter", {})) <= {"Prefix"}


def _tagged(rule: dict[str, Any]) -> bool:
    """Whether it is for objects with tags, of which Safelight has none."""
    selection = rule.get("Filter", {})
    return bool({"Tag", "Tags"} & {*selection, *selection.get("And", {})})


def _prefix(rule: dict[str, Any]) -> str:
    selection = rule.get("Filter", {})
    found: str = selection.get("Prefix") or selection.get("And", {}).get("Prefix") or rule.get("Prefix") or ""
    return found


def _term(expiration: dict[str, Any]) -> str:
    return f"{expiration['Days']} days" if "Days" in expiration else f"{expiration['Date']}"
