"""What a browser does with an object that it is sent: show it, or save it under a name."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

# What a browser may show by itself; everything else it saves. An SVG or HTML that was uploaded never runs.
SHOWN: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})


def disposition(filename: str | None, content_type: str | None, fallback: str) -> str | None:
    """The Content-Disposition (RFC 6266) of an object; None where it may be shown.

    It is saved where a name is given or its type is not one that browsers show safely; `fallback` is its name then.
    """
    if filename is None and content_type in SHOWN:
        return None
    name = filename or fallback
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    # The plain name is for the old, filename* (RFC 8187) for everybody else.
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
