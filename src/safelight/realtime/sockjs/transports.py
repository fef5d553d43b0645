"""The HTTP transports: how each wraps a frame, what it begins with, and what its addresses are called. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from safelight.errors import ProtocolViolation
from safelight.realtime.sockjs import frames

JAVASCRIPT: Final = "application/javascript; charset=UTF-8"
HTML: Final = "text/html; charset=UTF-8"
PLAIN: Final = "text/plain; charset=UTF-8"

NO_CALLBACK: Final = '"callback" parameter required'
BAD_CALLBACK: Final = 'invalid "callback" parameter'
# A name is all that a callback may be: it becomes part of a script.
_CALLBACK: Final = re.compile(r"[a-zA-Z0-9_.-]{1,256}")

# `parent.…` is the object that sockjs-client left there; the page is padded because Safari shows nothing before
# the first KiB.
_HTML_HEAD: Final = """\
<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.%s;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"""
_PADDING: Final = 1024 + 64


@dataclass(frozen=True, slots=True)
class Receiving:
    """A transport's way to the client. `streaming`: a response carries many frames, else exactly one."""

    name: str
    method: str
    content_type: str
    streaming: bool
    cors: bool
    callback: bool
    """Whether the address must name one, as `?c=`."""
    wrap: Callable[[str, str], bytes]
    """A frame and the callback, as bytes of the response."""
    prelude: Callable[[str], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """A transport's way to the server. `decode` takes a body and its content type, and raises ProtocolViolation."""

    decode: Callable[[bytes, str], list[str]]
    cors: bool
    status: int
    body: bytes
    method: str = "POST"


def callback_of(query: Mapping[str, str]) -> str:
    """The callback that `?c=` (or `?callback=`) names. ProtocolViolation with the protocol's sentence."""
    name = query.get("c", query.get("callback", ""))
    if not name:
        raise ProtocolViolation(NO_CALLBACK)
    if not _CALLBACK.fullmatch(name):
        raise ProtocolViolation(BAD_CALLBACK)
    return name


def _line(frame: str, _callback: str) -> bytes:
    return f"{frame}\n".encode()


def _event(frame: str, _callback: str) -> bytes:
    return f"data: {frame}\r\n\r\n".encode()


def _script(frame: str, _callback: str) -> bytes:
    # Within a <script> no text may look like its end, or like a comment.
    quoted = json.dumps(frame).replace("<", "\\u003c")
    return f"<script>\np({quoted});\n</script>\r\n".encode()


def _call(frame: str, callback: str) -> bytes:
    return f"{callback}({json.dumps(frame)});\r\n".encode()


def _xhr_prelude(_callback: str) -> bytes:
    return b"h" * 2048 + b"\n"


def _event_prelude(_callback: str) -> bytes:
    return b"\r\n"


def _html_prelude(callback: str) -> bytes:
    return (_HTML_HEAD % callback).ljust(_PADDING).encode() + b"\r\n\r\n"


RECEIVING: Final[Mapping[str, Receiving]] = {
    "xhr": Receiving("xhr", "POST", JAVASCRIPT, streaming=False, cors=True, callback=False, wrap=_line),
    "xhr_streaming": Receiving(
        "xhr-streaming", "POST", JAVASCRIPT, streaming=True, cors=True, callback=False, wrap=_line, prelude=_xhr_prelude
    ),
    "eventsource": Receiving(
        "eventsource",
        "GET",
        "text/event-stream; charset=UTF-8",
        streaming=True,
        cors=True,
        callback=False,
        wrap=_event,
        prelude=_event_prelude,
    ),
    "htmlfile": Receiving(
        "htmlfile", "GET", HTML, streaming=True, cors=False, callback=True, wrap=_script, prelude=_html_prelude
    ),
    "jsonp": Receiving("jsonp", "GET", JAVASCRIPT, streaming=False, cors=False, callback=True, wrap=_call),
}
SENDING: Final[Mapping[str, Sending]] = {
    "xhr_send": Sending(lambda body, _type: frames.decode_array(body), cors=True, status=204, body=b""),
    "jsonp_send": Sending(frames.decode_form, cors=False, status=200, body=b"ok"),
}
