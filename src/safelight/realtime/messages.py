"""MESSAGE frames of one flush, encoded once for all readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from safelight.realtime.feed import Batch, Encoded, Event
from safelight.realtime.pipe import Outlet
from safelight.realtime.subscription import Subscription, message_tail

# Frames of one flush share a message of the transport up to about this many characters.
_MESSAGE: Final = 32 * 1024
# Of one flush: readers who all call their subscriptions differently are not to fill the memory.
_FORMS: Final = 64

Header = tuple[str, str]


def recovered(batch: Batch) -> tuple[Header, ...]:
    """The headers that say how a reader came to the present, and where that is."""
    place = () if batch.seq is None else (("seq", str(batch.seq)),)
    return (("recovered", str(batch.recovered)), *place)


def messages(subscription: Subscription, batch: Batch, headers: tuple[Header, ...]) -> Iterator[str]:
    """The MESSAGE frames of one flush, several to a message of the transport; the first bears `headers`."""
    extra = "".join(f"{name}:{value}\n" for name, value in headers)
    if subscription.destination.endswith("/batch"):
        yield subscription.message(_array(subscription.destination, batch), extra, batch.events[-1].number)
        return
    frames: list[str] = []
    size = 0
    for event in batch.events:
        frame = subscription.message(_single(subscription.destination, event), extra, event.number)
        extra = ""
        frames.append(frame)
        size += len(frame)
        if size > _MESSAGE:
            yield "".join(frames)
            frames, size = [], 0
    if frames:
        yield "".join(frames)


def encoded(subscription: Subscription, batch: Batch, outlet: Outlet, form: str) -> Encoded:
    """The bytes of one flush, the same for all readers of one `form` (of the outlet and of the subscription).

    None are kept of one so large that it must be sent in pieces, with a wait for room before each.
    """
    found = batch.encoded.get(form)
    if found is None:
        texts = [text.encode() for text in messages(subscription, batch, ())]
        size = sum(map(len, texts))
        data = b"".join(map(outlet.encode, texts)) if size <= _MESSAGE else None
        found = Encoded(data, size, max(event.number for event in batch.events))
        if len(batch.encoded) < _FORMS:
            batch.encoded[form] = found
    return found


def _single(destination: str, event: Event) -> str:
    form = event.forms.get("message")
    if form is None:
        form = event.forms["message"] = message_tail(destination, event.body)
    return form


def _array(destination: str, batch: Batch) -> str:
    form = batch.forms.get("message")
    if form is None:
        array = f"[{','.join(event.body for event in batch.events)}]"
        form = batch.forms["message"] = message_tail(destination, array)
    return form
